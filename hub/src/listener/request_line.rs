//! Quotation marks in the address of a request.
//!
//! Many type `?key="a"` as CouchDB's documentation does, and programs such as curl send it so. It is
//! no URL, and the HTTP library refuses it; CouchDB takes it. So they are percent-encoded on their way
//! in, in the first line of a request and nowhere else.

/// Which part of its requests a client's next byte belongs to.
#[derive(Debug)]
pub(super) struct RequestLines {
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// The first line.
    Line,
    /// A header, whose beginning is kept, and what those before say of the body.
    Header(Vec<u8>, Body),
    /// So many bytes of a body.
    Body(u64),
    /// Where the next request begins is not known: nothing is touched any more.
    Unknown,
}

/// What the headers say of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    None,
    Length(u64),
    /// In chunks, or contradictory.
    Other,
}

/// Bytes of a header that are looked at: those that tell of a body are shorter.
const HEADER_BYTES: usize = 64;

impl RequestLines {
    /// A connection that begins.
    pub(super) fn new() -> Self {
        Self { part: Part::Line }
    }

    /// Follows the bytes that came; what they are to be, where that is something else.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut encoded: Option<Vec<u8>> = None;
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.part {
                Part::Unknown => {
                    extend(&mut encoded, &bytes[at..]);
                    break;
                }
                Part::Body(left) => {
                    let room = usize::try_from(*left).unwrap_or(usize::MAX);
                    let end = at.saturating_add(room).min(bytes.len());
                    extend(&mut encoded, &bytes[at..end]);
                    *left -= (end - at) as u64;
                    at = end;
                    if *left == 0 {
                        self.part = Part::Line;
                    }
                }
                Part::Line => {
                    let byte = bytes[at];
                    match encode(byte) {
                        Some(text) => {
                            encoded.get_or_insert_with(|| bytes[..at].to_vec()).extend(text);
                        }
                        None => extend(&mut encoded, &[byte]),
                    }
                    at += 1;
                    if byte == b'\n' {
                        self.part = Part::Header(Vec::new(), Body::None);
                    }
                }
                Part::Header(line, body) => {
                    let byte = bytes[at];
                    extend(&mut encoded, &[byte]);
                    at += 1;
                    if byte != b'\n' {
                        if line.len() < HEADER_BYTES {
                            line.push(byte);
                        }
                        continue;
                    }
                    if !line.trim_ascii().is_empty() {
                        *body = body.and(line);
                        line.clear();
                        continue;
                    }
                    self.part = match body {
                        Body::None | Body::Length(0) => Part::Line,
                        Body::Length(length) => Part::Body(*length),
                        Body::Other => Part::Unknown,
                    };
                }
            }
        }
        encoded
    }
}

fn extend(encoded: &mut Option<Vec<u8>>, bytes: &[u8]) {
    if let Some(encoded) = encoded {
        encoded.extend_from_slice(bytes);
    }
}

/// What stands for a byte that no URL may have.
fn encode(byte: u8) -> Option<&'static [u8; 3]> {
    match byte {
        b'"' => Some(b"%22"),
        b'<' => Some(b"%3C"),
        b'>' => Some(b"%3E"),
        _ => None,
    }
}

impl Body {
    /// With one more header.
    fn and(self, line: &[u8]) -> Self {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return self };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") || name.eq_ignore_ascii_case(b"upgrade")
        {
            return Self::Other;
        }
        if !name.eq_ignore_ascii_case(b"content-length") {
            return self;
        }
        let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        match (self, length) {
            (Self::None, Some(length)) => Self::Length(length),
            (Self::Length(before), Some(length)) if before == length => self,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes in is passed on so, in one piece and byte by byte.
    fn check(sent: &str, expected: &str) {
        let mut lines = RequestLines::new();
        let whole = lines.follow(sent.as_bytes()).unwrap_or_else(|| sent.as_bytes().to_vec());
        assert_eq!(String::from_utf8(whole).unwrap(), expected, "{sent}");
        let mut lines = RequestLines::new();
        let mut passed = Vec::new();
        for byte in sent.as_bytes() {
            passed.extend(lines.follow(&[*byte]).unwrap_or_else(|| vec![*byte]));
        }
        assert_eq!(String::from_utf8(passed).unwrap(), expected, "{sent}");
    }

    #[test]
    fn addresses_are_encoded() {
        check("GET /db HTTP/1.1\r\nHost: a\r\n\r\n", "GET /db HTTP/1.1\r\nHost: a\r\n\r\n");
        check("GET /?key=\"a\" HTTP/1.1\r\n\r\n", "GET /?key=%22a%22 HTTP/1.1\r\n\r\n");
        check("GET /?k=<> HTTP/1.1\n\n", "GET /?k=%3C%3E HTTP/1.1\n\n");
    }

    #[test]
    fn headers_and_bodies_are_not() {
        let etag = "GET / HTTP/1.1\r\nIf-None-Match: \"1-a\"\r\n\r\n";
        check(etag, etag);
        let first = "PUT /a HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        check(
            &format!("{first}GET /?\" HTTP/1.1\r\n\r\n"),
            &format!("{first}GET /?%22 HTTP/1.1\r\n\r\n"),
        );
        check("GET /?\" HTTP/1.1\r\n\r\nGET /?\" ", "GET /?%22 HTTP/1.1\r\n\r\nGET /?%22 ");
    }

    #[test]
    fn where_bodies_end_unseen_nothing_is_touched_any_more() {
        for header in [
            "Transfer-Encoding: chunked",
            "content-length: x",
            "Content-Length: 1\r\nContent-Length: 2",
        ] {
            let sent = format!("POST / HTTP/1.1\r\n{header}\r\n\r\n\"GET /?\" HTTP/1.1\r\n\r\n");
            check(&sent, &sent);
        }
    }
}
