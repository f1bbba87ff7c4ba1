//! Between which values a selector wants a field to be.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::normal::{Asked, Normal};
use crate::collation;
use crate::value::Value;

/// The values that a selector leaves for a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Range {
    /// None.
    Empty,
    /// Those between two ends; without an end, from the least or to the greatest on.
    Between {
        /// The lower end.
        low: Option<End>,
        /// The upper end.
        high: Option<End>,
    },
}

/// An end of a range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    pub(super) value: Value<'static>,
    is_in: bool,
}

/// The ranges of all fields that a selector narrows, in the order of their names. If one is empty, it
/// stands alone.
///
/// Source: CouchDB's `mango_idx_view:field_ranges/1`.
pub(super) fn field_ranges(selector: &Normal) -> Vec<(&str, Range)> {
    let mut asked = BTreeMap::new();
    collect(selector, &mut asked);
    let mut ranges = Vec::with_capacity(asked.len());
    for (field, asked) in asked {
        let range = asked.into_iter().fold(Range::EVERYTHING, Range::narrowed);
        if range == Range::Empty {
            return vec![(field, range)];
        }
        ranges.push((field, range));
    }
    ranges
}

/// What is asked of each field that can be narrowed; only `$and` is seen through.
fn collect<'n>(selector: &'n Normal, asked_of: &mut BTreeMap<&'n str, Vec<&'n Asked>>) {
    match selector {
        Normal::And(all) => all.iter().for_each(|one| collect(one, asked_of)),
        Normal::Field(name, asked) if asked.is_indexable() => {
            asked_of.entry(name).or_default().push(asked);
        }
        Normal::Field(..) | Normal::Or(_) | Normal::Everything => {}
    }
}

impl Range {
    const EVERYTHING: Self = Self::Between { low: None, high: None };

    fn narrowed(self, asked: &Asked) -> Self {
        let end = |is_in| Some(End { value: asked.argument.clone(), is_in });
        match asked.operator.as_str() {
            "$gt" => self.from(end(false)),
            "$gte" => self.from(end(true)),
            "$lt" => self.to(end(false)),
            "$lte" => self.to(end(true)),
            "$eq" => self.from(end(true)).to(end(true)),
            _ => self,
        }
    }

    fn from(self, end: Option<End>) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Between { low, high } => {
                Self::between(tighter(low, end, Ordering::Greater), high)
            }
        }
    }

    fn to(self, end: Option<End>) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Between { low, high } => Self::between(low, tighter(high, end, Ordering::Less)),
        }
    }

    fn between(low: Option<End>, high: Option<End>) -> Self {
        if let (Some(low), Some(high)) = (&low, &high) {
            match collation::compare(&low.value, &high.value) {
                Ordering::Less => {}
                Ordering::Equal if low.is_in && high.is_in => {}
                Ordering::Equal | Ordering::Greater => return Self::Empty,
            }
        }
        Self::Between { low, high }
    }
}

/// The end that leaves less: `towards` is where the range lies from it.
fn tighter(one: Option<End>, other: Option<End>, towards: Ordering) -> Option<End> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let order = collation::compare(&other.value, &one.value);
            let is_tighter = order == towards || (order.is_eq() && one.is_in && !other.is_in);
            Some(if is_tighter { other } else { one })
        }
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(range: &Range) -> String {
        match range {
            Range::Empty => "empty".into(),
            Range::Between { low, high } => {
                let value = |end: &Option<End>| end.as_ref().map(|end| end.value.to_string());
                let (low_in, high_in) = (
                    low.as_ref().is_some_and(|end| end.is_in),
                    high.as_ref().is_some_and(|end| end.is_in),
                );
                let (open, close) =
                    (if low_in { '[' } else { '(' }, if high_in { ']' } else { ')' });
                let low = value(low).unwrap_or_default();
                let high = value(high).unwrap_or_default();
                format!("{open}{low},{high}{close}")
            }
        }
    }

    #[track_caller]
    fn check(selector: &str, expected: &[(&str, &str)]) {
        let normal = Normal::new(Value::parse(selector, 99).unwrap());
        let ranges = field_ranges(&normal);
        let ranges: Vec<_> = ranges.iter().map(|(name, range)| (*name, shown(range))).collect();
        let ranges: Vec<_> = ranges.iter().map(|(name, range)| (*name, range.as_str())).collect();
        assert_eq!(ranges, expected, "{selector}");
    }

    #[test]
    fn ranges_of_fields() {
        check("{}", &[]);
        check(r#"{"a":1}"#, &[("a", "[1,1]")]);
        check(r#"{"b":{"$gt":1},"a":{"$lte":2}}"#, &[("a", "(,2]"), ("b", "(1,)")]);
        check(r#"{"a":{"$gt":1,"$gte":1,"$lt":"x","$lte":9}}"#, &[("a", "(1,9]")]);
        check(r#"{"a":{"$gte":1,"$lte":1}}"#, &[("a", "[1,1]")]);
        check(r#"{"a":{"$gt":1,"$in":[2]},"c":{"$ne":1}}"#, &[("a", "(1,)")]);
        check(r#"{"$or":[{"a":1},{"b":2}]}"#, &[]);
        check(r#"{"$nor":[{"a":{"$lt":3}}]}"#, &[("a", "[3,)")]);
    }

    #[test]
    fn nothing_is_left() {
        for asked in [r#"{"$gt":1,"$lt":1}"#, r#"{"$gt":1,"$lte":1}"#, r#"{"$eq":1,"$gt":2}"#] {
            check(&format!(r#"{{"a":{{"$gt":null}},"b":{asked}}}"#), &[("b", "empty")]);
        }
        check(r#"{"a":{"$and":[{"$eq":1},{"$eq":2}]}}"#, &[("a", "empty")]);
    }
}
