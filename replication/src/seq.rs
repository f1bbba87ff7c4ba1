//! Positions in another server's changes feed.

use std::borrow::Cow;
use std::fmt;

/// Longest sequence accepted, in bytes; CouchDB's grow with the number of shards.
const PEER_SEQ_BYTES_MAX: usize = 64 * 1024;

/// A position in a peer's changes feed: opaque JSON, only stored and sent back.
///
/// Source: `update_seq`, `since` and `last_seq`; a number in PouchDB and CouchDB 1, a string in
/// CouchDB 2 and later, an array in BigCouch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerSeq(Box<str>);

impl PeerSeq {
    /// Before the first change.
    #[must_use]
    pub fn start() -> Self {
        Self("0".into())
    }

    /// Whether this is before the first change.
    #[must_use]
    pub fn is_start(&self) -> bool {
        matches!(&*self.0, "0" | "\"0\"")
    }

    /// Takes one JSON value, compacted; `None` when no server uses that as a sequence.
    #[must_use]
    pub fn from_json(json: &str) -> Option<Self> {
        let kind = json.as_bytes().first()?;
        let fits = json.len() <= PEER_SEQ_BYTES_MAX && matches!(kind, b'"' | b'[' | b'0'..=b'9');
        fits.then(|| Self(json.into()))
    }

    /// The JSON value.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The text of the query option `since`: a string's contents, else the JSON itself.
    #[must_use]
    pub fn as_since(&self) -> Cow<'_, str> {
        match self.0.strip_prefix('"') {
            Some(_) => serde_json::from_str(&self.0).unwrap_or(Cow::Borrowed(&self.0)),
            None => Cow::Borrowed(&self.0),
        }
    }

    /// The number a sequence begins with, which every known server counts upwards; only good for
    /// choosing the safer of two positions.
    #[must_use]
    pub fn leading_number(&self) -> Option<u64> {
        let text = self.0.trim_start_matches(['"', '[']);
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    }
}

impl From<store::UpdateSeq> for PeerSeq {
    fn from(seq: store::UpdateSeq) -> Self {
        Self(format!("\"{seq}\"").into())
    }
}

/// Prints the JSON value.
impl fmt::Display for PeerSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, since: Option<&str>, number: Option<u64>) {
        let seq = PeerSeq::from_json(json);
        assert_eq!(seq.as_ref().map(PeerSeq::as_since).as_deref(), since, "{json}");
        assert_eq!(seq.and_then(|seq| seq.leading_number()), number, "{json}");
    }

    #[test]
    fn keeps_what_servers_use() {
        check("0", Some("0"), Some(0));
        check("17", Some("17"), Some(17));
        check(r#""17-g1AAA""#, Some("17-g1AAA"), Some(17));
        check(r#""now\n""#, Some("now\n"), None);
        check(r#"[5,"g1"]"#, Some(r#"[5,"g1"]"#), Some(5));
        for bad in ["", "null", "{}", "true", "-1", &format!("\"{}\"", "x".repeat(70_000))] {
            check(bad, None, None);
        }
    }

    #[test]
    fn knows_the_start() {
        assert!(PeerSeq::start().is_start());
        assert!(!PeerSeq::from_json("\"0-abc\"").unwrap().is_start());
    }
}
