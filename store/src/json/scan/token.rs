//! Strings, numbers and words.

use super::{JsonError, Scanner};
use crate::json::string::{code_unit, plain_end};

impl Scanner<'_> {
    /// A string; returns whether it holds escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Result<bool, JsonError> {
        if self.peek() != b'"' {
            return Err(self.expected("a string"));
        }
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at = plain_end(self.text.as_bytes(), self.at);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(escaped);
                }
                b'\\' => self.escape()?,
                _ => return Err(self.expected("the rest of a string without control characters")),
            }
            escaped = true;
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => match self.code_unit()? {
                0xd800..0xdc00 if self.text.as_bytes()[self.at..].starts_with(br"\u") => {
                    self.at += 1;
                    if !matches!(self.code_unit()?, 0xdc00..0xe000) {
                        return Err(JsonError::Surrogate { offset: start });
                    }
                }
                0xd800..0xe000 => return Err(JsonError::Surrogate { offset: start }),
                _ => {}
            },
            _ => return Err(self.expected("an escape")),
        }
        Ok(())
    }

    /// A `u` and four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u16, JsonError> {
        let unit = code_unit(self.text.as_bytes(), self.at + 1)
            .ok_or_else(|| self.expected("four hexadecimal digits"))?;
        self.at += 5;
        Ok(unit)
    }

    pub(super) fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.at += usize::from(self.peek() == b'-');
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        let mut exponent_digits = 0;
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            exponent_digits = self.digits()?;
        }
        // Two hundred digits and an exponent of two stay far below the greatest float, 1.8e308.
        let small = self.at - start <= 200 && exponent_digits <= 2;
        if small || self.text[start..self.at].parse().is_ok_and(f64::is_finite) {
            Ok(())
        } else {
            Err(JsonError::NumberRange { offset: start })
        }
    }

    /// At least one digit; returns how many.
    fn digits(&mut self) -> Result<usize, JsonError> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(self.at - start) }
    }

    pub(super) fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(())
    }
}
