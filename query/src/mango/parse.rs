//! Selectors from JSON: implicit operators made explicit, negations moved to the leaves.
//!
//! Source: the normalisation in CouchDB's `mango_selector`.

use regex::RegexBuilder;

use super::SelectorError;
use super::condition::{Comparison, Condition, Order, Set, Test};
use super::path::Path;
use crate::value::{Number, Value};

/// Conditions in a selector, those within others included.
const CONDITIONS_MAX: usize = 10_000;

/// Bytes of all their paths together: each condition holds its own, however few are written.
const PATHS_BYTES_MAX: usize = 4 << 20;

/// Patterns in a selector, and bytes that each may take once compiled, and while it is used.
const PATTERNS_MAX: usize = 32;
const PATTERN_BYTES_MAX: usize = 512 << 10;

/// Builds the tree, counting what it holds.
#[derive(Debug, Default)]
pub(super) struct Parser {
    conditions: usize,
    paths_bytes: usize,
    patterns: usize,
}

/// Whether what is read stands under an odd number of negations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    Plain,
    Negated,
}

impl Sense {
    fn turned(self) -> Self {
        match self {
            Self::Plain => Self::Negated,
            Self::Negated => Self::Plain,
        }
    }
}

impl Parser {
    /// The condition that `value` asks of the field at `path`: names with dots between them.
    pub(super) fn condition(
        &mut self,
        value: Value<'_>,
        path: &str,
        sense: Sense,
    ) -> Result<Condition, SelectorError> {
        self.conditions += 1;
        self.paths_bytes += path.len();
        if self.conditions > CONDITIONS_MAX || self.paths_bytes > PATHS_BYTES_MAX {
            return Err(SelectorError::TooLarge);
        }
        let Value::Object(mut members) = value else { return equal(value, path, sense) };
        match members.len() {
            0 => equal(Value::Object(members), path, sense),
            1 => {
                let Some((name, argument)) = members.pop() else {
                    return equal(Value::Object(members), path, sense);
                };
                self.member(&name, argument, path, sense)
            }
            _ => {
                let member = |(name, argument): (_, _)| Value::Object(vec![(name, argument)]);
                let selectors = members.into_iter().map(member).collect();
                self.combined(Joint::And, selectors, path, sense)
            }
        }
    }

    fn member(
        &mut self,
        name: &str,
        argument: Value<'_>,
        path: &str,
        sense: Sense,
    ) -> Result<Condition, SelectorError> {
        let test = match name {
            "$and" => return self.combined(Joint::And, array("$and", argument)?, path, sense),
            "$or" => return self.combined(Joint::Or, array("$or", argument)?, path, sense),
            "$nor" => {
                let selectors = array("$nor", argument)?;
                return self.combined(Joint::Or, selectors, path, sense.turned());
            }
            "$not" => return self.condition(object("$not", argument)?, path, sense.turned()),
            "$elemMatch" => Test::ElemMatch(self.inner("$elemMatch", argument)?),
            "$allMatch" => Test::AllMatch(self.inner("$allMatch", argument)?),
            "$keyMapMatch" => Test::KeyMapMatch(self.inner("$keyMapMatch", argument)?),
            "$regex" => Test::Regex(self.pattern(&argument)?),
            name if name.starts_with('$') => test(name, argument, order(path)?)?,
            "" if path.is_empty() => return self.condition(argument, "", sense),
            name if path.is_empty() => return self.condition(argument, name, sense),
            name => return self.condition(argument, &format!("{path}.{name}"), sense),
        };
        leaf(path, test, sense)
    }

    fn combined(
        &mut self,
        joint: Joint,
        selectors: Vec<Value<'_>>,
        path: &str,
        sense: Sense,
    ) -> Result<Condition, SelectorError> {
        let conditions =
            selectors.into_iter().map(|selector| self.condition(selector, path, sense));
        let conditions = conditions.collect::<Result<_, _>>()?;
        Ok(match (joint, sense) {
            (Joint::And, Sense::Plain) | (Joint::Or, Sense::Negated) => Condition::And(conditions),
            (Joint::Or, Sense::Plain) | (Joint::And, Sense::Negated) => Condition::Or(conditions),
        })
    }

    /// A selector for what lies within a field.
    fn inner(
        &mut self,
        operator: &'static str,
        argument: Value<'_>,
    ) -> Result<Box<Condition>, SelectorError> {
        let selector = object(operator, argument)?;
        self.condition(selector, "", Sense::Plain).map(Box::new)
    }

