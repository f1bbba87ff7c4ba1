//! Terms: what of a field is looked up. All fields share one dictionary, in which a field's terms
//! stand together: its name, a zero, which names do not have, a letter for the kind, and the term.

use tantivy::Term;
use tantivy::f64_to_u64;
use tantivy::schema::Field;

/// Kinds of terms of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TermKind {
    /// A number.
    Number,
    /// Text as a whole.
    Exact,
    /// A word.
    Word,
}

/// The field that no function can name: partitions.
const PARTITION: &str = "_partition";

/// What the terms of this kind begin with.
pub(super) fn beginning(name: &str, kind: TermKind) -> String {
    let letter = match kind {
        TermKind::Number => 'n',
        TermKind::Exact => 's',
        TermKind::Word => 't',
    };
    format!("{name}\0{letter}")
}

/// What stands behind the terms that begin with this, which ends in a letter.
pub(super) fn end_of(beginning: &str) -> Vec<u8> {
    let mut end = beginning.as_bytes().to_vec();
    // No byte of UTF-8 is so great.
    end.push(0xff);
    end
}

pub(super) fn word(name: &str, word: &str) -> String {
    beginning(name, TermKind::Word) + word
}

pub(super) fn exact(name: &str, text: &str) -> String {
    beginning(name, TermKind::Exact) + text
}

/// Numbers as text that is in the order of the numbers.
pub(super) fn number(name: &str, number: f64) -> String {
    // Negative zero is zero.
    format!("{}{:016x}", beginning(name, TermKind::Number), f64_to_u64(number + 0.0))
}

pub(super) fn partition(partition: &str) -> String {
    exact(PARTITION, partition)
}

pub(super) fn of(field: Field, text: &str) -> Term {
    Term::from_field_text(field, text)
}

/// Reads a number as queries write them.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    match text {
        "Infinity" | "+Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    // What else Rust reads as numbers are words here.
    let plain =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    (digits && text.bytes().all(plain)).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_in_order(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(a.partial_cmp(&b), Some(number("x", a).cmp(&number("x", b))));
        }
    }

    #[test]
    fn numbers_are_told_from_words() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("-1.5e3", Some(-1500.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("nan", None),
            ("e", None),
            ("1a", None),
            ("1-2", None),
            ("", None),
        ] {
            assert_eq!(parse_number(text), expected, "{text}");
        }
    }
}
