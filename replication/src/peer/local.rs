//! A database of this hub as a peer.

mod database;
mod selected;

use std::future::ready;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use store::{
    AttachmentReader, AttachmentWriter, DbName, DocId, DocumentLimits, Encoding, Intake, LocalId,
    RevId, Staged, Store,
};
use tokio::task::spawn_blocking;

pub use database::{Incoming, LocalDatabase};
pub(crate) use selected::revision_text;

use super::{
    Answering, AttachmentForm, AttachmentStream, Fetched, LocalDocument, Peer, PeerError, PeerInfo,
};
use crate::{
    Change, ChangesBatch, ChangesQuery, Clock, Feed, Filter, Judge, Refusal, Revision,
    RevisionAttachment, Select, Transfer, Wanted,
};

/// How long a longpoll waits before it answers that nothing changed.
const LONGPOLL_S: u64 = 60;

/// Bytes of an attachment that one trip to a blocking thread moves.
const CHUNK_BYTES: usize = 256 * 1024;

/// Attachments that one write fetches at a time.
const ATTACHMENTS_AT_ONCE: usize = 4;

/// A database of this hub, found by its name; every call into the store on a blocking thread.
pub struct LocalPeer {
    store: Arc<Store>,
    name: DbName,
    limits: DocumentLimits,
    clock: Clock,
    /// The database as it was found last: one that was deleted and made anew is another.
    found: Mutex<Option<LocalDatabase>>,
    /// What the selector or function means that documents are filtered by.
    select: Option<Arc<dyn Select>>,
    /// Who says which documents it takes.
    judge: Option<Arc<dyn Judge>>,
    /// Who brings it revisions, where that is somebody else.
    deliverer: Option<Arc<str>>,
    /// Who makes it where it is not there.
    create: Option<Create>,
}

/// Makes a database of this name unless it is there, on a thread that may block.
pub type Create = Arc<dyn Fn(&DbName) -> Result<(), PeerError> + Send + Sync>;

impl LocalPeer {
    /// The database of that name, whether it exists yet or not; it takes documents within `limits`.
    #[must_use]
    pub fn new(store: Arc<Store>, name: DbName, limits: DocumentLimits, clock: Clock) -> Self {
        Self {
            store,
            name,
            limits,
            clock,
            found: Mutex::new(None),
            select: None,
            judge: None,
            deliverer: None,
            create: None,
        }
    }

    /// The same, as a source whose documents are filtered by a selector or a function.
    #[must_use]
    pub fn selecting(mut self, select: Arc<dyn Select>) -> Self {
        self.select = Some(select);
        self
    }

    /// The same, as a target that takes only what the judge lets in.
    #[must_use]
    pub fn judged_by(mut self, judge: Arc<dyn Judge>) -> Self {
        self.judge = Some(judge);
        self
    }

    /// The same, as a target to which somebody else brings revisions, whose clock may be ahead.
    #[must_use]
    pub fn delivered_by(mut self, deliverer: &str) -> Self {
        self.deliverer = Some(deliverer.into());
        self
    }

    /// The same, made by this where it is not there, and not as the store makes databases.
    #[must_use]
    pub fn created_by(mut self, create: Create) -> Self {
        self.create = Some(create);
        self
    }

