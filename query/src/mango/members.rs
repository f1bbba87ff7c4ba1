//! The members of a request, taken one by one.

use std::borrow::Cow;

use super::RequestError;
use super::selector::LEVELS_MAX;
use crate::value::{Number, Value};

/// What is left of a request's object.
#[derive(Debug)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// Levels around a selector: the request, an index, the selector itself.
const LEVELS_AROUND: usize = 2;

impl<'a> Members<'a> {
    /// The members of a body.
    pub(super) fn parse(text: &'a str) -> Result<Self, RequestError> {
        let levels = LEVELS_MAX + LEVELS_AROUND;
        match Value::parse(text, levels).map_err(|_| RequestError::Json)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(RequestError::NotAnObject),
        }
    }

    /// The members of an object within it.
    pub(super) fn new(members: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        Self(members)
    }

    /// Takes what a member was given; the last, if it was given several times.
    pub(super) fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let position = self.0.iter().rposition(|(given, _)| given == name)?;
        let (_, value) = self.0.remove(position);
        self.0.retain(|(given, _)| given != name);
        Some(value)
    }

    /// Takes a member that must be there.
    pub(super) fn required(&mut self, name: &'static str) -> Result<Value<'a>, RequestError> {
        self.take(name).ok_or(RequestError::MissingKey(name))
    }

    /// Takes `true` or `false`.
    pub(super) fn flag(&mut self, name: &str, absent: bool) -> Result<bool, RequestError> {
        match self.take(name) {
            None => Ok(absent),
            Some(Value::Bool(value)) => Ok(value),
            Some(value) => Err(RequestError::of(RequestError::InvalidBoolean, &value)),
        }
    }

    /// Takes a whole number from zero on. More than 64 bits hold is as much as they do.
    pub(super) fn count(&mut self, name: &str, absent: u64) -> Result<u64, RequestError> {
        match self.take(name) {
            None => Ok(absent),
            Some(value) => {
                whole(&value, 0).ok_or_else(|| RequestError::of(RequestError::InvalidCount, &value))
            }
        }
    }

    /// Takes a whole number above zero.
    pub(super) fn positive(&mut self, name: &str, absent: u64) -> Result<u64, RequestError> {
        match self.take(name) {
            None => Ok(absent),
            Some(value) => whole(&value, 1)
                .ok_or_else(|| RequestError::of(RequestError::InvalidPositive, &value)),
        }
    }

    /// Takes a string.
    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>, RequestError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.into_owned())),
            Some(value) => Err(RequestError::of(RequestError::InvalidString, &value)),
        }
    }

    /// Takes a string that is not empty.
    pub(super) fn name(&mut self, name: &str) -> Result<Option<String>, RequestError> {
        match self.string(name)? {
            Some(text) if text.is_empty() => {
                Err(RequestError::of(RequestError::InvalidString, &Value::String(text.into())))
            }
            given => Ok(given),
        }
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), RequestError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name = name.chars().take(100).collect();
                Err(RequestError::InvalidKey(name))
            }
        }
    }
}

fn whole(value: &Value<'_>, least: i128) -> Option<u64> {
    match value {
        Value::Number(Number::Whole(number)) if *number >= least => {
            Some(u64::try_from(*number).unwrap_or(u64::MAX))
        }
        _ => None,
    }
}
