//! Revision ids.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A revision id: how many edits deep it is, and which of the edits at that depth.
///
/// Ordered as CouchDB orders revisions when it chooses a winner among leaves of equal standing: by
/// generation, then by the bytes of the signature.
///
/// Source: CouchDB's `N-hex` revision ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevId {
    /// Depth in the tree, counted from 1 (0 only in local documents).
    pub generation: u64,
    /// What tells it from other revisions of the same generation.
    pub signature: Signature,
}

/// The part of a revision id after the hyphen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Signature {
    /// 32 hexadecimal digits, as CouchDB, PouchDB and hubs write them.
    Digest([u8; 16]),
    /// Any other text a foreign server may have chosen, kept as it came; never empty.
    Text(Box<str>),
}

/// Longest signature text accepted, in bytes.
pub const SIGNATURE_BYTES_MAX: usize = 256;

impl Signature {
    /// The bytes CouchDB compares: the sixteen of a digest, else the text's own.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Digest(digest) => digest,
            Self::Text(text) => text.as_bytes(),
        }
    }

    /// Reads the text after the hyphen.
    ///
    /// # Errors
    /// [`ParseRevError`] when it is empty, too long, holds a control character, or has a digest's
    /// length and is none, which CouchDB refuses too.
    pub fn parse(text: &str) -> Result<Self, ParseRevError> {
        if text.len() == 32 {
            return digest_from_hex(text.as_bytes()).map(Self::Digest).ok_or(ParseRevError);
        }
        let fits = !text.is_empty() && text.len() <= SIGNATURE_BYTES_MAX;
        if !fits || text.chars().any(char::is_control) {
            return Err(ParseRevError);
        }
        Ok(Self::Text(text.into()))
    }
}

impl PartialOrd for Signature {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Signature {
    fn cmp(&self, other: &Self) -> Ordering {
        // A text may have the very bytes of a digest; the variant then decides, so that equality
        // and order agree.
        let variant = |s: &Self| matches!(s, Self::Text(_));
        self.as_bytes().cmp(other.as_bytes()).then_with(|| variant(self).cmp(&variant(other)))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => f.write_str(hex(digest, &mut [0; 32])),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for RevId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, self.signature)
    }
}

/// The text is not a revision id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid rev format")]
pub struct ParseRevError;

impl FromStr for RevId {
    type Err = ParseRevError;

    fn from_str(text: &str) -> Result<Self, ParseRevError> {
        let (generation, signature) = text.split_once('-').ok_or(ParseRevError)?;
        let digits = !generation.is_empty() && generation.bytes().all(|b| b.is_ascii_digit());
        let generation = generation.parse().ok().filter(|_| digits).ok_or(ParseRevError)?;
        Ok(Self { generation, signature: Signature::parse(signature)? })
    }
}

fn digest_from_hex(text: &[u8]) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(digest)
}

fn hex<'a>(digest: &[u8; 16], text: &'a mut [u8; 32]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    std::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let parsed = text.parse::<RevId>().ok().map(|rev| rev.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn parses_and_prints() {
        let digest = "0123456789abcdef0123456789abcdef";
        check(&format!("1-{digest}"), Some(&format!("1-{digest}")));
        check(&format!("7-{}", digest.to_uppercase()), Some(&format!("7-{digest}")));
        check("3-foreign-text", Some("3-foreign-text"));
        check("0-1", Some("0-1"));
        check(&format!("1-{}", "g".repeat(32)), None);
        check(&format!("1-{}", "g".repeat(31)), Some(&format!("1-{}", "g".repeat(31))));
        for bad in ["", "1", "1-", "-abc", "x-abc", "+1-abc", "1-a\nb", "99999999999999999999-a"] {
            check(bad, None);
        }
    }

    #[test]
    fn orders_by_generation_then_bytes() {
        let rev = |text: &str| text.parse::<RevId>().unwrap();
        assert!(rev("10-a") > rev("9-b"));
        assert!(rev("2-b") > rev("2-a"));
        let digest = "61616161616161616161616161616161";
        assert!(rev(&format!("1-{digest}")) < rev("1-b"));
        assert_ne!(rev(&format!("1-{digest}")), rev("1-aaaaaaaaaaaaaaaa"));
    }
}
