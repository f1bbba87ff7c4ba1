//! A database of any CouchDB, PouchDB server or hub, over HTTP/1.1.
//!
//! Everything that a peer answers is taken for hostile: bounded in size, depth and time, and
//! checked before it is believed.

mod attachments;
mod body;
mod bulk_docs;
mod bulk_get;
mod changes;
mod client;
mod connect;
mod document;
mod multipart;
mod open_revs;
mod reply;
mod revs_diff;
mod upload;
mod url;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::{DocId, LocalId, RevId};

pub use client::{HttpClient, Timeouts};
pub use connect::{BoxedIo, Connect, Io};
pub use url::{ParseUrlError, PeerUrl};

use self::body::RequestBody;
use self::reply::Reply;
use super::{
    Answering, AttachmentForm, AttachmentStream, Fetched, LocalDocument, Peer, PeerError, PeerInfo,
};
use crate::{Change, ChangesBatch, ChangesQuery, PeerSeq, Refusal, Revision, Wanted};

/// Bytes of an answer that has no reason to be long.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Bytes of one document, attachments not counted.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// A database on another server.
#[derive(Debug)]
pub struct HttpPeer {
    client: HttpClient,
    url: PeerUrl,
    headers: HeaderMap,
    /// The server has turned out not to know `_bulk_get`, or is not to be asked for it.
    without_bulk_get: AtomicBool,
    /// Query with which the database is created.
    create_query: String,
    /// The server is one that takes attachments encoded, in parts of their own.
    takes_parts: AtomicBool,
}

impl HttpPeer {
    /// The database at a URL, asked with `headers` beside the credentials in the URL.
    #[must_use]
    pub fn new(client: HttpClient, url: PeerUrl, mut headers: HeaderMap) -> Self {
        if let Some(authorization) = url.authorization() {
            headers.entry(header::AUTHORIZATION).or_insert(authorization.clone());
        }
        headers
            .entry(header::ACCEPT)
            .or_insert(header::HeaderValue::from_static("application/json"));
        let without_bulk_get = AtomicBool::new(false);
        let create_query = String::new();
        let takes_parts = AtomicBool::new(false);
        Self { client, url, headers, without_bulk_get, create_query, takes_parts }
    }

    /// The same, never asked for several documents at once: CouchDB's `use_bulk_get=false`.
    #[must_use]
    pub fn without_bulk_get(mut self) -> Self {
        *self.without_bulk_get.get_mut() = true;
        self
    }

