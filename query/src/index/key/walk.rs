//! Where a value ends within a key.

use super::{END, RAW, STANDARD, number, text};

/// How many bytes the value has that a key begins with; `None` when it is damaged.
pub(crate) fn value_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut levels = 0_usize;
    loop {
        let tag = *bytes.get(at)?;
        at += 1;
        match tag {
            END => levels = levels.checked_sub(1)?,
            _ if is_array(tag) || is_object(tag) => levels += 1,
            _ => at += scalar_len(tag, bytes.get(at..)?)?,
        }
        if levels == 0 {
            return Some(at);
        }
    }
}

/// How many bytes a key has in common with all keys of its group: of an array the first `level`
/// elements, of anything else all.
pub(crate) fn group_len(key: &[u8], level: usize) -> Option<usize> {
    if !is_array(*key.first()?) {
        return value_len(key);
    }
    let mut at = 1;
    for _ in 0..level {
        if *key.get(at)? == END {
            return Some(at + 1);
        }
        at += value_len(&key[at..])?;
    }
    Some(at)
}

/// How many bytes a key that is a pair has in common with all keys of the same first element whose
/// second one is in the same group.
pub(crate) fn inner_group_len(key: &[u8], level: usize) -> Option<usize> {
    let first = group_len(key, 1)?;
    Some(first + group_len(key.get(first..)?, level)?)
}

fn is_array(tag: u8) -> bool {
    tag == STANDARD.array || tag == RAW.array
}

fn is_object(tag: u8) -> bool {
    tag == STANDARD.object || tag == RAW.object
}

/// How many bytes follow the tag of what is no array and no object.
fn scalar_len(tag: u8, rest: &[u8]) -> Option<usize> {
    let is = |standard, raw| tag == standard || tag == raw;
    match tag {
        _ if is(STANDARD.number, RAW.number) => number::len(rest),
        _ if tag == STANDARD.string => text::sort_key_len(rest),
        _ if tag == RAW.string => text::escaped_len(rest),
        _ if is(STANDARD.null, RAW.null)
            || is(STANDARD.r#false, RAW.r#false)
            || is(STANDARD.r#true, RAW.r#true) =>
        {
            Some(0)
        }
        _ => None,
    }
}
