//! JSON text that the engine wrote, made acceptable to everybody else.

use std::borrow::Cow;

const REPLACEMENT: char = '\u{fffd}';

/// Puts U+FFFD in the place of escaped halves of surrogate pairs, as CouchDB does: the engine
/// escapes them where they stand alone, and no other character beyond the ASCII ones.
pub(super) fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    if !json.contains("\\ud") {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = &rest[at..];
        if escape.len() >= 6 && escape.starts_with("\\ud") && escape.is_char_boundary(6) {
            text.push(REPLACEMENT);
            rest = &escape[6..];
        } else {
            // A backslash and what it escapes, which may be another one.
            let end = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
            text.push_str(&escape[..end]);
            rest = &escape[end..];
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced() {
        for (json, expected) in [
            (r#""a\ud800b""#, "\"a\u{fffd}b\""),
            (r#""\udfff\ud800""#, "\"\u{fffd}\u{fffd}\""),
            (r#""\\ud800""#, r#""\\ud800""#),
            (r#""\\\ud800""#, "\"\\\\\u{fffd}\""),
            (r#""\n\ud8""#, r#""\n"#),
            (r#""plain""#, r#""plain""#),
        ] {
            let found = without_lone_surrogates(json);
            assert!(found.starts_with(expected), "{json} {found}");
        }
    }
}
