//! A feed as it comes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tests::Hub;

/// A feed read from a socket as it comes, so that a test can look at it while it lives.
pub(crate) struct Live(BufReader<TcpStream>);

impl Live {
    /// Opens a feed of `/db` as the hub's owner.
    #[track_caller]
    pub(crate) fn open(hub: &Hub, query: &str) -> Self {
        Self::open_as(hub.owner_url(), query)
    }

    /// Opens a feed of `/db` as the URL says, and reads the head of the answer.
    #[track_caller]
    pub(crate) fn open_as(url: &str, query: &str) -> Self {
        let (_, rest) = url.split_once("//").expect("a URL");
        let (credentials, host) = rest.split_once('@').expect("credentials");
        let host = host.split('/').next().unwrap_or_default();
        let basic = STANDARD.encode(credentials);
        let mut socket = TcpStream::connect(host).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        write!(
            socket,
            "GET /db/_changes?{query} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {basic}\r\n\
             Connection: close\r\n\r\n"
        )
        .expect("a request");
        let mut live = Self(BufReader::new(socket));
        let mut line = String::new();
        while live.0.read_line(&mut line).expect("a head") > 2 {
            line.clear();
        }
        live
    }

    /// The next line that is neither empty nor the length of a chunk.
    #[track_caller]
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            let line = line.trim_end();
            if !line.is_empty() && u64::from_str_radix(line, 16).is_err() {
                return Some(line.to_owned());
            }
        }
    }

    /// Everything up to the end, however it comes.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = Vec::new();
        // A connection that is broken off ends the rest as well.
        let _ended = self.0.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}
