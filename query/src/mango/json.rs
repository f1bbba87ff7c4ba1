//! JSON put together.

use std::borrow::Cow;

use crate::value::{Number, Value};

/// An object of these members.
pub(super) fn object<const N: usize>(
    members: [(&'static str, Value<'static>); N],
) -> Value<'static> {
    Value::Object(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
}

/// A string.
pub(super) fn text(text: &str) -> Value<'static> {
    Value::String(Cow::Owned(text.to_owned()))
}

/// A whole number.
pub(super) fn number(number: u64) -> Value<'static> {
    Value::Number(Number::Whole(number.into()))
}
