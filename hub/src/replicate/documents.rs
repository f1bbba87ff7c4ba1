//! Documents of replicator databases, followed for as long as the hub runs.
//!
//! Source: `couch_replicator_doc_processor`.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::select_all;
use serde_json::{Map, Value};
use store::{Database, DbName, DbUuid, Direction, DocId, Error, Head, Seq};

use super::document::{End, is_replicator};
use super::jobs::keep;
use super::request::Replicate;
use super::settings::Settings;
use super::table::{Followed, Place, RunsAs, State, Writing};
use crate::access::OWNER;
use crate::app::App;
use crate::clock;
use crate::http::HttpError;

/// Changes read at a time.
const CHANGES_MAX: usize = 500;

/// How far each replicator database was read.
type Read = HashMap<DbName, (DbUuid, Seq)>;

/// A document and, unless it is deleted, its body.
type Changed = (Head, Option<String>);

/// Follows every replicator database.
pub(crate) async fn follow(app: Arc<App>) {
    let mut read = Read::new();
    loop {
        // Listening begins before reading, so that no change falls between.
        let mut changed = vec![app.store.changed()];
        let databases: Vec<Arc<Database>> = replicators(&app);
        changed.extend(databases.iter().map(|database| database.updated()));
        let reading = Arc::clone(&app);
        let known = std::mem::take(&mut read);
        let outcome = tokio::task::spawn_blocking(move || catch_up(&reading, &databases, known));
        match outcome.await {
            Ok(known) => read = known,
            Err(error) => tracing::error!(%error, "could not read replication documents"),
        }
        app.replications.wake();
        select_all(changed).await;
    }
}

fn replicators(app: &App) -> Vec<Arc<Database>> {
    let mut databases = app.store.databases();
    databases.retain(|database| is_replicator(database.name().as_str()));
    databases
}

/// Reads what has changed, and forgets what is gone. May block.
fn catch_up(app: &Arc<App>, databases: &[Arc<Database>], mut read: Read) -> Read {
    read.retain(|name, (uuid, _)| {
        let kept = databases.iter().any(|db| db.name() == *name && db.uuid() == *uuid);
        if !kept {
            app.replications.table().forget_database(name);
        }
        kept
    });
    for database in databases {
        let (name, uuid) = (database.name(), database.uuid());
        let (_, since) = read.entry(name.clone()).or_insert((uuid, Seq(0)));
        loop {
            match changes(database, *since) {
                Ok((changed, last)) => {
                    if changed.is_empty() {
                        break;
                    }
                    changed.into_iter().for_each(|changed| take(app, &name, changed));
                    *since = last;
                }
                Err(Error::NoDatabase) => break,
                Err(error) => {
                    tracing::error!(
                        error = error.unnamed(),
                        "could not read replication documents"
                    );
                    break;
                }
            }
        }
    }
    read
}

fn changes(database: &Database, since: Seq) -> Result<(Vec<Changed>, Seq), Error> {
    database.read(|snapshot| {
        let changes = snapshot.changes(since, Direction::Ascending, CHANGES_MAX)?;
        let last = changes.last().map_or(since, |change| change.seq);
        let mut changed = Vec::with_capacity(changes.len());
        for change in changes {
            let Some(head) = snapshot.head(&change.id)? else { continue };
            let body = if head.deleted { None } else { snapshot.body(head.body)? };
            changed.push((head, body.map(|body| body.json)));
        }
        Ok((changed, last))
    })
}

/// Does what a document asks for.
fn take(app: &Arc<App>, db: &DbName, (head, body): Changed) {
    if head.id.is_design() {
        return;
    }
    let place = Place { db: db.clone(), doc: head.id.clone() };
    let body = body.and_then(|body| serde_json::from_str::<Map<String, Value>>(&body).ok());
    let mut table = app.replications.table();
    let Some(body) = body else { return table.forget(&place) };
    if matches!(state(&body), Some("completed" | "failed")) {
        return table.forget(&place);
    }
    let (now, settings) = (clock::now(), Settings::of(&app.couch_config));
    let request = Replicate::parse(&body, &app.server_uuid, &settings);
    let request = request.and_then(|request| request.check_way(&app.onion).map(|()| request));
    let outcome = match request {
        Ok(request) => {
            let (request, rev) = (Arc::new(request), head.rev.clone());
            // Until it has a job.
            let state = State::Scheduled(request.spec.job_id());
            let document = Followed { rev, request, runs_as: runs_as(&body), added: now, state };
            table.follow(&place, document, &settings, now)
        }
        Err(error) => {
            table.forget(&place);
            Err(reason(&error))
        }
    };
    drop(table);
    if let Err(reason) = outcome {
        keep(app, Writing { place, rev: head.rev, end: End::Failed { reason } });
    }
}

fn state(body: &Map<String, Value>) -> Option<&str> {
    body.get("_replication_state")?.as_str()
}

/// As whom a document's job runs: as its owner, unless the owner, who may do everything, says as
/// whom. Whoever is named with the role `_admin` is meant to be able to do everything, too.
fn runs_as(body: &Map<String, Value>) -> RunsAs {
    let owner = body.get("owner").and_then(Value::as_str);
    let user = body.get("user_ctx");
    let name = user.and_then(|user| user.get("name")?.as_str());
    let is_admin = user
        .and_then(|user| user.get("roles")?.as_array())
        .is_some_and(|roles| roles.iter().any(|role| role == "_admin"));
    let name = match name {
        Some(name) if owner.is_some() && !is_admin && name != OWNER => Some(name),
        _ => owner,
    };
    RunsAs::Named(name.map(ToOwned::to_owned))
}

fn reason(error: &HttpError) -> String {
    let (_, word, reason) = error.parts();
    format!("{word}: {reason}")
}

/// The document of this id as it is now, for whoever asks what became of it. May block.
pub(super) fn body_of(database: &Database, id: &DocId) -> Result<Option<String>, Error> {
    database.read(|snapshot| {
        let head = snapshot.head(id)?.filter(|head| !head.deleted);
        let body = head.map(|head| snapshot.body(head.body)).transpose()?.flatten();
        Ok(body.map(|body| body.json))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(body: &Value, expected: Option<&str>) {
        let Value::Object(members) = body else { panic!("no object") };
        assert_eq!(runs_as(members).name(), expected, "{body}");
    }

    #[test]
    fn whose_rights_count() {
        check(&json!({}), None);
        check(&json!({"owner": null, "user_ctx": {"name": "owner"}}), None);
        check(&json!({"owner": "owner"}), Some("owner"));
        check(&json!({"owner": "owner", "user_ctx": {"name": null}}), Some("owner"));
        check(&json!({"owner": "owner", "user_ctx": {"name": "notes"}}), Some("notes"));
        check(
            &json!({"owner": "owner", "user_ctx": {"name": "notes", "roles": []}}),
            Some("notes"),
        );
        let admin = json!({"name": "adm", "roles": ["_admin"]});
        check(&json!({"owner": "owner", "user_ctx": admin}), Some("owner"));
        // Nobody becomes the owner by naming it.
        check(&json!({"owner": "notes", "user_ctx": {"name": "owner"}}), Some("notes"));
    }
}