    fn database(&self) -> Result<LocalDatabase, PeerError> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match &*found {
            Some(database) => Ok(database.clone()),
            None => {
                let database = self.store.database(&self.name).ok_or(PeerError::NoDatabase)?;
                Ok(found.insert(LocalDatabase::new(database, self.limits)).clone())
            }
        }
    }

    /// Calls into the database on a blocking thread.
    fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&LocalDatabase) -> Result<T, PeerError> + Send + 'static,
    ) -> Answering<'_, T> {
        match self.database() {
            Ok(database) => Box::pin(on_blocking_thread(move || call(&database))),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    async fn wait_for_changes(&self, query: ChangesQuery) -> Result<ChangesBatch, PeerError> {
        let mut query = query;
        let database = self.database()?;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(LONGPOLL_S);
        loop {
            let updated = database.updated();
            let (asked, select) = (query.clone(), self.select.clone());
            let ask = move |database: &LocalDatabase| match (&asked.filter, select) {
                (Filter::Selector(_) | Filter::Function(_), Some(select)) => {
                    database.selected_changes(&asked, &*select)
                }
                (_, _) => database.changes(&asked),
            };
            let batch = self.blocking(ask).await?;
            if !batch.changes.is_empty() || batch.more || query.feed == Feed::Normal {
                return Ok(batch);
            }
            if tokio::time::timeout_at(deadline, updated).await.is_err() {
                return Ok(batch);
            }
            query.since = batch.last_seq;
        }
    }

    /// Brings the bytes of the attachments that the revision adds into the store.
    async fn stage(
        &self,
        revision: Revision,
        source: &dyn Peer,
    ) -> Result<Result<Incoming, Refusal>, PeerError> {
        let Some(rev) = revision.rev().cloned() else {
            return Err(PeerError::Answer("a revision without an id".into()));
        };
        let mut staged = Vec::with_capacity(revision.attachments.len());
        for attachment in &revision.attachments {
            if attachment.transfer == Transfer::Stub {
                staged.push(None);
                continue;
            }
            let form = match attachment.encoding {
                Some(_) => AttachmentForm::Stored,
                None => AttachmentForm::Decoded,
            };
            let bytes = source.attachment(&revision.id, &rev, &attachment.name, form).await?;
            match self.take_in(bytes, attachment).await {
                Ok(bytes) => staged.push(Some(bytes)),
                Err(PeerError::TooLarge(reason)) => {
                    return Ok(Err(Refusal {
                        id: revision.id,
                        rev,
                        reason: crate::RefusalReason::Final(reason),
                    }));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(Incoming { revision, staged }))
    }

    async fn take_in(
        &self,
        bytes: AttachmentStream,
        attachment: &RevisionAttachment,
    ) -> Result<Staged, PeerError> {
        let bytes_max = self.limits.attachment_bytes_max;
        // What comes plain stays plain, or its digest would not be the source's.
        let intake = match bytes.encoding {
            Some(Encoding::Gzip) => Intake::Gzip,
            None => Intake::Plain,
        };
        let stage =
            move |database: &LocalDatabase| Ok(database.database().stage(bytes_max, intake)?);
        let mut writer = self.blocking(stage).await?;
        let mut chunks = bytes.chunks.ready_chunks(16);
        while let Some(ready) = chunks.next().await {
            let ready = ready.into_iter().collect::<Result<Vec<Bytes>, _>>()?;
            writer = on_blocking_thread(move || write_all(writer, &ready)).await?;
        }
        let staged = on_blocking_thread(move || finish(writer)).await?;
        if attachment.length.is_some_and(|length| length != staged.length()) {
            let problem = format!("attachment {:?} has another length", attachment.name);
            return Err(PeerError::Answer(problem));
        }
        Ok(staged)
    }
}

fn write_all(
    mut writer: AttachmentWriter,
    chunks: &[Bytes],
) -> Result<AttachmentWriter, PeerError> {
    for chunk in chunks {
        writer.write_all(chunk).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => PeerError::TooLarge("attachment".into()),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => not_gzip(),
            _ => {
                PeerError::Store(store::Error::Io { action: "stage an attachment", source: error })
            }
        })?;
    }
    Ok(writer)
}

fn finish(writer: AttachmentWriter) -> Result<Staged, PeerError> {
    writer.finish().map_err(|error| match error {
        store::Error::NotGzip => not_gzip(),
        store::Error::AttachmentTooLarge(_) => PeerError::TooLarge("attachment".into()),
        error => error.into(),
    })
}

fn not_gzip() -> PeerError {
    PeerError::Answer("an attachment is not the gzip it is said to be".into())
}

async fn on_blocking_thread<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, PeerError> + Send + 'static,
) -> Result<T, PeerError> {
    match spawn_blocking(call).await {
        Ok(result) => result,
        // Either the runtime is going down or the store panicked; both end this replication.
        Err(error) => Err(PeerError::Unreachable(Box::new(error))),
    }
}

