//! `_stats`: sum, count, least, greatest and sum of squares, of numbers, of what was counted before, and
//! of arrays of both, place by place.
//!
//! A result that cannot be is kept as what was wrong, and said to whoever asks for it: the rest of the
//! index does not suffer.

use std::cmp::Ordering;
use std::fmt::Write as _;

use store::varint;

use super::{ReduceError, Row, damaged, value};
use crate::value::{LEVELS_MAX, Number, Value};

#[derive(Clone, Debug, PartialEq)]
enum Stats {
    One([Number; 5]),
    Many(Vec<Self>),
}

/// The members of an object that says what was counted before, in their order.
const MEMBERS: [&str; 5] = ["sum", "count", "min", "max", "sumsqr"];

pub(super) fn reduce(rows: &[Row<'_>]) -> Vec<u8> {
    let mut stats = None;
    for row in rows {
        let next = match (value(row.value), stats) {
            (Some(value), None) => first(&value),
            (Some(value), Some(stats)) => add(&value, stats),
            (None, _) => Err(refuse("a value that is nested too deep")),
        };
        match next {
            Ok(next) => stats = Some(next),
            Err(reason) => return encode(&Err(reason)),
        }
    }
    encode(&Ok(stats.unwrap_or(Stats::One([Number::Whole(0); 5]))))
}

pub(super) fn rereduce(reductions: &[&[u8]]) -> Result<Vec<u8>, ReduceError> {
    let mut stats = None;
    for reduction in reductions {
        let next = match decode(reduction)? {
            Ok(next) => next,
            Err(reason) => return Ok(encode(&Err(reason))),
        };
        stats = match stats {
            None => Some(next),
            Some(stats) => match combine(next, stats) {
                Some(stats) => Some(stats),
                None => return Ok(encode(&Err(refuse("arrays of different lengths")))),
            },
        };
    }
    stats.map(|stats| encode(&Ok(stats))).ok_or_else(damaged)
}

pub(super) fn finish(reduction: &[u8]) -> Result<String, ReduceError> {
    let stats = decode(reduction)?.map_err(ReduceError::InvalidValue)?;
    let mut text = String::new();
    write(&mut text, &stats);
    Ok(text)
}

/// What is wrong with rows.
type Reason = String;

fn first(value: &Value<'_>) -> Result<Stats, Reason> {
    match value {
        Value::Number(number) => Ok(of_number(*number)),
        Value::Array(elements) => {
            elements.iter().map(first).collect::<Result<_, _>>().map(Stats::Many)
        }
        Value::Object(_) => of_object(value),
        _ => Err(format!("non-numeric _stats input: {}", value.shown())),
    }
}

fn add(value: &Value<'_>, stats: Stats) -> Result<Stats, Reason> {
    match (value, stats) {
        (Value::Array(elements), Stats::Many(stats)) if elements.len() == stats.len() => {
            let pairs = elements.iter().zip(stats);
            let added = pairs.map(|(element, stats)| add(element, stats));
            added.collect::<Result<_, _>>().map(Stats::Many)
        }
        (Value::Number(_) | Value::Object(_), stats @ Stats::One(_)) => {
            let more = first(value)?;
            combine(more, stats).ok_or_else(|| refuse(&value.shown()))
        }
        _ => Err(refuse(&value.shown())),
    }
}

fn refuse(value: &str) -> Reason {
    format!(
        "The _stats function requires that map values be numbers or arrays of numbers, not '{value}'"
    )
}

fn of_number(number: Number) -> Stats {
    Stats::One([number, Number::Whole(1), number, number, number.squared()])
}

fn of_object(value: &Value<'_>) -> Result<Stats, Reason> {
    let Value::Object(members) = value else { return Err(refuse(&value.shown())) };
    let member = |name: &str| match members.iter().find(|(given, _)| given == name) {
        Some((_, Value::Number(number))) => Ok(*number),
        Some((_, other)) => {
            Err(format!("non-numeric _stats input received for {name}: {}", other.shown()))
        }
        None => Err(format!("user _stats input missing required field {name} ({})", value.shown())),
    };
    let [sum, count, min, max, sumsqr] = MEMBERS.map(member);
    Ok(Stats::One([sum?, count?, min?, max?, sumsqr?]))
}

fn combine(one: Stats, other: Stats) -> Option<Stats> {
    match (one, other) {
        (Stats::One(one), Stats::One(other)) => Some(Stats::One([
            one[0].plus(other[0]),
            one[1].plus(other[1]),
            if one[2].compare(other[2]) == Ordering::Greater { other[2] } else { one[2] },
            if one[3].compare(other[3]) == Ordering::Less { other[3] } else { one[3] },
            one[4].plus(other[4]),
        ])),
        (Stats::Many(one), Stats::Many(other)) if one.len() == other.len() => {
            let pairs = one.into_iter().zip(other);
            let combined = pairs.map(|(one, other)| combine(one, other));
            combined.collect::<Option<_>>().map(Stats::Many)
        }
        _ => None,
    }
}

fn write(text: &mut String, stats: &Stats) {
    match stats {
        Stats::One(numbers) => {
            for (place, (name, number)) in MEMBERS.iter().zip(numbers).enumerate() {
                let before = if place == 0 { '{' } else { ',' };
                // Writing to a string does not fail.
                let _written = write!(text, "{before}\"{name}\":{number}");
            }
            text.push('}');
        }
        Stats::Many(many) => {
            text.push('[');
            for (place, stats) in many.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                write(text, stats);
            }
            text.push(']');
        }
    }
}

