//! Codes that people read: the digits that they compare, and the one that is spoken.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use zeroize::Zeroizing;

/// How many compared codes there are: six digits.
pub const DIGITS_SPACE: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

/// How many spoken codes there are: eight digits.
pub const CODE_SPACE: NonZeroU32 = NonZeroU32::new(100_000_000).unwrap();

/// Digits of a spoken code, in two groups.
const CODE_DIGITS: usize = 8;

/// One of `space` numbers, by 128 bits that are uniform.
///
/// The remainder of the bits as one big-endian number: exact, in integers. Of 2^128 numbers, none of the
/// `space` remainders has more than one more than another, so that no code is more likely than another by
/// more than 2^-128, and all of them together differ from uniform by less than `space` · 2^-128: less than
/// 2^-96 for any space, less than 2^-108 for six digits.
///
/// Thali took a 256-bit hash for a floating-point number first, and so had 15,625 codes out of a million.
pub fn reduce(bits: [u8; 16], space: NonZeroU32) -> u32 {
    let rest = u128::from_be_bytes(bits) % u128::from(space.get());
    // Less than a `u32`.
    u32::try_from(rest).unwrap_or_default()
}

/// Six digits that two people compare, zeros in front included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digits(u32);

impl Digits {
    /// The digits that these bits mean.
    pub(super) fn of(bits: [u8; 16]) -> Self {
        Self(reduce(bits, DIGITS_SPACE))
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// They are for two people's eyes.
impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digits(…)")
    }
}

/// A code that one person tells another: eight digits.
#[derive(Clone, PartialEq, Eq)]
pub struct SpokenCode(Zeroizing<String>);

/// A text is no spoken code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a spoken code is {CODE_DIGITS} digits; spaces and hyphens between them do not count")]
pub struct CodeError;

impl SpokenCode {
    /// The code that these random bits mean.
    pub fn of(bits: [u8; 16]) -> Self {
        Self(Zeroizing::new(format!("{:08}", reduce(bits, CODE_SPACE))))
    }

    /// The digits, as both sides put them into the exchange.
    pub(super) fn digits(&self) -> &str {
        &self.0
    }

    /// As it is shown and said: `1234-5678`.
    pub fn shown(&self) -> String {
        let (first, second) = self.0.split_at(CODE_DIGITS / 2);
        format!("{first}-{second}")
    }
}

impl FromStr for SpokenCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let mut digits = Zeroizing::new(String::with_capacity(CODE_DIGITS));
        for letter in text.chars().filter(|letter| ![' ', '-'].contains(letter)) {
            if !letter.is_ascii_digit() || digits.len() == CODE_DIGITS {
                return Err(CodeError);
            }
            digits.push(letter);
        }
        if digits.len() == CODE_DIGITS { Ok(Self(digits)) } else { Err(CodeError) }
    }
}

/// No secret is shown.
impl fmt::Debug for SpokenCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpokenCode(…)")
    }
}
