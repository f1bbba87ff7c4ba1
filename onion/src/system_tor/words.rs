//! The words of a line of Tor's control protocol: `bare`, `KEY=value`, `KEY="a \"quoted\" value"`.

/// A word. A key stands in front of it only where the line says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) key: Option<String>,
    /// Bytes: Tor writes those of a path as they are, with escapes.
    pub(super) value: Vec<u8>,
}

impl Word {
    /// The value, where it is text.
    pub(super) fn text(&self) -> Option<&str> {
        str::from_utf8(&self.value).ok()
    }
}

/// Reads a line; `None` where a quotation has no end.
pub(super) fn words(line: &str) -> Option<Vec<Word>> {
    let mut rest = line.as_bytes();
    let mut words = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let end = |byte: &u8| matches!(byte, b'=' | b'"' | b' ');
        let key_end = rest.iter().position(end).unwrap_or(rest.len());
        let mut key = None;
        if rest.get(key_end) == Some(&b'=') {
            key = Some(String::from_utf8_lossy(&rest[..key_end]).into_owned());
            rest = &rest[key_end + 1..];
        }
        let value;
        (value, rest) = match rest.strip_prefix(b"\"") {
            Some(quoted) => unquote(quoted)?,
            None => {
                let space = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
                (rest[..space].to_vec(), &rest[space..])
            }
        };
        words.push(Word { key, value });
    }
}

/// The text with this key.
pub(super) fn value<'a>(words: &'a [Word], key: &str) -> Option<&'a str> {
    bytes(words, key).and_then(|value| str::from_utf8(value).ok())
}

/// The bytes with this key.
pub(super) fn bytes<'a>(words: &'a [Word], key: &str) -> Option<&'a [u8]> {
    let word = words.iter().find(|word| word.key.as_deref() == Some(key));
    word.map(|word| word.value.as_slice())
}

/// What stands up to the closing quotation mark, and what follows it.
///
/// Source: Tor's control-spec, section 2.1.1; escapes as in C, with up to three octal digits.
fn unquote(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((value, rest)),
            b'\\' => {
                let (escaped, after) = unescape(rest)?;
                value.push(escaped);
                rest = after;
            }
            byte => value.push(*byte),
        }
    }
}

fn unescape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let digits = rest.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(*byte)).count();
    if digits > 0 {
        let number = rest[..digits].iter().fold(0, |sum, byte| sum * 8 + u32::from(byte - b'0'));
        return Some((u8::try_from(number).ok()?, &rest[digits..]));
    }
    let (byte, rest) = rest.split_first()?;
    let meant = match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => *other,
    };
    Some((meant, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, expected: Option<&[(&str, &str)]>) {
        let read = words(line).map(|words| {
            let pair = |word: Word| {
                let value = String::from_utf8_lossy(&word.value).into_owned();
                (word.key.unwrap_or_default(), value)
            };
            words.into_iter().map(pair).collect::<Vec<_>>()
        });
        let owned = |pair: &(&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
        let expected = expected.map(|pairs| pairs.iter().map(owned).collect::<Vec<_>>());
        assert_eq!(read, expected, "{line}");
    }

    #[test]
    fn lines_are_read_word_by_word() {
        check("", Some(&[]));
        check("  ", Some(&[]));
        check("AUTH METHODS=NULL", Some(&[("", "AUTH"), ("METHODS", "NULL")]));
        check(r#"Tor="0.4.9.8""#, Some(&[("Tor", "0.4.9.8")]));
        check(
            r#""127.0.0.1:9050" "unix:/a b""#,
            Some(&[("", "127.0.0.1:9050"), ("", "unix:/a b")]),
        );
        check(r#"A="say \"hi\" \\ \n" B="#, Some(&[("A", "say \"hi\" \\ \n"), ("B", "")]));
        check(r#"F="/tmp/\303\244\0401""#, Some(&[("F", "/tmp/ä 1")]));
        check("X=a=b", Some(&[("X", "a=b")]));
        check("$FP~name", Some(&[("", "$FP~name")]));
    }

    #[test]
    fn quotations_without_an_end_are_no_words() {
        for line in ["\"", "A=\"", "A=\"\\", "A=\"b\\\"", "A=\"\\777\""] {
            check(line, None);
        }
    }

    #[test]
    fn values_are_found_by_key() {
        let words = words("PROGRESS=45 TAG=conn").unwrap();
        assert_eq!(value(&words, "PROGRESS"), Some("45"));
        assert_eq!(value(&words, "progress"), None);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in ".{0,200}") {
            let _any = words(&line);
        }

        #[test]
        fn no_quoted_line_panics(line in r#"[A-Z="\\ 0-9n]{0,60}"#) {
            let _any = words(&line);
        }
    }
}
