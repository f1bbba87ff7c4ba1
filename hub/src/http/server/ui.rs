//! `/_hub/ui`: the hub's own pages.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::http::etag::ETag;
use crate::http::{Call, HttpError, Reply, body};

/// What the pages may load and who may show them: nothing but themselves, and nobody.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
     media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'",
);

/// For browsers that do not know, or not yet obey, all of [`POLICY`].
const GUARDS: [(&str, HeaderValue); 6] = [
    ("x-frame-options", HeaderValue::from_static("DENY")),
    ("x-content-type-options", HeaderValue::from_static("nosniff")),
    ("referrer-policy", HeaderValue::from_static("no-referrer")),
    ("cross-origin-opener-policy", HeaderValue::from_static("same-origin")),
    ("cross-origin-resource-policy", HeaderValue::from_static("same-origin")),
    (
        "permissions-policy",
        HeaderValue::from_static(
            "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
        ),
    ),
];

/// A new release has new pages: browsers ask each time, and get them when they have changed.
const CACHING: HeaderValue = HeaderValue::from_static("no-cache");

/// Tags of the files, by their names.
static TAGS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    let tag = |file: &ui::File| blake3::hash(file.bytes).to_hex()[..32].to_owned();
    ui::FILES.iter().map(|file| (file.name, tag(file))).collect()
});

/// `GET /_hub/ui` and `GET /_hub/ui/`
pub(crate) async fn index(call: Call) -> Result<Reply, HttpError> {
    if call.captures.slash {
        return serve("index.html", &call);
    }
    // Relative addresses in the page count on the slash.
    let mut reply = Response::new(body::whole(""));
    *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
    reply.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/_hub/ui/"));
    Ok(guarded(reply))
}

/// `GET /_hub/ui/{rest}`
pub(crate) async fn file(call: Call) -> Result<Reply, HttpError> {
    serve(&call.captures.att, &call)
}

fn serve(name: &str, call: &Call) -> Result<Reply, HttpError> {
    let missing = HttpError::NotFound("missing");
    let Some(file) = ui::find(name) else { return Err(missing) };
    let tag = ETag::new(TAGS.get(file.name).map(String::as_str).unwrap_or_default())?;
    if tag.is_known(&call.headers) {
        return Ok(guarded(tag.not_modified()));
    }
    let mut reply = Response::new(body::whole(file.bytes));
    tag.put(&mut reply);
    let content_type = HeaderValue::from_static(file.content_type);
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(guarded(reply))
}

fn guarded(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::CACHE_CONTROL, CACHING);
    for (name, value) in GUARDS {
        headers.insert(HeaderName::from_static(name), value);
    }
    reply
}
