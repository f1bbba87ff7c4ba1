//! Text of documents against `serde_json`.

use serde_json::{Map, Value};

use crate::json::{ArrayMember, ArraySplitter, DEPTH_MAX, JsonError, Rest, compact, scan_document};
use crate::{Document, DocumentLimits};

/// Levels that `serde_json` reads.
const THEIR_DEPTH_MAX: usize = 127;

/// Bytes that an element of a split array may have here: few, so that too many are met.
const ELEMENT_BYTES_MAX: usize = 1000;

/// What our scanner accepts is valid and means the same to `serde_json`; what `serde_json` refuses,
/// ours refuses. A body that arrives in pieces is read as in one.
///
/// # Panics
/// When that does not hold.
pub fn document(text: &[u8]) {
    let ours = compact(text);
    let document = scan_document(text);
    parse(text);
    split(text, ours.as_deref().ok());
    let depth = depth(text);
    if depth > THEIR_DEPTH_MAX {
        return assert!(ours.is_err() || depth <= DEPTH_MAX, "accepted, yet {depth} levels deep");
    }
    match (ours, serde_json::from_slice::<Value>(text)) {
        (Ok(ours), Ok(theirs)) => same(&ours, theirs, document),
        (Err(_), Err(_)) => assert!(document.is_err()),
        (Ok(ours), Err(error)) => {
            // Near the greatest float `serde_json` rounds before it compares.
            let range = error.to_string().contains("number out of range");
            assert!(range && numbers(&ours).all(f64::is_finite), "accepted, yet {error}");
        }
        (Err(error), Ok(_)) => {
            assert!(matches!(error, JsonError::NumberRange { .. }), "refused: {error}");
            assert!(!numbers(&String::from_utf8_lossy(text)).all(f64::is_finite), "{error}");
        }
    }
}

fn same(ours: &str, theirs: Value, document: Result<crate::json::Scanned, JsonError>) {
    assert_eq!(serde_json::from_str::<Value>(ours).ok().as_ref(), Some(&theirs));
    assert_eq!(compact(ours.as_bytes()).as_deref(), Ok(ours));
    let Value::Object(theirs) = theirs else {
        return assert_eq!(document, Err(JsonError::NotAnObject));
    };
    let document = document.expect("an object is a document");
    let (special, plain): (Map<_, _>, Map<_, _>) =
        theirs.into_iter().partition(|(name, _)| name.starts_with('_'));
    assert_eq!(serde_json::from_str(&document.body).ok(), Some(Value::Object(plain)));
    assert_eq!(compact(document.body.as_bytes()).as_ref(), Ok(&document.body));
    assert_eq!(document.members.len(), special.len());
    for (name, value) in document.members {
        assert_eq!(serde_json::from_str::<Value>(&value).ok().as_ref(), special.get(&name));
    }
}

/// A document that was read can be read again from what it says.
fn parse(text: &[u8]) {
    let limits = DocumentLimits { body_bytes_max: 2000, attachment_bytes_max: 100 };
    let first_part = Document::parse_first_part(text, limits);
    let Ok(document) = Document::parse(text, limits) else { return };
    assert_eq!(first_part.as_ref(), Ok(&document));
    assert!(document.body.len() <= 2000);
    if let Some(id) = &document.id {
        assert_eq!(id.to_string().parse().as_ref(), Ok(id));
    }
    for rev in &document.revs {
        assert_eq!(rev.to_string().parse().as_ref(), Ok(rev));
    }
    let generations = document.revs.windows(2);
    assert!(generations.into_iter().all(|pair| pair[0].generation == pair[1].generation + 1));
    assert!(serde_json::from_str::<Map<_, _>>(&document.body).is_ok() || depth(text) > 100);
}

fn split(text: &[u8], ours: Option<&str>) {
    let whole = split_in(text, text.len().max(1));
    // Error offsets and the order of checks may differ; outcomes may not.
    for piece in [1, 3, 7] {
        assert_eq!(split_in(text, piece).ok(), whole.as_ref().ok().cloned());
    }
    let Ok((elements, rest)) = whole else { return };
    let checked: Result<Vec<String>, _> = elements.iter().map(|text| compact(text)).collect();
    let (Ok(elements), true) = (checked, depth(text) < THEIR_DEPTH_MAX) else { return };
    let ours = ours.expect("what splits into valid elements is valid");
    let Ok(Value::Object(mut members)) = serde_json::from_str(ours) else { return };
    let docs = members.remove("docs");
    let elements: Option<Vec<Value>> =
        elements.iter().map(|text| serde_json::from_str(text).ok()).collect();
    match rest.array {
        ArrayMember::Split => assert_eq!(docs, elements.map(Value::Array)),
        ArrayMember::NotAnArray => assert!(docs.is_some_and(|docs| !docs.is_array())),
        ArrayMember::Absent => assert_eq!(docs, None),
    }
    let rest = rest.members.into_iter();
    let rest: Map<_, _> =
        rest.filter_map(|(name, text)| Some((name, serde_json::from_str(&text).ok()?))).collect();
    assert_eq!(rest, members);
}

fn split_in(text: &[u8], piece: usize) -> Result<(Vec<Vec<u8>>, Rest), JsonError> {
    let mut splitter = ArraySplitter::new("docs", ELEMENT_BYTES_MAX);
    let mut elements = Vec::new();
    for chunk in text.chunks(piece) {
        splitter.push(chunk, |element| {
            assert!(element.len() <= ELEMENT_BYTES_MAX);
            elements.push(element.to_vec());
            Ok::<(), JsonError>(())
        })?;
    }
    Ok((elements, splitter.finish()?))
}

/// How deep brackets outside strings lie in one another.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in outside_strings(text) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Every number outside strings.
fn numbers(text: &str) -> impl Iterator<Item = f64> {
    let outside: Vec<u8> = outside_strings(text.as_bytes()).collect();
    let outside = String::from_utf8_lossy(&outside).into_owned();
    let words: Vec<f64> = outside
        .split(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)))
        .filter_map(|word| word.parse().ok())
        .collect();
    words.into_iter()
}

fn outside_strings(text: &[u8]) -> impl Iterator<Item = u8> {
    let (mut inside, mut escaped) = (false, false);
    text.iter().copied().filter(move |&byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => escaped = true,
            _ => return !inside,
        }
        // The quotes stay: they part what stands around a string.
        byte == b'"'
    })
}
