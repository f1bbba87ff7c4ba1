//! Requests byte by byte: what HTTP clients refuse to send.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tests::Hub;

/// A hub that does not answer at all does not stop the suite for ever.
const ANSWER_LIMIT: Duration = Duration::from_secs(180);

/// A request as it is sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) framing: Framing,
    pub(crate) anonymous: bool,
}

/// How long the body is said to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As long as it is.
    Exact,
    /// So many bytes longer than what comes; then the client sends no more.
    Short(usize),
    /// In chunks, the last of which is none.
    BrokenChunk,
}

/// What came back.
pub(crate) struct Answer {
    /// 0 where no answer came.
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The owner's, without a body.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            framing: Framing::Exact,
            anonymous: false,
        }
    }

    /// Its bytes.
    pub(crate) fn bytes(&self, hub: &Hub) -> Vec<u8> {
        let Self { method, path, headers, body, .. } = self;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", host(hub));
        if !self.anonymous {
            head += &format!("Authorization: {}\r\n", authorization(hub));
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut bytes = match self.framing {
            Framing::Exact => format!("{head}Content-Length: {}\r\n\r\n", body.len()),
            Framing::Short(missing) => {
                format!("{head}Content-Length: {}\r\n\r\n", body.len() + missing)
            }
            Framing::BrokenChunk => {
                format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len())
            }
        }
        .into_bytes();
        bytes.extend_from_slice(body);
        if self.framing == Framing::BrokenChunk {
            bytes.extend_from_slice(b"\r\nzz\r\n");
        }
        bytes
    }

    /// Sends it on a connection of its own.
    pub(crate) fn send(&self, hub: &Hub) -> Answer {
        let mut socket = connect(hub);
        // A hub that has heard enough answers before it has heard all.
        let _sent = socket.write_all(&self.bytes(hub));
        if let Framing::Short(_) = self.framing {
            let _shut = socket.shutdown(Shutdown::Write);
        }
        Answer::read(&mut socket)
    }
}

impl Answer {
    /// Reads the one answer of a connection, up to its end.
    pub(crate) fn read(socket: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A connection that is reset has sent what it has sent.
        let _ended = socket.read_to_end(&mut bytes);
        Self::parse(&bytes)
    }

    /// Takes an answer apart.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 4));
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = match head.contains("transfer-encoding: chunked") {
            true => dechunked(body),
            false => body.to_vec(),
        };
        Self { status: status.unwrap_or_default(), body }
    }
}

fn dechunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        let length = usize::from_str_radix(length, 16).unwrap_or_default();
        let Some(chunk) = rest.get(end + 2..end + 2 + length).filter(|_| length > 0) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + length..).unwrap_or_default();
    }
    body
}

/// A connection to the hub.
pub(crate) fn connect(hub: &Hub) -> TcpStream {
    let socket = TcpStream::connect(host(hub)).expect("a connection");
    socket.set_read_timeout(Some(ANSWER_LIMIT)).expect("a time limit");
    socket.set_write_timeout(Some(ANSWER_LIMIT)).expect("a time limit");
    socket
}

/// `127.0.0.1:PORT`
pub(crate) fn host(hub: &Hub) -> &str {
    hub.url().trim_start_matches("http://").trim_end_matches('/')
}

/// The owner's credentials.
pub(crate) fn authorization(hub: &Hub) -> String {
    let url = hub.owner_url().trim_start_matches("http://");
    let (credentials, _) = url.split_once('@').expect("credentials");
    format!("Basic {}", STANDARD.encode(credentials))
}
