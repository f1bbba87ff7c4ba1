use std::cell::RefCell;
use std::rc::Rc;

use crate::sandbox::{Functions, Limits, ListPart, Refused, Sandbox};

const DESIGN: &str = r##"{
    "_id": "_design/d",
    "lib": {"check": "exports.has = function(doc, name) { return doc[name] !== undefined }"},
    "validate_doc_update": "function(newDoc, oldDoc, userCtx, secObj) {
        if (!require('lib/check').has(newDoc, 'type')) throw({forbidden: 'doc.type is required'});
        if (!userCtx.name) throw({unauthorized: 'log in'});
        if (oldDoc && oldDoc.type !== newDoc.type) throw({forbidden: 'type is fixed'});
        if (newDoc.type === 'other') throw({mine: 'something'});
        if (newDoc.type === 'text') throw('a text');
        if (newDoc.type === 'error') undefined.x;
        if (newDoc.type === 'custom') throw({error: 'custom', reason: 'because'});
        if (this._id !== '_design/d') throw({forbidden: 'this'});
    }",
    "filters": {
        "important": "function(doc, req) { return doc.priority == req.query.priority }",
        "broken": "function(doc, req) { return doc.x.y }",
        "number": 5
    },
    "views": {"posts": {"map": "function(doc) { if (doc.type == 'post') emit(null, null) }"}},
    "updates": {
        "hello": "function(doc, req) {
            if (!doc) {
                if (req.id) return [{_id: req.id}, 'New World'];
                return [null, 'Empty World'];
            }
            doc.world = 'hello';
            return [doc, {code: 201, body: 'hello doc'}];
        }",
        "nothing": "function(doc, req) { return [doc] }"
    },
    "shows": {
        "hello": "function(doc, req) { return doc ? 'Hello from ' + doc._id + '!' : 'Hello, world!' }",
        "json": "function(doc, req) { return {json: {id: doc._id}} }",
        "types": "function(doc, req) {
            registerType('foo', 'application/foo', 'application/x-foo');
            provides('html', function() { return 'Ha ha, you said ' + doc.word });
            provides('foo', function() { return {body: 'foofoo', headers: {'X-A': 'b'}} });
        }",
        "sent": "function(doc, req) { start({code: 202, headers: {a: 'b'}}); send('one'); return 'two' }",
        "list": "function(doc, req) { return [1] }"
    },
    "lists": {
        "rows": "function(head, req) {
            start({headers: {'Content-Type': 'text/html'}});
            send('<ul>');
            var row;
            while (row = getRow()) send('<li>' + row.value + '</li>');
            return '</ul>' + head.total_rows;
        }",
        "provided": "function(head, req) {
            provides('html', function() { var row, n = 0; while (row = getRow()) n++; return 'n' + n });
        }",
        "bare": "function(head, req) { return 'tail' }",
        "broken": "function(head, req) { send('a'); getRow(); undefined.x }"
    },
    "rewrites": "function(req) { return {path: '../../' + req.path.join('/'), method: 'GET'} }"
}"##;

fn functions() -> Functions {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    Functions::new(&sandbox, &DESIGN.replace('\n', " ")).unwrap()
}

