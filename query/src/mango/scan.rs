//! The part of an index that is read.

use super::range::{End, Range};
use crate::collation;
use crate::value::Value;

/// Keys of an index, from some on to some others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyRange {
    low: Vec<Value<'static>>,
    high: Vec<Value<'static>>,
}

/// Ids of documents, from one on to another, both of them in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentRange {
    /// The first; without, from the least on.
    pub low: Option<String>,
    /// The last; without, to the greatest.
    pub high: Option<String>,
}

/// What is read of the index that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scan {
    /// Nothing: nothing can match.
    Nothing,
    /// Keys of an index.
    Keys(KeyRange),
    /// Documents by their ids.
    Documents { range: DocumentRange, shown: (Value<'static>, Value<'static>) },
}

impl KeyRange {
    /// How the first values of a key must be at least.
    #[must_use]
    pub fn low(&self) -> &[Value<'static>] {
        &self.low
    }

    /// How the first values of a key may be at most. What follows them is of any value.
    #[must_use]
    pub fn high(&self) -> &[Value<'static>] {
        &self.high
    }

    /// Whether a key is in the range.
    #[must_use]
    pub fn contains(&self, key: &[Value<'_>]) -> bool {
        let compare = |ends: &[Value<'_>]| {
            let pairs = key.iter().zip(ends);
            pairs.fold(std::cmp::Ordering::Equal, |order, (value, end)| {
                order.then_with(|| collation::compare(value, end))
            })
        };
        compare(&self.low).is_ge() && compare(&self.high).is_le()
    }
}

impl DocumentRange {
    /// Leaves only what is within two ends, too.
    pub(super) fn narrow(&mut self, (low, high): (String, String)) {
        self.low = Some(match self.low.take() {
            Some(own) => own.max(low),
            None => low,
        });
        self.high = Some(match self.high.take() {
            Some(own) => own.min(high),
            None => high,
        });
    }
}

impl Scan {
    /// Keys whose first values are in these ranges.
    ///
    /// Source: CouchDB's `mango_idx_view:start_key/1` and `end_key/1`: a value that is not in its
    /// range is read, too, and the selector sorts it out.
    pub(super) fn keys(ranges: &[&Range]) -> Self {
        if ranges.contains(&&Range::Empty) {
            return Self::Nothing;
        }
        let ends = |end: fn(&Range) -> Option<&End>| {
            ranges.iter().map_while(|range| end(range)).map(|end| end.value.clone()).collect()
        };
        Self::Keys(KeyRange { low: ends(Range::low), high: ends(Range::high) })
    }

    /// Documents whose ids are in this range; without one, all.
    ///
    /// Source: CouchDB's `mango_idx_special:start_key/1` and `end_key/1`. Ids come behind all that is
    /// no string.
    pub(super) fn documents(range: Option<&Range>) -> Self {
        let Some(range) = range else {
            let shown = (Value::Null, max());
            return Self::Documents { range: DocumentRange::default(), shown };
        };
        if *range == Range::Empty {
            return Self::Nothing;
        }
        let (low, high) = (range.low().map(|end| &end.value), range.high().map(|end| &end.value));
        let shown = (
            low.cloned().unwrap_or_else(|| Value::String("".into())),
            high.cloned().unwrap_or_else(max),
        );
        let text = |value: &Value<'static>| match value {
            Value::String(text) => Some(text.to_string()),
            _ => None,
        };
        let high = match high {
            None => None,
            Some(value) => match text(value) {
                Some(id) => Some(id),
                None => return Self::Nothing,
            },
        };
        Self::Documents { range: DocumentRange { low: low.and_then(text), high }, shown }
    }
}

impl Range {
    fn low(&self) -> Option<&End> {
        match self {
            Self::Empty => None,
            Self::Between { low, .. } => low.as_ref(),
        }
    }

    fn high(&self) -> Option<&End> {
        match self {
            Self::Empty => None,
            Self::Between { high, .. } => high.as_ref(),
        }
    }
}

/// What `_explain` shows for an end that there is not.
pub(super) fn max() -> Value<'static> {
    Value::String("<MAX>".into())
}
