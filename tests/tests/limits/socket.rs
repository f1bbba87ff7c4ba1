//! Bytes to a hub and back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Resource, getrlimit, setrlimit};
use tests::Hub;

/// Nothing here is waited for longer.
const LIMIT: Duration = Duration::from_secs(180);

/// `127.0.0.1:PORT`
pub(crate) fn host(hub: &Hub) -> &str {
    hub.url().trim_start_matches("http://").trim_end_matches('/')
}

/// A connection on which nothing was sent.
#[track_caller]
pub(crate) fn connect(hub: &Hub) -> TcpStream {
    connect_to(host(hub))
}

#[track_caller]
fn connect_to(host: &str) -> TcpStream {
    let socket = TcpStream::connect(host).expect("a connection");
    socket.set_read_timeout(Some(LIMIT)).expect("a time limit");
    socket.set_write_timeout(Some(LIMIT)).expect("a time limit");
    socket
}

/// The head of an owner's request but for the line that ends it.
pub(crate) fn head(hub: &Hub, line: &str) -> String {
    let url = hub.owner_url().trim_start_matches("http://");
    let (credentials, _) = url.split_once('@').expect("credentials");
    let basic = STANDARD.encode(credentials);
    format!("{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {basic}\r\n", host(hub))
}

/// A connection on which these bytes were sent.
#[track_caller]
pub(crate) fn send(hub: &Hub, bytes: &[u8]) -> TcpStream {
    send_to(host(hub), bytes)
}

/// The same, where the hub itself cannot be shared.
#[track_caller]
pub(crate) fn send_to(host: &str, bytes: &[u8]) -> TcpStream {
    let mut socket = connect_to(host);
    // A hub that refuses early closes while the rest is on its way.
    let _sent = socket.write_all(bytes);
    socket
}

/// Reads up to the end of the head of an answer.
#[track_caller]
pub(crate) fn answer_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&head)),
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Reads up to the end of the head of an answer; its status.
#[track_caller]
pub(crate) fn status(socket: &mut TcpStream) -> u16 {
    let head = answer_head(socket);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status: {head:?}"))
}

/// How many connections this process may open: as many as it wants, if the system lets it.
pub(crate) fn connections(wanted: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum.map_or(Some(wanted + 1000), |most| Some(most.min(wanted + 1000)));
    let current = getrlimit(Resource::Nofile).current;
    if current.is_some_and(|current| current < wanted + 1000) {
        let _kept_as_it_was = setrlimit(Resource::Nofile, limit);
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(wanted + 1000);
    wanted.min(files.saturating_sub(1000).max(100))
}
