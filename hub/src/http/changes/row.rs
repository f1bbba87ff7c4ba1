//! One row of a changes feed.

use store::json::write_string;
use store::{Change, Error, Output, Seq, Show, Snapshot};

use super::filter::Leaf;
use super::options::Feed;
use crate::http::row::{write_number, write_rev};

/// How rows are written.
#[derive(Clone, Debug)]
pub(super) struct Format {
    pub(super) feed: Feed,
    /// Whether all leaves are listed, or the winner only.
    pub(super) all_leaves: bool,
    /// What is shown of the document.
    pub(super) show: Option<Show>,
    /// What stands behind the number in every sequence of the database, hyphen included.
    pub(super) epoch: String,
}

impl Format {
    /// The leaves that a row lists where no filter chooses among them.
    pub(super) fn listed<'c>(&self, change: &'c Change) -> &'c [Leaf] {
        let shown = if self.all_leaves { change.leaves.len() } else { 1 };
        change.leaves.get(..shown).unwrap_or_default()
    }

    /// Appends a row that lists these leaves: whether it is the first, and whether its sequence is
    /// told.
    pub(super) fn row(
        &self,
        snapshot: &Snapshot<'_>,
        change: &Change,
        leaves: &[Leaf],
        (first, seq): (bool, bool),
        out: &mut Output,
    ) -> Result<(), Error> {
        let text = out.text();
        match self.feed {
            Feed::Normal | Feed::Longpoll if first => {}
            Feed::Normal | Feed::Longpoll => text.extend_from_slice(b",\r\n"),
            Feed::Continuous => {}
            Feed::EventSource => text.extend_from_slice(b"data: "),
        }
        self.members(change, leaves, seq, text);
        if let Some(show) = &self.show {
            text.extend_from_slice(b",\"doc\":");
            match snapshot.head(&change.id)? {
                Some(head) => snapshot.render_winner(&head, show, out)?,
                None => out.text().extend_from_slice(b"null"),
            }
        }
        let text = out.text();
        text.push(b'}');
        match self.feed {
            Feed::Normal | Feed::Longpoll => {}
            Feed::Continuous => text.push(b'\n'),
            Feed::EventSource => {
                text.extend_from_slice(b"\nid: ");
                self.seq(change.seq, text);
                text.extend_from_slice(b"\n\n");
            }
        }
        Ok(())
    }

    /// Everything of a row but its document and the closing brace.
    fn members(&self, change: &Change, leaves: &[Leaf], seq: bool, text: &mut Vec<u8>) {
        text.extend_from_slice(b"{\"seq\":");
        if seq {
            self.seq(change.seq, text);
        } else {
            text.extend_from_slice(b"null");
        }
        text.extend_from_slice(b",\"id\":");
        write_string(text, change.id.as_str());
        text.extend_from_slice(b",\"changes\":[");
        for (position, (rev, _)) in leaves.iter().enumerate() {
            text.extend_from_slice(if position == 0 { b"{\"rev\":" } else { b",{\"rev\":" });
            write_rev(text, rev);
            text.push(b'}');
        }
        text.push(b']');
        if change.leaves.first().is_some_and(|(_, deleted)| *deleted) {
            text.extend_from_slice(b",\"deleted\":true");
        }
    }

    /// A sequence as clients see it, quoted.
    pub(super) fn seq(&self, seq: Seq, text: &mut Vec<u8>) {
        text.push(b'"');
        write_number(text, seq.0);
        text.extend_from_slice(self.epoch.as_bytes());
        text.push(b'"');
    }

    /// What stands before the first row.
    pub(super) fn begin(&self, text: &mut Vec<u8>) {
        match self.feed {
            Feed::Normal | Feed::Longpoll => text.extend_from_slice(b"{\"results\":[\n"),
            Feed::Continuous | Feed::EventSource => {}
        }
    }

    /// What stands behind the last row.
    pub(super) fn end(&self, last: Seq, pending: u64, text: &mut Vec<u8>) {
        text.extend_from_slice(match self.feed {
            Feed::Normal | Feed::Longpoll => b"\n],\n\"last_seq\":",
            Feed::Continuous => b"{\"last_seq\":",
            // A browser would take the end for an event.
            Feed::EventSource => return,
        });
        self.seq(last, text);
        text.extend_from_slice(b",\"pending\":");
        write_number(text, pending);
        text.extend_from_slice(b"}\n");
    }

    /// A sign of life.
    pub(super) fn heartbeat(&self) -> &'static [u8] {
        match self.feed {
            Feed::Normal | Feed::Longpoll | Feed::Continuous => b"\n",
            Feed::EventSource => b"event: heartbeat\ndata: \n\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(feed: Feed, all_leaves: bool) -> Format {
        Format { feed, all_leaves, show: None, epoch: "-00ff".into() }
    }

    fn check(change: &Change, all_leaves: bool, seq: bool, expected: &str) {
        let mut text = vec![];
        let format = format(Feed::Normal, all_leaves);
        format.members(change, format.listed(change), seq, &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn rows() {
        let leaf = |text: &str, deleted| (text.parse().unwrap(), deleted);
        let mut change = Change {
            seq: Seq(12),
            id: "a\"b".parse().unwrap(),
            leaves: vec![leaf("2-b", false), leaf("1-a", true)],
        };
        check(&change, false, true, r#"{"seq":"12-00ff","id":"a\"b","changes":[{"rev":"2-b"}]"#);
        check(
            &change,
            true,
            false,
            r#"{"seq":null,"id":"a\"b","changes":[{"rev":"2-b"},{"rev":"1-a"}]"#,
        );
        change.leaves = vec![leaf("3-c", true)];
        check(
            &change,
            true,
            true,
            r#"{"seq":"12-00ff","id":"a\"b","changes":[{"rev":"3-c"}],"deleted":true"#,
        );
    }

    #[test]
    fn beginnings_and_ends() {
        for (feed, expected) in [
            (Feed::Normal, "{\"results\":[\n\n],\n\"last_seq\":\"3-00ff\",\"pending\":2}\n"),
            (Feed::Longpoll, "{\"results\":[\n\n],\n\"last_seq\":\"3-00ff\",\"pending\":2}\n"),
            (Feed::Continuous, "{\"last_seq\":\"3-00ff\",\"pending\":2}\n"),
            (Feed::EventSource, ""),
        ] {
            let mut text = vec![];
            format(feed, false).begin(&mut text);
            format(feed, false).end(Seq(3), 2, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}
