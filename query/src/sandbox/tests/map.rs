use std::cell::RefCell;
use std::rc::Rc;

use crate::sandbox::{Limits, Mapper, Sandbox, SandboxError};

struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn sandbox() -> (Sandbox, Self) {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let kept = Rc::clone(&lines);
        let sandbox =
            Sandbox::new(Limits::default(), move |line| kept.borrow_mut().push(line.into()));
        (sandbox, Self(lines))
    }

    fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

fn rows(mapper: &mut Mapper, document: &str) -> Vec<(usize, String, String)> {
    let mut rows = Vec::new();
    mapper
        .map(document, &mut |row| rows.push((row.function, row.key.into(), row.value.into())))
        .unwrap();
    rows
}

fn check(source: &str, document: &str, expected: &[(&str, &str)]) {
    let (sandbox, log) = Log::sandbox();
    let mut mapper = Mapper::new(&sandbox, &[source], None).unwrap();
    let found = rows(&mut mapper, document);
    let expected: Vec<_> =
        expected.iter().map(|&(key, value)| (0, key.to_owned(), value.to_owned())).collect();
    assert_eq!(found, expected, "{source} {:?}", log.lines());
}

fn refuse(source: &str, begins: &str) {
    let (sandbox, _) = Log::sandbox();
    match Mapper::new(&sandbox, &[source], None) {
        Err(SandboxError::Compilation(reason)) => {
            assert!(reason.starts_with(begins), "{source}: {reason}");
        }
        Err(error) => panic!("{source}: {error:?}"),
        Ok(_) => panic!("{source} was compiled"),
    }
}

