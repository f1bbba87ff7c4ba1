//! A selector as CouchDB shows and plans it: all operators explicit, fields by their whole names,
//! negations moved to the leaves.
//!
//! Source: CouchDB's `mango_selector:normalize/1`. The conditions that are matched are built beside
//! it by `parse`, which also refuses what is too large: nothing here is reached before.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::value::Value;

/// A selector, normalised.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Normal {
    /// The empty selector.
    Everything,
    /// All of them.
    And(Vec<Self>),
    /// One of them.
    Or(Vec<Self>),
    /// What is asked of a field.
    Field(String, Asked),
}

/// An operator and its argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) operator: String,
    pub(super) argument: Value<'static>,
}

impl Normal {
    /// Normalises a selector that has been parsed without an error.
    pub(super) fn new(selector: Value<'_>) -> Self {
        match selector {
            Value::Object(members) if members.is_empty() => Self::Everything,
            selector => plain(explicit(selector.into_owned(), "")),
        }
    }

    /// As JSON.
    pub(super) fn to_value(&self) -> Value<'static> {
        let joint = |name: &'static str, inner: &[Self]| {
            let inner = inner.iter().map(Self::to_value).collect();
            single(Cow::Borrowed(name), Value::Array(inner))
        };
        match self {
            Self::Everything => Value::Object(vec![]),
            Self::And(inner) => joint("$and", inner),
            Self::Or(inner) => joint("$or", inner),
            Self::Field(name, Asked { operator, argument }) => {
                let asked = single(Cow::Owned(operator.clone()), argument.clone());
                single(Cow::Owned(name.clone()), asked)
            }
        }
    }

    /// Whether it is a combination of nothing, which CouchDB answers with nothing.
    ///
    /// Source: `mango_cursor:maybe_noop_range/2`.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::And(inner) | Self::Or(inner) if inner.is_empty())
    }

    /// The names of all fields, in order and once.
    pub(super) fn fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        self.collect_fields(&mut fields);
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// The names of the fields whose values lie within a range of an index, in order and once.
    ///
    /// Source: `mango_idx_view:indexable_fields/1`.
    pub(super) fn indexable_fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        self.collect_indexable(&mut fields);
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// The names of the fields that each document that it matches must have.
    ///
    /// Source: `mango_selector:has_required_fields/2`, but for an `$or` of nothing, which asks for
    /// nothing.
    pub(super) fn required_fields(&self) -> HashSet<&str> {
        match self {
            Self::Everything => HashSet::new(),
            Self::And(all) => all.iter().flat_map(Self::required_fields).collect(),
            Self::Or(any) => {
                let each = any.iter().map(Self::required_fields);
                each.reduce(|one, other| &one & &other).unwrap_or_default()
            }
            Self::Field(_, asked) if asked.accepts_missing() => HashSet::new(),
            Self::Field(name, _) => HashSet::from([name.as_str()]),
        }
    }

    /// The names of the fields that have the same value in each document that it matches.
    ///
    /// Source: `mango_selector:is_constant_field/2`.
    pub(super) fn constant_fields(&self) -> HashSet<&str> {
        match self {
            Self::And(all) => all.iter().flat_map(Self::constant_fields).collect(),
            Self::Field(name, asked) if asked.operator == "$eq" => HashSet::from([name.as_str()]),
            Self::Field(..) | Self::Everything | Self::Or(_) => HashSet::new(),
        }
    }

    fn collect_fields<'n>(&'n self, fields: &mut Vec<&'n str>) {
        match self {
            Self::Everything => {}
            Self::And(inner) | Self::Or(inner) => {
                inner.iter().for_each(|one| one.collect_fields(fields));
            }
            Self::Field(name, _) => fields.push(name),
        }
    }

    fn collect_indexable<'n>(&'n self, fields: &mut Vec<&'n str>) {
        match self {
            Self::Everything | Self::Or(_) => {}
            Self::And(inner) => inner.iter().for_each(|one| one.collect_indexable(fields)),
            Self::Field(name, asked) if asked.is_indexable() => fields.push(name),
            Self::Field(..) => {}
        }
    }
}

impl Asked {
    pub(super) fn is_indexable(&self) -> bool {
        matches!(self.operator.as_str(), "$lt" | "$lte" | "$eq" | "$gte" | "$gt")
    }

    fn accepts_missing(&self) -> bool {
        self.operator == "$exists" && self.argument == Value::Bool(false)
    }

