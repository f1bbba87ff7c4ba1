//! Where an answer ended, in a form that clients hand back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;

use super::source::Row;
use crate::document::id_text;

/// Bytes of the checksum before the rest: what is not ours is told apart, not what is forged.
const CHECKSUM_BYTES: usize = 8;

/// A bookmark behind this row.
pub(super) fn write(row: &Row) -> String {
    let text = format!("[{},{}]", row.key, id_text(&row.id));
    let mut bytes = checksum(text.as_bytes()).to_vec();
    bytes.extend_from_slice(text.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The row that a bookmark stands behind.
pub(super) fn read(bookmark: &str) -> Option<Row> {
    let bytes = URL_SAFE_NO_PAD.decode(bookmark).ok()?;
    let (found, text) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
    if *found != checksum(text) {
        return None;
    }
    let (key, id): (&RawValue, String) = serde_json::from_slice(text).ok()?;
    Some(Row { key: key.get().to_owned(), id })
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn garbage_is_told_apart() {
        let whole = write(&Row { key: "[1]".into(), id: "x".into() });
        let mut changed = whole.clone().into_bytes();
        changed[0] = if changed[0] == b'A' { b'B' } else { b'A' };
        for text in ["", "x", "nil", &whole[1..], &String::from_utf8(changed).unwrap()] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<i64>(), id in "\\PC{1,20}") {
            let row = Row { key: format!("[{number},[\"é\"]]"), id };
            prop_assert_eq!(read(&write(&row)), Some(row));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}") {
            let _ = read(&text);
        }
    }
}
