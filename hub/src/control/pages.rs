//! `/_hub/login` and `/_hub/session`: how the pages are entered.

use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::apps::parsed;
use crate::access::LINK_GOOD_FOR;
use crate::clock;
use crate::http::{Call, HttpError, Reply, json_body, reply};

/// `POST /_hub/login`: a link that lets one browser in, once.
pub(crate) async fn link(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let urls = app.urls.get().into_iter().flatten();
    let base = urls.into_iter().find(|url| url.starts_with("http://"));
    let base = base.ok_or(HttpError::NotFound("the hub listens nowhere for browsers"))?;
    let code = app.access.make_link()?;
    // In the fragment, which browsers keep to themselves.
    let url = format!("{base}_hub/ui/#login={}", code.expose());
    let answer = json!({"ok": true, "url": url, "seconds": LINK_GOOD_FOR.as_secs()});
    Ok(reply::json(StatusCode::CREATED, &answer))
}

/// What `POST /_hub/session` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redemption {
    code: String,
}

/// `POST /_hub/session`: begins a session of the pages for whoever has a code; the one answer that holds
/// the word which the pages send from then on.
pub(crate) async fn begin(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let Redemption { code } = parsed(json_body::object(&headers, body).await?)?;
    let session = app.access.follow_link(code.as_bytes())?;
    let pages = app.access.pages();
    let answer = json!({"ok": true, "csrf": pages.word(session)});
    let mut reply = reply::json(StatusCode::CREATED, &answer);
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set_cookie(&mut reply, &pages.cookie(session, clock::now()));
    Ok(reply)
}

/// `DELETE /_hub/session`: ends it in this browser.
pub(crate) async fn end(call: Call) -> Result<Reply, HttpError> {
    let mut reply = reply::ok(StatusCode::OK);
    set_cookie(&mut reply, &call.app.access.pages().ended());
    Ok(reply)
}

fn set_cookie(reply: &mut Reply, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
