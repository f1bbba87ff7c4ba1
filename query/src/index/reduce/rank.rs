//! `_top_N` and `_bottom_N`: the greatest and the least values, of equal ones the first. What cannot be
//! compared is left out.

use super::{ReduceError, Row, damaged, result, value};
use crate::compare;
use crate::value::Value;

/// Which values come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Greatest,
    Least,
}

pub(super) fn reduce(rows: &[Row<'_>], rank: usize, order: Order) -> Vec<u8> {
    let mut ranked = Vec::new();
    for value in rows.iter().filter_map(|row| value(row.value)) {
        put(&mut ranked, value, rank, order);
    }
    write(ranked)
}

pub(super) fn rereduce(
    reductions: &[&[u8]],
    rank: usize,
    order: Order,
) -> Result<Vec<u8>, ReduceError> {
    let mut ranked = Vec::new();
    for reduction in reductions {
        let Value::Array(values) = result(reduction)? else { return Err(damaged()) };
        for value in values {
            put(&mut ranked, value, rank, order);
        }
    }
    Ok(write(ranked))
}

fn put<'a>(ranked: &mut Vec<Value<'a>>, value: Value<'a>, rank: usize, order: Order) {
    let place = ranked.binary_search_by(|present| match order {
        Order::Greatest => compare(&value, present),
        Order::Least => compare(present, &value),
    });
    match place {
        Err(place) if place < rank => {
            ranked.insert(place, value);
            ranked.truncate(rank);
        }
        _ => {}
    }
}

fn write(ranked: Vec<Value<'_>>) -> Vec<u8> {
    Value::Array(ranked).to_string().into_bytes()
}
