use std::cell::RefCell;
use std::rc::Rc;

use crate::sandbox::{FieldType, FieldValue, Indexer, Limits, Sandbox, SandboxError};

/// What the function makes of the document, shortly, and what it logs.
fn fields(source: &str, typed: bool, document: &str) -> (String, Vec<String>) {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&lines);
    let sandbox = Sandbox::new(Limits::default(), move |line| kept.borrow_mut().push(line.into()));
    let mut indexer = Indexer::new(&sandbox, source, typed).unwrap();
    let fields = indexer.index(document).unwrap();
    let shown = fields.iter().map(|field| {
        let value = match &field.value {
            FieldValue::Number(number) => number.to_string(),
            FieldValue::Text(text) => format!("{text:?}"),
        };
        let flag = |set, letter| if set { letter } else { "" };
        format!(
            "{:?} {}={value} {}{}{}",
            field.kind,
            field.name,
            flag(field.index, "i"),
            flag(field.store, "s"),
            flag(field.facet, "f"),
        )
    });
    let shown: Vec<String> = shown.collect();
    (shown.join(", "), lines.borrow().clone())
}

fn check(source: &str, typed: bool, expected: &str) {
    let (found, lines) = fields(source, typed, r#"{"_id":"a","n":1.5,"t":"Some text"}"#);
    assert_eq!(found, expected, "{source} {lines:?}");
}

#[test]
fn fields_are_given() {
    check("function (doc) { index('default', doc.t); }", false, "Text default=\"Some text\" i");
    check("doc => index('n', doc.n, {store: true})", false, "Double n=1.5 is");
    check("doc => index('n', true, {facet: true})", false, "Text n=\"true\" if");
    check("doc => index('n', 'x', {index: false, store: 'yes'})", false, "Text n=\"x\" s");
    check("doc => {}", false, "");
    let late = "async doc => { index('a', 'x'); await null; index('b', 'y'); }";
    check(late, false, "Text a=\"x\" i");
    let typed = "doc => { index('string', 's', doc.t); index('text', 't', doc.t, {store: true});
        index('double', 'n', doc.n); index('stored', 'z', 7); }";
    let expected =
        "String s=\"Some text\" if, Text t=\"Some text\" is, Double n=1.5 i, Stored z=7 s";
    check(typed, true, expected);
}

#[test]
fn what_is_no_field_takes_the_document_out() {
    for given in [
        "1, 'x'",
        "'', 'x'",
        "'_id', 'x'",
        "'a\\u0000b', 'x'",
        "'a\\nb', 'x'",
        "'a'.repeat(257), 'x'",
        "'a', null",
        "'a', undefined",
        "'a', {}",
        "'a', NaN",
        "'a', Infinity",
        "'a', 'x', 5",
    ] {
        let source = format!("function (doc) {{ index('good', 'x'); index({given}); }}");
        let (found, lines) = fields(&source, false, "{\"_id\":\"a\"}");
        assert_eq!((found.as_str(), lines.len()), ("", 1), "{given} {lines:?}");
    }
    for given in ["'date', 'a', 'x'", "'double', 'a', 'x'", "'text', 'a', 5", "'stored', 'a', {}"] {
        let source = format!("function (doc) {{ index({given}); }}");
        assert_eq!(fields(&source, true, "{\"_id\":\"a\"}").0, "", "{given}");
    }
}

#[test]
fn its_world_is_left_as_it_was() {
    let sandbox = Sandbox::new(Limits::default(), |_| {});
    let source = "function (doc) { var before = typeof seen; seen = 1; index = 5;
        index('n', before === 'undefined' ? 1 : 2); }";
    let mut indexer = Indexer::new(&sandbox, source, false).unwrap();
    for _ in 0..2 {
        let fields = indexer.index("{\"_id\":\"a\"}").unwrap();
        assert_eq!(fields[0].value, FieldValue::Number(1.0));
        assert_eq!(fields[0].kind, FieldType::Double);
    }
    let mut mapper = crate::Mapper::new(&sandbox, &["doc => emit(typeof index, 1)"], None).unwrap();
    mapper.map("{}", &mut |row| assert_eq!(row.key, "\"undefined\"")).unwrap();
}

#[test]
fn limits_hold() {
    let sandbox = Sandbox::new(Limits { emits_max: 10, ..Limits::default() }, |_| {});
    let mut indexer =
        Indexer::new(&sandbox, "doc => { for (;;) index('a', 'b'); }", false).unwrap();
    assert_eq!(indexer.index("{}"), Err(SandboxError::Output));
    let refused = Indexer::new(&sandbox, "5", false).err();
    assert!(matches!(refused, Some(SandboxError::Compilation(_))));
}
