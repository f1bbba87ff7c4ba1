//! `_sum`: numbers, arrays of numbers element by element, objects member by member.

use std::borrow::Cow;

use super::{ReduceError, Row, result, value};
use crate::value::{Number, Value};

const ERROR: &str = "builtin_reduce_error";

const REASON: &str = "The _sum function requires that map values be numbers, \
    arrays of numbers, or objects. Objects cannot be mixed with other \
    data structures. Objects can be arbitrarily nested, provided that the values \
    for all fields are themselves numbers, arrays of numbers, or objects.";

/// From how many bytes on a sum has to be smaller than what it is of, and how many times.
///
/// Source: CouchDB's `reduce_limit_threshold` and `reduce_limit_ratio`.
const LIMIT_BYTES: usize = 4906;
const LIMIT_RATIO: usize = 2;

/// Why there is no sum.
enum Refusal<'a> {
    /// One of the values says already that there is none.
    Refused(Value<'a>),
    /// This cannot be added.
    Invalid(Value<'a>),
}

pub(super) fn reduce(rows: &[Row<'_>]) -> Vec<u8> {
    let bytes = rows.iter().map(|row| row.key.len() + row.value.len()).sum();
    sum(rows.iter().map(|row| whole(row.value).or_else(|| value(row.value))), bytes)
}

pub(super) fn rereduce(reductions: &[&[u8]]) -> Result<Vec<u8>, ReduceError> {
    let bytes = reductions.iter().map(|reduction| reduction.len()).sum();
    let sums = reductions.iter().map(|reduction| match whole(super::text(reduction)?) {
        Some(sum) => Ok(sum),
        None => result(reduction),
    });
    let sums = sums.collect::<Result<Vec<_>, _>>()?;
    Ok(sum(sums.into_iter().map(Some), bytes))
}

/// A whole number; a sum may have more digits than others that are read.
fn whole(text: &str) -> Option<Value<'_>> {
    text.parse().ok().map(|number| Value::Number(Number::Whole(number)))
}

fn sum<'a>(values: impl Iterator<Item = Option<Value<'a>>>, bytes: usize) -> Vec<u8> {
    let mut sum = Value::Number(Number::Whole(0));
    for value in values {
        let Some(more) = value else { return write(&refuse(REASON, None)) };
        sum = match add(&more, sum) {
            Ok(sum) => sum,
            Err(Refusal::Refused(error)) => {
                let written = write(&error);
                // Whoever emitted it may have put anything into it.
                return match written.len() > LIMIT_BYTES {
                    true => write(&refuse(REASON, Some(error))),
                    false => written,
                };
            }
            Err(Refusal::Invalid(cause)) => return write(&refuse(REASON, Some(cause))),
        };
    }
    let written = write(&sum);
    if written.len() > LIMIT_BYTES && written.len() * LIMIT_RATIO > bytes {
        let reason = format!(
            "Reduce output must shrink more rapidly: input size: {bytes} output size: {}",
            written.len()
        );
        return write(&refuse(&reason, None));
    }
    written
}

/// An object that stands in the place of a sum; of what caused it, a long one is told as text that is
/// its beginning.
fn refuse<'a>(reason: &'a str, cause: Option<Value<'a>>) -> Value<'a> {
    let text = |text: &'a str| Value::String(Cow::Borrowed(text));
    let mut members = vec![("error".into(), text(ERROR)), ("reason".into(), text(reason))];
    let told = |cause: Value<'a>| match cause.shown() {
        shown if shown == cause.to_string() => cause,
        shown => Value::String(shown.into()),
    };
    members.extend(cause.map(|cause| ("caused_by".into(), told(cause))));
    Value::Object(members)
}

fn add<'a>(more: &Value<'a>, sum: Value<'a>) -> Result<Value<'a>, Refusal<'a>> {
    match (more, sum) {
        (Value::Number(more), Value::Number(sum)) => Ok(Value::Number(sum.plus(*more))),
        (Value::Array(more), Value::Array(sum)) => add_arrays(&sum, more),
        (Value::Number(_), Value::Array(sum)) => add_arrays(&sum, std::slice::from_ref(more)),
        (Value::Array(more), sum @ Value::Number(_)) => add_arrays(&[sum], more),
        (Value::Object(members), sum) => {
            let is_error = |(name, value): &(Cow<'_, str>, Value<'_>)| {
                name == "error" && matches!(value, Value::String(text) if text == ERROR)
            };
            if members.iter().any(is_error) {
                return Err(Refusal::Refused(more.clone()));
            }
            match sum {
                Value::Number(Number::Whole(0)) => Ok(more.clone()),
                Value::Object(sum) => add_objects(members.clone(), sum),
                _ => Err(Refusal::Invalid(more.clone())),
            }
        }
        _ => Err(Refusal::Invalid(more.clone())),
    }
}

fn add_arrays<'a>(sum: &[Value<'a>], more: &[Value<'a>]) -> Result<Value<'a>, Refusal<'a>> {
    let mut added = Vec::with_capacity(sum.len().max(more.len()));
    for (place, pair) in sum.iter().zip(more).enumerate() {
        let (Value::Number(sum), Value::Number(more)) = pair else {
            return Err(Refusal::Invalid(Value::Array(sum_from(sum, place))));
        };
        added.push(Value::Number(sum.plus(*more)));
    }
    let longer = if sum.len() > more.len() { sum } else { more };
    added.extend_from_slice(&longer[added.len()..]);
    Ok(Value::Array(added))
}

fn sum_from<'a>(sum: &[Value<'a>], place: usize) -> Vec<Value<'a>> {
    sum[place..].to_vec()
}

type Members<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

fn add_objects<'a>(mut more: Members<'a>, mut sum: Members<'a>) -> Result<Value<'a>, Refusal<'a>> {
    more.sort_by(|(one, _), (other, _)| one.cmp(other));
    sum.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut added = Members::with_capacity(more.len().max(sum.len()));
    let mut sum = sum.into_iter().peekable();
    for (name, value) in more {
        while let Some(before) = sum.next_if(|(other, _)| *other < name) {
            added.push(before);
        }
        let value = match sum.next_if(|(other, _)| *other == name) {
            Some((_, present)) => add(&value, present)?,
            None => value,
        };
        added.push((name, value));
    }
    added.extend(sum);
    Ok(Value::Object(added))
}

fn write(value: &Value<'_>) -> Vec<u8> {
    value.to_string().into_bytes()
}
