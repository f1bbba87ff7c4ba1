//! Positions in changes feeds, and the identity of the database they belong to.

use std::fmt;
use std::str::FromStr;

/// Position in a database's changes feed, counted in committed edits; `Seq(0)` is before the first.
///
/// Source: CouchDB's `update_seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub u64);

/// Which history a sequence counts: made anew when a database is created or restored, so that a
/// position in a lost history is never taken for one in the present history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub [u8; 8]);

/// A sequence as clients see it: `N-<epoch>`, sixteen hexadecimal digits behind the hyphen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpdateSeq {
    /// The position.
    pub seq: Seq,
    /// The history it counts.
    pub epoch: Epoch,
}

/// What a database is, whatever it is called: made when it is created, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DbUuid(pub [u8; 16]);

/// The text is no sequence of any database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Malformed sequence supplied in 'since' parameter.")]
pub struct MalformedSeq;

impl fmt::Display for UpdateSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.seq.0)?;
        write_hex(f, &self.epoch.0)
    }
}

impl FromStr for UpdateSeq {
    type Err = MalformedSeq;

    fn from_str(text: &str) -> Result<Self, MalformedSeq> {
        let (seq, epoch) = text.split_once('-').ok_or(MalformedSeq)?;
        let digits = !seq.is_empty() && seq.bytes().all(|b| b.is_ascii_digit());
        let seq = seq.parse().ok().filter(|_| digits).ok_or(MalformedSeq)?;
        let epoch = parse_hex(epoch).ok_or(MalformedSeq)?;
        Ok(Self { seq: Seq(seq), epoch: Epoch(epoch) })
    }
}

impl fmt::Display for DbUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl DbUuid {
    /// Reads the 32 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_print_and_parse() {
        let seq = UpdateSeq { seq: Seq(12), epoch: Epoch([0xab; 8]) };
        assert_eq!(seq.to_string(), "12-abababababababab");
        assert_eq!("12-abababababababab".parse(), Ok(seq));
        for bad in ["", "12", "12-", "x-abababababababab", "-1-abababababababab", "12-ab", "999"] {
            assert_eq!(bad.parse::<UpdateSeq>(), Err(MalformedSeq), "{bad:?}");
        }
    }
}
