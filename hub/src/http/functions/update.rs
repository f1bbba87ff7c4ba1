//! `_update`: functions that make a document of a request.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use store::{Document, DocumentLimits};

use super::response::Response;
use super::{Asked, Called, shown, text};
use crate::access::Action;
use crate::http::document::{Writer, write_made};
use crate::http::location::escaped;
use crate::http::{Call, HttpError, Reply, blocking};

/// `POST` and `PUT` of `/{db}/_design/{design}/_update/{function}/{rest}`
pub(crate) async fn update(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let called = Called::of(&call, "updates");
    let mut asked = Asked::of(&call);
    asked.id = Some(call.captures.att.clone()).filter(|id| !id.is_empty());
    let writer = Writer {
        author: call.author(),
        may_write_design: call.require(Action::WriteViews).is_ok(),
        principal: call.principal,
    };
    let app = call.app;
    asked.body = text(&call.method, &call.headers, call.body).await?;
    let limits = DocumentLimits::from(&app.limits());
    let (asking, reading) = (Arc::clone(&app), Arc::clone(&database));
    let (document, response) = blocking(move || {
        let design = called.find(&asking, &reading)?;
        let document = shown(&reading, asked.id.as_deref())?.map(|(_, text)| text);
        let request = asked.to_json(&reading)?;
        let name = called.function;
        let (made, response) = asking.functions.run(&reading, &design, move |functions| {
            functions.update(&name, document.as_deref(), &request)
        })??;
        // Anything but an object is no document, and none is written.
        let made = made.filter(|text| text.starts_with('{'));
        let made = made.map(|text| Document::parse(text.as_bytes(), limits)).transpose()?;
        Ok((made, response))
    })
    .await?;
    let response = Response::parse(&response);
    let Some(document) = document else { return Ok(response?.into_reply(StatusCode::OK)) };
    let (id, rev) = write_made(&app, &database, writer, document).await?;
    let mut reply = response?.into_reply(StatusCode::CREATED);
    for (name, value) in [("x-couch-update-newrev", rev), ("x-couch-id", escaped(&id))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            reply.headers_mut().insert(name, value);
        }
    }
    Ok(reply)
}
