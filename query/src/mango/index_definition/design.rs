//! Indexes as design documents hold them.
//!
//! Source: CouchDB's `mango_idx_view` and `mango_idx`.

use std::borrow::Cow;

use super::request::partial;
use super::{IndexDefinition, IndexError, Sort};
use crate::mango::json::{object, text};
use crate::value::Value;

/// What a new index makes of a design document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addition {
    /// It is there already.
    Exists,
    /// The document's new text.
    Changed(String),
}

/// What the removal of an index makes of a design document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Nothing is left of it: it is deleted.
    Deleted,
    /// The document's new text.
    Changed(String),
}

type Members = Vec<(Cow<'static, str>, Value<'static>)>;

impl IndexDefinition {
    /// All indexes of a design document; none if it is not Mango's. What is no index is passed over.
    #[must_use]
    pub fn read_design(document: &str) -> Vec<Self> {
        let Some(members) = read(document) else { return Vec::new() };
        let (Some(Value::String(design)), true) = (get(&members, "_id"), is_query(&members)) else {
            return Vec::new();
        };
        let partitioned = match get(&members, "options") {
            Some(Value::Object(options)) => match get(options, "partitioned") {
                Some(Value::Bool(value)) => Some(*value),
                _ => None,
            },
            _ => None,
        };
        let Some(Value::Object(views)) = get(&members, "views") else { return Vec::new() };
        let index = |(name, view): &(Cow<'static, str>, Value<'static>)| {
            let mut index = read_view(design, name, view)?;
            index.partitioned = partitioned;
            Some(index)
        };
        views.iter().filter_map(index).collect()
    }

    /// Adds the index to its design document, or makes one. `document` is the document's text, with
    /// its underscored members, unless it is missing or deleted.
    ///
    /// # Errors
    /// The document is there, and the index cannot be in it.
    pub fn add_to(&self, document: Option<&str>) -> Result<Addition, IndexError> {
        let Some(document) = document else { return Ok(Addition::Changed(self.new_design())) };
        let mut members = read(document).unwrap_or_default();
        check_language(&members)?;
        let options = match get(&members, "options") {
            Some(Value::Object(options)) => get(options, "partitioned"),
            _ => None,
        };
        if options.cloned() != self.partitioned.map(Value::Bool) {
            return Err(IndexError::PartitionedMismatch { design: self.design.clone() });
        }
        let before = members.clone();
        let mut views = match get(&members, "views") {
            Some(Value::Object(views)) => views.clone(),
            _ => Vec::new(),
        };
        set(&mut views, &self.name, self.to_view());
        set(&mut members, "views", Value::Object(views));
        Ok(if members == before {
            Addition::Exists
        } else {
            Addition::Changed(Value::Object(members).to_string())
        })
    }

    fn new_design(&self) -> String {
        let mut members = vec![
            ("_id".into(), text(&self.design)),
            ("language".into(), text("query")),
            ("views".into(), Value::Object(vec![(self.name.clone().into(), self.to_view())])),
        ];
        if let Some(partitioned) = self.partitioned {
            let options = object([("partitioned", Value::Bool(partitioned))]);
            members.push(("options".into(), options));
        }
        Value::Object(members).to_string()
    }

    fn to_view(&self) -> Value<'static> {
        let partial = self.partial.as_ref().map(|partial| partial.normal.clone());
        object([
            (
                "map",
                object([
                    ("fields", self.sort.to_object()),
                    ("partial_filter_selector", partial.unwrap_or_else(|| object([]))),
                ]),
            ),
            ("reduce", text("_count")),
            ("options", object([("def", self.written.clone())])),
        ])
    }
}

/// Removes an index from its design document, whose text has its underscored members.
///
/// # Errors
/// [`IndexError::NotFound`] when it has none of that name.
pub fn remove_index(document: &str, name: &str) -> Result<Removal, IndexError> {
    let mut members = read(document).unwrap_or_default();
    check_language(&members)?;
    let mut views = match get(&members, "views") {
        Some(Value::Object(views)) => views.clone(),
        _ => Vec::new(),
    };
    if get(&views, name).is_none() {
        return Err(IndexError::NotFound(name.to_owned()));
    }
    views.retain(|(given, _)| given != name);
    if views.is_empty() {
        members.retain(|(given, _)| given != "views");
    } else {
        set(&mut members, "views", Value::Object(views));
    }
    let mut left = members.iter().filter(|(name, _)| !name.starts_with('_'));
    Ok(match (left.next(), left.next()) {
        (Some((name, _)), None) if name == "language" => Removal::Deleted,
        _ => Removal::Changed(Value::Object(members).to_string()),
    })
}

fn read_view(design: &str, name: &str, view: &Value<'static>) -> Option<IndexDefinition> {
    let Value::Object(view) = view else { return None };
    let (Some(Value::Object(map)), Some(Value::Object(options))) =
        (get(view, "map"), get(view, "options"))
    else {
        return None;
    };
    let Some(Value::Object(fields)) = get(map, "fields") else { return None };
    let field = |member: &(_, _)| Value::Object(vec![member.clone()]);
    let sort = Sort::from_value(&Value::Array(fields.iter().map(field).collect())).ok()?;
    let written = get(options, "def").cloned().unwrap_or(Value::Null);
    let mut index = IndexDefinition::new(design.to_owned(), name.to_owned(), sort, written).ok()?;
    // Indexes of long ago had it under the shorter name.
    let selector = get(map, "partial_filter_selector").or_else(|| get(map, "selector"));
    if let Some(selector) = selector {
        index.partial = partial(selector.clone()).ok()?;
    }
    Some(index)
}

fn read(document: &str) -> Option<Members> {
    match Value::parse(document, usize::MAX).ok()?.into_owned() {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

fn get<'m>(members: &'m Members, name: &str) -> Option<&'m Value<'static>> {
    members.iter().find(|(given, _)| given == name).map(|(_, value)| value)
}

fn set(members: &mut Members, name: &str, value: Value<'static>) {
    match members.iter_mut().find(|(given, _)| given == name) {
        Some((_, given)) => *given = value,
        None => members.push((name.to_owned().into(), value)),
    }
}

fn is_query(members: &Members) -> bool {
    matches!(get(members, "language"), Some(Value::String(language)) if language == "query")
}

fn check_language(members: &Members) -> Result<(), IndexError> {
    if is_query(members) {
        return Ok(());
    }
    let language = get(members, "language").map_or_else(|| "false".into(), Value::shown);
    Err(IndexError::InvalidLanguage(language))
}
