//! Servers that answer slowly, endlessly, or not what they were asked.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, Uri};
use replication::{
    AttachmentForm, BoxedIo, ChangesQuery, Connect, Feed, Filter, HttpClient, HttpPeer, Leaves,
    Peer, PeerError, PeerSeq, Timeouts, Wanted,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What a server says to every request: some text, and then something over and over.
#[derive(Clone)]
struct Says {
    text: String,
    then: &'static str,
    close: bool,
}

impl Connect for Says {
    fn connect(&self, _: Uri) -> Pin<Box<dyn Future<Output = io::Result<BoxedIo>> + Send>> {
        let says = self.clone();
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut request = [0; 1024];
            let _ = theirs.read(&mut request).await;
            let _ = theirs.write_all(says.text.as_bytes()).await;
            while !says.then.is_empty() && theirs.write_all(says.then.as_bytes()).await.is_ok() {}
            if !says.close {
                std::future::pending::<()>().await;
            }
        });
        Box::pin(async move { Ok(Box::new(ours) as BoxedIo) })
    }
}

fn peer(says: Says) -> HttpPeer {
    let client = HttpClient::new(Arc::new(says), Timeouts::default());
    HttpPeer::new(client, "http://h/db".parse().unwrap(), HeaderMap::new())
}

/// Asks a server for everything a source is asked for; what comes of changes and revisions.
async fn check(head: &str, body: &str, then: &'static str, close: bool, expected: [&str; 2]) {
    let says = Says { text: format!("{head}\r\n\r\n{body}"), then, close };
    let query = ChangesQuery {
        since: PeerSeq::start(),
        limit: 10,
        feed: Feed::Normal,
        filter: Filter::All,
        leaves: Leaves::All,
    };
    let wanted = Wanted {
        id: "a".parse().unwrap(),
        revs: vec!["1-a".parse().unwrap()],
        ancestors: vec![],
        whole: false,
    };
    let changes = peer(says.clone()).changes(query).await.err();
    let revisions = peer(says).revisions(&[wanted], 1 << 20).await.err();
    for (error, expected) in [changes, revisions].into_iter().zip(expected) {
        let found = error.as_ref().map(describe).unwrap_or_default();
        assert!(found.starts_with(expected), "{head}: {found} instead of {expected}");
    }
}

fn describe(error: &PeerError) -> String {
    match error {
        PeerError::Unreachable(_) => "unreachable".into(),
        error => error.to_string(),
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json";

#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for() {
    let slow = "no answer within 60 s";
    let says = Says { text: String::new(), then: "", close: false };
    let error = peer(says).info().await.unwrap_err();
    assert!(error.to_string().starts_with(slow), "{error}");
    check(&format!("{OK}\r\nContent-Length: 99"), "{", "", false, [slow, slow]).await;
    check(&format!("{OK}\r\nTransfer-Encoding: chunked"), "1\r\n{\r\n", "", false, [slow, slow])
        .await;
}

#[tokio::test(start_paused = true)]
async fn broken_answers_may_be_tried_again() {
    let gone = "unreachable";
    check(&format!("{OK}\r\nContent-Length: 99"), "{\"results\":[", "", true, [gone, gone]).await;
    check("HTTP/1.1 20", "", "", true, [gone, gone]).await;
    check("SSH-2.0-OpenSSH_9", "", "", true, [gone, gone]).await;
    let says =
        Says { text: "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n".into(), then: "", close: true };
    assert!(peer(says).info().await.unwrap_err().is_passing());
}

#[tokio::test(start_paused = true)]
async fn endless_answers_are_cut_off() {
    let head = format!("{OK}\r\nTransfer-Encoding: chunked");
    // A single string that never ends, and rows that never end.
    let string = "10\r\nxxxxxxxxxxxxxxxx\r\n";
    let nonsense = "the peer's answer makes no sense: an element of the array is too large";
    let too_large = "request too large: a document";
    check(&head, "d\r\n{\"results\":[\"\r\n", string, false, [nonsense, too_large]).await;
    let row = "2b\r\n{\"id\":\"a\",\"changes\":[{\"rev\":\"1-a\"}],\"x\":1},\r\n";
    let many = "the peer's answer makes no sense: too many changes";
    check(&head, "c\r\n{\"results\":[\r\n", row, false, [many, "the peer's answer"]).await;
    // An endless information about the database.
    let says = Says { text: format!("{head}\r\n\r\n"), then: string, close: false };
    let error = peer(says).info().await.unwrap_err();
    assert!(error.to_string().contains("of more than"), "{error}");
    // A head that never ends.
    let says = Says { text: OK.into(), then: "\r\nX: y", close: false };
    assert!(matches!(peer(says).info().await.unwrap_err(), PeerError::Unreachable(_)));
}

#[tokio::test(start_paused = true)]
async fn redirects_are_not_followed() {
    let head = "HTTP/1.1 302 Found\r\nLocation: http://evil/db\r\nContent-Length: 0";
    check(head, "", "", true, ["answered 302", "answered 302"]).await;
}

#[tokio::test(start_paused = true)]
async fn compressed_attachments_are_refused() {
    let text = format!("{OK}\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx");
    let peer = peer(Says { text, then: "", close: false });
    let (id, rev) = ("a".parse().unwrap(), "1-a".parse().unwrap());
    let error = peer.attachment(&id, &rev, "f", AttachmentForm::Decoded).await;
    assert!(matches!(error.unwrap_err(), PeerError::Answer(_)));
}
