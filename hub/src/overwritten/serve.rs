//! `/_hub/overwritten`: what was overwritten, looked at, brought back and dismissed.

use std::sync::{Arc, PoisonError};

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::{Attachment, Body, Database, DocId, Edit, Error, Lineage};

use super::database;
use super::entry::{Entry, Lost};
use super::marks::Marks;
use super::publish::{self, copies};
use crate::app::App;
use crate::clock;
use crate::http::document::submit_one;
use crate::http::{Call, HttpError, Reply, blocking, reply};

/// Most that is listed at a time.
const LISTED_MAX: usize = 1000;

/// What lost so many bytes deserves attention where little is in its place.
const LARGE_BYTES: usize = 512;

/// What has at most this part of the other's bytes is little.
const NEARLY_EMPTY: usize = 10;

const UNKNOWN: HttpError = HttpError::NotFound("nothing that was overwritten is called so");

/// `GET /_hub/overwritten`: everything that was overwritten in databases that are here; what deserves
/// attention comes first, then what came last.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    let shown = blocking(move || {
        publish::catch_up(&app, clock::now())?;
        let published = database(&app)?;
        let marks = marked(&app, &published)?;
        let mut ids = publish::ids(&published, "", |_| true)?;
        let more = ids.len() > LISTED_MAX;
        let mut shown = Vec::new();
        // Those that are marked are shown, whatever has to be left out.
        ids.sort_by_key(|id| !marks.attention.contains(id.as_str()));
        for id in ids.into_iter().take(LISTED_MAX) {
            let Some(found) = Found::read(&app, &published, &id, &marks)? else { continue };
            shown.push((
                !found.deserves_attention(),
                std::cmp::Reverse(found.seq),
                found.summary(),
            ));
        }
        shown.sort_by_key(|(calm, seq, _)| (*calm, *seq));
        let shown: Vec<_> = shown.into_iter().map(|(.., summary)| summary).collect();
        Ok(json!({"overwritten": shown, "more": more}))
    });
    Ok(reply::json(StatusCode::OK, &shown.await?))
}

/// `GET /_hub/overwritten/ID`: one of them, with what is in its place.
pub(crate) async fn show(call: Call) -> Result<Reply, HttpError> {
    let (app, word) = (call.app, call.captures.doc);
    let shown = blocking(move || {
        let found = Found::of(&app, &word)?;
        let mut shown = found.summary();
        shown["body"] = parsed(&found.body);
        shown["attachments"] = names(&found.attachments);
        if let Some(winner) = &found.winner {
            shown["winner"]["body"] = parsed(&winner.body.json);
            shown["winner"]["attachments"] = names(&winner.body.attachments);
        }
        Ok(shown)
    });
    Ok(reply::json(StatusCode::OK, &shown.await?))
}

/// `POST /_hub/overwritten/ID/restore`: brings it back by an ordinary edit of what is in its place.
pub(crate) async fn restore(call: Call) -> Result<Reply, HttpError> {
    let author = call.author();
    let (app, word) = (call.app, call.captures.doc);
    let preparing = Arc::clone(&app);
    let prepared = blocking(move || {
        let found = Found::of(&preparing, &word)?;
        let published = database(&preparing)?;
        let edit = Edit {
            id: found.lost.document.clone(),
            lineage: Lineage::Child(found.live_winner().cloned()),
            deleted: found.deleted,
            body: found.body.clone().into(),
            attachments: copies(&published, &found.database, &found.attachments)?,
        };
        Ok((found.id, found.database, edit))
    });
    let (id, of, edit) = prepared.await?;
    let document = edit.id.to_string();
    let rev = submit_one(&author, &of, edit).await?;
    blocking(move || dismiss_now(&app, &id)).await?;
    let answer =
        json!({"ok": true, "database": of.name().as_str(), "id": document, "rev": rev.to_string()});
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `DELETE /_hub/overwritten/ID`: nobody wants it back, on any device.
pub(crate) async fn dismiss(call: Call) -> Result<Reply, HttpError> {
    let (app, word) = (call.app, call.captures.doc);
    blocking(move || {
        let id = find(&app, &word)?;
        dismiss_now(&app, &id)
    })
    .await?;
    Ok(reply::ok(StatusCode::OK))
}

fn dismiss_now(app: &App, id: &DocId) -> Result<(), HttpError> {
    let now = clock::now();
    publish::dismiss(&*database(app)?, std::slice::from_ref(id), now)?;
    Ok(publish::catch_up(app, now)?)
}

/// The document of `_overwritten` that a word means: its id, or the end of it that no other has.
fn find(app: &App, word: &str) -> Result<DocId, HttpError> {
    publish::catch_up(app, clock::now())?;
    let published = database(app)?;
    if let Ok(id) = word.parse::<DocId>()
        && published.read(|snapshot| snapshot.head(&id))?.is_some_and(|head| !head.deleted)
    {
        return Ok(id);
    }
    let mut ids = publish::ids(&published, "", |_| true)?;
    ids.retain(|id| id.as_str().rsplit(':').next().is_some_and(|end| end == word));
    match (ids.pop(), ids.pop()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(HttpError::BadRequest(format!("{word} means more than one"))),
        (None, _) => Err(UNKNOWN),
    }
}

fn marked(app: &App, published: &Database) -> Result<Marks, Error> {
    let mut known = app.publishing.lock().unwrap_or_else(PoisonError::into_inner);
    known.marks(published).cloned()
}

/// One revision that lost, and what is in its place.
struct Found {
    id: DocId,
    seq: u64,
    lost: Lost,
    deleted: bool,
    body: String,
    attachments: Vec<Attachment>,
    database: Arc<Database>,
    marked: bool,
    winner: Option<Winner>,
}

struct Winner {
    rev: store::RevId,
    deleted: bool,
    body: Body,
}

/// The text of a document of `_overwritten`, its body still text.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    deleted: bool,
}