    /// The same, created with these options: CouchDB's `create_target_params`.
    #[must_use]
    pub fn created_with<'a>(mut self, options: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        self.create_query.clear();
        for (name, value) in options {
            let mark = if self.create_query.is_empty() { "/?" } else { "&" };
            let (name, value) = (url::encode(name), url::encode(value));
            let _ = write!(self.create_query, "{mark}{name}={value}");
        }
        self
    }

    /// Reads something small below the database, `/_security` for instance; nothing is what the
    /// database says of itself.
    ///
    /// # Errors
    /// Any of [`PeerError`].
    pub async fn read_text(&self, what: &'static str, path: &str) -> Result<String, PeerError> {
        let reply = self.get(what, path).await.map_err(no_database)?;
        let text = reply.read(ANSWER_BYTES_MAX).await?;
        std::str::from_utf8(&text).map(ToOwned::to_owned).map_err(nonsense)
    }

    /// Asks for something below the database.
    async fn get(&self, what: &'static str, path: &str) -> Result<Reply, PeerError> {
        self.send(what, Method::GET, path, None).await
    }

    /// Sends JSON to something below the database.
    async fn post(
        &self,
        what: &'static str,
        path: &str,
        json: impl Into<Bytes>,
    ) -> Result<Reply, PeerError> {
        self.send(what, Method::POST, path, Some(RequestBody::from(json.into()))).await
    }

    async fn send(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        body: Option<RequestBody>,
    ) -> Result<Reply, PeerError> {
        let uri = self.url.below(path)?;
        self.client.send(what, method, uri, &self.headers, body).await
    }

    async fn read_info(&self) -> Result<PeerInfo, PeerError> {
        #[derive(Deserialize)]
        struct Info<'a> {
            #[serde(borrow)]
            update_seq: &'a RawValue,
            #[serde(default, borrow)]
            instance_start_time: Option<&'a RawValue>,
        }
        let reply = self.get("database information", "").await.map_err(no_database)?;
        self.takes_parts.store(reply.takes_parts(), Ordering::Relaxed);
        let text = reply.read(ANSWER_BYTES_MAX).await?;
        let info: Info<'_> = parse(&text)?;
        let update_seq = PeerSeq::from_json(info.update_seq.get())
            .ok_or_else(|| PeerError::Answer("update_seq is no sequence".into()))?;
        Ok(PeerInfo { update_seq, instance: instance(info.instance_start_time) })
    }

    async fn create_database(&self) -> Result<(), PeerError> {
        match self.send("creation of the database", Method::PUT, &self.create_query, None).await {
            Ok(reply) => reply.read(ANSWER_BYTES_MAX).await.map(|_| ()),
            Err(PeerError::Refused { status: 412, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn read_local(&self, id: LocalId) -> Result<Option<LocalDocument>, PeerError> {
        let reply = match self.get("replication log", &local_path(&id)).await {
            Ok(reply) => reply,
            Err(PeerError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = reply.read(ANSWER_BYTES_MAX).await?;
        let scanned = store::json::scan_document(&text).map_err(nonsense)?;
        let rev = scanned.members.iter().find(|(name, _)| name == "_rev");
        let rev = rev.and_then(|(_, raw)| serde_json::from_str(raw).ok());
        Ok(Some(LocalDocument { rev, body: scanned.body }))
    }

    async fn put_local(
        &self,
        id: LocalId,
        document: LocalDocument,
    ) -> Result<Option<String>, PeerError> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(default)]
            rev: Option<String>,
        }
        let mut json = format!(r#"{{"_id":"{id}""#);
        if let Some(rev) = &document.rev {
            let _ = write!(json, r#","_rev":{}"#, serde_json::Value::from(rev.as_str()));
        }
        match document.body.strip_prefix('{') {
            Some("}") | None => json.push('}'),
            Some(members) => {
                json.push(',');
                json.push_str(members);
            }
        }
        let body = Some(RequestBody::from(Bytes::from(json)));
        let reply = self.send("replication log", Method::PUT, &local_path(&id), body).await?;
        let text = reply.read(ANSWER_BYTES_MAX).await?;
        Ok(parse::<Written>(&text)?.rev)
    }

    async fn ensure_full_commit(&self) -> Result<Option<String>, PeerError> {
        #[derive(Deserialize)]
        struct Committed<'a> {
            #[serde(default, borrow)]
            instance_start_time: Option<&'a RawValue>,
        }
        let reply = self.post("commit", "/_ensure_full_commit", &b"{}"[..]).await;
        let reply = reply.map_err(no_database)?;
        let text = reply.read(ANSWER_BYTES_MAX).await?;
        Ok(instance(parse::<Committed<'_>>(&text)?.instance_start_time))
    }
}

/// When the database was made, in whatever form; many servers say `0` where they do not know.
fn instance(raw: Option<&RawValue>) -> Option<String> {
    let text = raw?.get().trim_matches('"');
    (!matches!(text, "" | "0" | "null")).then(|| text.to_owned())
}

fn local_path(id: &LocalId) -> String {
    format!("/_local/{}", url::encode(id.as_str()))
}

/// The path of a document below its database.
fn document_path(id: &DocId) -> String {
    match id.as_str().strip_prefix("_design/") {
        Some(rest) => format!("/_design/{}", url::encode(rest)),
        None => format!("/{}", url::encode(id.as_str())),
    }
}

/// 404 on a part of the API that every server has means that the database is not there.
fn no_database(error: PeerError) -> PeerError {
    match error {
        PeerError::Refused { status: 404, .. } => PeerError::NoDatabase,
        error => error,
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, PeerError> {
    serde_json::from_slice(text).map_err(nonsense)
}

fn nonsense(error: impl std::fmt::Display) -> PeerError {
    PeerError::Answer(error.to_string())
}

impl Peer for HttpPeer {
    fn name(&self) -> String {
        self.url.to_string()
    }

    fn info(&self) -> Answering<'_, PeerInfo> {
        Box::pin(self.read_info())
    }

    fn create(&self) -> Answering<'_, ()> {
        Box::pin(self.create_database())
    }

    fn local(&self, id: LocalId) -> Answering<'_, Option<LocalDocument>> {
        Box::pin(self.read_local(id))
    }

    fn write_local(&self, id: LocalId, document: LocalDocument) -> Answering<'_, Option<String>> {
        Box::pin(self.put_local(id, document))
    }

    fn commit(&self) -> Answering<'_, Option<String>> {
        Box::pin(self.ensure_full_commit())
    }

    fn changes(&self, query: ChangesQuery) -> Answering<'_, ChangesBatch> {
        Box::pin(self.read_changes(query))
    }

    fn revs_diff<'a>(&'a self, changes: &'a [Change]) -> Answering<'a, Vec<Wanted>> {
        Box::pin(self.ask_revs_diff(changes))
    }

    fn revisions<'a>(&'a self, wanted: &'a [Wanted], bytes_max: usize) -> Answering<'a, Fetched> {
        Box::pin(self.fetch(wanted, bytes_max))
    }

    fn attachment<'a>(
        &'a self,
        id: &'a DocId,
        rev: &'a RevId,
        name: &'a str,
        form: AttachmentForm,
    ) -> Answering<'a, AttachmentStream> {
        Box::pin(self.read_attachment(id, rev, name, form))
    }

    fn write<'a>(
        &'a self,
        revisions: Vec<Revision>,
        source: &'a dyn Peer,
    ) -> Answering<'a, Vec<Refusal>> {
        Box::pin(self.write_revisions(revisions, source))
    }
}