#[test]
fn documents_are_validated() {
    let mut functions = functions();
    let mut check = |new: &str, old: Option<&str>, user: &str, expected: Result<(), Refused>| {
        assert_eq!(functions.validate(new, old, user, "{}"), expected, "{new}");
    };
    let ada = r#"{"name":"ada","roles":[]}"#;
    let forbidden = |reason: &str| Err(Refused::Forbidden(reason.into()));
    check(r#"{"type":"a"}"#, None, ada, Ok(()));
    check(r#"{"type":"a"}"#, Some(r#"{"type":"a"}"#), ada, Ok(()));
    check(r#"{"type":"a"}"#, Some(r#"{"type":"b"}"#), ada, forbidden("type is fixed"));
    check("{}", None, ada, forbidden("doc.type is required"));
    check(r#"{"type":"a"}"#, None, "{}", Err(Refused::Unauthorized("log in".into())));
    for (kind, word, reason) in [
        ("other", "unknown_error", "something"),
        ("text", "unknown_error", "a text"),
        ("error", "TypeError", "cannot read property 'x' of undefined"),
        ("custom", "custom", "because"),
    ] {
        let new = format!(r#"{{"type":"{kind}"}}"#);
        match functions.validate(&new, None, ada, "{}") {
            Err(Refused::Failed(error)) => {
                assert_eq!((error.word(), error.to_string().as_str()), (word, reason));
            }
            found => panic!("{kind}: {found:?}"),
        }
    }
}

#[test]
fn documents_are_filtered() {
    let mut functions = functions();
    let documents = [r#"{"priority":"high"}"#, r#"{"priority":"low"}"#, "{}"];
    let request = r#"{"query":{"priority":"high"}}"#;
    assert_eq!(functions.filter("important", &documents, request).unwrap(), [true, false, false]);
    assert_eq!(functions.filter("important", &[], request).unwrap(), [false; 0]);
    let posts = [r#"{"type":"post"}"#, "{}"];
    assert_eq!(functions.filter_by_view("posts", &posts).unwrap(), [true, false]);
    assert_eq!(functions.filter("broken", &["{}"], request).unwrap_err().word(), "TypeError");
    assert_eq!(functions.filter("number", &[], request).unwrap_err().word(), "compilation_error");
    let missing = functions.filter("none", &[], request).unwrap_err();
    assert_eq!(missing.word(), "not_found");
    assert_eq!(missing.to_string(), "missing filters function none on design doc _design/d");
    assert_eq!(functions.filter_by_view("none", &[]).unwrap_err().word(), "not_found");
    assert_eq!(functions.filter("__proto__", &[], "{}").unwrap_err().word(), "not_found");
}

#[test]
fn updates_answer_with_a_document() {
    let mut functions = functions();
    let mut update = |name: &str, document: Option<&str>, request: &str| {
        functions.update(name, document, request)
    };
    let text = |text: &str| Some(text.to_owned());
    let post = r#"{"method":"POST"}"#;
    assert_eq!(update("hello", None, post).unwrap(), (None, r#"{"body":"Empty World"}"#.into()));
    let named = r#"{"method":"PUT","id":"x"}"#;
    let made = (text(r#"{"_id":"x"}"#), r#"{"body":"New World"}"#.into());
    assert_eq!(update("hello", None, named).unwrap(), made);
    let changed =
        (text(r#"{"_id":"x","world":"hello"}"#), r#"{"code":201,"body":"hello doc"}"#.into());
    assert_eq!(update("hello", Some(r#"{"_id":"x"}"#), post).unwrap(), changed);
    let error = update("hello", None, r#"{"method":"GET"}"#).unwrap_err();
    assert_eq!(error.word(), "method_not_allowed");
    assert_eq!(error.to_string(), "Update functions do not allow GET");
    let error = update("nothing", None, post).unwrap_err();
    assert_eq!(error.to_string(), "undefined response from update function");
}

#[test]
fn shows_answer() {
    let mut functions = functions();
    let mut check = |name: &str, document: Option<&str>, request: &str, expected: &str| {
        assert_eq!(functions.show(name, document, request).unwrap(), expected, "{name} {request}");
    };
    let word = Some(r#"{"_id":"x","word":"plankton"}"#);
    check("hello", word, "{}", r#"{"body":"Hello from x!"}"#);
    check("hello", None, "{}", r#"{"body":"Hello, world!"}"#);
    check("json", word, "{}", r#"{"json":{"id":"x"}}"#);
    let html = r#"{"body":"Ha ha, you said plankton","headers":{"Content-Type":"text/html; charset=utf-8"}}"#;
    check("types", word, r#"{"headers":{"Accept":"text/html,application/xml;q=0.5"}}"#, html);
    check("types", word, r#"{"headers":{}}"#, html);
    check("types", word, r#"{"headers":{},"query":{"format":"html"}}"#, html);
    let foo = r#"{"body":"foofoo","headers":{"X-A":"b","Content-Type":"application/x-foo"}}"#;
    check("types", word, r#"{"headers":{"Accept":"application/x-foo"}}"#, foo);
    check("sent", word, "{}", r#"{"body":"onetwo","headers":{"a":"b"},"code":202}"#);

    let error = functions.show("types", word, r#"{"headers":{"Accept":"x/y"}}"#).unwrap_err();
    assert_eq!(error.word(), "not_acceptable");
    assert_eq!(
        error.to_string(),
        "Content-Type x/y not supported, try one of: \
         text/html; charset=utf-8, application/foo, application/x-foo"
    );
    let error = functions.show("json", None, r#"{"path":["a","b","c","d","e","f"]}"#).unwrap_err();
    assert_eq!((error.word(), error.to_string().as_str()), ("not_found", "document not found"));
    let error = functions.show("json", None, "{}").unwrap_err();
    assert_eq!(error.word(), "render_error");
    assert!(error.to_string().starts_with("function raised error: TypeError: "), "{error}");
    assert_eq!(functions.show("list", None, "{}").unwrap_err().word(), "render_error");
}

fn list(name: &str, request: &str, rows: usize) -> (Vec<String>, Result<(), String>) {
    let parts = Rc::new(RefCell::new(Vec::new()));
    let taken = Rc::clone(&parts);
    let mut rows = (0..rows).map(|at| format!(r#"{{"key":{at},"value":{at}}}"#));
    let answer = functions().list(
        name,
        r#"{"total_rows":7}"#,
        request,
        Box::new(move || rows.next()),
        move |part| {
            taken.borrow_mut().push(match part {
                ListPart::Start(response) => format!("start {response}"),
                ListPart::Chunk(chunk) => chunk.to_owned(),
            });
            true
        },
    );
    let parts = parts.borrow().clone();
    (parts, answer.map_err(|error| error.word().to_owned()))
}

#[test]
fn lists_are_streamed() {
    let (parts, answer) = list("rows", "{}", 2);
    let start = r#"start {"headers":{"Content-Type":"text/html"}}"#;
    assert_eq!(parts, [start, "<ul>", "<li>0</li>", "<li>1</li>", "</ul>7"]);
    assert_eq!(answer, Ok(()));
    let (parts, answer) = list("provided", r#"{"headers":{"Accept":"text/html"}}"#, 3);
    assert_eq!(parts, [r#"start {"headers":{"Content-Type":"text/html; charset=utf-8"}}"#, "n3"]);
    assert_eq!(answer, Ok(()));
    let (parts, answer) = list("bare", "{}", 3);
    assert_eq!((parts.len(), parts[1].as_str(), answer), (2, "tail", Ok(())));
    let (parts, answer) = list("broken", "{}", 3);
    assert_eq!(parts, [r#"start {"headers":{}}"#, "a"]);
    assert_eq!(answer, Err("render_error".into()));
}

#[test]
fn a_list_that_nobody_reads_ends() {
    let mut functions = functions();
    let endless = Box::new(|| Some(r#"{"value":1}"#.to_owned()));
    let error = functions.list("rows", "{}", "{}", endless, |_| false).unwrap_err();
    assert_eq!(error.word(), "list_error");
    assert!(functions.show("hello", None, "{}").is_ok());
    let error = functions.show("sent", None, "{}").unwrap();
    assert!(error.contains("onetwo"));
}

#[test]
fn requests_are_rewritten() {
    let found = functions().rewrite(r#"{"path":["a","b"]}"#).unwrap();
    assert_eq!(found, r#"{"path":"../../a/b","method":"GET"}"#);
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    for (thrown, word, reason) in [
        ("{forbidden: 'no'}", "forbidden", "no"),
        ("{unauthorized: {a: 1}}", "unauthorized", r#"{"a":1}"#),
        ("{error: 'mine', reason: 'so'}", "mine", "so"),
        ("null", "InternalError", "out of memory"),
    ] {
        let design = format!(r#"{{"rewrites":"function (req) {{ throw {thrown} }}"}}"#);
        let error = Functions::new(&sandbox, &design).unwrap().rewrite("{}").unwrap_err();
        assert_eq!((error.word(), error.to_string().as_str()), (word, reason), "{thrown}");
    }
}

#[test]
fn design_documents_do_not_see_each_other() {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    let design = |body: &str| {
        let text =
            format!(r#"{{"_id":"_design/x","shows":{{"s":"function(doc, req) {{ {body} }}"}}}}"#);
        Functions::new(&sandbox, &text).unwrap()
    };
    let mut first =
        design("globalThis.left = 'left'; this.shows.s = 5; return String(typeof left)");
    let mut second = design("return String(typeof left) + typeof this.shows.s");
    for _ in 0..2 {
        assert_eq!(first.show("s", None, "{}").unwrap(), r#"{"body":"string"}"#);
        assert_eq!(second.show("s", None, "{}").unwrap(), r#"{"body":"undefinedstring"}"#);
    }
}
