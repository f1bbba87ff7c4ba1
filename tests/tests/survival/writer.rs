//! Writers, each of one kind, each on documents of its own.

use serde_json::{Value, json};
use tests::{Body, Client, Reply};

use super::DATABASE;
use super::ledger::{Blob, Document, Ledger, State};
use super::progress::Progress;
use super::random::Random;

/// Each writer comes back to so many documents.
const DOCUMENTS: u64 = 60;

const BULK: u64 = 20;

/// From this size on the store keeps attachments as files of their own.
const LARGE_BYTES: u64 = 64 * 1024;

/// Compaction is asked for again after so many writes.
const WRITES_BETWEEN_COMPACTIONS: u64 = 40;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// PUT of one document.
    Single,
    /// `_bulk_docs`.
    Bulk,
    /// PUT of an attachment inside the database's file.
    SmallAttachment,
    /// PUT of an attachment with a file of its own.
    LargeAttachment,
    /// PUT and DELETE in turn.
    Delete,
    /// PUT of `_local` documents.
    Local,
    /// `_bulk_docs` with `new_edits: false`, as a replicator writes.
    Replicated,
    /// PUT and DELETE of whole databases.
    Databases,
    /// Writes nothing, but keeps compaction running.
    Compaction,
}

impl Kind {
    /// Two of the commonest, one of each other.
    pub(crate) const ALL: [Self; 10] = [
        Self::Single,
        Self::Single,
        Self::Bulk,
        Self::SmallAttachment,
        Self::LargeAttachment,
        Self::Delete,
        Self::Local,
        Self::Replicated,
        Self::Databases,
        Self::Compaction,
    ];
}

pub(crate) struct Writer {
    kind: Kind,
    name: String,
    random: Random,
    pub(crate) ledger: Ledger,
}

/// The hub died; what is not acknowledged stays in flight.
struct Killed;

impl Writer {
    pub(crate) fn new(kind: Kind, number: usize, seed: u64) -> Self {
        let name = format!("{kind:?}-{number}").to_lowercase();
        Self { kind, name, random: Random::new(seed), ledger: Ledger::default() }
    }

    /// Writes until the hub is killed.
    pub(crate) fn run(&mut self, client: &Client, progress: &Progress) {
        while !progress.kill_is_announced() {
            let written = match self.kind {
                Kind::Single => self.single(client, progress),
                Kind::Bulk => self.bulk(client, progress),
                Kind::SmallAttachment => self.attachment(client, progress, 1..4_096),
                Kind::LargeAttachment => {
                    self.attachment(client, progress, LARGE_BYTES + 1..4 * LARGE_BYTES)
                }
                Kind::Delete => self.delete(client, progress),
                Kind::Local => self.local(client, progress),
                Kind::Replicated => self.replicated(client, progress),
                Kind::Databases => self.database(client, progress),
                Kind::Compaction => self.compaction(client, progress),
            };
            match written {
                Ok(writes) => progress.add(writes),
                Err(Killed) => return,
            }
        }
    }

    fn single(&mut self, client: &Client, progress: &Progress) -> Result<u64, Killed> {
        let id = self.some_id();
        self.put(client, progress, &id)
    }

    fn put(&mut self, client: &Client, progress: &Progress, id: &str) -> Result<u64, Killed> {
        let document = self.ledger.documents.entry(id.to_owned()).or_default();
        let body = document.next_edit(id);
        let reply = send(client, progress, "PUT", &format!("/{DATABASE}/{id}"), body)?.expect(201);
        document.acknowledge(reply.rev());
        Ok(1)
    }

    fn bulk(&mut self, client: &Client, progress: &Progress) -> Result<u64, Killed> {
        let first = self.random.below(DOCUMENTS);
        let ids: Vec<_> =
            (0..BULK).map(|n| format!("{}-{}", self.name, (first + n) % DOCUMENTS)).collect();
        let edit = |id: &String| self.ledger.documents.entry(id.clone()).or_default().next_edit(id);
        let docs: Vec<_> = ids.iter().map(edit).collect();
        let path = format!("/{DATABASE}/_bulk_docs");
        let reply = send(client, progress, "POST", &path, json!({ "docs": docs }))?.expect(201);
        let rows = reply.json();
        for (id, row) in ids.iter().zip(rows.as_array().into_iter().flatten()) {
            assert!(row["ok"] == json!(true) && row["id"] == json!(id), "{id}: {row} in {reply}");
            let rev = row["rev"].as_str().unwrap_or_default();
            self.ledger.documents.entry(id.clone()).or_default().acknowledge(rev.to_owned());
        }
        assert_eq!(rows.as_array().map_or(0, Vec::len), ids.len(), "{reply}");
        Ok(BULK)
    }

    fn attachment(
        &mut self,
        client: &Client,
        progress: &Progress,
        sizes: std::ops::Range<u64>,
    ) -> Result<u64, Killed> {
        let id = self.some_id();
        if !self.ledger.documents.contains_key(&id) {
            return self.put(client, progress, &id);
        }
        let name = format!("part-{}", self.random.below(3));
        let length = sizes.start + self.random.below(sizes.end - sizes.start);
        let length = usize::try_from(length).unwrap_or_default();
        let blob = Blob { seed: self.random.next(), length };

        let document = self.ledger.documents.entry(id.clone()).or_default();
        let Some(rev) = document.rev.clone() else { return self.put(client, progress, &id) };
        let mut state = document.state.acknowledged.clone().unwrap_or_default();
        state.attachments.insert(name.clone(), blob.clone());
        document.state.in_flight = Some(state);
        let path = format!("/{DATABASE}/{id}/{name}?rev={rev}");
        let body = Body::bytes(blob.bytes(), "application/octet-stream");
        let reply = send(client, progress, "PUT", &path, body)?.expect(201);
        document.acknowledge(reply.rev());
        Ok(1)
    }

