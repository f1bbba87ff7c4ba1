//! What a forwarder answers by itself, in CouchDB's form.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;

use crate::Body;

/// Why a request did not reach the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no request to this server.
    BadRequest,
    /// It means another host, or none.
    WrongHost,
    /// A page in a browser sent it.
    Page,
    /// It came without the token.
    Unauthorized,
    /// There is no hub, or somebody else in its place; the reason is for people.
    NoAnswer(String),
}

impl Refusal {
    /// The answer, after which the connection ends.
    pub(super) fn into_response(self) -> Response<Body> {
        let challenge = self == Self::Unauthorized;
        let (status, error, reason) = self.words();
        let body = json!({"error": error, "reason": reason}).to_string();
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"larder\""));
        }
        response
    }

    fn words(self) -> (StatusCode, &'static str, String) {
        let is = |status, error, reason: &str| (status, error, reason.to_owned());
        match self {
            Self::BadRequest => {
                is(StatusCode::BAD_REQUEST, "bad_request", "Not a request to a hub.")
            }
            Self::WrongHost => is(StatusCode::FORBIDDEN, "forbidden", "Not this host."),
            Self::Page => is(StatusCode::FORBIDDEN, "forbidden", "Pages are not served here."),
            Self::Unauthorized => {
                is(StatusCode::UNAUTHORIZED, "unauthorized", "Name or password is incorrect.")
            }
            Self::NoAnswer(reason) => (StatusCode::BAD_GATEWAY, "bad_gateway", reason),
        }
    }
}
