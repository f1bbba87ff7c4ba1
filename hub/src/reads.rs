//! Who reads what: for each key and day, which databases and views, how many documents and rows. Kept in
//! the database `_reads`, which is this hub's alone, for its owner to look at.

mod serve;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::PublicKey;
use serde::{Deserialize, Serialize};
use store::{
    Database, DbName, Direction, DocId, Edit, Error, IdRange, Lineage, Millis, Purge, RevId,
};

pub(crate) use self::serve::serve;
use crate::app::App;
use crate::clock;

/// Where it is kept.
pub(crate) const DATABASE: &str = "_reads";

/// How often what was noted is written down.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Most that is noted between two times; what is beyond is noted of the database as a whole.
const NOTED_MAX: usize = 4096;

/// Most documents that are kept; older ones go.
const KEPT_MAX: usize = 10_000;

/// How many more there may be before the oldest go, so that they go many at a time.
const KEPT_SLACK: usize = 500;

/// What was read since it was written down last.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    noted: Mutex<HashMap<(PublicKey, String), Noted>>,
}

/// What one key read of one database or view in one day, as its document says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    key: PublicKey,
    database: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    view: Option<String>,
    /// Rows and documents that were sent.
    documents: u64,
    /// Requests, or pages of long answers.
    reads: u64,
    /// The first of the day, in Unix milliseconds.
    first: u64,
    /// The last.
    last: u64,
}

impl Noted {
    fn add(&mut self, other: &Self) {
        self.documents = self.documents.saturating_add(other.documents);
        self.reads = self.reads.saturating_add(other.reads);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

impl Reads {
    /// A key has read so many documents or rows of a database, or of a view of it.
    pub(crate) fn note(
        &self,
        key: PublicKey,
        database: &str,
        view: Option<(&str, &str)>,
        documents: u64,
        now: Millis,
    ) {
        let view = view.map(|(design, view)| format!("{design}/{view}"));
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let id = id(key, database, view.as_deref(), now);
        if noted.len() >= NOTED_MAX && !noted.contains_key(&(key, id.clone())) {
            return;
        }
        let (first, last) = (now.0, now.0);
        let one =
            Noted { key, database: database.to_owned(), view, documents, reads: 1, first, last };
        match noted.entry((key, id)) {
            std::collections::hash_map::Entry::Occupied(mut known) => known.get_mut().add(&one),
            std::collections::hash_map::Entry::Vacant(place) => _ = place.insert(one),
        }
    }

    fn take(&self) -> HashMap<(PublicKey, String), Noted> {
        std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The document's id: by day first, so that the oldest are the first.
fn id(key: PublicKey, database: &str, view: Option<&str>, now: Millis) -> String {
    let time = clock::iso8601(now);
    let day = time.split('T').next().unwrap_or_default();
    let view = view.map(|view| format!("/{view}")).unwrap_or_default();
    format!("{day}:{key}:{database}{view}")
}

/// Writes down what was noted, now and then, as long as the hub runs.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        tokio::time::sleep(WRITE_EVERY).await;
        let writing = Arc::clone(&app);
        let written = tokio::task::spawn_blocking(move || write(&writing, clock::now()));
        if written.await.is_err() {
            tracing::error!("what keys have read could not be written down");
        }
    }
}

/// Writes down what was noted. What cannot be written is noted again. May block.
pub(crate) fn write(app: &App, now: Millis) {
    let noted = app.reads.take();
    if noted.is_empty() {
        return;
    }
    let written = database(app).and_then(|database| {
        write_to(&database, &noted, now)?;
        forget_oldest(&database)
    });
    if let Err(error) = written {
        tracing::warn!(error = error.unnamed(), "what keys have read could not be written down");
        let mut kept = app.reads.noted.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, count) in noted {
            kept.entry(place).and_modify(|known| known.add(&count)).or_insert(count);
        }
    }
}

fn database(app: &App) -> Result<Arc<Database>, Error> {
    let name: DbName = DATABASE.parse().map_err(|_| Error::NoDatabase)?;
    app.store.database(&name).ok_or(Error::NoDatabase)
}

fn write_to(
    database: &Database,
    noted: &HashMap<(PublicKey, String), Noted>,
    now: Millis,
) -> Result<(), Error> {
    let mut edits = Vec::with_capacity(noted.len());
    for ((_, id), count) in noted {
        // A name too long for an id is one that no database has.
        let Ok(id) = id.parse::<DocId>() else { continue };
        let (base, mut known) = database.read(|snapshot| {
            let Some(head) = snapshot.head(&id)? else { return Ok((None, None)) };
            let body = snapshot.body(head.body)?;
            let known = body.and_then(|body| serde_json::from_str::<Noted>(&body.json).ok());
            Ok::<(Option<RevId>, Option<Noted>), Error>((Some(head.rev), known))
        })?;
        match &mut known {
            Some(known) => known.add(count),
            None => known = Some(count.clone()),
        }
        let body = serde_json::to_string(&known).unwrap_or_default();
        edits.push(Edit {
            id,
            lineage: Lineage::Child(base),
            deleted: false,
            body: body.into(),
            attachments: Vec::new(),
        });
    }
    // One that somebody else changed at this moment is that one's own business.
    let _outcomes = database.write(edits, now)?;
    Ok(())
}

/// Purges the oldest documents when there are too many: nothing of them is of any use.
fn forget_oldest(database: &Database) -> Result<(), Error> {
    let count = usize::try_from(database.info()?.doc_count).unwrap_or(usize::MAX);
    if count <= KEPT_MAX + KEPT_SLACK {
        return Ok(());
    }
    let everything = IdRange { start: None, end: None, direction: Direction::Ascending };
    let oldest = database.read(|snapshot| snapshot.heads(&everything, 0, count - KEPT_MAX))?;
    let requests = oldest.into_iter().map(|head| Purge { id: head.id, revs: vec![head.rev] });
    database.purge(requests.collect()).map(|_outcomes| ())
}
