use serde_json::json;

use super::*;

#[allow(clippy::needless_pass_by_value, reason = "the tables read better so")]
fn views(design: Value) -> Result<Views, DesignError> {
    Views::parse(&design.to_string(), false)
}

#[test]
fn views_that_map_alike_share_a_tree() {
    let parsed = views(json!({"views": {
        "lib": {"a": "exports.x = 1"},
        "plain": {"map": "m"},
        "counted": {"map": "m", "reduce": "_count"},
        "summed": {"map": "m", "reduce": "_sum"},
        "raw": {"map": "m", "options": {"collation": "raw"}},
        "other": {"map": "n"},
    }}))
    .unwrap();
    assert_eq!(parsed.language, Language::JavaScript);
    assert_eq!(parsed.library.as_deref(), Some(r#"{"a":"exports.x = 1"}"#));
    assert_eq!(parsed.trees.len(), 3);
    let plain = parsed.find("plain").unwrap();
    let summed = parsed.find("summed").unwrap();
    assert_eq!((plain.tree, plain.reduce), (summed.tree, None));
    assert_eq!(summed.reduce, Some(1));
    assert!(parsed.trees[parsed.find("raw").unwrap().tree].raw);
    assert_eq!(parsed.find("lib"), None);
    assert_eq!(parsed.find("absent"), None);
}

#[test]
fn a_signature_is_of_what_makes_the_rows() {
    let signature = |design| views(design).unwrap().signature;
    let one = signature(json!({"views": {"a": {"map": "m"}}}));
    let renamed = json!({"_id": "_design/x", "x": 1, "views": {"a": {"map": "m"}}});
    assert_eq!(signature(renamed), one);
    for other in [
        json!({"views": {"a": {"map": "n"}}}),
        json!({"views": {"b": {"map": "m"}}}),
        json!({"views": {"a": {"map": "m", "reduce": "_count"}}}),
        json!({"views": {"a": {"map": "m", "options": {"collation": "raw"}}}}),
        json!({"views": {"a": {"map": "m"}, "lib": {"x": "y"}}}),
        json!({"views": {"a": {"map": "m"}}, "options": {"local_seq": true}}),
        json!({"views": {"a": {"map": "m"}}, "language": "erlang"}),
    ] {
        assert_ne!(signature(other.clone()), one, "{other}");
    }
}

#[test]
fn members_of_the_wrong_type_are_refused() {
    for (design, expected) in [
        (json!({"filters": 1}), "`filters` field must have object type"),
        (json!({"filters": {"a": 1}}), "`filters.a` field must have object or string type"),
        (json!({"language": 1}), "`language` field must have string type"),
        (json!({"options": {"local_seq": 1}}), "`options.local_seq` field must have boolean type"),
        (json!({"rewrites": {}}), "`rewrites` field must have string or array type"),
        (json!({"validate_doc_update": {}}), "`validate_doc_update` field must have string type"),
        (json!({"views": []}), "`views` field must have object type"),
        (json!({"views": {"a": 1}}), "`views.a` field must have object type"),
        (json!({"views": {"a": {"map": {}}}}), "`views.a.map` field must have string type"),
        (
            json!({"language": "query", "views": {"a": {"map": "m"}}}),
            "`views.a.map` field must have object type",
        ),
        (
            json!({"views": {"a": {"map": "m", "reduce": 1}}}),
            "`views.a.reduce` field must have string type",
        ),
        (json!({"views": {"lib": 1}}), "`views.lib` field must have object type"),
        (json!({"views": {"a": {}}}), "View `a` must contain map function"),
        (
            json!({"views": {"a": {"map": "m", "reduce": "_most"}}}),
            "`_most` is not a supported reduce function.",
        ),
    ] {
        assert_eq!(views(design.clone()).unwrap_err().to_string(), expected, "{design}");
    }
    let partitioned = json!({"options": {"partitioned": true}});
    assert_eq!(views(partitioned.clone()).unwrap_err(), DesignError::NotPartitioned);
    assert!(Views::parse(&partitioned.to_string(), true).unwrap().partitioned);
    assert!(Views::parse("{}", true).unwrap().partitioned);
    assert!(!Views::parse("{}", false).unwrap().partitioned);
    for design in [json!({}), json!({"views": {}, "rewrites": [], "shows": {"a": {"b": "c"}}})] {
        assert!(views(design).unwrap().is_empty());
    }
}
