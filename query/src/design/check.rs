//! Types that the members of a design document must have.
//!
//! Source: CouchDB's `couch_mrview:validate_ddoc_fields`.

use serde_json::{Map, Value};

use super::DesignError;
use crate::index::reduce::Builtin;

/// A step of a path to a member.
#[derive(Clone, Copy)]
enum Step {
    /// The member of this name.
    Named(&'static str),
    /// Every member.
    Each,
}

use Step::{Each, Named};

/// What a member must be.
#[derive(Clone, Copy)]
enum Type {
    Object,
    String,
    Boolean,
    ObjectOrString,
    StringOrArray,
}

impl Type {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Object => value.is_object(),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::ObjectOrString => value.is_object() || value.is_string(),
            Self::StringOrArray => value.is_string() || value.is_array(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::ObjectOrString => "object or string",
            Self::StringOrArray => "string or array",
        }
    }
}

/// Refuses a design document with a member that is not what it must be.
pub(super) fn check(design: &Map<String, Value>) -> Result<(), DesignError> {
    let query = design.get("language").and_then(Value::as_str) == Some("query");
    let map = if query { Type::Object } else { Type::String };
    let rules: [(&[Step], Type); 20] = [
        (&[Named("filters")], Type::Object),
        (&[Named("filters"), Each], Type::ObjectOrString),
        (&[Named("language")], Type::String),
        (&[Named("lists")], Type::Object),
        (&[Named("lists"), Each], Type::ObjectOrString),
        (&[Named("options")], Type::Object),
        (&[Named("options"), Named("include_design")], Type::Boolean),
        (&[Named("options"), Named("local_seq")], Type::Boolean),
        (&[Named("options"), Named("partitioned")], Type::Boolean),
        (&[Named("rewrites")], Type::StringOrArray),
        (&[Named("shows")], Type::Object),
        (&[Named("shows"), Each], Type::ObjectOrString),
        (&[Named("updates")], Type::Object),
        (&[Named("updates"), Each], Type::ObjectOrString),
        (&[Named("validate_doc_update")], Type::String),
        (&[Named("views")], Type::Object),
        (&[Named("views"), Named("lib")], Type::Object),
        (&[Named("views"), Each], Type::Object),
        (&[Named("views"), Each, Named("map")], map),
        (&[Named("views"), Each, Named("reduce")], Type::String),
    ];
    for (path, expected) in rules {
        follow(design, path, expected, &mut String::new())?;
    }
    let views = design.get("views").and_then(Value::as_object);
    for (name, view) in views.into_iter().flatten().filter(|(name, _)| *name != "lib") {
        if view.get("map").is_none() {
            return Err(DesignError::NoMap(name.clone()));
        }
        let reduce = view.get("reduce").and_then(Value::as_str).map(str::trim);
        if let Some(reduce) = reduce.filter(|reduce| reduce.starts_with('_'))
            && reduce.parse::<Builtin>().is_err()
        {
            return Err(DesignError::UnknownReduce(reduce.into()));
        }
    }
    Ok(())
}

/// Follows a path through what is there; what is absent is as it must be.
fn follow(
    members: &Map<String, Value>,
    path: &[Step],
    expected: Type,
    walked: &mut String,
) -> Result<(), DesignError> {
    let Some((step, rest)) = path.split_first() else { return Ok(()) };
    for (name, value) in members {
        if matches!(step, Named(wanted) if wanted != name) {
            continue;
        }
        let length = walked.len();
        if length > 0 {
            walked.push('.');
        }
        walked.push_str(name);
        match value.as_object() {
            _ if rest.is_empty() && !expected.holds(value) => {
                return Err(DesignError::Type { path: walked.clone(), expected: expected.name() });
            }
            Some(inner) if !rest.is_empty() => follow(inner, rest, expected, walked)?,
            _ => {}
        }
        walked.truncate(length);
    }
    Ok(())
}
