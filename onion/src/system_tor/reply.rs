//! What Tor says over its control connection, put together from bytes.

use std::mem::take;

/// The longest line that is taken, in bytes. Tor's own are far shorter.
const LINE_MAX: usize = 16 << 10;

/// The longest reply, in bytes: a descriptor has up to 50,000.
const REPLY_MAX: usize = 1 << 20;

/// What a line costs beside its text, so that empty ones are bounded too.
const LINE_COST: usize = 64;

/// An answer, or an event that nobody has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// How it went: `250` is well, `4xx` and `5xx` are not, `650` is an event.
    pub(super) code: u16,
    /// At least one.
    pub(super) lines: Vec<Line>,
}

/// A line of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// What follows it up to a line with a dot alone.
    pub(super) data: Option<String>,
}

impl Reply {
    pub(super) fn is_event(&self) -> bool {
        is_event(self.code)
    }

    /// The text of the line that begins with this, without it.
    pub(super) fn after(&self, prefix: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.text.strip_prefix(prefix))
    }

    /// The text of the first line.
    pub(super) fn text(&self) -> &str {
        self.lines.first().map_or("", |line| &line.text)
    }
}

/// What has come in is not what Tor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplyError {
    #[error("what answers there does not speak Tor's control protocol")]
    Garbled,
    #[error("a line of the answer is longer than {LINE_MAX} bytes")]
    LineTooLong,
    #[error("the answer is longer than {REPLY_MAX} bytes")]
    ReplyTooLong,
}

/// Bytes that become replies.
///
/// Source: Tor's control-spec, section 2.3.
#[derive(Debug, Default)]
pub(super) struct Replies {
    received: Vec<u8>,
    /// How much of it is known to hold no end of a line.
    searched: usize,
    code: Option<u16>,
    lines: Vec<Line>,
    in_data: bool,
    size: usize,
}

