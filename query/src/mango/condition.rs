//! A selector as a tree, all negations moved to its leaves.

use std::cmp::Ordering;

use regex::Regex;

use super::path::Path;
use crate::collation;
use crate::value::Value;

/// What a value must fulfil.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// All of them.
    And(Vec<Self>),
    /// One of them; of none, nothing is asked.
    Or(Vec<Self>),
    /// A field must be there and pass a test.
    Field(Path, Test),
}

/// What a field is tested for.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// It compares so to the value.
    Compare(Comparison, Order, Value<'static>),
    /// It, or an element of it, is among these.
    In(Set),
    /// Neither it nor an element of it is among these.
    NotIn(Set),
    /// It is there, or is not.
    Exists(bool),
    /// It is of this type.
    Type(String),
    /// It is a whole number that leaves this remainder.
    Mod { divisor: i128, remainder: i128 },
    /// It is a string that has a match.
    Regex(Regex),
    /// It is a string that begins so.
    BeginsWith(String),
    /// It is an array that has all of these, or is the only one of them.
    All(Vec<Value<'static>>),
    /// It is an array of this length.
    Size(u64),
    /// It is an array, one of whose elements fulfils this.
    ElemMatch(Box<Condition>),
    /// It is an array that is not empty, all of whose elements fulfil this.
    AllMatch(Box<Condition>),
    /// It is an object, one of whose names fulfils this.
    KeyMapMatch(Box<Condition>),
    /// It does not pass this test.
    Not(Box<Self>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// By which order values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// CouchDB's collation.
    Collation,
    /// That of document ids: strings by their bytes, and behind everything else.
    Raw,
}

/// Values in their order, to look one up.
#[derive(Clone, Debug)]
pub(super) struct Set {
    order: Order,
    values: Vec<Value<'static>>,
}

impl Comparison {
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::GreaterOrEqual => Self::Less,
            Self::Greater => Self::LessOrEqual,
        }
    }
}

impl Order {
    pub(super) fn compare(self, one: &Value<'_>, other: &Value<'_>) -> Ordering {
        match (self, one, other) {
            (Self::Raw, Value::String(one), Value::String(other)) => {
                one.as_bytes().cmp(other.as_bytes())
            }
            (Self::Raw, Value::String(_), _) => Ordering::Greater,
            (Self::Raw, _, Value::String(_)) => Ordering::Less,
            _ => collation::compare(one, other),
        }
    }
}

impl Set {
    pub(super) fn new(order: Order, mut values: Vec<Value<'static>>) -> Self {
        values.sort_by(|one, other| order.compare(one, other));
        Self { order, values }
    }

    pub(super) fn contains(&self, value: &Value<'_>) -> bool {
        self.values.binary_search_by(|other| self.order.compare(other, value)).is_ok()
    }
}

impl Test {
    /// The test that a field passes, if it is there, when it does not pass this one.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Compare(comparison, order, value) => {
                Self::Compare(comparison.negated(), order, value)
            }
            Self::In(set) => Self::NotIn(set),
            Self::NotIn(set) => Self::In(set),
            Self::Exists(expected) => Self::Exists(!expected),
            Self::Not(test) => *test,
            test => Self::Not(Box::new(test)),
        }
    }
}
