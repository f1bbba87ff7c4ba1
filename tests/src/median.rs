//! The figure that benchmarks quote.

/// The middle one of some figures, the greater of two; no number where there are none.
#[must_use]
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