/// The bytes of a stored attachment, read in pieces on blocking threads.
fn read_in_pieces(
    reader: AttachmentReader,
    length: u64,
    encoding: Option<Encoding>,
) -> AttachmentStream {
    let chunks = stream::try_unfold(reader, |mut reader| {
        on_blocking_thread(move || {
            let mut chunk = Vec::new();
            (&mut reader)
                .take(CHUNK_BYTES as u64)
                .read_to_end(&mut chunk)
                .map_err(|source| store::Error::Io { action: "read an attachment", source })?;
            Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), reader)))
        })
    });
    AttachmentStream { encoding, length: Some(length), chunks: Box::pin(chunks) }
}

impl Peer for LocalPeer {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn info(&self) -> Answering<'_, PeerInfo> {
        // A handshake looks for the database anew.
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.blocking(|database| database.info())
    }

    fn create(&self) -> Answering<'_, ()> {
        let (store, name, now) = (Arc::clone(&self.store), self.name.clone(), (self.clock)());
        let create = self.create.clone();
        Box::pin(on_blocking_thread(move || match create {
            Some(create) => create(&name),
            None => match store.create(&name, now) {
                Ok(_) | Err(store::Error::DatabaseExists(_)) => Ok(()),
                Err(error) => Err(error.into()),
            },
        }))
    }

    fn local(&self, id: LocalId) -> Answering<'_, Option<LocalDocument>> {
        self.blocking(move |database| database.local(&id))
    }

    fn write_local(&self, id: LocalId, document: LocalDocument) -> Answering<'_, Option<String>> {
        self.blocking(move |database| database.write_local(id, document))
    }

    fn commit(&self) -> Answering<'_, Option<String>> {
        // What the store acknowledges is durable.
        Box::pin(ready(self.database().and_then(|database| Ok(database.info()?.instance))))
    }

    fn changes(&self, query: ChangesQuery) -> Answering<'_, ChangesBatch> {
        Box::pin(self.wait_for_changes(query))
    }

    fn revs_diff<'a>(&'a self, changes: &'a [Change]) -> Answering<'a, Vec<Wanted>> {
        let changes = changes.to_vec();
        self.blocking(move |database| database.revs_diff(&changes))
    }

    fn revisions<'a>(&'a self, wanted: &'a [Wanted], bytes_max: usize) -> Answering<'a, Fetched> {
        let wanted = wanted.to_vec();
        self.blocking(move |database| database.revisions(&wanted, bytes_max))
    }

    fn attachment<'a>(
        &'a self,
        id: &'a DocId,
        rev: &'a RevId,
        name: &'a str,
        form: AttachmentForm,
    ) -> Answering<'a, AttachmentStream> {
        let (id, rev, name) = (id.clone(), rev.clone(), name.to_owned());
        self.blocking(move |database| {
            let (reader, attachment) = database.attachment(&id, &rev, &name)?;
            Ok(match form {
                AttachmentForm::Stored => {
                    read_in_pieces(reader, attachment.stored_length(), attachment.encoding)
                }
                AttachmentForm::Decoded => {
                    read_in_pieces(reader.decoded(&attachment), attachment.length, None)
                }
            })
        })
    }

    fn write<'a>(
        &'a self,
        revisions: Vec<Revision>,
        source: &'a dyn Peer,
    ) -> Answering<'a, Vec<Refusal>> {
        Box::pin(async move {
            let (with, without): (Vec<_>, Vec<_>) =
                revisions.into_iter().partition(Revision::sends_bytes);
            let staged: Vec<Result<Incoming, Refusal>> = stream::iter(with)
                .map(|revision| self.stage(revision, source))
                .buffered(ATTACHMENTS_AT_ONCE)
                .try_collect()
                .await?;
            let mut incoming: Vec<Incoming> = without.into_iter().map(Incoming::from).collect();
            let mut refusals = Vec::new();
            for result in staged {
                match result {
                    Ok(one) => incoming.push(one),
                    Err(refusal) => refusals.push(refusal),
                }
            }
            let now = (self.clock)();
            let (judge, by) = (self.judge.clone(), self.deliverer.clone());
            let write = move |database: &LocalDatabase| {
                database.write(incoming, judge.as_deref(), by.as_deref(), now)
            };
            refusals.extend(self.blocking(write).await?);
            Ok(refusals)
        })
    }
}
