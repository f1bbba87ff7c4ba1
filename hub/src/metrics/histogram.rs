//! How long things took, in classes a quarter of a power of two wide: enough for percentiles, and a
//! few atomics to count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Classes for up to twelve days, in microseconds.
const CLASSES: usize = 160;

/// Percentiles as CouchDB names them; 999 is 99.9.
pub(crate) const PERCENTILES: [(u64, f64); 6] =
    [(50, 0.5), (75, 0.75), (90, 0.9), (95, 0.95), (99, 0.99), (999, 0.999)];

/// Counts of durations.
#[derive(Debug)]
pub(super) struct Histogram {
    classes: [AtomicU64; CLASSES],
    micros: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { classes: [const { AtomicU64::new(0) }; CLASSES], micros: AtomicU64::new(0) }
    }
}

/// What the counts come to; everything in milliseconds, as in CouchDB.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// How many durations.
    pub(crate) count: u64,
    /// All of them together.
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) arithmetic_mean: f64,
    pub(crate) geometric_mean: f64,
    pub(crate) harmonic_mean: f64,
    pub(crate) variance: f64,
    pub(crate) skewness: f64,
    pub(crate) kurtosis: f64,
    /// In the order of [`PERCENTILES`].
    pub(crate) percentiles: [f64; 6],
    /// Upper ends of the classes that hold something, and how much.
    pub(crate) classes: Vec<(f64, u64)>,
}

impl Histogram {
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.classes[class(micros)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn summary(&self) -> Summary {
        let counts = self.classes.iter().map(|count| count.load(Ordering::Relaxed));
        let counts: Vec<(usize, u64)> =
            counts.enumerate().filter(|(_, count)| *count > 0).collect();
        let total: u64 = counts.iter().map(|(_, count)| count).sum();
        let (Some(&(first, _)), Some(&(last, _))) = (counts.first(), counts.last()) else {
            return Summary::default();
        };
        let n = total as f64;
        let sum = self.micros.load(Ordering::Relaxed) as f64 / 1000.0;
        let mean = |of: &dyn Fn(f64) -> f64| {
            counts.iter().map(|&(at, count)| of(middle(at)) * count as f64).sum::<f64>() / n
        };
        let centre = mean(&|value| value);
        let moment = |power| mean(&|value| (value - centre).powi(power));
        let variance = moment(2);
        let deviation = variance.sqrt();
        // Alike values have no shape.
        let shape = |power, flat| match deviation > 0.0 {
            true => moment(power) / deviation.powi(power) - flat,
            false => 0.0,
        };
        let percentile = |part: f64| {
            let mut left = (part * n).ceil() as u64;
            let at = counts.iter().find(|(_, count)| {
                let here = left <= *count;
                left = left.saturating_sub(*count);
                here
            });
            middle(at.map_or(last, |(at, _)| *at))
        };
        Summary {
            count: total,
            sum,
            min: millis(lower(first)),
            max: millis(lower(last + 1)),
            arithmetic_mean: sum / n,
            geometric_mean: mean(&f64::ln).exp(),
            harmonic_mean: 1.0 / mean(&f64::recip),
            variance,
            skewness: shape(3, 0.0),
            kurtosis: shape(4, 3.0),
            percentiles: PERCENTILES.map(|(_, part)| percentile(part)),
            classes: counts.iter().map(|&(at, count)| (millis(lower(at + 1)), count)).collect(),
        }
    }
}

/// The class of a duration: below 4 µs each its own, then four to a power of two.
fn class(micros: u64) -> usize {
    if micros < 4 {
        return usize::try_from(micros).unwrap_or_default();
    }
    let power = micros.ilog2();
    let quarter = (micros >> (power - 2)) & 3;
    let at = u64::from(power - 1) * 4 + quarter;
    usize::try_from(at).unwrap_or(usize::MAX).min(CLASSES - 1)
}

/// The shortest duration of a class, in microseconds.
fn lower(class: usize) -> u64 {
    match class {
        0..4 => class as u64,
        _ => (4 + (class as u64 & 3)) << (class / 4 - 1),
    }
}

/// What stands for all of a class, in milliseconds; never 0.
fn middle(class: usize) -> f64 {
    (millis(lower(class)) + millis(lower(class + 1))) / 2.0
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_narrow_and_without_gaps() {
        for micros in (0..10_000).chain([1 << 20, (1 << 30) + 7, (1 << 39) + 1]) {
            let at = class(micros);
            assert!(lower(at) <= micros && micros < lower(at + 1), "{micros} in class {at}");
            let width = lower(at + 1) - lower(at);
            assert!(width == 1 || width * 4 <= micros, "{micros} in a class {width} wide");
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }

    #[test]
    fn summaries() {
        let histogram = Histogram::default();
        assert_eq!(histogram.summary(), Summary::default());
        for millis in 1..=1000 {
            histogram.record(Duration::from_millis(millis));
        }
        let summary = histogram.summary();
        assert_eq!((summary.count, summary.sum), (1000, 500_500.0));
        assert_eq!(summary.arithmetic_mean, 500.5);
        let near = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 0.15, "{found} instead of {expected}");
        };
        for ((_, part), found) in PERCENTILES.into_iter().zip(summary.percentiles) {
            near(found, part * 1000.0);
        }
        near(summary.min, 1.0);
        near(summary.max, 1000.0);
        near(summary.variance, 83_333.0);
        near(summary.geometric_mean, 369.5);
        near(summary.harmonic_mean, 133.6);
        assert!(summary.skewness.abs() < 0.3 && summary.kurtosis < 0.0, "{summary:?}");
        assert_eq!(summary.classes.iter().map(|(_, count)| count).sum::<u64>(), 1000);
    }

    #[test]
    fn alike_values_have_no_shape() {
        let histogram = Histogram::default();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::ZERO);
        let summary = histogram.summary();
        assert_eq!((summary.skewness, summary.kurtosis, summary.variance), (0.0, 0.0, 0.0));
        assert!(summary.harmonic_mean > 0.0 && summary.harmonic_mean.is_finite());
    }
}