    fn pattern(&mut self, argument: &Value<'_>) -> Result<regex::Regex, SelectorError> {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(SelectorError::TooLarge);
        }
        let Value::String(text) = argument else {
            return Err(SelectorError::bad_argument("$regex", argument));
        };
        RegexBuilder::new(text)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|_| SelectorError::bad_argument("$regex", argument))
    }
}

/// How selectors are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    And,
    Or,
}

fn equal(value: Value<'_>, path: &str, sense: Sense) -> Result<Condition, SelectorError> {
    let test = Test::Compare(Comparison::Equal, order(path)?, value.into_owned());
    leaf(path, test, sense)
}

fn leaf(path: &str, test: Test, sense: Sense) -> Result<Condition, SelectorError> {
    let test = match sense {
        Sense::Plain => test,
        Sense::Negated => test.negated(),
    };
    Ok(Condition::Field(Path::parse(path)?, test))
}

fn order(path: &str) -> Result<Order, SelectorError> {
    Ok(if Path::parse(path)?.is_id() { Order::Raw } else { Order::Collation })
}

/// The test of an operator that has no selectors within it.
fn test(name: &str, argument: Value<'_>, order: Order) -> Result<Test, SelectorError> {
    let compare = |comparison, argument: Value<'_>| {
        Ok(Test::Compare(comparison, order, argument.into_owned()))
    };
    match name {
        "$lt" => compare(Comparison::Less, argument),
        "$lte" => compare(Comparison::LessOrEqual, argument),
        "$eq" => compare(Comparison::Equal, argument),
        "$ne" => compare(Comparison::NotEqual, argument),
        "$gte" => compare(Comparison::GreaterOrEqual, argument),
        "$gt" => compare(Comparison::Greater, argument),
        "$in" => Ok(Test::In(Set::new(order, owned(array("$in", argument)?)))),
        "$nin" => Ok(Test::NotIn(Set::new(order, owned(array("$nin", argument)?)))),
        "$all" => Ok(Test::All(owned(array("$all", argument)?))),
        "$exists" => match argument {
            Value::Bool(expected) => Ok(Test::Exists(expected)),
            argument => Err(SelectorError::bad_argument("$exists", &argument)),
        },
        "$type" => text("$type", argument).map(Test::Type),
        "$beginsWith" => text("$beginsWith", argument).map(Test::BeginsWith),
        "$size" => match argument {
            Value::Number(Number::Whole(size)) if u64::try_from(size).is_ok() => {
                Ok(Test::Size(u64::try_from(size).unwrap_or_default()))
            }
            argument => Err(SelectorError::bad_argument("$size", &argument)),
        },
        "$mod" => match argument {
            Value::Array(ref pair) => match pair.as_slice() {
                [
                    Value::Number(Number::Whole(divisor)),
                    Value::Number(Number::Whole(remainder)),
                ] if *divisor != 0 => Ok(Test::Mod { divisor: *divisor, remainder: *remainder }),
                _ => Err(SelectorError::bad_argument("$mod", &argument)),
            },
            argument => Err(SelectorError::bad_argument("$mod", &argument)),
        },
        "$text" | "$where" | "$geoWithin" | "$geoIntersects" | "$near" | "$nearSphere" => {
            Err(SelectorError::NotSupported(name.to_owned()))
        }
        _ => Err(SelectorError::InvalidOperator(name.to_owned())),
    }
}

fn array<'a>(operator: &'static str, argument: Value<'a>) -> Result<Vec<Value<'a>>, SelectorError> {
    match argument {
        Value::Array(elements) => Ok(elements),
        argument => Err(SelectorError::bad_argument(operator, &argument)),
    }
}

fn object<'a>(operator: &'static str, argument: Value<'a>) -> Result<Value<'a>, SelectorError> {
    match argument {
        Value::Object(_) => Ok(argument),
        argument => Err(SelectorError::bad_argument(operator, &argument)),
    }
}

fn text(operator: &'static str, argument: Value<'_>) -> Result<String, SelectorError> {
    match argument {
        Value::String(text) => Ok(text.into_owned()),
        argument => Err(SelectorError::bad_argument(operator, &argument)),
    }
}

fn owned(values: Vec<Value<'_>>) -> Vec<Value<'static>> {
    values.into_iter().map(Value::into_owned).collect()
}
