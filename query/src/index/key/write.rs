//! Keys written from JSON text, of which nothing is kept in between.

use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Collation, END, number, text};
use crate::value::{LEVELS_MAX, Number, RUN_MAX, Text, Value};

/// Writes the key of a value.
pub(super) fn value(out: &mut Vec<u8>, value: &Value<'_>, collation: Collation) {
    let mut key = Key { out, collation };
    match value {
        Value::Null => key.null(),
        Value::Bool(value) => key.bool(*value),
        Value::Number(number) => key.number(*number),
        Value::String(text) => key.string(text),
        Value::Array(elements) => {
            key.out.push(collation.tags().array);
            elements.iter().for_each(|element| self::value(key.out, element, collation));
            key.out.push(END);
        }
        Value::Object(members) => {
            key.out.push(collation.tags().object);
            for (name, member) in members {
                Key { out: key.out, collation }.string(name);
                self::value(key.out, member, collation);
            }
            key.out.push(END);
        }
    }
}

/// Writes the key of JSON text.
pub(super) fn json(
    out: &mut Vec<u8>,
    text: &str,
    collation: Collation,
) -> Result<(), serde_json::Error> {
    if plain(&mut Key { out, collation }, text) {
        return Ok(());
    }
    nested(out, text, collation, LEVELS_MAX)
}

fn nested(
    out: &mut Vec<u8>,
    text: &str,
    collation: Collation,
    levels: usize,
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let key = Key { out, collation };
    Nested { key, levels, run: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Digits of a number that surely fits in 64 bits.
const DIGITS_PLAIN: usize = 18;

/// Writes what most keys are, strings without escapes and short whole numbers, without a parser;
/// `false` when it is something else, or not JSON at all.
fn plain(key: &mut Key<'_>, text: &str) -> bool {
    if let Some(inside) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let is_plain = inside.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
        if is_plain {
            key.string(inside);
        }
        return is_plain;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = (1..=DIGITS_PLAIN).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'));
    match text.parse::<i64>() {
        Ok(number) if is_whole => {
            key.number(Number::Whole(number.into()));
            true
        }
        _ => false,
    }
}

/// A key that is being written.
struct Key<'a> {
    out: &'a mut Vec<u8>,
    collation: Collation,
}

impl Key<'_> {
    fn null(&mut self) {
        self.out.push(self.collation.tags().null);
    }

    fn bool(&mut self, value: bool) {
        let tags = self.collation.tags();
        self.out.push(if value { tags.r#true } else { tags.r#false });
    }

    fn number(&mut self, number: Number) {
        self.out.push(self.collation.tags().number);
        number::write(self.out, number);
    }

    fn string(&mut self, text: &str) {
        self.out.push(self.collation.tags().string);
        match self.collation {
            Collation::Standard => text::write_sort_key(self.out, text),
            Collation::Raw => text::escape(self.out, text.as_bytes()),
        }
    }
}

/// A value within others.
struct Nested<'a> {
    key: Key<'a>,
    /// Levels it may still have.
    levels: usize,
    /// Levels that it lies in, since a deserializer began.
    run: usize,
}

impl Nested<'_> {
    fn inner<E: Error>(&mut self) -> Result<Nested<'_>, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        let key = Key { out: self.key.out, collation: self.key.collation };
        Ok(Nested { key, levels, run: self.run + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.run < RUN_MAX {
            return deserializer.deserialize_any(self);
        }
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        nested(self.key.out, raw.get(), self.key.collation, self.levels).map_err(D::Error::custom)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.key.null();
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        self.key.bool(value);
        Ok(())
    }

    fn visit_u64<E: Error>(mut self, number: u64) -> Result<(), E> {
        self.key.number(Number::Whole(number.into()));
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, number: i64) -> Result<(), E> {
        self.key.number(Number::Whole(number.into()));
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, number: f64) -> Result<(), E> {
        self.key.number(Number::Float(number));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.key.string(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        self.key.out.push(self.key.collation.tags().array);
        while elements.next_element_seed(self.inner()?)?.is_some() {}
        self.key.out.push(END);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.key.out.push(self.key.collation.tags().object);
        // An object without members is a level, too.
        self.inner()?;
        while let Some(name) = members.next_key_seed(Text)? {
            self.key.string(&name);
            members.next_value_seed(self.inner()?)?;
        }
        self.key.out.push(END);
        Ok(())
    }
}