    fn delete(&mut self, client: &Client, progress: &Progress) -> Result<u64, Killed> {
        let id = self.some_id();
        let document = self.ledger.documents.entry(id.clone()).or_default();
        let alive = document.state.acknowledged.as_ref().is_some_and(|state| !state.deleted);
        let Some(rev) = document.rev.clone().filter(|_| alive) else {
            // Created, or created again on top of the tombstone.
            return self.put(client, progress, &id);
        };
        document.state.in_flight = Some(State { deleted: true, ..State::default() });
        let path = format!("/{DATABASE}/{id}?rev={rev}");
        let reply = send(client, progress, "DELETE", &path, "")?.expect(200);
        document.acknowledge(reply.rev());
        Ok(1)
    }

    fn local(&mut self, client: &Client, progress: &Progress) -> Result<u64, Killed> {
        let id = self.some_id();
        let local = self.ledger.locals.entry(id.clone()).or_default();
        let mut body = json!({});
        // A local document's revisions count its writes.
        if let Some(number) = local.acknowledged {
            body["_rev"] = json!(format!("0-{number}"));
        }
        let number = local.acknowledged.unwrap_or_default() + 1;
        body["number"] = json!(number);
        local.in_flight = Some(number);
        send(client, progress, "PUT", &format!("/{DATABASE}/_local/{id}"), body)?.expect(201);
        local.acknowledge();
        Ok(1)
    }

    fn replicated(&mut self, client: &Client, progress: &Progress) -> Result<u64, Killed> {
        let id = self.some_id();
        let digits = format!("{:016x}{:016x}", self.random.next(), self.random.next());
        let document = self.ledger.documents.entry(id.clone()).or_default();
        let mut doc = document.next_edit(&id);
        let (generation, parent) = match &document.rev {
            Some(rev) => split_rev(rev),
            None => (0, ""),
        };
        let ids: Vec<_> =
            [digits.as_str(), parent].into_iter().filter(|id| !id.is_empty()).collect();
        let rev = format!("{}-{digits}", generation + 1);
        doc["_rev"] = json!(rev);
        doc["_revisions"] = json!({ "start": generation + 1, "ids": ids });
        let path = format!("/{DATABASE}/_bulk_docs");
        let body = json!({ "new_edits": false, "docs": [doc] });
        let reply = send(client, progress, "POST", &path, body)?.expect(201);
        assert_eq!(reply.json(), json!([]), "{reply}");
        document.acknowledge(rev);
        Ok(1)
    }

    fn database(&mut self, client: &Client, progress: &Progress) -> Result<u64, Killed> {
        let name = format!("{}-{}", self.name, self.random.below(8));
        let database = self.ledger.databases.entry(name.clone()).or_default();
        let exists = database.acknowledged == Some(true);
        database.in_flight = Some(!exists);
        let (method, status) = if exists { ("DELETE", 200) } else { ("PUT", 201) };
        send(client, progress, method, &format!("/{name}"), "")?.expect(status);
        database.acknowledge();
        Ok(1)
    }

    fn compaction(&mut self, client: &Client, progress: &Progress) -> Result<u64, Killed> {
        let path = format!("/{DATABASE}/_compact");
        send(client, progress, "POST", &path, json!({}))?.expect(202);
        progress.await_writes(WRITES_BETWEEN_COMPACTIONS);
        Ok(0)
    }

    fn some_id(&mut self) -> String {
        format!("{}-{}", self.name, self.random.below(DOCUMENTS))
    }
}

impl Document {
    /// Puts an ordinary edit in flight and returns its body.
    fn next_edit(&mut self, id: &str) -> Value {
        let before = self.state.acknowledged.as_ref();
        let number = before.map_or(0, |state| state.number) + 1;
        let state = State { number, ..State::default() };
        let mut body = state.body(id);
        if let Some(rev) = &self.rev {
            body["_rev"] = json!(rev);
        }
        self.state.in_flight = Some(state);
        body
    }

    fn acknowledge(&mut self, rev: String) {
        self.rev = Some(rev);
        self.state.acknowledge();
    }
}

fn split_rev(rev: &str) -> (u64, &str) {
    let (generation, digits) = rev.split_once('-').unwrap_or_default();
    (generation.parse().unwrap_or_default(), digits)
}

/// A broken connection is the kill we wait for; before that it is a fault.
fn send(
    client: &Client,
    progress: &Progress,
    method: &str,
    path: &str,
    body: impl Into<Body>,
) -> Result<Reply, Killed> {
    match client.request(method, path).try_send(body) {
        Ok(reply) => Ok(reply),
        Err(_) if progress.kill_is_announced() => Err(Killed),
        Err(error) => panic!("{method} {path} → no reply, and nobody killed the hub: {error}"),
    }
}