impl Found {
    fn of(app: &App, word: &str) -> Result<Self, HttpError> {
        let id = find(app, word)?;
        let published = database(app)?;
        let marks = marked(app, &published)?;
        Self::read(app, &published, &id, &marks)?.ok_or(UNKNOWN)
    }

    /// Reads one; `None` where it is gone, is none, or its database is not here.
    fn read(
        app: &App,
        published: &Database,
        id: &DocId,
        marks: &Marks,
    ) -> Result<Option<Self>, Error> {
        let read = published.read(|snapshot| {
            let Some(head) = snapshot.head(id)?.filter(|head| !head.deleted) else {
                return Ok(None);
            };
            Ok::<_, Error>(snapshot.body(head.body)?.map(|body| (head.seq.0, body)))
        })?;
        let Some((seq, contents)) = read else { return Ok(None) };
        let lost = serde_json::from_str::<Entry<'_>>(&contents.json).ok();
        let Some(lost) = lost.and_then(|entry| entry.lost()) else { return Ok(None) };
        let Ok(text) = serde_json::from_str::<Text<'_>>(&contents.json) else { return Ok(None) };
        let Some(of) = app.store.database_of(lost.database) else { return Ok(None) };
        let winner = of.read(|snapshot| {
            let Some(head) = snapshot.head(&lost.document)? else { return Ok(None) };
            let body = snapshot.body(head.body)?;
            Ok::<_, Error>(body.map(|body| Winner { rev: head.rev, deleted: head.deleted, body }))
        });
        Ok(Some(Self {
            id: id.clone(),
            seq,
            marked: marks.attention.contains(id.as_str()),
            deleted: text.deleted,
            body: text.body.get().to_owned(),
            attachments: contents.attachments,
            // A database that cannot be read says so to whoever asks it.
            winner: winner.unwrap_or_default(),
            database: of,
            lost,
        }))
    }

    /// The revision that an edit follows.
    fn live_winner(&self) -> Option<&store::RevId> {
        self.winner.as_ref().filter(|winner| !winner.deleted).map(|winner| &winner.rev)
    }

    /// Whether so little took its place that somebody should look: it was so then, or is so now.
    fn deserves_attention(&self) -> bool {
        let lost = self.body.len() + bytes(&self.attachments);
        let left = self.winner.as_ref().filter(|winner| !winner.deleted);
        let left = left.map_or(0, |winner| match winner.body.json.len() {
            0..=2 => bytes(&winner.body.attachments),
            json => json + bytes(&winner.body.attachments),
        });
        self.marked || lost >= LARGE_BYTES && left.saturating_mul(NEARLY_EMPTY) <= lost
    }

    fn summary(&self) -> Value {
        let short = self.id.as_str().rsplit(':').next().unwrap_or_default();
        let winner = self.winner.as_ref();
        json!({
            "id": self.id.as_str(),
            "short": short,
            "database": self.database.name().as_str(),
            "uuid": self.lost.database.to_string(),
            "document": self.lost.document.as_str(),
            "revision": self.lost.revision.to_string(),
            "written": store::stamp::stamp_of(&self.lost.revision).map(|stamp| stamp.millis().0),
            "deleted": self.deleted,
            "bytes": self.body.len() + bytes(&self.attachments),
            "attention": self.deserves_attention(),
            "winner": winner.map(|winner| json!({
                "revision": winner.rev.to_string(),
                "written": store::stamp::stamp_of(&winner.rev).map(|stamp| stamp.millis().0),
                "deleted": winner.deleted,
                "bytes": winner.body.json.len() + bytes(&winner.body.attachments),
            })),
        })
    }
}

fn bytes(attachments: &[Attachment]) -> usize {
    let bytes: u64 = attachments.iter().map(|attachment| attachment.length).sum();
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn parsed(json: &str) -> Value {
    // What the store keeps is JSON.
    serde_json::from_str(json).unwrap_or_default()
}

fn names(attachments: &[Attachment]) -> Value {
    let shown = attachments.iter().map(|attachment| {
        json!({
            "name": attachment.name,
            "content_type": attachment.content_type,
            "length": attachment.length,
            "digest": attachment.digest.to_string(),
        })
    });
    shown.collect()
}
