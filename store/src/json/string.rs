//! Strings: finding their end, reading their escapes, writing them.

use std::borrow::Cow;

/// Where the run of bytes that stand for themselves ends, from `at` on: at the next quote,
/// backslash or control character, or at the end of `bytes`.
#[inline]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let hits = special_bytes(u64::from_le_bytes(*eight));
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| is_plain(byte)) {
        at += 1;
    }
    at
}

fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// Sets the top bit of the first byte of `word` that is not plain.
///
/// Bytes behind that one may be marked wrongly, because a subtraction borrows from them.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, b' ') | equal(b'"') | equal(b'\\')) & TOPS
}

/// The characters that `inside`, a checked string without its quotes, stands for.
pub(super) fn unescape(inside: &str) -> Cow<'_, str> {
    let Some((plain, mut rest)) = inside.split_once('\\') else {
        return Cow::Borrowed(inside);
    };
    let mut text = String::with_capacity(inside.len());
    text.push_str(plain);
    loop {
        let (character, length) = escaped(rest.as_bytes());
        text.push(character);
        let behind = &rest[length..];
        let Some((plain, next)) = behind.split_once('\\') else {
            text.push_str(behind);
            return Cow::Owned(text);
        };
        text.push_str(plain);
        rest = next;
    }
}

/// The character of the escape whose backslash stands before `rest`, and its length without it.
fn escaped(rest: &[u8]) -> (char, usize) {
    match rest.first() {
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(b'u') => {
            let units = [code_unit(rest, 1), code_unit(rest, 7)];
            let (character, length) = match units.map(|unit| unit.unwrap_or_default()) {
                [high @ 0xd800..0xdc00, low] => {
                    (0x10000 + ((u32::from(high) & 0x3ff) << 10 | u32::from(low) & 0x3ff), 11)
                }
                [unit, _] => (u32::from(unit), 5),
            };
            (char::from_u32(character).unwrap_or_default(), length)
        }
        Some(&other) => (char::from(other), 1),
        None => (char::default(), 0),
    }
}

/// The UTF-16 code unit that the four hexadecimal digits from `at` on give, if they are that.
pub(super) fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
    digits.iter().try_fold(0, |unit, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

/// Appends `text` as a JSON string with its quotes, escaping only what must be.
///
/// Source: `enc_string` in CouchDB's `jiffy`, which knows the short escapes and writes other
/// control characters as `\u00XX` with upper-case digits.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    let mut at = 0;
    out.push(b'"');
    loop {
        let end = plain_end(bytes, at);
        out.extend_from_slice(&bytes[at..end]);
        let Some(&byte) = bytes.get(end) else { break };
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0x8 => out.extend(br"\b"),
            0xc => out.extend(br"\f"),
            b'\n' => out.extend(br"\n"),
            b'\r' => out.extend(br"\r"),
            b'\t' => out.extend(br"\t"),
            _ => {
                out.extend(br"\u00");
                out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
        }
        at = end + 1;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is written reads back, to us as to `serde_json`.
    fn check(text: &str, expected: &str) {
        let mut out = Vec::new();
        write_string(&mut out, text);
        let written = String::from_utf8(out).unwrap();
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        assert_eq!(crate::json::compact(written.as_bytes()).as_deref(), Ok(expected));
        assert_eq!(unescape(&written[1..written.len() - 1]), text);
    }

    #[test]
    fn writes_what_couchdb_writes() {
        check("", r#""""#);
        check("plain/äöü \u{7f}\u{2028}😀", "\"plain/äöü \u{7f}\u{2028}😀\"");
        check("a\"b\\c", r#""a\"b\\c""#);
        check("\u{8}\u{c}\n\r\t", r#""\b\f\n\r\t""#);
        check("\0\u{1f}\u{b}", r#""\u0000\u001F\u000B""#);
    }

    #[test]
    fn unescapes() {
        for text in
            ["", "a", r"\u0061", r#"x\/y\\\"z"#, r"\uD83D\ude00\u00e9\u0000", r"é\bé\fé\né\ré\t"]
        {
            let expected: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(unescape(text), expected);
        }
    }

    #[test]
    fn finds_the_end_of_plain_runs() {
        for stop in 0..=255u8 {
            for position in 0..20 {
                let mut bytes = [b'~'; 20];
                bytes[position] = stop;
                let expected = if is_plain(stop) { 20 } else { position };
                assert_eq!(plain_end(&bytes, 0), expected, "{stop:#x} at {position}");
            }
        }
    }
}
