//! Taking over the databases of another server: `larder import`.
//!
//! Each database is replicated as a whole by a job like any other, so that an import that was broken
//! off goes on from its checkpoints. What replication does not carry, the security object and
//! `_revs_limit`, is asked for and set here. A database made by an import is marked as such, by a
//! local document, so that only it is written into when the import is run again.

mod remote;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{ConflictPolicy, Database, DbName, LocalId};

use self::remote::{Remote, Server};
use crate::access::{self, Principal};
use crate::app::App;
use crate::clock;
use crate::http::body::{self, BodySender, ReaderGone};
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};
use crate::registry::NewDatabase;
use crate::replicate::{self, Ended};

/// How often it is told how far an import is.
const TELL: Duration = Duration::from_millis(500);

/// The local document that marks a database made by an import.
const MARK: &str = "_local/larder-import";

/// What `POST /_hub/import` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The server's URL, credentials included.
    url: String,
    /// These databases; all that the credentials see where there are none.
    #[serde(default)]
    databases: BTreeSet<String>,
    /// But not these.
    #[serde(default)]
    exclude: BTreeSet<String>,
    /// Whether databases are written into that no import has made.
    #[serde(default)]
    into_existing: bool,
}

/// What is told of an import, a line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum News {
    /// The databases that will be imported, and those that will not.
    Plan {
        /// Will be.
        databases: Vec<String>,
        /// Are the server's own.
        left_out: Vec<String>,
    },
    /// How far a database is.
    Progress {
        /// Which.
        database: String,
        /// Revisions written since the import began.
        written: u64,
        /// Changes still to come, where the server says.
        pending: Option<u64>,
    },
    /// A database is here.
    Done {
        /// Which.
        database: String,
        /// What the server counts.
        there: Counts,
        /// What is counted here.
        here: Counts,
        /// Revisions that could not be taken.
        failures: u64,
    },
    /// A database could not be imported.
    Failed {
        /// Which.
        database: String,
        /// Why; holds no credentials.
        reason: String,
    },
    /// That was all.
    End,
}

/// What a database counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Documents.
    pub(crate) documents: u64,
    /// Deleted ones, where that is told.
    pub(crate) deleted: Option<u64>,
}

impl Counts {
    /// Whether they say the same, as far as they say anything.
    pub(crate) fn agree(self, other: Self) -> bool {
        let deleted = self.deleted.is_none() || other.deleted.is_none();
        self.documents == other.documents && (deleted || self.deleted == other.deleted)
    }
}

/// `POST /_hub/import`: tells what it does while it does it. Whoever goes away ends it.
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let Call { app, headers, body, .. } = call;
    let wanted = json_body::object(&headers, body).await?;
    let wanted: Wanted = serde_json::from_value(wanted.into())
        .map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let server = Server::new(&app, &wanted.url)?;
    let names = match wanted.databases.is_empty() {
        true => server.databases().await?,
        false => wanted.databases.into_iter().collect(),
    };
    let (left_out, databases): (Vec<_>, Vec<_>) = names
        .into_iter()
        .filter(|name| !wanted.exclude.contains(name))
        .partition(|name| name.parse::<DbName>().is_ok_and(|name| name.is_system()));
    let (answer, body) = body::channel();
    let listener = Listener(answer);
    let into_existing = wanted.into_existing;
    let importing = async move {
        listener.tell(&News::Plan { databases: databases.clone(), left_out }).await?;
        for database in databases {
            let import = Import { app: &app, server: &server, database: &database };
            let news = import.run(into_existing, &listener).await?;
            listener.tell(&news).await?;
        }
        listener.tell(&News::End).await
    };
    tokio::spawn(async move {
        if importing.await.is_err() {
            tracing::info!("an import was broken off; run again, it goes on");
        }
    });
    Ok(reply::json_stream(StatusCode::OK, body))
}

/// Whoever asked for the import.
struct Listener(BodySender);

impl Listener {
    async fn tell(&self, news: &News) -> Result<(), ReaderGone> {
        let mut line = serde_json::to_vec(news).unwrap_or_default();
        line.push(b'\n');
        self.0.send(line).await
    }
}

/// The import of one database.
struct Import<'a> {
    app: &'a Arc<App>,
    server: &'a Server,
    database: &'a str,
}

