//! How far a JSON value reaches, found without checking it and without having all of it.

use super::string::plain_end;

/// Follows one value through the chunks of text that it lies in.
///
/// Brackets are counted, not matched: if the value is valid JSON, its end is right; if not, some
/// end is found and a check of the value fails.
#[derive(Debug)]
pub(super) struct Extent {
    depth: usize,
    inside: Inside,
}

#[derive(Debug)]
enum Inside {
    /// A number or a word, which only the byte behind it ends.
    Scalar,
    /// An array or object, or the beginning of a value that is no scalar.
    Brackets,
    String,
    /// A string, just behind a backslash.
    Escape,
}

impl Extent {
    /// A value that begins with `first`, which [`Extent::advance`] has yet to read.
    pub(super) fn starting_with(first: u8) -> Self {
        let compound = matches!(first, b'"' | b'{' | b'[');
        Self { depth: 0, inside: if compound { Inside::Brackets } else { Inside::Scalar } }
    }

    /// Reads on; returns how many of `bytes` belong to the value if its end is among them.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.inside {
                Inside::Scalar => {
                    let end = bytes.iter().position(|&byte| ends_scalar(byte))?;
                    return Some(end);
                }
                Inside::Escape => {
                    self.inside = Inside::String;
                    at += 1;
                }
                Inside::String => {
                    at = plain_end(bytes, at);
                    match bytes.get(at) {
                        Some(b'"') => self.inside = Inside::Brackets,
                        Some(b'\\') => self.inside = Inside::Escape,
                        _ => {}
                    }
                    at += 1;
                }
                Inside::Brackets => {
                    match byte {
                        b'"' => self.inside = Inside::String,
                        b'{' | b'[' => self.depth += 1,
                        b'}' | b']' => self.depth -= 1,
                        _ => {}
                    }
                    at += 1;
                }
            }
            if self.depth == 0 && matches!(self.inside, Inside::Brackets) {
                return Some(at);
            }
        }
        None
    }
}

fn ends_scalar(byte: u8) -> bool {
    matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `value` ends where it ends whatever follows, in one piece and byte by byte.
    fn check(value: &str) {
        for tail in [",", "]", "}", " ", "\n,"] {
            let text = format!("{value}{tail}");
            let first = text.as_bytes()[0];
            assert_eq!(Extent::starting_with(first).advance(text.as_bytes()), Some(value.len()));
            let mut extent = Extent::starting_with(first);
            let end =
                (0..text.len()).find_map(|i| Some(i + extent.advance(&text.as_bytes()[i..=i])?));
            assert_eq!(end, Some(value.len()), "{text:?}");
        }
    }

    #[test]
    fn finds_the_end() {
        for value in ["1", "-1.5e3", "true", "null", r#""""#, r#""a""#, r#""\"\\""#, r#""]}\\\"""#]
        {
            check(value);
        }
        for value in ["[]", "{}", r#"[[],{"]":"}"},[1,2]]"#, r#"{"a":[{"\"":1}]}"#] {
            check(value);
        }
    }

    #[test]
    fn waits_for_the_end() {
        for value in ["12", "tru", r#""a\""#, "[[]", r#"{"a":"}""#] {
            assert_eq!(Extent::starting_with(value.as_bytes()[0]).advance(value.as_bytes()), None);
        }
    }
}