#[test]
fn sources_come_in_many_forms() {
    for source in [
        "function(doc) { emit(doc._id, 1) }",
        "function (doc) { emit(doc._id, 1) };",
        "function named(doc) { emit(doc._id, 1) } // a comment",
        "// before\nfunction(doc) { emit(doc._id, 1) }; /* after */ ",
        "(function(doc) { emit(doc._id, 1) })",
        "(doc) => { emit(doc._id, 1) }",
        "doc => emit(doc._id, 1)",
        "doc => emit(doc._id, 1);",
        "\n\tfunction(doc) {\r\n emit(doc._id, 1)\n}\n",
    ] {
        check(source, r#"{"_id":"a"}"#, &[(r#""a""#, "1")]);
    }
}

#[test]
fn what_is_no_function_is_not_compiled() {
    refuse("function(doc) {", "SyntaxError: ");
    refuse("", "SyntaxError: ");
    refuse("42", "Expression does not eval to a function. (42)");
    refuse("'function'", "Expression does not eval to a function. ('function')");
    refuse("nowhere", "ReferenceError: nowhere is not defined (nowhere)");
    refuse("function(doc) {}\0", "");
}

#[test]
fn keys_and_values_are_json() {
    check("doc => emit()", "{}", &[("null", "null")]);
    check("doc => emit(NaN, Infinity)", "{}", &[("null", "null")]);
    check("doc => emit(undefined, () => 1)", "{}", &[("null", "null")]);
    check(
        "doc => emit([undefined, 1.5, -0], {a: undefined, b: null})",
        "{}",
        &[("[null,1.5,0]", r#"{"b":null}"#)],
    );
    check("doc => emit('\\ud800', '\\u00e9\\n')", "{}", &[("\"\u{fffd}\"", "\"é\\n\"")]);
    check(
        "doc => emit(new Date('2020-02-02T00:00:00Z'), true)",
        "{}",
        &[(r#""2020-02-02T00:00:00.000Z""#, "true")],
    );
    check(
        "doc => emit(doc.n, doc['__proto__'])",
        r#"{"n":12345678901,"__proto__":[1]}"#,
        &[("12345678901", "[1]")],
    );
}

#[test]
fn couchdbs_example_maps() {
    let source = "function (doc) {
      if (doc.type === 'post' && doc.tags && Array.isArray(doc.tags)) {
        doc.tags.forEach(function (tag) {
          emit(tag.toLowerCase(), 1);
        });
      }
    }";
    let document = r#"{"_id":"x","type":"post","tags":["Red","BLUE"]}"#;
    check(source, document, &[(r#""red""#, "1"), (r#""blue""#, "1")]);
    check(source, r#"{"_id":"x"}"#, &[]);
}

#[test]
fn a_document_is_each_functions_own() {
    let sources = [
        "function(doc) { doc.a = 2; doc.b.c = 2; delete doc.d; doc.l.push }",
        "function(doc) { doc.l.push(1); emit(doc.l); }",
        "function(doc) { emit(doc.a, doc); }",
    ];
    let (sandbox, log) = Log::sandbox();
    let mut mapper = Mapper::new(&sandbox, &sources, None).unwrap();
    let document = r#"{"_id":"x","a":1,"b":{"c":1},"d":[],"l":[]}"#;
    let expected = [(1, "[1]".into(), "null".into()), (2, "1".into(), document.into())];
    assert_eq!(rows(&mut mapper, document), expected);
    assert_eq!(log.lines(), [""; 0]);
}

#[test]
fn an_exception_takes_back_what_its_function_emitted() {
    let sources = [
        "doc => { emit(1); throw 'gone' }",
        "doc => emit(2)",
        "doc => { emit(3); doc.x.y }",
        "doc => { emit(4); emit(5) }",
        "doc => { emit({toJSON() { throw new RangeError('no') }}) }",
        "doc => { const a = []; a.push(a); emit(a) }",
    ];
    let (sandbox, log) = Log::sandbox();
    let mut mapper = Mapper::new(&sandbox, &sources, None).unwrap();
    let found: Vec<_> = rows(&mut mapper, r#"{"_id":"x"}"#).into_iter().map(|row| row.1).collect();
    assert_eq!(found, ["2", "4", "5"]);
    let lines = log.lines();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[0], "function raised exception gone with doc._id x");
    assert!(lines[1].starts_with("function raised exception TypeError: "), "{lines:?}");
}

#[test]
fn what_is_emitted_late_is_nobodys() {
    let sources = [
        "async doc => { emit(1); await null; emit('late') }",
        "doc => { emit(2); (async () => { await null; emit('late'); emit('later') })() }",
        "doc => { throw {toJSON() { emit('thrown'); return 'x' }} }",
        "doc => {}",
    ];
    let (sandbox, log) = Log::sandbox();
    let mut mapper = Mapper::new(&sandbox, &sources, None).unwrap();
    let expected = [(0, "1".into(), "null".into()), (1, "2".into(), "null".into())];
    for _ in 0..2 {
        assert_eq!(rows(&mut mapper, r#"{"_id":"x"}"#), expected, "{:?}", log.lines());
    }
}

#[test]
fn a_fatal_error_ends_everything() {
    let (sandbox, _) = Log::sandbox();
    for (source, word, reason) in [
        ("doc => { throw 'fatal_error' }", "map_runtime_error", "function raised 'fatal_error'"),
        ("doc => { throw ['fatal', 'mine', 'all over'] }", "mine", "all over"),
    ] {
        let mut mapper = Mapper::new(&sandbox, &[source], None).unwrap();
        let error = mapper.map("{}", &mut |_| ()).unwrap_err();
        assert_eq!((error.word(), error.to_string().as_str()), (word, reason));
    }
}

#[test]
fn modules_lie_under_the_library() {
    let library = r#"{"a":"exports.name = module.id; exports.b = require('./deep/b')",
        "deep":{"b":"module.exports = function() { return require('../c').c }",
            "up":"require('../../../x')"},
        "c":"exports.c = 'c' // comment",
        "loop1":"exports.early = 1; exports.other = require('./loop2').seen",
        "loop2":"exports.seen = require('./loop1').early",
        "broken":"this is no code", "number": 5}"#;
    let map = |source: &str| {
        let (sandbox, log) = Log::sandbox();
        let mut mapper = Mapper::new(&sandbox, &[source], Some(library)).unwrap();
        let rows: Vec<_> = rows(&mut mapper, "{}").into_iter().map(|row| row.1).collect();
        (rows, log.lines())
    };
    let (rows, log) = map("doc => { const a = require('views/lib/a'); emit([a.name, a.b()]) }");
    assert_eq!(rows, [r#"["views/lib/a","c"]"#], "{log:?}");
    let (rows, log) = map("doc => emit(require('views/lib/loop1').other)");
    assert_eq!(rows, ["1"], "{log:?}");
    for (path, reason) in [
        ("views/lib/nothing", "Object has no property \\\"nothing\\\"."),
        ("views/lib/deep", "Must require a JavaScript string, not: object"),
        ("views/lib/number", "Must require a JavaScript string, not: number"),
        ("views/lib/broken", "Module require('views/lib/broken') raised error SyntaxError"),
        ("views/lib/deep/up", "Object has no property \\\"x\\\"."),
        ("./a", "Object has no parent"),
        ("lists/x", "Object has no property \\\"lists\\\"."),
    ] {
        let (rows, log) = map(&format!("doc => emit(require('{path}'))"));
        assert!(rows.is_empty() && log[0].contains(reason), "{path} {rows:?} {log:?}");
    }
}

#[test]
fn globals_do_not_outlive_a_call() {
    let source = "function(doc) {
        for (i = 0; i < 2; i++) counted = typeof counted === 'undefined' ? 1 : counted + 1;
        emit(counted, sum([1, 2]));
    }";
    let (sandbox, _) = Log::sandbox();
    let mut mapper = Mapper::new(&sandbox, &[source, source], None).unwrap();
    for _ in 0..2 {
        let found = rows(&mut mapper, "{}");
        assert_eq!(found, [(0, "2".into(), "3".into()), (1, "2".into(), "3".into())]);
    }
}

#[test]
fn helpers_are_there() {
    check(
        "doc => emit([isArray([]), isArray({}), toJSON([1])], sum([1, 2]))",
        "{}",
        &[(r#"[true,false,"[1]"]"#, "3")],
    );
    let (sandbox, log) = Log::sandbox();
    let mut mapper = Mapper::new(
        &sandbox,
        &["doc => { log('text'); log({a: 1}); log(); log('\\ud800') }"],
        None,
    )
    .unwrap();
    mapper.map("{}", &mut |_| ()).unwrap();
    assert_eq!(log.lines(), ["text", r#"{"a":1}"#, "undefined", "\u{fffd}"]);
}

#[test]
fn the_deepest_document_is_mapped() {
    let levels = store::json::DEPTH_MAX - 1;
    let document = format!(r#"{{"a":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let key = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    check("doc => emit(doc.a, 1)", &document, &[(&key, "1")]);
}
