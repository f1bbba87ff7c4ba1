//! Strings as bytes, and where they end.

use std::borrow::Cow;

use super::ascii;
use crate::collation::root;

/// Ends a string in the standard collation: no sort key has it.
const SORT_KEY_END: u8 = 0;

/// A zero byte within escaped bytes, and their end: below it, so that what is a beginning comes first.
const ESCAPED_ZERO: [u8; 2] = [0x00, 0xff];
const ESCAPED_END: [u8; 2] = [0x00, 0x01];

/// Writes a string so that it compares as [`crate::compare_strings`] says.
pub(super) fn write_sort_key(out: &mut Vec<u8>, text: &str) {
    match root() {
        Some(_) if ascii::write(out, text.as_bytes()) => {}
        Some(collator) => {
            let Ok(()) = collator.write_sort_key_to(text, out);
        }
        // The tables are compiled in: this is never so, which a test sees.
        None => out.extend(text.bytes().filter(|byte| *byte != SORT_KEY_END)),
    }
    out.push(SORT_KEY_END);
}

/// How many bytes a string has that [`write_sort_key`] wrote here.
pub(super) fn sort_key_len(bytes: &[u8]) -> Option<usize> {
    Some(bytes.iter().position(|byte| *byte == SORT_KEY_END)? + 1)
}

/// Writes bytes so that they compare as they do, with an end.
pub(crate) fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for (number, piece) in bytes.split(|byte| *byte == 0).enumerate() {
        if number > 0 {
            out.extend(ESCAPED_ZERO);
        }
        out.extend(piece);
    }
    out.extend(ESCAPED_END);
}

/// How many bytes [`escape`] wrote here, their end included.
pub(super) fn escaped_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == 0)?;
        match bytes.get(at..at + 2)? {
            end if end == ESCAPED_END => return Some(at + 2),
            _ => at += 2,
        }
    }
}

/// Reads what [`escape`] wrote, and what comes behind.
pub(crate) fn unescape(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let length = escaped_len(bytes)?;
    let (escaped, rest) = (&bytes[..length - ESCAPED_END.len()], &bytes[length..]);
    if !escaped.contains(&0) {
        return Some((Cow::Borrowed(escaped), rest));
    }
    let mut plain = Vec::with_capacity(escaped.len());
    let mut left = escaped;
    while let Some((&byte, after)) = left.split_first() {
        plain.push(byte);
        left = if byte == 0 { after.get(1..)? } else { after };
    }
    Some((Cow::Owned(plain), rest))
}
