//! One hub tells another by which key it looks for it, so that it is found once its discovery is
//! restricted.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use onion::{DiscoveryKey, OnionAddress};
use replication::BoxedIo;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Where a hub takes it.
const CLIENT_KEY: &str = "/_hub/onion/client-key";

/// Where a hub says which address its onion service has.
const ADDRESS: &str = "/_hub/onion/address";

/// How long the other hub may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Longest answer that is looked at.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Tells it over a connection on which both hubs have proven their keys; `service` is the other hub's,
/// where that is known already.
///
/// A hub that has no use for it, because it does not know us or is older, has been told as well.
///
/// # Errors
/// When it got lost, or the other hub is in trouble.
pub(crate) async fn introduce(
    stream: BoxedIo,
    host: &str,
    service: Option<&OnionAddress>,
    key_for: impl Fn(&OnionAddress) -> DiscoveryKey,
) -> io::Result<()> {
    let telling = async {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // It ends with the sender, and its errors reach whoever waits for an answer.
        tokio::spawn(async move {
            let _ended = connection.await;
        });
        let mut hub = OtherHub { sender, host };
        let service = match service {
            Some(service) => Some(service.clone()),
            None => hub.address().await?,
        };
        match service {
            Some(service) => hub.tell(key_for(&service)).await,
            None => Ok(()),
        }
    };
    timeout(ANSWER_MAX, telling).await.map_err(io::Error::other)?
}

/// A connection to another hub.
struct OtherHub<'a> {
    sender: SendRequest<Full<Bytes>>,
    host: &'a str,
}

impl OtherHub<'_> {
    /// Where its onion service is, if it tells us.
    async fn address(&mut self) -> io::Result<Option<OnionAddress>> {
        let (status, body) = self.ask(Method::GET, ADDRESS, String::new()).await?;
        let answer = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let address = answer["address"].as_str().and_then(|address| address.parse().ok());
        Ok(address.filter(|_| status.is_success()))
    }

    async fn tell(&mut self, key: DiscoveryKey) -> io::Result<()> {
        self.ask(Method::PUT, CLIENT_KEY, json!({"key": key}).to_string()).await.map(|_| ())
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: String,
    ) -> io::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(io::Error::other)?;
        self.sender.ready().await.map_err(io::Error::other)?;
        let answer = self.sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status();
        if status.is_server_error() {
            return Err(io::Error::other(format!("the other hub answered {status}")));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(io::Error::other)?.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use onion::{DiscoverySecret, ServiceKey};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn service() -> OnionAddress {
        ServiceKey::main(&[1; 32]).address()
    }

    fn key_for(service: &OnionAddress) -> DiscoveryKey {
        DiscoverySecret::of(&[2; 32], service).public()
    }

    /// Hears a request that ends like this, and answers it.
    async fn answer(stream: &mut DuplexStream, end: &str, answer: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            heard.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(heard).unwrap()
    }

    fn with_body(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    async fn check(status: &str) -> io::Result<()> {
        let (ours, mut theirs) = duplex(4096);
        let service = service();
        let telling = introduce(Box::new(ours), "h", Some(&service), key_for);
        let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        let (told, heard) = tokio::join!(telling, answer(&mut theirs, "}", &reply));
        assert!(heard.starts_with("PUT /_hub/onion/client-key HTTP/1.1\r\n"), "{heard}");
        let body = json!({"key": key_for(&service)}).to_string();
        assert!(heard.ends_with(&format!("\r\n\r\n{body}")), "{heard}");
        told
    }

    #[tokio::test]
    async fn the_other_hub_is_told_and_may_have_no_use_for_it() {
        check("200 OK").await.unwrap();
        check("404 Not Found").await.unwrap();
        check("403 Forbidden").await.unwrap();
        check("503 Busy").await.unwrap_err();
    }

    #[tokio::test]
    async fn a_hub_of_the_same_network_is_asked_for_its_address_first() {
        let (ours, mut theirs) = duplex(4096);
        let telling = introduce(Box::new(ours), "h", None, key_for);
        let hearing = async {
            let address = with_body(&json!({"address": service()}).to_string());
            let asked = answer(&mut theirs, "\r\n\r\n", &address).await;
            assert!(asked.starts_with("GET /_hub/onion/address HTTP/1.1\r\n"), "{asked}");
            answer(&mut theirs, "}", &with_body("{}")).await
        };
        let (told, heard) = tokio::join!(telling, hearing);
        told.unwrap();
        assert!(heard.contains(&key_for(&service()).to_string()), "{heard}");
    }

    #[tokio::test]
    async fn who_does_not_say_where_it_is_is_told_nothing() {
        let (ours, mut theirs) = duplex(4096);
        let telling = introduce(Box::new(ours), "h", None, key_for);
        let refused = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        let (told, _) = tokio::join!(telling, answer(&mut theirs, "\r\n\r\n", refused));
        told.unwrap();
        assert_eq!(theirs.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
}