    fn negated(self) -> Self {
        let operator = match self.operator.as_str() {
            "$lt" => "$gte",
            "$lte" => "$gt",
            "$eq" => "$ne",
            "$ne" => "$eq",
            "$gte" => "$lt",
            "$gt" => "$lte",
            "$in" => "$nin",
            "$nin" => "$in",
            "$exists" => {
                let expected = self.argument == Value::Bool(true);
                return Self { operator: self.operator, argument: Value::Bool(!expected) };
            }
            _ => {
                let argument = Value::Object(vec![(Cow::Owned(self.operator), self.argument)]);
                return Self { operator: "$not".into(), argument };
            }
        };
        Self { operator: operator.into(), argument: self.argument }
    }
}

fn single(name: Cow<'static, str>, value: Value<'static>) -> Value<'static> {
    Value::Object(vec![(name, value)])
}

/// Makes implicit operators explicit and moves names to the leaves: what comes out are objects of
/// one member, either a combination or a field's name and what is asked of it.
fn explicit(value: Value<'static>, path: &str) -> Value<'static> {
    let asked = |name, argument| single(Cow::Owned(path.to_owned()), single(name, argument));
    let members = match value {
        Value::Object(members) if !members.is_empty() => members,
        value => return asked(Cow::Borrowed("$eq"), value),
    };
    if members.len() > 1 {
        let all = members.into_iter().map(|(name, value)| explicit(single(name, value), path));
        return single(Cow::Borrowed("$and"), Value::Array(all.collect()));
    }
    let Some((name, argument)) = members.into_iter().next() else { return Value::Null };
    match (&*name, argument) {
        ("$and" | "$or" | "$nor", Value::Array(inner)) => {
            let inner = inner.into_iter().map(|one| explicit(one, path)).collect();
            single(name, Value::Array(inner))
        }
        ("$not", argument) => single(name, explicit(argument, path)),
        ("$elemMatch" | "$allMatch" | "$keyMapMatch", argument) => {
            asked(name, explicit(argument, ""))
        }
        (operator, argument) if operator.starts_with('$') => asked(name, argument),
        (field, argument) if path.is_empty() => explicit(argument, field),
        (field, argument) => explicit(argument, &format!("{path}.{field}")),
    }
}

fn plain(value: Value<'static>) -> Normal {
    match cut(value) {
        Cut::Joint(joint, inner) => joint.of(inner, false),
        Cut::Not(inner) => negated(inner),
        Cut::Field(name, asked) => Normal::Field(name, asked),
    }
}

fn negated(value: Value<'static>) -> Normal {
    match cut(value) {
        Cut::Joint(joint, inner) => joint.of(inner, true),
        Cut::Not(inner) => plain(inner),
        Cut::Field(name, asked) => Normal::Field(name, asked.negated()),
    }
}

/// What `explicit` made of a selector.
enum Cut {
    Joint(Joint, Vec<Value<'static>>),
    Not(Value<'static>),
    Field(String, Asked),
}

#[derive(Clone, Copy)]
enum Joint {
    And,
    Or,
    Nor,
}

impl Joint {
    fn of(self, inner: Vec<Value<'static>>, negate: bool) -> Normal {
        let inner_negated = negate != matches!(self, Self::Nor);
        let each = if inner_negated { negated } else { plain };
        let inner = inner.into_iter().map(each).collect();
        match (self, negate) {
            (Self::And, false) | (Self::Or, true) | (Self::Nor, false) => Normal::And(inner),
            (Self::Or, false) | (Self::And, true) | (Self::Nor, true) => Normal::Or(inner),
        }
    }
}

fn cut(value: Value<'static>) -> Cut {
    let only = |value| match value {
        Value::Object(members) => members.into_iter().next(),
        _ => None,
    };
    let Some((name, value)) = only(value) else { return Cut::Joint(Joint::And, vec![]) };
    match (&*name, value) {
        ("$and", Value::Array(inner)) => Cut::Joint(Joint::And, inner),
        ("$or", Value::Array(inner)) => Cut::Joint(Joint::Or, inner),
        ("$nor", Value::Array(inner)) => Cut::Joint(Joint::Nor, inner),
        ("$not", inner) => Cut::Not(inner),
        (_, asked) => match only(asked) {
            Some((operator, argument)) => {
                let asked = Asked { operator: operator.into_owned(), argument };
                Cut::Field(name.into_owned(), asked)
            }
            None => Cut::Joint(Joint::And, vec![]),
        },
    }
}

#[cfg(test)]
mod tests;
