//! `POST /_hub/sync/{doc}` and `…/wanted`: another hub pulls what is here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use identity::PublicKey;
use replication::Select;
use replication::sync::{
    BatchSize, CONTENT_TYPE, ParseRequestError, Question, REQUEST_BYTES_MAX, RefusalCode, Source,
    SourceOptions, SyncBody, SyncRefusal, SyncRequest, Visible, WantedRequest,
};
use store::{Database, DbUuid};

use super::{count, databases};
use crate::access::{Action, Principal, Target};
use crate::app::App;
use crate::clock;
use crate::control::onion::known_device;
use crate::http::{Call, HttpError, Reply, reply, request};
use crate::listener::tally::Counted;
use crate::replicate::Selected;

/// `POST /_hub/sync/{doc}`: what has changed in a database, revisions included.
pub(crate) async fn sync(call: Call) -> Result<Reply, HttpError> {
    serve(call, |body| SyncRequest::parse(body).map(Question::Sync)).await
}

/// `POST /_hub/sync/{doc}/wanted`: revisions that are asked for one by one.
pub(crate) async fn wanted(call: Call) -> Result<Reply, HttpError> {
    serve(call, |body| WantedRequest::parse(body).map(Question::Wanted)).await
}

async fn serve(
    call: Call,
    parse: fn(&[u8]) -> Result<Question, ParseRequestError>,
) -> Result<Reply, HttpError> {
    let peer = known_device(&call)?;
    super::not_paused(&call.app)?;
    // More devices get no more at a time.
    let person = call.principal.key().unwrap_or(peer);
    let counted = call.app.mesh.answers.one_more(person).ok_or(HttpError::Overloaded)?;
    let Call { app, principal, captures, headers, body, .. } = call;
    let id = DbUuid::parse(&captures.doc).ok_or(HttpError::NoDatabase)?;
    let database = databases::find(&app, id).ok_or(HttpError::NoDatabase)?;
    app.admit(&principal, Action::Read, Target::Database(database.name().as_str()))?;
    let text = request::read(&headers, body, REQUEST_BYTES_MAX).await?;
    let question = parse(&text).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let select = selected(&question)?;
    count(&app.mesh.counts.answers, 1);
    let watch = Watch {
        app: Arc::clone(&app),
        principal: principal.clone(),
        id,
        database: Arc::clone(&database),
    };
    let options = SourceOptions {
        visible: Some(Arc::new(watch)),
        delivered: Some(app.mesh.delivered(peer)),
        policy_version: app.registry.rule_version(id),
        select,
        batch: BatchSize::default(),
    };
    let body = SyncBody::new(Source::new(Arc::clone(&database), question, options));
    let reader = principal.is_guest().then_some(person);
    let answer = Answer { app, body, reader, database, noted: 0, _counted: counted };
    let pieces = futures_util::stream::unfold(answer, async |mut answer| {
        let piece = answer.next().await?;
        Some((Ok(Frame::data(piece)), answer))
    });
    let body = StreamBody::new(pieces.boxed()).boxed_unsync();
    let mut reply = reply::json_stream(StatusCode::OK, body);
    let content_type = HeaderValue::from_static(CONTENT_TYPE);
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(reply)
}

/// What the selector of a question means, where it has one.
fn selected(question: &Question) -> Result<Option<Arc<dyn Select>>, HttpError> {
    let Question::Sync(SyncRequest { selector: Some(selector), .. }) = question else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Selected::parse(selector)?)))
}

/// An answer on its way.
struct Answer {
    app: Arc<App>,
    body: SyncBody,
    /// Who reads, where that is noted.
    reader: Option<PublicKey>,
    database: Arc<Database>,
    /// Documents that were noted to have been read.
    noted: u64,
    _counted: Counted<PublicKey>,
}

impl Answer {
    async fn next(&mut self) -> Option<Bytes> {
        let piece = self.body.next().await?;
        count(&self.app.mesh.counts.bytes_out, piece.len() as u64);
        let documents = self.body.sent().documents;
        if let Some(reader) = self.reader.filter(|_| documents > self.noted) {
            let (name, more) = (self.database.name(), documents - self.noted);
            self.app.reads.note(reader, name.as_str(), None, more, clock::now());
            self.noted = documents;
        }
        Some(piece)
    }
}

/// Whether a peer may still read what it is being sent.
struct Watch {
    app: Arc<App>,
    principal: Principal,
    id: DbUuid,
    database: Arc<Database>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Visible for Watch {
    fn check(&self) -> Result<(), SyncRefusal> {
        let refusal = |code, reason: &str| Err(SyncRefusal::new(code, reason));
        if self.app.pause.now().sync {
            return refusal(RefusalCode::Unavailable, "this hub is paused by its owner");
        }
        let here = databases::find(&self.app, self.id);
        if here.is_none_or(|here| here.uuid() != self.database.uuid()) {
            return refusal(RefusalCode::Gone, "the database is not shared any more");
        }
        match self.app.reads(&self.principal, self.database.name().as_str()) {
            true => Ok(()),
            false => refusal(RefusalCode::Forbidden, "the right to read was taken away"),
        }
    }
}
