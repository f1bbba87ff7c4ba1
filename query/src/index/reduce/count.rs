//! `_count`: how many rows there are.

use super::{ReduceError, Row, damaged, text};

pub(super) fn reduce(rows: &[Row<'_>]) -> Vec<u8> {
    rows.len().to_string().into_bytes()
}

pub(super) fn rereduce(reductions: &[&[u8]]) -> Result<Vec<u8>, ReduceError> {
    let mut sum = 0_u64;
    for reduction in reductions {
        let count: u64 = text(reduction)?.parse().map_err(|_| damaged())?;
        sum = sum.saturating_add(count);
    }
    Ok(sum.to_string().into_bytes())
}
