//! JSON values as they were written: members in their order, whole numbers told from others.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON value; its strings borrow from the text where nothing is escaped.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object, its members in the order they were written.
    Object(Vec<(Cow<'a, str>, Self)>),
}

/// A number. `1` and `1.0` are of equal size, but not the same: only one of them is whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Written without fraction and exponent, and within 64 bits, with or without a sign.
    Whole(i128),
    /// Any other.
    Float(f64),
}

impl Number {
    /// The sum; a float when it exceeds 128 bits.
    pub(crate) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(one), Self::Whole(more)) => match one.checked_add(more) {
                Some(sum) => Self::Whole(sum),
                None => Self::Float(one as f64 + more as f64),
            },
            _ => Self::Float(self.to_float() + other.to_float()),
        }
    }

    /// The square; a float when it exceeds 128 bits.
    pub(crate) fn squared(self) -> Self {
        match self {
            Self::Whole(number) => match number.checked_mul(number) {
                Some(square) => Self::Whole(square),
                None => Self::Float(number as f64 * number as f64),
            },
            Self::Float(number) => Self::Float(number * number),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "as a float has it")]
    fn to_float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    /// Which of two numbers is greater, exactly.
    #[must_use]
    pub fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            // JSON has neither infinities nor NaN.
            (Self::Float(one), Self::Float(other)) => {
                one.partial_cmp(&other).unwrap_or(Ordering::Equal)
            }
            (Self::Whole(whole), Self::Float(float)) => compare_mixed(whole, float),
            (Self::Float(float), Self::Whole(whole)) => compare_mixed(whole, float).reverse(),
        }
    }
}

/// As JSON text, the way CouchDB writes it: a float has a fraction or an exponent, and the exponent begins
/// where JavaScript's does. What JSON has no text for is null.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Float(number) if !number.is_finite() => f.write_str("null"),
            Self::Float(number) if *number == 0.0 => f.write_str("0.0"),
            Self::Float(number) if (1e-6..1e21).contains(&number.abs()) => {
                let text = number.to_string();
                f.write_str(&text)?;
                f.write_str(if text.contains('.') { "" } else { ".0" })
            }
            Self::Float(number) => {
                let text = format!("{number:e}");
                let sign = if number.abs() < 1.0 { "e" } else { "e+" };
                f.write_str(&text.replace('e', sign))
            }
        }
    }
}

/// A float would round the whole number, so the float is cut into its whole part and the rest.
#[allow(clippy::cast_possible_truncation, reason = "beyond 128 bits it stays at their ends")]
fn compare_mixed(whole: i128, float: f64) -> Ordering {
    /// One more than the greatest whole number of 128 bits with a sign.
    const BEYOND: f64 = (1_u128 << 127) as f64;
    if float >= BEYOND {
        return Ordering::Less;
    }
    let fraction = float.fract();
    whole
        .cmp(&(float.trunc() as i128))
        .then_with(|| 0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal))
}

/// Levels of arrays and objects within one another: as many as `store` accepts.
pub(crate) const LEVELS_MAX: usize = store::json::DEPTH_MAX;

impl<'a> Value<'a> {
    /// Reads JSON text of up to `levels` levels.
    pub(crate) fn parse(text: &'a str, levels: usize) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let nested = Nested { levels: levels.min(LEVELS_MAX), run: 0 };
        let value = nested.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }

    /// Whether it has at most so many levels of arrays and objects.
    pub(crate) fn fits(&self, levels: usize) -> bool {
        match (self, levels.checked_sub(1)) {
            (Self::Array(elements), Some(inner)) => elements.iter().all(|value| value.fits(inner)),
            (Self::Object(members), Some(inner)) => {
                members.iter().all(|(_, value)| value.fits(inner))
            }
            (Self::Array(_) | Self::Object(_), None) => false,
            _ => true,
        }
    }

    /// The value as JSON, or its beginning: a refusal repeats no more of what it refuses.
    pub(crate) fn shown(&self) -> String {
        let mut beginning = Beginning(String::new());
        let whole = write!(beginning, "{self}").is_ok();
        let Beginning(mut text) = beginning;
        if !whole {
            text.push('…');
        }
        text
    }

    /// The value with strings of its own.
    pub(crate) fn into_owned(self) -> Value<'static> {
        let text = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number),
            Self::String(string) => Value::String(text(string)),
            Self::Array(elements) => {
                Value::Array(elements.into_iter().map(Value::into_owned).collect())
            }
            Self::Object(members) => {
                let member = |(name, value): (_, Self)| (text(name), value.into_owned());
                Value::Object(members.into_iter().map(member).collect())
            }
        }
    }
}

