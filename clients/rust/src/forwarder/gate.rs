//! Which requests a forwarder takes: those of programs that were given its token, never those of pages.

use std::net::SocketAddrV4;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};

use super::USER;
use super::refusal::Refusal;
use super::token::Token;

/// What browsers add, and no library does: a page's request that has no `Origin` shows by it.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The checks that every request passes.
pub(super) struct Gate {
    host: String,
    origin: String,
    token: Arc<Token>,
}

impl Gate {
    pub(super) fn new(address: SocketAddrV4, token: Arc<Token>) -> Self {
        Self { host: address.to_string(), origin: format!("http://{address}/"), token }
    }

    /// Where the forwarder is: `http://127.0.0.1:PORT/`.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Lets a request pass, or says why not.
    pub(super) fn check(&self, request: &Parts) -> Result<(), Refusal> {
        let uri = &request.uri;
        let ordinary = uri.scheme().is_none() && uri.authority().is_none();
        if !ordinary || !uri.path().starts_with('/') || request.method == Method::CONNECT {
            return Err(Refusal::BadRequest);
        }
        let headers = &request.headers;
        // Another name for this address is how a page gets around its own origin.
        if only(headers, &HOST) != Some(self.host.as_bytes()) {
            return Err(Refusal::WrongHost);
        }
        if headers.contains_key(ORIGIN) || headers.contains_key(FETCH_SITE) {
            return Err(Refusal::Page);
        }
        let credentials = only(headers, &AUTHORIZATION).and_then(basic);
        if !credentials.is_some_and(|given| self.knows(&given)) {
            return Err(Refusal::Unauthorized);
        }
        Ok(())
    }

    fn knows(&self, credentials: &[u8]) -> bool {
        let name = credentials.strip_prefix(USER.as_bytes());
        let token = name.and_then(|rest| rest.strip_prefix(b":"));
        token.is_some_and(|token| self.token.matches(token))
    }
}

/// A header's value, where it is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first.as_bytes())
}

/// `name:token` out of a header `Authorization`.
fn basic(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = header.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    STANDARD.decode(rest.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Request;

    use super::*;

    fn check(gate: &Gate, uri: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        gate.check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn takes_its_own_and_nobody_else() {
        let token = Arc::new(Token::random().unwrap());
        let gate = Gate::new(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7), Arc::clone(&token));
        let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let right = encoded(&format!("app:{}", token.expose()));
        let host = ("host", "127.0.0.1:7");
        assert_eq!(check(&gate, "/notes?x", &[host, ("authorization", &right)]), Ok(()));
        let lower = right.replace("Basic", "basic");
        assert_eq!(check(&gate, "/", &[host, ("authorization", &lower)]), Ok(()));
        let short = &token.expose()[1..];
        let wrong = [
            encoded(&format!("app:{short}")),
            encoded(&format!("app:{}x", token.expose())),
            encoded(&format!("owner:{}", token.expose())),
            encoded("app:"),
            encoded("app"),
            format!("Bearer {}", token.expose()),
            "Basic ?".into(),
            "Basic".into(),
        ];
        for wrong in &wrong {
            let given = check(&gate, "/", &[host, ("authorization", wrong)]);
            assert_eq!(given, Err(Refusal::Unauthorized), "{wrong}");
        }
        let twice = [host, ("authorization", &right), ("authorization", &right)];
        assert_eq!(check(&gate, "/", &twice), Err(Refusal::Unauthorized));
        assert_eq!(check(&gate, "/", &[host]), Err(Refusal::Unauthorized));
    }

    #[test]
    fn takes_no_page_and_no_other_name() {
        let token = Arc::new(Token::random().unwrap());
        let gate = Gate::new(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7), Arc::clone(&token));
        let right = format!("Basic {}", STANDARD.encode(format!("app:{}", token.expose())));
        let with = |uri: &str, headers: &[(&str, &str)]| {
            let mut all = vec![("authorization", right.as_str())];
            all.extend(headers);
            check(&gate, uri, &all)
        };
        let host = ("host", "127.0.0.1:7");
        for other in ["localhost:7", "127.0.0.1", "127.0.0.1:70", "example.com", ""] {
            assert_eq!(with("/", &[("host", other)]), Err(Refusal::WrongHost), "{other}");
        }
        assert_eq!(with("/", &[]), Err(Refusal::WrongHost));
        assert_eq!(with("/", &[host, host]), Err(Refusal::WrongHost));
        for origin in ["http://127.0.0.1:7", "null", "https://example.com"] {
            assert_eq!(with("/", &[host, ("origin", origin)]), Err(Refusal::Page), "{origin}");
        }
        assert_eq!(with("/", &[host, ("sec-fetch-site", "none")]), Err(Refusal::Page));
        for uri in ["http://127.0.0.1:7/", "https://example.com/", "example.com:443", "*"] {
            assert_eq!(with(uri, &[host]), Err(Refusal::BadRequest), "{uri}");
        }
    }
}
