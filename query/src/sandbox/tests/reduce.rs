use crate::sandbox::{Limits, Reducer, Sandbox, SandboxError};

fn reducer(source: &str) -> Reducer {
    Reducer::new(&Sandbox::new(Limits::default(), |_| ()), source).unwrap()
}

#[test]
fn couchdbs_examples_reduce() {
    let mut count = reducer(
        "function(keys, values, rereduce) {
            if (rereduce) { return sum(values); } else { return values.length; }
        }",
    );
    assert_eq!(count.reduce(r#"[["a","1"],["b","2"]]"#, "[5,6]").unwrap(), "2");
    assert_eq!(count.rereduce("[2,3]").unwrap(), "5");
    let mut keys = reducer("(keys, values, rereduce) => [keys, rereduce]");
    assert_eq!(keys.reduce(r#"[["a","1"]]"#, "[5]").unwrap(), r#"[[["a","1"]],false]"#);
    assert_eq!(keys.rereduce("[5]").unwrap(), "[null,true]");
}

#[test]
fn what_fails_is_null() {
    assert_eq!(reducer("() => undefined").rereduce("[]").unwrap(), "null");
    assert_eq!(reducer("() => { throw 'no' }").rereduce("[]").unwrap(), "null");
    assert_eq!(reducer("() => { null.x }").rereduce("[]").unwrap(), "null");
    let error = reducer("() => { throw ['fatal', 'a', 'b'] }").rereduce("[]").unwrap_err();
    assert_eq!((error.word(), error.to_string().as_str()), ("a", "b"));
    let error = reducer("() => { throw 'fatal_error' }").rereduce("[]").unwrap_err();
    assert_eq!(error.word(), "map_runtime_error");
}

#[test]
fn output_has_to_shrink() {
    let input = format!("[{:?}]", "x".repeat(9000));
    let mut same = reducer("(keys, values) => values");
    let error = same.rereduce(&input).unwrap_err();
    assert_eq!(error.word(), "reduce_overflow_error");
    assert_eq!(
        error.to_string(),
        "Reduce output must shrink more rapidly: input size: 9008 output size: 9004"
    );
    assert!(same.rereduce("[1,2,3]").is_ok());
    let mut half = reducer("(keys, values) => values[0].slice(4500)");
    assert!(half.rereduce(&input).is_ok());
    let limits = Limits { reduce_limit: false, ..Limits::default() };
    let sandbox = Sandbox::new(limits, |_| ());
    let mut free = Reducer::new(&sandbox, "(keys, values) => values").unwrap();
    assert!(free.rereduce(&input).is_ok());
}

#[test]
fn a_reduce_function_requires_nothing() {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    assert!(matches!(Reducer::new(&sandbox, "function("), Err(SandboxError::Compilation(_))));
    let mut requiring = Reducer::new(&sandbox, "() => require('views/lib/a')").unwrap();
    assert_eq!(requiring.rereduce("[]").unwrap(), "null");
}
