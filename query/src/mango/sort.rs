//! In which order documents are asked for.

use std::borrow::Cow;
use std::collections::HashSet;

use store::Direction;

use super::RequestError;
use super::fields::FIELDS_MAX;
use super::path::Path;
use crate::value::Value;

/// Fields to sort by, all of them in the same direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    fields: Vec<String>,
    direction: Direction,
}

/// By nothing.
impl Default for Sort {
    fn default() -> Self {
        Self { fields: Vec::new(), direction: Direction::Ascending }
    }
}

impl Sort {
    /// Reads an array of names, or of objects such as `{"name": "desc"}`.
    ///
    /// Source: CouchDB's `mango_sort:new/1`; a name that is no path is refused here, not later.
    pub(super) fn from_value(value: &Value<'_>) -> Result<Self, RequestError> {
        let Value::Array(elements) = value else {
            return Err(RequestError::of(RequestError::InvalidSort, value));
        };
        if elements.len() > FIELDS_MAX {
            return Err(RequestError::TooManyFields);
        }
        let mut sort = Self::default();
        let mut directions = Vec::with_capacity(elements.len());
        for element in elements {
            let (name, direction) = field(element)
                .filter(|(name, _)| is_path(name))
                .ok_or_else(|| RequestError::of(RequestError::InvalidSortField, element))?;
            sort.fields.push(name.to_owned());
            directions.push(direction);
        }
        if let [first, rest @ ..] = directions.as_slice() {
            if rest.iter().any(|direction| direction != first) {
                return Err(RequestError::MixedSort);
            }
            sort.direction = *first;
        }
        Ok(sort)
    }

    /// The same order, no field named twice: what a design document can hold.
    pub(super) fn once(mut self) -> Self {
        let mut seen = HashSet::new();
        self.fields.retain(|name| seen.insert(name.clone()));
        self
    }

    /// The fields' names, the most important first.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The direction of them all.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// As an object: names, and their direction.
    pub(super) fn to_object(&self) -> Value<'static> {
        let field = |name: &String| (Cow::Owned(name.clone()), self.word());
        Value::Object(self.fields.iter().map(field).collect())
    }

    /// As an array of objects.
    pub(super) fn to_array(&self) -> Value<'static> {
        let field = |name: &String| Value::Object(vec![(Cow::Owned(name.clone()), self.word())]);
        Value::Array(self.fields.iter().map(field).collect())
    }

    fn word(&self) -> Value<'static> {
        Value::String(Cow::Borrowed(match self.direction {
            Direction::Ascending => "asc",
            Direction::Descending => "desc",
        }))
    }
}

fn field<'v>(element: &'v Value<'_>) -> Option<(&'v str, Direction)> {
    match element {
        Value::String(name) => Some((name, Direction::Ascending)),
        Value::Object(members) => match members.as_slice() {
            [(name, Value::String(word))] => Some((name, direction(word)?)),
            _ => None,
        },
        _ => None,
    }
}

fn direction(word: &str) -> Option<Direction> {
    match word {
        "asc" => Some(Direction::Ascending),
        "desc" => Some(Direction::Descending),
        _ => None,
    }
}

/// Whether a field can have this name.
pub(super) fn is_path(name: &str) -> bool {
    !name.is_empty() && Path::parse(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let sort = Sort::from_value(&Value::parse(text, 9).unwrap());
        let sort = sort.map(|sort| sort.to_array().to_string());
        let sort = sort.map_err(|error| format!("{}: {error}", error.word()));
        assert_eq!(sort.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn reads() {
        check("[]", Ok("[]"));
        check(r#"["a","b.c"]"#, Ok(r#"[{"a":"asc"},{"b.c":"asc"}]"#));
        check(r#"[{"a":"desc"},{"b":"desc"}]"#, Ok(r#"[{"a":"desc"},{"b":"desc"}]"#));
    }

    #[test]
    fn refuses() {
        check("{}", Err("invalid_sort_json: Sort must be an array of sort specs, not: {}"));
        let mixed = "unsupported_mixed_sort: \
                     Sorts currently only support a single direction for all fields.";
        check(r#"["a",{"b":"desc"}]"#, Err(mixed));
        for field in [r#""""#, "1", "{}", r#"{"a":"up"}"#, r#"{"a":"asc","b":"asc"}"#, r#""a..b""#]
        {
            let expected = format!("invalid_sort_field: Invalid sort field: {field}");
            check(&format!("[{field}]"), Err(&expected));
        }
    }
}
