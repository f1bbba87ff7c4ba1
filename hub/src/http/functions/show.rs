//! `_show`: functions that make an answer of a document.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use store::RevId;

use super::response::Response;
use super::{Asked, Called, shown, text};
use crate::access::Principal;
use crate::app::App;
use crate::designs::DesignDoc;
use crate::http::etag::ETag;
use crate::http::{Call, HttpError, Reply, blocking};

/// `GET` and `POST` of `/{db}/_design/{design}/_show/{function}/{rest}`
pub(crate) async fn show(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let called = Called::of(&call, "shows");
    let mut asked = Asked::of(&call);
    asked.id = Some(call.captures.att.clone()).filter(|id| !id.is_empty());
    let Call { app, principal, method, headers, body, .. } = call;
    asked.body = text(&method, &headers, body).await?;
    blocking(move || {
        let design = called.find(&app, &database)?;
        let document = shown(&database, asked.id.as_deref())?;
        let rev = document.as_ref().map(|(rev, _)| rev);
        let tag = tag(&design, rev, &headers, (&app, &principal))?;
        if tag.is_known(&headers) {
            return Ok(tag.not_modified());
        }
        let request = asked.to_json(&database)?;
        let name = called.function;
        let response = app.functions.run(&database, &design, move |functions| {
            let document = document.as_ref().map(|(_, text)| text.as_str());
            functions.show(&name, document, &request)
        })??;
        let mut reply = Response::parse(&response)?.into_reply(StatusCode::OK);
        mark(&mut reply, &tag);
        Ok(reply)
    })
    .await
}

/// Adds what tells caches of what the answer was made.
pub(super) fn mark(reply: &mut Reply, tag: &ETag) {
    tag.put(reply);
    reply.headers_mut().insert(header::VARY, const { HeaderValue::from_static("Accept") });
}

/// What an answer follows from beside its data: the function, what the client takes, and who asks.
pub(super) fn circumstances(
    design: &DesignDoc,
    headers: &HeaderMap,
    (app, principal): (&App, &Principal),
) -> Vec<u8> {
    let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes);
    let DesignDoc { id, rev, .. } = design;
    let (name, roles) = (principal.name(), app.access.roles(principal));
    format!("{id} {rev} {accept:?} {name:?} {roles:?}").into_bytes()
}

fn tag(
    design: &DesignDoc,
    rev: Option<&RevId>,
    headers: &HeaderMap,
    asking: (&App, &Principal),
) -> Result<ETag, HttpError> {
    let mut of = circumstances(design, headers, asking);
    of.extend(format!("{:?}", rev.map(ToString::to_string)).into_bytes());
    ETag::new(&blake3::hash(&of).to_hex()[..32])
}
