//! Lines of the feed by which one hub tells another what has changed, of all databases at a time.

use serde::{Deserialize, Serialize};

/// One line; members that say nothing are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// The first line: when it was written, in Unix milliseconds by the source's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) now: Option<u64>,
    /// The first line: which of its starts this is for the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) boot: Option<String>,
    /// The number of what the source says of its owner; it has risen where it is told later on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<u64>,
    /// Whether everything is told anew, up to the first `cursor`: what is not among it is not offered.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) anew: bool,
    /// A database: the id under which hubs know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) db: Option<String>,
    /// What the source calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// Its update sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<String>,
    /// What decides its conflicts, and the version of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conflicts: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conflicts_version: Option<u64>,
    /// What the peer, a friend, may do with it: `read` or `write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) right: Option<String>,
    /// Whether it is not offered any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) gone: bool,
    /// Where to go on from, once everything before this was heeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Line {
    /// The line's text, its end included.
    pub(super) fn text(&self) -> String {
        // It always serialises: no maps with other keys than strings.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Longest line that is read, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What came of a feed and is not a whole line yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
}

/// What a peer sends is no feed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("its feed makes no sense")]
pub(super) struct NoLine;

impl Lines {
    /// The lines that these bytes complete; empty ones are signs of life.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Line>, NoLine> {
        self.bytes.extend_from_slice(bytes);
        let Some(last) = self.bytes.iter().rposition(|&byte| byte == b'\n') else {
            return if self.bytes.len() > LINE_BYTES_MAX { Err(NoLine) } else { Ok(Vec::new()) };
        };
        let rest = self.bytes.split_off(last + 1);
        let whole = std::mem::replace(&mut self.bytes, rest);
        let lines = whole.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|_| NoLine)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_any_pieces() {
        let lines = [
            Line { now: Some(7), ..Line::default() },
            Line { db: Some("ab".into()), seq: Some("1-x".into()), ..Line::default() },
            Line { cursor: Some("3".into()), ..Line::default() },
        ];
        let text: String = lines.iter().map(Line::text).chain(["\n\n".into()]).collect();
        for size in 1..text.len() {
            let mut reader = Lines::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                found.extend(reader.push(piece).unwrap());
            }
            assert_eq!(found, lines, "{size}");
        }
        assert_eq!(lines[0].text(), "{\"now\":7}\n");
    }

    #[test]
    fn what_is_no_line_ends_the_feed() {
        assert_eq!(Lines::default().push(b"<html>\n"), Err(NoLine));
        assert_eq!(Lines::default().push(&vec![b'x'; LINE_BYTES_MAX + 1]), Err(NoLine));
        // A later release may say more.
        let more = Lines::default().push(b"{\"db\":\"a\",\"colour\":\"red\"}\n").unwrap();
        assert_eq!(more[0].db.as_deref(), Some("a"));
    }
}
