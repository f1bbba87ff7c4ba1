//! Rows: what a view emitted for a document.
//!
//! Within a tree a row is a place, by which it is ordered, and a payload. The place is the key, the
//! document's id and a number that tells the document's rows with that key apart, in the order they
//! were emitted; the payload the JSON of key and value.

use std::borrow::Cow;

use store::varint;

use super::key::{escape, unescape, value_len};

/// A row of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The key as bytes that compare as keys do.
    pub collation_key: &'a [u8],
    /// The document that it is from.
    pub id: Cow<'a, str>,
    /// The key as JSON.
    pub key: &'a str,
    /// The value as JSON.
    pub value: &'a str,
}

/// From here on, the number of a row takes four bytes more.
const DUPLICATE_LONG: u8 = 0xff;

/// Writes the place of a row.
pub(crate) fn write_place(out: &mut Vec<u8>, collation_key: &[u8], id: &str, duplicate: u32) {
    out.extend(collation_key);
    escape(out, id.as_bytes());
    match u8::try_from(duplicate) {
        Ok(short) if short < DUPLICATE_LONG => out.push(short),
        _ => {
            out.push(DUPLICATE_LONG);
            out.extend(duplicate.to_be_bytes());
        }
    }
}

/// Writes the payload of a row.
pub(crate) fn write_payload(out: &mut Vec<u8>, key: &str, value: &str) {
    varint::write(out, key.len() as u64);
    out.extend(key.as_bytes());
    out.extend(value.as_bytes());
}

impl<'a> Row<'a> {
    /// Reads a row from its place and payload; `None` when they are damaged.
    pub(crate) fn read(place: &'a [u8], payload: &'a [u8]) -> Option<Self> {
        let (collation_key, rest) = place.split_at_checked(value_len(place)?)?;
        let (id, _duplicate) = unescape(rest)?;
        let id = match id {
            Cow::Borrowed(id) => Cow::Borrowed(std::str::from_utf8(id).ok()?),
            Cow::Owned(id) => Cow::Owned(String::from_utf8(id).ok()?),
        };
        let mut rest = payload;
        let length = usize::try_from(varint::read(&mut rest)?).ok()?;
        let (key, value) = rest.split_at_checked(length)?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        Some(Self { collation_key, id, key: text(key)?, value: text(value)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Collation, CollationKey};

    #[test]
    fn rows_come_back() {
        for (key, id, value) in [("null", "a", "1"), (r#"["a",{}]"#, "b\u{0}c", r#"{"x":[]}"#)] {
            let collated = CollationKey::of_json(key, Collation::Standard).unwrap();
            let (mut place, mut payload) = (Vec::new(), Vec::new());
            write_place(&mut place, collated.as_bytes(), id, 7);
            write_payload(&mut payload, key, value);
            let row = Row::read(&place, &payload).unwrap();
            let expected = Row { collation_key: collated.as_bytes(), id: id.into(), key, value };
            assert_eq!(row, expected);
            for end in 0..place.len() - 1 {
                assert_eq!(Row::read(&place[..end], &payload), None);
            }
            assert_eq!(Row::read(&place, b""), None);
        }
    }

    #[test]
    fn places_are_in_order() {
        let place = |id, duplicate| {
            let mut out = Vec::new();
            write_place(&mut out, &[1], id, duplicate);
            out
        };
        let order = [("a", 0), ("a", 1), ("a", 254), ("a", 255), ("a", 256), ("a", u32::MAX)];
        let more = [("a\u{0}", 0), ("a\u{1}", 0), ("aa", 0), ("b", 0)];
        let places: Vec<_> = order.into_iter().chain(more).map(|(id, n)| place(id, n)).collect();
        assert!(places.is_sorted());
    }
}
