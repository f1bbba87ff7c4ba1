//! `_list`: functions that make an answer of a view's rows, which they take one by one.
//!
//! The function runs on a thread of its own; what it wishes for, rows and somebody to take what it
//! says, a task gives it. No more than a page of rows and a few chunks are in memory, however long
//! the view.

mod apart;
mod wish;

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::Map;
use store::Database;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use self::apart::Apart;
use self::wish::{Wish, Wishes};
use super::response::Response;
use super::show::{circumstances, mark};
use super::{Asked, Called};
use crate::app::App;
use crate::designs::DesignDoc;
use crate::http::all_docs;
use crate::http::body;
use crate::http::etag::ETag;
use crate::http::given::Options as _;
use crate::http::pages::{Ended, Gate, Pages, Stream};
use crate::http::view::{self, Scope, ViewRows};
use crate::http::{Call, HttpError, Reply, blocking, json_body};

/// Wishes that wait to be granted.
const WISHES_MAX: usize = 4;

/// `GET` and `POST` of `/{db}/_design/{design}/_list/{function}/{view}`, and with another design
/// document's view.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let called = Called::of(&call, "lists");
    let scope = Scope::of(&call)?;
    let scope = match call.captures.other.as_str() {
        "" => scope,
        other => Scope { design: other.to_owned(), ..scope },
    };
    let mut asked = Asked::of(&call);
    let Call { app, principal, method, query, headers, body, .. } = call;
    let mut members = Map::new();
    if method == Method::POST {
        let text;
        (text, members) = json_body::text_and_object(&headers, body).await?;
        asked.body = Some(text);
    }
    let (asking, reading) = (Arc::clone(&app), Arc::clone(&scope.database));
    let function = called.function.clone();
    let design = blocking(move || called.find(&asking, &reading)).await?;
    let of = circumstances(&design, &headers, (&app, &principal));
    let listing = Listing { app, design, function, asked, database: scope.database.clone() };
    if scope.view == "_all_docs" {
        let (rows, tag) = all_docs::listing(&scope.database, &query, members).await?;
        let tag = tag.with(&of)?;
        return match tag.is_known(&headers) {
            true => Ok(tag.not_modified()),
            false => listing.answer(scope.gate, rows, tag).await,
        };
    }
    let options = view::Options::parse(&query, members)?;
    let found = scope.find().await?;
    let rows = ViewRows::new(&scope.app, &found, &options)?;
    let reached = scope.bring_up_to_date(&found, options.update).await?;
    let tag = view::tag(&found, &scope.view, &options, reached)?.with(&of)?;
    match tag.is_known(&headers) {
        true => Ok(tag.not_modified()),
        false => listing.answer(scope.gate, rows, tag).await,
    }
}

/// A list function, and what it is asked.
struct Listing {
    app: Arc<App>,
    database: Arc<Database>,
    design: Arc<DesignDoc>,
    function: String,
    asked: Asked,
}

impl Listing {
    /// What the function makes of these rows. Nothing is sent before its first word, so that it may
    /// still fail like any other request.
    async fn answer<P: Pages>(self, gate: Gate, rows: P, tag: ETag) -> Result<Reply, HttpError> {
        let database = Arc::clone(&self.database);
        let apart = Apart::begin(&database, rows).await?;
        let (sender, wished) = mpsc::channel(WISHES_MAX);
        let (head, runtime) = (apart.head.clone(), Handle::current());
        let run = move || self.run(head, Wishes::new(sender, runtime));
        let work = tokio::task::spawn_blocking(run);
        let mut course = Course { database: Arc::clone(&database), apart, wished, work };
        let mut response = Response::default();
        let first = loop {
            match course.next().await? {
                Some(Said::Start(text)) => response = Response::parse(&text)?,
                Some(Said::Chunk(chunk)) => break Some(chunk),
                None => break None,
            }
        };
        let Some(first) = first else {
            let mut reply = response.with_body(StatusCode::OK, body::whole(""));
            mark(&mut reply, &tag);
            return Ok(reply);
        };
        let (sender, body) = body::channel();
        let stream = Stream { sender, gate, database };
        let sending = async move {
            if let Err(ended) = course.send(&stream, first).await {
                stream.abort(&ended).await;
            }
        };
        tokio::spawn(sending.in_current_span());
        let mut reply = response.with_body(StatusCode::OK, body);
        mark(&mut reply, &tag);
        Ok(reply)
    }

    /// Runs the function. Blocks for as long as it takes.
    fn run(self, head: String, wishes: Wishes) -> Result<(), HttpError> {
        let Self { app, database, design, function, asked } = self;
        let request = asked.to_json(&database)?;
        let work = move |functions: &mut query::Functions| {
            wish::run(functions, (&function, &head, &request), wishes)
        };
        Ok(app.functions.run_long(&database, &design, work)??)
    }
}

/// What a function has said.
enum Said {
    /// How the answer begins, as JSON.
    Start(String),
    /// A piece of it.
    Chunk(String),
}

/// A function that runs, and what it is given.
struct Course<P> {
    database: Arc<Database>,
    apart: Apart<P>,
    wished: mpsc::Receiver<Wish>,
    work: JoinHandle<Result<(), HttpError>>,
}

impl<P: Pages> Course<P> {
    /// The next that the function says; nothing once it is done.
    async fn next(&mut self) -> Result<Option<Said>, HttpError> {
        loop {
            match self.wished.recv().await {
                Some(Wish::Rows(giving)) => {
                    let rows = self.apart.rows(&self.database).await?;
                    // A function that ended meanwhile wants none.
                    let _gone = giving.send(rows);
                }
                Some(Wish::Start(response)) => return Ok(Some(Said::Start(response))),
                Some(Wish::Chunk(chunk)) => return Ok(Some(Said::Chunk(chunk))),
                None => {
                    return match (&mut self.work).await {
                        Ok(outcome) => outcome.map(|()| None),
                        Err(join) => Err(HttpError::Internal {
                            action: "run a list function",
                            cause: join.to_string(),
                        }),
                    };
                }
            }
        }
    }

    /// Sends all that the function says, from its first word.
    async fn send(mut self, stream: &Stream, first: String) -> Result<(), Ended> {
        stream.send_text(first).await?;
        while let Some(said) = self.next().await? {
            if let Said::Chunk(chunk) = said {
                stream.send_text(chunk).await?;
            }
        }
        Ok(())
    }
}
