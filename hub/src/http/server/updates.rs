//! `/_db_updates`: what happens to the databases that whoever asks may read.

use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use crate::access::{Action, Principal, Target};
use crate::app::App;
use crate::http::body::{self, BodySender, ReaderGone};
use crate::http::changes::{Feed, Patience, patience};
use crate::http::{Call, HttpError, Query, Reply, reply};
use crate::updates::Page;

/// Rows read at a time.
const PAGE_ROWS_MAX: usize = 1000;

/// `GET /_db_updates`
pub(crate) async fn updates(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    // What was answered before this request came is in the log.
    app.updates.look(&app.store);
    let feed = feed(&call.query)?;
    let patience = patience(&call.query)?;
    let after = match since(&call.query, feed, &call.headers).map(|since| since.trim_matches('"')) {
        None => 0,
        Some("now") => *app.updates.last().borrow(),
        Some(since) => app.updates.parse_since(since)?,
    };
    let limit = call.query.unsigned("limit")?.unwrap_or(u64::MAX);
    let (sender, body) = body::channel();
    let left = usize::try_from(limit).unwrap_or(usize::MAX);
    let last = app.updates.last();
    let shutdown = app.shutdown.clone();
    let rights = app.access.policies().changes();
    let principal = call.principal;
    let mut following = Following {
        app,
        principal,
        feed,
        patience,
        after,
        left,
        rows: 0,
        sender,
        last,
        shutdown,
        rights,
    };
    let work = async move {
        if let Err(ReaderGone) = following.run().await {
            tracing::debug!("the reader of the updates of databases is gone");
        }
    };
    tokio::spawn(work.in_current_span());
    let mut reply = reply::json_stream(StatusCode::OK, body);
    if feed == Feed::EventSource {
        let headers = reply.headers_mut();
        let content_type = HeaderValue::from_static("text/event-stream");
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    Ok(reply)
}

/// A browser that reconnects says in the header where it was; the address is still the first.
fn since<'a>(query: &'a Query, feed: Feed, headers: &'a HeaderMap) -> Option<&'a str> {
    let header = headers.get("last-event-id").filter(|_| feed == Feed::EventSource);
    let options = query.pairs().filter(|(name, _)| matches!(*name, "since" | "last-event-id"));
    header.and_then(|value| value.to_str().ok()).or_else(|| options.last().map(|(_, value)| value))
}

fn feed(query: &Query) -> Result<Feed, HttpError> {
    match query.text("feed") {
        None | Some("normal") => Ok(Feed::Normal),
        Some("longpoll") => Ok(Feed::Longpoll),
        Some("continuous") => Ok(Feed::Continuous),
        Some("eventsource") => Ok(Feed::EventSource),
        Some(_) => Err(HttpError::BadRequest(
            "Supported `feed` types: normal, continuous, longpoll, eventsource".into(),
        )),
    }
}

/// A feed on its way: it holds neither thread nor file while it waits.
struct Following {
    app: Arc<App>,
    principal: Principal,
    feed: Feed,
    patience: Patience,
    /// Up to where the log was read.
    after: u64,
    /// How many rows may still be sent.
    left: usize,
    /// How many were sent.
    rows: usize,
    sender: BodySender,
    last: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    /// Told whenever a right may be another.
    rights: watch::Receiver<u64>,
}

impl Following {
    async fn run(&mut self) -> Result<(), ReaderGone> {
        if !self.is_endless() {
            self.sender.send("{\"results\":[\n").await?;
        }
        let mut spoken = Instant::now();
        let mut silent_since = spoken;
        loop {
            self.last.mark_unchanged();
            let max = self.left.min(PAGE_ROWS_MAX);
            let readable = |name: &str| self.app.reads(&self.principal, name);
            let page = self.app.updates.read(self.after, max, readable);
            self.after = page.reached;
            self.left -= page.rows.len();
            let more = page.more;
            if !page.rows.is_empty() {
                let text = self.text(&page);
                self.sender.send(text).await?;
                spoken = Instant::now();
                silent_since = spoken;
            }
            let over = match self.feed {
                _ if self.left == 0 => true,
                Feed::Normal => !more,
                Feed::Longpoll => !more && self.rows > 0,
                Feed::Continuous | Feed::EventSource => false,
            };
            if over || (!more && !self.wait(&mut spoken, silent_since).await?) {
                return self.finish().await;
            }
        }
    }

    /// Waits until there is something to read; `false` when the feed is to end.
    async fn wait(
        &mut self,
        spoken: &mut Instant,
        silent_since: Instant,
    ) -> Result<bool, ReaderGone> {
        loop {
            if *self.shutdown.borrow() || !self.is_allowed() {
                return Ok(false);
            }
            let deadline = match self.patience {
                Patience::Timeout(timeout) => silent_since + timeout,
                Patience::Heartbeat(every) => *spoken + every,
            };
            tokio::select! {
                changed = self.last.changed() => return Ok(changed.is_ok()),
                () = self.sender.closed() => return Err(ReaderGone),
                // Asked again at the loop's beginning.
                _ = self.rights.changed() => {}
                stopping = self.shutdown.changed() => {
                    if stopping.is_err() {
                        return Ok(false);
                    }
                }
                () = sleep_until(deadline) => match self.patience {
                    Patience::Timeout(_) => return Ok(false),
                    Patience::Heartbeat(_) => {
                        let sign = match self.feed {
                            Feed::EventSource => "event: heartbeat\ndata: \n\n",
                            _ => "\n",
                        };
                        self.sender.send(sign).await?;
                        *spoken = Instant::now();
                    }
                },
            }
        }
    }

    /// An app that was removed or changed hears no more.
    fn is_allowed(&self) -> bool {
        self.app.decide(&self.principal, Action::UseServer, Target::Server).is_allowed()
    }

    /// Whether it is a row after the other, without an end.
    fn is_endless(&self) -> bool {
        matches!(self.feed, Feed::Continuous | Feed::EventSource)
    }

    fn text(&mut self, page: &Page) -> String {
        let mut text = String::new();
        for (place, update) in &page.rows {
            let seq = self.app.updates.seq(*place).to_string();
            let row = json!({
                "db_name": update.db_name.as_str(),
                "type": update.kind.word(),
                "seq": seq,
            });
            // Writing to a string cannot fail.
            let _written = match self.feed {
                Feed::Continuous => writeln!(text, "{row}"),
                Feed::EventSource => write!(text, "data: {row}\nid: \"{seq}\"\n\n"),
                Feed::Normal | Feed::Longpoll if self.rows > 0 => write!(text, ",\n{row}"),
                Feed::Normal | Feed::Longpoll => write!(text, "{row}"),
            };
            self.rows += 1;
        }
        text
    }

    async fn finish(&self) -> Result<(), ReaderGone> {
        let last = self.app.updates.seq(self.after);
        let end = match self.feed {
            Feed::Continuous => format!("{{\"last_seq\":\"{last}\"}}\n"),
            Feed::EventSource => return Ok(()),
            _ => format!("\n],\n\"last_seq\":\"{last}\"}}\n"),
        };
        self.sender.send(end).await
    }
}