impl Replies {
    /// Takes in what was received. Whoever calls it asks for the replies next.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next one that is complete.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, ReplyError> {
        while let Some(line) = self.line()? {
            self.size += line.len() + LINE_COST;
            if self.size > REPLY_MAX {
                return Err(ReplyError::ReplyTooLong);
            }
            let complete = if self.in_data { self.data(&line) } else { self.begin(&line)? };
            if complete {
                self.size = 0;
                let code = self.code.take().ok_or(ReplyError::Garbled)?;
                return Ok(Some(Reply { code, lines: take(&mut self.lines) }));
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<String>, ReplyError> {
        let found = self.received[self.searched..].iter().position(|byte| *byte == b'\n');
        let end = found.map(|at| self.searched + at);
        self.searched = self.received.len();
        if end.unwrap_or(self.received.len()) > LINE_MAX {
            return Err(ReplyError::LineTooLong);
        }
        let Some(end) = end else { return Ok(None) };
        let line = &self.received[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = String::from_utf8_lossy(line).into_owned();
        self.received.drain(..=end);
        self.searched = 0;
        Ok(Some(line))
    }

    /// A line outside of data; whether it is the last one.
    fn begin(&mut self, line: &str) -> Result<bool, ReplyError> {
        let (Some(code), Some(kind), Some(text)) = (line.get(..3), line.get(3..4), line.get(4..))
        else {
            return Err(ReplyError::Garbled);
        };
        if !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ReplyError::Garbled);
        }
        let code = code.parse().map_err(|_| ReplyError::Garbled)?;
        if self.code.is_some_and(|before| is_event(before) != is_event(code)) {
            return Err(ReplyError::Garbled);
        }
        self.code = Some(code);
        self.in_data = kind == "+";
        let data = self.in_data.then(String::new);
        self.lines.push(Line { text: text.to_owned(), data });
        match kind {
            " " => Ok(true),
            "-" | "+" => Ok(false),
            _ => Err(ReplyError::Garbled),
        }
    }

    /// A line of data; never the last one of a reply.
    fn data(&mut self, line: &str) -> bool {
        if line == "." {
            self.in_data = false;
        } else if let Some(data) = self.lines.last_mut().and_then(|line| line.data.as_mut()) {
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(line.strip_prefix('.').unwrap_or(line));
        }
        false
    }
}

fn is_event(code: u16) -> bool {
    code / 100 == 6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Reply>, ReplyError> {
        let mut replies = Replies::default();
        replies.push(bytes);
        let mut read = Vec::new();
        while let Some(reply) = replies.next()? {
            read.push(reply);
        }
        Ok(read)
    }

    fn plain(code: u16, texts: &[&str]) -> Reply {
        let line = |text: &&str| Line { text: (*text).to_owned(), data: None };
        Reply { code, lines: texts.iter().map(line).collect() }
    }

    fn check(bytes: &str, expected: Result<&[Reply], ReplyError>) {
        assert_eq!(read(bytes.as_bytes()).as_deref(), expected.as_ref().copied(), "{bytes}");
    }

    #[test]
    fn replies_are_read() {
        check("", Ok(&[]));
        check("250 OK\r\n", Ok(&[plain(250, &["OK"])]));
        check("250-a=b\r\n250 OK\r\n", Ok(&[plain(250, &["a=b", "OK"])]));
        check(
            "650 A\r\n250 OK\n515 \r\n",
            Ok(&[plain(650, &["A"]), plain(250, &["OK"]), plain(515, &[""])]),
        );
        check("250 not complete", Ok(&[]));
    }

    #[test]
    fn data_ends_with_a_dot() {
        let read = read(b"250+onions/detached=\r\na\r\n..b\r\n250 c\r\n.\r\n250 OK\r\n").unwrap();
        let [Reply { code: 250, lines }] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!(lines[0].text, "onions/detached=");
        assert_eq!(lines[0].data.as_deref(), Some("a\n.b\n250 c"));
        assert_eq!(lines[1].text, "OK");
    }

    #[test]
    fn what_is_no_reply_is_garbled() {
        for bytes in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "25\r\n",
            "250\r\n",
            "250=OK\r\n",
            "+50 OK\r\n",
        ] {
            check(bytes, Err(ReplyError::Garbled));
        }
        check("250-a\r\n650 b\r\n", Err(ReplyError::Garbled));
        check("äää a\r\n", Err(ReplyError::Garbled));
    }

    #[test]
    fn nothing_grows_without_bound() {
        let mut replies = Replies::default();
        replies.push(&vec![b'2'; LINE_MAX + 1]);
        assert_eq!(replies.next(), Err(ReplyError::LineTooLong));
        let endless = b"250-\r\n".repeat(REPLY_MAX / LINE_COST + 1);
        assert_eq!(read(&endless), Err(ReplyError::ReplyTooLong));
        let mut endless = b"250+\r\n".to_vec();
        endless.extend(b"\r\n".repeat(REPLY_MAX / LINE_COST + 1));
        assert_eq!(read(&endless), Err(ReplyError::ReplyTooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _any = read(&bytes);
        }

        #[test]
        fn no_lines_panic(lines in "([26]50[-+ ][a-z.]{0,4}\r\n|[.]{0,2}\r\n){0,20}") {
            let _any = read(lines.as_bytes());
        }

        #[test]
        fn pieces_read_as_the_whole(at in 0_usize..60) {
            let whole = b"650 EVENT\r\n250+data=\r\n..\r\nx\r\n.\r\n250-more\r\n250 OK\r\n";
            let (one, two) = whole.split_at(at.min(whole.len()));
            let mut replies = Replies::default();
            let mut pieces = Vec::new();
            for piece in [one, two] {
                replies.push(piece);
                while let Some(reply) = replies.next().unwrap() {
                    pieces.push(reply);
                }
            }
            prop_assert_eq!(pieces, read(whole).unwrap());
        }
    }
}