const REASON: u8 = 0;
const ONE: u8 = 1;
const MANY: u8 = 2;
const WHOLE: u8 = 0;
const FLOAT: u8 = 1;

fn encode(stats: &Result<Stats, Reason>) -> Vec<u8> {
    let mut out = Vec::new();
    match stats {
        Ok(stats) => encode_stats(&mut out, stats),
        Err(reason) => {
            out.push(REASON);
            out.extend(reason.as_bytes());
        }
    }
    out
}

fn encode_stats(out: &mut Vec<u8>, stats: &Stats) {
    match stats {
        Stats::One(numbers) => {
            out.push(ONE);
            for number in numbers {
                match number {
                    Number::Whole(number) => {
                        out.push(WHOLE);
                        let folded = ((number << 1) ^ (number >> 127)) as u128;
                        varint::write(out, folded as u64);
                        varint::write(out, (folded >> 64) as u64);
                    }
                    Number::Float(number) => {
                        out.push(FLOAT);
                        out.extend(number.to_le_bytes());
                    }
                }
            }
        }
        Stats::Many(many) => {
            out.push(MANY);
            varint::write(out, many.len() as u64);
            many.iter().for_each(|stats| encode_stats(out, stats));
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Result<Stats, Reason>, ReduceError> {
    if let Some((&REASON, reason)) = bytes.split_first() {
        return Ok(Err(String::from_utf8_lossy(reason).into_owned()));
    }
    let mut rest = bytes;
    match decode_stats(&mut rest, LEVELS_MAX) {
        Some(stats) if rest.is_empty() => Ok(Ok(stats)),
        _ => Err(damaged()),
    }
}

fn decode_stats(rest: &mut &[u8], levels: usize) -> Option<Stats> {
    let (&kind, after) = rest.split_first()?;
    *rest = after;
    match kind {
        ONE => {
            let mut numbers = [Number::Whole(0); 5];
            for number in &mut numbers {
                *number = decode_number(rest)?;
            }
            Some(Stats::One(numbers))
        }
        MANY => {
            let count = varint::read(rest)?;
            let levels = levels.checked_sub(1)?;
            (0..count).map(|_| decode_stats(rest, levels)).collect::<Option<_>>().map(Stats::Many)
        }
        _ => None,
    }
}

fn decode_number(rest: &mut &[u8]) -> Option<Number> {
    let (&kind, after) = rest.split_first()?;
    *rest = after;
    match kind {
        WHOLE => {
            let low = u128::from(varint::read(rest)?);
            let folded = u128::from(varint::read(rest)?) << 64 | low;
            Some(Number::Whole((folded >> 1) as i128 ^ -((folded & 1) as i128)))
        }
        FLOAT => {
            let (bytes, after) = rest.split_first_chunk()?;
            *rest = after;
            Some(Number::Float(f64::from_le_bytes(*bytes)))
        }
        _ => None,
    }
}
