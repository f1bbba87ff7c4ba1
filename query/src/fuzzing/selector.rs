//! Mango selectors, and documents that they are matched against.

use crate::mango::LEVELS_MAX;
use crate::{Document, Selector, SelectorError, Value};

/// Documents that one selector is matched against.
const DOCUMENTS_MAX: usize = 16;

/// A selector in the first line, documents in those after it. What is parsed says the same when it is
/// written again, and so does a selector that others ask for alone, or deny twice.
///
/// # Panics
/// When that does not hold.
pub fn selector(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, documents) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(selector) = Selector::parse(text) else { return };
    let value = Value::parse(text, LEVELS_MAX).expect("a selector is JSON");
    let printed = value.to_string();
    assert_eq!(Value::parse(&printed, LEVELS_MAX).ok().as_ref(), Some(&value));
    let mut same = vec![Selector::parse(&printed).expect("a selector that was parsed")];
    // The empty selector asks for nothing at the top and for an empty value anywhere else.
    if !matches!(&value, Value::Object(members) if members.is_empty()) {
        same.extend(["$and", "$or"].iter().filter_map(|name| within(name, &printed)));
        same.extend(within("$nor", &format!("{{\"$nor\":[{printed}]}}")));
        same.extend(within("$not", &format!("{{\"$not\":{printed}}}")));
    }
    for line in documents.lines().take(DOCUMENTS_MAX) {
        let Ok(document) = Document::parse(line) else { continue };
        let expected = selector.matches(&document);
        for other in &same {
            assert_eq!(other.matches(&document), expected, "{other:?}");
        }
    }
}

/// A selector as the only argument of a combination; none where that is too much.
fn within(operator: &str, selector: &str) -> Option<Selector> {
    let text = match operator {
        "$not" => format!("{{\"$not\":{selector}}}"),
        _ => format!("{{\"{operator}\":[{selector}]}}"),
    };
    match Selector::parse(&text) {
        Ok(selector) => Some(selector),
        Err(SelectorError::TooLarge | SelectorError::Json) => None,
        Err(error) => panic!("{text}: {error}"),
    }
}