/// The beginning of what is written to it; what does not fit any more is an error.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const BYTES_MAX: usize = 200;
        let fitting = text.floor_char_boundary(BYTES_MAX - self.0.len());
        self.0.push_str(&text[..fitting]);
        if fitting == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// As JSON text.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => number.fmt(f),
            Self::String(text) => write_string(f, text),
            Self::Array(elements) => {
                f.write_str("[")?;
                for (position, element) in elements.iter().enumerate() {
                    f.write_str(if position == 0 { "" } else { "," })?;
                    element.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (position, (name, value)) in members.iter().enumerate() {
                    f.write_str(if position == 0 { "" } else { "," })?;
                    write_string(f, name)?;
                    f.write_str(":")?;
                    value.fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut quoted = Vec::new();
    store::json::write_string(&mut quoted, text);
    f.write_str(&String::from_utf8_lossy(&quoted))
}

/// A value within others.
#[derive(Clone, Copy)]
struct Nested {
    /// Levels it may still have.
    levels: usize,
    /// Levels that it lies in, since a deserializer began.
    run: usize,
}

/// Levels after which a new deserializer begins: one alone gives up at 128, and a stored document
/// may have more.
pub(crate) const RUN_MAX: usize = 100;

impl Nested {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, run: self.run + 1 }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.run < RUN_MAX {
            return deserializer.deserialize_any(self);
        }
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Value::parse(raw.get(), self.levels).map_err(D::Error::custom)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::Whole(number.into())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::Whole(number.into())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::Number(Number::Float(number)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Vec::new();
        while let Some(name) = members.next_key_seed(Text)? {
            object.push((name, members.next_value_seed(inner)?));
        }
        Ok(Value::Object(object))
    }
}

/// A string, borrowed from the text where it can be.
pub(crate) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) {
        let value = Value::parse(text, LEVELS_MAX).unwrap();
        assert_eq!(value.to_string(), text);
        assert_eq!(value.clone().into_owned(), value);
    }

    #[test]
    fn reads_and_writes() {
        for text in ["null", "true", "-5", "18446744073709551615", "1.0", "0.1", r#""é\n\"""#] {
            check(text);
        }
        check(r#"{"b":1,"a":[{},[],{"b":null}],"b":2}"#);
    }

    #[test]
    fn digits_are_read_as_the_nearest_number() {
        let text = "18446744073718446744073709551615";
        let nearest = text.parse().map(|number| Value::Number(Number::Float(number)));
        assert_eq!(Value::parse(text, 0).ok(), nearest.ok());
    }

    #[test]
    fn refuses() {
        for text in ["", "{", "[1,]", "{}x", r#"{"a"}"#] {
            assert!(Value::parse(text, LEVELS_MAX).is_err(), "{text}");
        }
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Value::parse(&deep(3), 3).is_ok());
        assert!(Value::parse(&deep(4), 3).is_err());
        assert!(Value::parse(&deep(LEVELS_MAX), usize::MAX).is_ok());
        assert!(Value::parse(&deep(LEVELS_MAX + 1), usize::MAX).is_err());
    }

    #[test]
    fn floats_are_written_as_couchdb_does() {
        for (number, text) in [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (-0.0, "0.0"),
            (1e20, "100000000000000000000.0"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (1e-6, "0.000001"),
            (1.25e-7, "1.25e-7"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(Number::Float(number).to_string(), text);
            assert_eq!(text.parse::<f64>().unwrap(), number);
        }
    }

    #[test]
    fn sums_and_squares_stay_whole() {
        use Number::{Float, Whole};
        assert_eq!(Whole(i128::from(u64::MAX)).plus(Whole(1)), Whole(1 << 64));
        assert_eq!(Whole(1).plus(Float(0.5)), Float(1.5));
        assert_eq!(Whole(i128::MAX).plus(Whole(1)), Float(2_f64.powi(127)));
        assert_eq!(Whole(-3).squared(), Whole(9));
        assert_eq!(Whole(1 << 64).squared(), Float(2_f64.powi(128)));
    }

    #[test]
    fn sizes_are_compared_exactly() {
        use Number::{Float, Whole};
        for (one, other, expected) in [
            (Whole(1), Float(1.0), Ordering::Equal),
            (Whole(1), Float(1.5), Ordering::Less),
            (Whole(-1), Float(-1.5), Ordering::Greater),
            (Whole(9_007_199_254_740_993), Float(9_007_199_254_740_992.0), Ordering::Greater),
            (Whole(i128::from(u64::MAX)), Float(1e300), Ordering::Less),
            (Whole(i128::from(i64::MIN)), Float(-1e300), Ordering::Greater),
            (Whole(i128::MAX), Float(2_f64.powi(127)), Ordering::Less),
            (Whole(i128::MIN), Float(-2_f64.powi(127)), Ordering::Equal),
            (Float(0.0), Float(-0.0), Ordering::Equal),
        ] {
            assert_eq!(one.compare(other), expected, "{one:?} {other:?}");
            assert_eq!(other.compare(one), expected.reverse(), "{other:?} {one:?}");
        }
    }
}
