//! `_first` and `_last`: the value of the first and the last row.

use super::{ReduceError, Row, damaged};

pub(super) fn first(rows: &[Row<'_>]) -> Vec<u8> {
    rows.first().map_or("null", |row| row.value).into()
}

pub(super) fn last(rows: &[Row<'_>]) -> Vec<u8> {
    rows.last().map_or("null", |row| row.value).into()
}

pub(super) fn one(reduction: Option<&&[u8]>) -> Result<Vec<u8>, ReduceError> {
    reduction.map(|reduction| reduction.to_vec()).ok_or_else(damaged)
}
