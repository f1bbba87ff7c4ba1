//! The changes feed of a database.

mod choice;
mod filter;
mod function;
mod live;
mod options;
mod reader;
mod row;

use std::sync::Arc;

use http::HeaderMap;
use store::{Database, Direction};
use tokio::sync::watch;

pub(crate) use self::choice::Choice;
use self::live::Live;
pub(crate) use self::options::{Feed, Options, Patience, patience};
use self::reader::Reader;
use super::etag::ETag;
use super::functions::Asked;
use super::incoming::Incoming;
use super::pages::{self, Gate};
use super::{Call, HttpError, Reply, json_body};
use crate::access::Action;

/// `GET /{db}/_changes`
pub(crate) async fn get(call: Call) -> Result<Reply, HttpError> {
    let scope = Scope::of(&call)?;
    let options = Options::parse(&call.query, None, &call.headers)?;
    let options = options.with_function(&call.app, &scope.database, || Asked::of(&call)).await?;
    answer(scope, options, &call.headers).await
}

/// `POST /{db}/_changes`
pub(crate) async fn post(mut call: Call) -> Result<Reply, HttpError> {
    let scope = Scope::of(&call)?;
    let sent = std::mem::replace(&mut call.body, Incoming::given(String::new()));
    let body = json_body::optional_members(&call.headers, sent).await?;
    let options = Options::parse(&call.query, body.as_ref(), &call.headers)?;
    let asked = || {
        let mut asked = Asked::of(&call);
        asked.body = body.as_ref().and_then(|body| serde_json::to_string(body).ok());
        asked
    };
    let options = options.with_function(&call.app, &scope.database, asked).await?;
    answer(scope, options, &call.headers).await
}

async fn answer(scope: Scope, options: Options, headers: &HeaderMap) -> Result<Reply, HttpError> {
    if options.feed != Feed::Normal {
        return scope.feed(options).await;
    }
    if options.asks_function() {
        return scope.feed(options).await;
    }
    // Nothing but a commit changes what a normal feed says.
    let tag = ETag::new(&scope.database.update_seq().to_string())?;
    if tag.is_known(headers) {
        return Ok(tag.not_modified());
    }
    let mut reply = scope.feed(options).await?;
    tag.put(&mut reply);
    Ok(reply)
}

/// What a feed needs beside its options.
struct Scope {
    gate: Gate,
    database: Arc<Database>,
    shutdown: watch::Receiver<bool>,
}

impl Scope {
    fn of(call: &Call) -> Result<Self, HttpError> {
        Ok(Self {
            gate: Gate::of(call, Action::Read),
            database: call.database()?,
            shutdown: call.app.shutdown.clone(),
        })
    }

    async fn feed(self, options: Options) -> Result<Reply, HttpError> {
        let Self { gate, database, shutdown } = self;
        let (feed, patience) = (options.feed, options.patience);
        let backwards = options.direction == Direction::Descending;
        let reader = Reader::new(&database, options)?;
        // Backwards there is nothing to wait for.
        if feed == Feed::Normal || backwards {
            return pages::answer(gate, database, reader).await;
        }
        Live { feed, patience, gate, database, shutdown }.answer(reader).await
    }
}
