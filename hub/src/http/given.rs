//! Options of listings and views, which come in the query as text, or in a body as JSON.

use serde_json::{Map, Value};
use store::Partition;

use super::query;
use super::{HttpError, Query};

/// An option's value as it came.
#[derive(Clone, Copy)]
pub(crate) enum Given<'a> {
    /// In the query.
    Text(&'a str),
    /// In a body.
    Json(&'a Value),
}

/// Options that may be given in a query, in a body, or in each element of a body's `queries`.
pub(crate) trait Options: Default + Clone {
    /// What is said of `keys` in a body that are no array.
    const KEYS_REASON: &'static str;

    /// Takes one option in.
    fn set(&mut self, name: &str, given: Given<'_>) -> Result<(), HttpError>;

    /// The keys asked for, if any are.
    fn keys(&mut self) -> &mut Option<Vec<Value>>;

    /// Refuses options that contradict each other.
    fn checked(self) -> Result<Self, HttpError>;

    /// Reads the body of a `POST`, then the query, which has the last word.
    fn parse(query: &Query, body: Map<String, Value>) -> Result<Self, HttpError> {
        let mut options = Self::default();
        set_members(&mut options, body)?;
        set_query(&mut options, query)?;
        options.checked()
    }

    /// Reads the options of several questions: those in the query are the ones that each has unless
    /// it says otherwise.
    fn parse_several(query: &Query, queries: Vec<Value>) -> Result<Vec<Self>, HttpError> {
        let mut common = Self::default();
        set_query(&mut common, query)?;
        if common.keys().is_some() {
            // Each question would hold a copy of them.
            return Err(bad("`keys` must be in the body, each query with its own."));
        }
        let one = |members| {
            let Value::Object(members) = members else {
                return Err(bad("`queries` must be an array of objects."));
            };
            let mut options = common.clone();
            set_members(&mut options, members)?;
            options.checked()
        };
        queries.into_iter().map(one).collect()
    }
}

fn set_members<O: Options>(
    options: &mut O,
    mut members: Map<String, Value>,
) -> Result<(), HttpError> {
    match members.remove("keys") {
        None | Some(Value::Null) => {}
        Some(Value::Array(keys)) => *options.keys() = Some(keys),
        Some(_) => return Err(bad(O::KEYS_REASON)),
    }
    members.iter().try_for_each(|(name, value)| options.set(name, Given::Json(value)))
}

fn set_query<O: Options>(options: &mut O, query: &Query) -> Result<(), HttpError> {
    query.pairs().try_for_each(|(name, value)| options.set(name, Given::Text(value)))
}

impl Given<'_> {
    /// `true` or `false`, as a word or a value.
    pub(crate) fn boolean(self) -> Result<bool, HttpError> {
        match self {
            Self::Json(Value::Bool(value)) => Ok(*value),
            Self::Text(text) => query::boolean(text),
            Self::Json(Value::String(text)) => query::boolean(text),
            Self::Json(other) => {
                Err(HttpError::Query(format!("Invalid boolean parameter: {other}")))
            }
        }
    }

    /// A natural number.
    pub(crate) fn unsigned(self) -> Result<u64, HttpError> {
        match self {
            Self::Text(text) => query::unsigned(text),
            Self::Json(Value::String(text)) => query::unsigned(text),
            Self::Json(Value::Number(number)) if number.is_u64() || number.is_i64() => {
                number.as_u64().ok_or_else(|| {
                    HttpError::Query(format!("Invalid value for positive integer: {number}"))
                })
            }
            Self::Json(other) => {
                Err(HttpError::Query(format!("Invalid value for integer: {other}")))
            }
        }
    }

    /// One of these words.
    pub(crate) fn word(
        self,
        name: &str,
        words: &[&'static str],
    ) -> Result<&'static str, HttpError> {
        let given = match self {
            Self::Text(text) => Some(text),
            Self::Json(Value::String(text)) => Some(text.as_str()),
            Self::Json(Value::Bool(true)) => Some("true"),
            Self::Json(Value::Bool(false)) => Some("false"),
            Self::Json(_) => None,
        };
        let known = given.and_then(|given| words.iter().find(|word| **word == given));
        known.copied().ok_or_else(|| refused(&format!("Invalid value for `{name}`.")))
    }

    /// Text as it is.
    pub(crate) fn text(self, name: &str) -> Result<String, HttpError> {
        match self {
            Self::Text(text) => Ok(text.to_owned()),
            Self::Json(Value::String(text)) => Ok(text.clone()),
            Self::Json(_) => Err(refused(&format!("`{name}` must be a string."))),
        }
    }

    /// The name of a partition.
    pub(crate) fn partition(self) -> Result<Partition, HttpError> {
        match self {
            Self::Text(text) => Ok(text.parse::<Partition>()?),
            Self::Json(Value::String(text)) => Ok(text.parse::<Partition>()?),
            Self::Json(_) => Err(HttpError::IllegalPartition("Partition must be a string".into())),
        }
    }

    /// Any value.
    pub(crate) fn json(self) -> Result<Value, HttpError> {
        match self {
            Self::Text(text) => query::json(text),
            Self::Json(value) => Ok(value.clone()),
        }
    }
}

/// CouchDB's answer to an option that makes no sense.
pub(crate) fn refused(reason: &str) -> HttpError {
    HttpError::Query(reason.into())
}

/// CouchDB's answer to a body that makes no sense.
pub(crate) fn bad(reason: &str) -> HttpError {
    HttpError::BadRequest(reason.into())
}
