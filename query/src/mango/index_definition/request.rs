//! Indexes that clients ask for.

use super::{IndexDefinition, IndexError, Partial, Sort};
use crate::mango::json::object;
use crate::mango::members::Members;
use crate::mango::normal::Normal;
use crate::mango::use_index::with_prefix;
use crate::mango::{RequestError, Selector};
use crate::value::Value;

impl IndexDefinition {
    /// Parses the body of `POST _index`. What is not named there is named by a hash.
    ///
    /// Source: CouchDB's `mango_opts:validate_idx_create/1` and `mango_idx:new/2`.
    ///
    /// # Errors
    /// What is wrong with it, in CouchDB's words.
    pub fn parse(body: &str, partitioned_database: bool) -> Result<Self, IndexError> {
        let mut members = Members::parse(body)?;
        let definition = members.required("index")?;
        check_type(members.string("type")?.as_deref())?;
        let name = members.name("name")?;
        let design = members.name("ddoc")?;
        members.positive("w", 2)?;
        let partitioned = match members.take("partitioned") {
            None => None,
            Some(Value::Bool(value)) => Some(value),
            Some(value) => {
                let value = value.shown();
                return Err(RequestError::InvalidValue { name: "partitioned", value }.into());
            }
        };
        members.finish()?;
        if partitioned == Some(true) && !partitioned_database {
            return Err(IndexError::NotPartitioned);
        }
        let hash = hash(&definition, name.as_deref(), design.as_deref(), partitioned);
        let design = design.as_deref().unwrap_or(&hash);
        let name = name.as_deref().unwrap_or(&hash);
        let mut index = read(definition, with_prefix(design).into_owned(), name.to_owned())?;
        index.partitioned = partitioned;
        Ok(index)
    }
}

/// The design documents that `POST _index/_bulk_delete` removes the indexes of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkDelete {
    /// Their ids, in the order of the request.
    pub designs: Vec<String>,
}

impl BulkDelete {
    /// Parses a body.
    ///
    /// # Errors
    /// What is wrong with it, in CouchDB's words.
    pub fn parse(body: &str) -> Result<Self, RequestError> {
        let mut members = Members::parse(body)?;
        let documents = members.required("docids")?;
        let Value::Array(documents) = documents else {
            return Err(RequestError::of(RequestError::InvalidBulkDelete, &documents));
        };
        members.positive("w", 2)?;
        members.finish()?;
        let design = |document: &Value<'_>| match document {
            Value::String(name) => Ok(with_prefix(name).into_owned()),
            other => Err(RequestError::of(RequestError::InvalidIndexName, other)),
        };
        Ok(Self { designs: documents.iter().map(design).collect::<Result<_, _>>()? })
    }
}

fn check_type(name: Option<&str>) -> Result<(), IndexError> {
    match name {
        None | Some("json") => Ok(()),
        Some(name @ ("text" | "nouveau")) => Err(IndexError::Unavailable(name.to_owned())),
        Some(name) => Err(IndexError::InvalidType(name.chars().take(100).collect())),
    }
}

fn read(
    definition: Value<'_>,
    design: String,
    name: String,
) -> Result<IndexDefinition, IndexError> {
    let written = definition.clone().into_owned();
    let Value::Object(members) = definition else {
        return Err(IndexError::NotAnObject(definition.shown()));
    };
    let mut members = Members::new(members);
    let sort = Sort::from_value(&members.required("fields")?)?.once();
    let partial = members.take("partial_filter_selector").map(partial).transpose()?;
    members.finish()?;
    let mut index = IndexDefinition::new(design, name, sort, written)?;
    index.partial = partial.flatten();
    Ok(index)
}

/// A selector that keeps documents out; the empty one keeps none.
pub(super) fn partial(selector: Value<'_>) -> Result<Option<Partial>, RequestError> {
    match &selector {
        Value::Object(members) if members.is_empty() => return Ok(None),
        Value::Object(_) => {}
        other => return Err(RequestError::of(RequestError::SelectorNotAnObject, other)),
    }
    let parsed = Selector::from_value(selector.clone())?;
    Ok(Some(Partial { selector: parsed, normal: Normal::new(selector).to_value() }))
}

/// A name for what has none: the same for the same request.
fn hash(
    definition: &Value<'_>,
    name: Option<&str>,
    design: Option<&str>,
    partitioned: Option<bool>,
) -> String {
    let text = |text: Option<&str>| text.map_or(Value::Null, crate::mango::json::text);
    let hashed = object([
        ("index", definition.clone().into_owned()),
        ("name", text(name)),
        ("ddoc", text(design)),
        ("partitioned", partitioned.map_or(Value::Null, Value::Bool)),
    ]);
    // As long as CouchDB's, which are SHA-1.
    let digest = blake3::hash(hashed.to_string().as_bytes()).to_hex();
    digest[..40].to_owned()
}
