//! Reduce functions, and those that CouchDB has built in.
//!
//! Source: `couch_query_servers.erl` and "Built-in Reduce Functions" of CouchDB 3.5.

mod count;
mod distinct;
mod ends;
mod rank;
mod stats;
mod sum;

use std::error::Error;
use std::str::FromStr;

use super::Row;
use crate::value::{LEVELS_MAX, Value};

/// Makes one value of many rows.
pub trait Reduce {
    /// What it makes of rows, which are in ascending order and at least one.
    ///
    /// # Errors
    /// [`ReduceError`], which keeps the index from being written.
    fn reduce(&self, rows: &[Row<'_>]) -> Result<Vec<u8>, ReduceError>;

    /// What it makes of its own results, in the order of their rows.
    ///
    /// # Errors
    /// As [`Self::reduce`].
    fn rereduce(&self, reductions: &[&[u8]]) -> Result<Vec<u8>, ReduceError>;

    /// A result as the JSON that a client sees.
    ///
    /// # Errors
    /// [`ReduceError`] where the result says what was wrong with the rows.
    fn finish(&self, reduction: &[u8]) -> Result<String, ReduceError> {
        match std::str::from_utf8(reduction) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(damaged()),
        }
    }
}

/// A reduce function failed.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// Values that the function is not made for.
    #[error("{0}")]
    InvalidValue(String),
    /// A result that the function cannot have written: the index has to be made again.
    #[error("a reduction is damaged")]
    Damaged,
    /// Anything else.
    #[error("a reduce function failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// A reduce function that CouchDB has built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `_sum`
    Sum,
    /// `_count`
    Count,
    /// `_stats`
    Stats,
    /// `_approx_count_distinct`
    ApproxCountDistinct,
    /// `_top_N`: the greatest values.
    Top(usize),
    /// `_bottom_N`: the least values.
    Bottom(usize),
    /// `_first`: the first row's value.
    First,
    /// `_last`: the last row's value.
    Last,
}

/// There is no such built-in function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a supported reduce function.")]
pub struct UnknownBuiltin(String);

/// Values that `_top_N` and `_bottom_N` keep at most.
const RANK_MAX: usize = 100;

/// Reads a reduce function's source that begins with an underscore. As in CouchDB, what follows a name is
/// of no importance.
impl FromStr for Builtin {
    type Err = UnknownBuiltin;

    fn from_str(source: &str) -> Result<Self, UnknownBuiltin> {
        let rank = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|rank| is_number && (1..=RANK_MAX).contains(rank))
        };
        let ranked = if let Some(digits) = source.strip_prefix("_top_") {
            rank(digits).map(Self::Top)
        } else if let Some(digits) = source.strip_prefix("_bottom_") {
            rank(digits).map(Self::Bottom)
        } else {
            let names = [
                ("_sum", Self::Sum),
                ("_count", Self::Count),
                ("_stats", Self::Stats),
                ("_approx_count_distinct", Self::ApproxCountDistinct),
                ("_first", Self::First),
                ("_last", Self::Last),
            ];
            names.into_iter().find(|(name, _)| source.starts_with(name)).map(|(_, builtin)| builtin)
        };
        ranked.ok_or_else(|| UnknownBuiltin(source.into()))
    }
}

impl Reduce for Builtin {
    fn reduce(&self, rows: &[Row<'_>]) -> Result<Vec<u8>, ReduceError> {
        match self {
            Self::Sum => Ok(sum::reduce(rows)),
            Self::Count => Ok(count::reduce(rows)),
            Self::Stats => Ok(stats::reduce(rows)),
            Self::ApproxCountDistinct => Ok(distinct::reduce(rows)),
            Self::Top(rank) => Ok(rank::reduce(rows, *rank, rank::Order::Greatest)),
            Self::Bottom(rank) => Ok(rank::reduce(rows, *rank, rank::Order::Least)),
            Self::First => Ok(ends::first(rows)),
            Self::Last => Ok(ends::last(rows)),
        }
    }

    fn rereduce(&self, reductions: &[&[u8]]) -> Result<Vec<u8>, ReduceError> {
        match self {
            Self::Sum => sum::rereduce(reductions),
            Self::Count => count::rereduce(reductions),
            Self::Stats => stats::rereduce(reductions),
            Self::ApproxCountDistinct => distinct::rereduce(reductions),
            Self::Top(rank) => rank::rereduce(reductions, *rank, rank::Order::Greatest),
            Self::Bottom(rank) => rank::rereduce(reductions, *rank, rank::Order::Least),
            Self::First => ends::one(reductions.first()),
            Self::Last => ends::one(reductions.last()),
        }
    }

    fn finish(&self, reduction: &[u8]) -> Result<String, ReduceError> {
        match self {
            Self::Stats => stats::finish(reduction),
            Self::ApproxCountDistinct => distinct::finish(reduction),
            _ => text(reduction).map(Into::into),
        }
    }
}

/// A result that is JSON.
fn text(reduction: &[u8]) -> Result<&str, ReduceError> {
    std::str::from_utf8(reduction).map_err(|_| damaged())
}

/// Levels of the values that are looked into. A result may put two more around one, and is read again.
const VALUE_LEVELS_MAX: usize = LEVELS_MAX - 2;

/// A row's value; `None` for one that is nested too deep, or no JSON: a document must not keep the index
/// from being written.
fn value(text: &str) -> Option<Value<'_>> {
    Value::parse(text, VALUE_LEVELS_MAX).ok()
}

/// A result that is JSON.
fn result(reduction: &[u8]) -> Result<Value<'_>, ReduceError> {
    Value::parse(text(reduction)?, LEVELS_MAX).map_err(|_| damaged())
}

/// A result that the function cannot have written.
fn damaged() -> ReduceError {
    ReduceError::Damaged
}

#[cfg(test)]
mod tests;