impl Import<'_> {
    /// Imports it, and says what came of it.
    ///
    /// # Errors
    /// When nobody listens any more.
    async fn run(&self, into_existing: bool, listener: &Listener) -> Result<News, ReaderGone> {
        let failed = |error: HttpError| {
            let (_, word, reason) = error.parts();
            News::Failed { database: self.database.into(), reason: format!("{word}: {reason}") }
        };
        let (remote, local) = match self.prepare(into_existing).await {
            Ok(prepared) => prepared,
            Err(error) => return Ok(failed(error)),
        };
        let job = match replicate::pull(self.app, remote.url.clone(), local.name()) {
            Ok(job) => job,
            Err(error) => return Ok(failed(error)),
        };
        let id = job.id.clone();
        let mut ended = std::pin::pin!(job.ended());
        let ended = loop {
            tokio::select! {
                ended = &mut ended => break ended,
                () = tokio::time::sleep(TELL) => {
                    let Some((written, pending)) = self.app.replications.counted(&id) else {
                        continue;
                    };
                    let database = self.database.to_owned();
                    let news = News::Progress { database, written, pending };
                    if let Err(gone) = listener.tell(&news).await {
                        self.app.replications.cancel(&id, &Principal::Owner);
                        return Err(gone);
                    }
                }
            }
        };
        let failures = match &ended {
            Ended::Completed { failures, .. } => *failures,
            Ended::Cancelled => {
                let reason = "cancelled".to_owned();
                return Ok(News::Failed { database: self.database.into(), reason });
            }
            Ended::Failed { word, reason, .. } => {
                let reason = format!("{word}: {reason}");
                return Ok(News::Failed { database: self.database.into(), reason });
            }
        };
        let counted = async {
            let there = remote.info().await?.counts;
            let here = blocking(move || counts(&local)).await?;
            Ok(News::Done { database: self.database.into(), there, here, failures })
        };
        Ok(counted.await.unwrap_or_else(failed))
    }

    /// Finds the database there, and makes it here.
    async fn prepare(&self, into_existing: bool) -> Result<(Remote, Arc<Database>), HttpError> {
        let name: DbName = self.database.parse()?;
        let remote = self.server.database(self.database)?;
        let partitioned = remote.info().await?.partitioned;
        let mark: LocalId = MARK.parse()?;
        let source = json!({"source": remote.url.endpoint()}).to_string();
        let app = Arc::clone(self.app);
        if let Some(database) = app.store.database(&name) {
            let reading = Arc::clone(&database);
            let (marked, partitioned_here) = blocking(move || {
                let marked = reading.read(|snapshot| snapshot.local(&mark))?;
                Ok((marked, reading.is_partitioned()?))
            })
            .await?;
            let made_by_import = marked.is_some_and(|marked| marked.json == source);
            return match made_by_import || into_existing {
                true if partitioned_here == partitioned => Ok((remote, database)),
                true => Err(HttpError::Exists(
                    "the database exists here already, and only one of the two is partitioned"
                        .into(),
                )),
                false => Err(HttpError::Exists(
                    "the database exists here already; --into-existing writes into it".into(),
                )),
            };
        }
        let security = remote.security().await?;
        let revs_limit = remote.revs_limit().await?;
        let database = blocking(move || {
            let now = clock::now();
            // As it was in CouchDB.
            let kept = NewDatabase::named(name, ConflictPolicy::Keep);
            let database = app.registry.create(&NewDatabase { partitioned, ..kept }, now)?;
            if let Some(security) = security {
                let policies = app.access.policies();
                access::set_security(&app.store, &database, &security, policies.hub(), now)?;
                policies.reload(&app.store)?;
            }
            if let Some(limit) = revs_limit {
                database.set_revs_limit(limit)?;
            }
            // Last: what is marked was made whole.
            database.write_local(mark, 0, Some(source))?;
            Ok(database)
        });
        Ok((remote, database.await?))
    }
}

fn counts(database: &Database) -> Result<Counts, HttpError> {
    let info = database.info()?;
    Ok(Counts { documents: info.doc_count, deleted: Some(info.doc_del_count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_as_far_as_they_are_told() {
        let counts = |documents, deleted| Counts { documents, deleted };
        assert!(counts(1, Some(2)).agree(counts(1, Some(2))));
        assert!(counts(1, None).agree(counts(1, Some(2))));
        assert!(!counts(1, Some(1)).agree(counts(1, Some(2))));
        assert!(!counts(2, None).agree(counts(1, None)));
    }
}
