//! Purging, the record of it, and how much of that record is kept.

use http::StatusCode;
use serde_json::{Map, Value};
use store::{Database, DocId, Error, Output, Purge, RevId};

use crate::access::Action;
use crate::app::App;
use crate::clock;
use crate::http::call::blocking;
use crate::http::pages::{self, Gate, PAGE_BYTES, PAGE_ROWS_MAX, Pages, Progress};
use crate::http::partition::check_id;
use crate::http::row::write_revs;
use crate::http::{Call, HttpError, Reply, json_body, reply};
use crate::overwritten;

/// CouchDB's `purge/max_document_id_number`.
const DOCUMENTS_MAX: usize = 100;

/// CouchDB's `purge/max_revisions_number`.
const REVISIONS_MAX: usize = 1000;

/// `POST /{db}/_purge`
pub(crate) async fn purge(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let asked = parse(json_body::object(&call.headers, call.body).await?)?;
    let app = call.app;
    let text = blocking(move || {
        asked.iter().filter_map(Asked::id).try_for_each(|id| check_id(&database, id))?;
        let purges: Vec<Purge> =
            asked.iter().filter_map(|asked| asked.purge.clone().ok()).collect();
        let purged = if purges.is_empty() { Vec::new() } else { database.purge(purges.clone())? };
        for purge in &purges {
            forget_overwritten(&app, &database, purge)?;
        }
        Ok(write(&asked, purged))
    });
    Ok(reply::json_text(StatusCode::CREATED, text.await?))
}

/// What lost to later edits goes with what is purged: the revisions asked for, and those that the document
/// has no more.
fn forget_overwritten(app: &App, database: &Database, purge: &Purge) -> Result<(), Error> {
    let left = database.read(|snapshot| snapshot.tree(&purge.id))?;
    let goes = |rev: &RevId| {
        let is_left = left.as_ref().is_some_and(|left| left.tree.contains(rev));
        !is_left || purge.revs.contains(rev)
    };
    overwritten::forget(app, database.uuid(), Some(&purge.id), goes, clock::now())
}

/// What is asked for one document; its id where that cannot be the id of any.
struct Asked {
    purge: Result<Purge, String>,
}

impl Asked {
    fn id(&self) -> Option<&DocId> {
        self.purge.as_ref().ok().map(|purge| &purge.id)
    }
}

fn parse(body: Map<String, Value>) -> Result<Vec<Asked>, HttpError> {
    let bad = |reason: &str| HttpError::BadRequest(reason.into());
    let mut count = 0;
    let mut asked = Vec::with_capacity(body.len().min(DOCUMENTS_MAX));
    for (id, revs) in body {
        let Value::Array(revs) = revs else { return Err(bad("Invalid list of revisions")) };
        count += revs.len();
        let rev = |rev: Value| {
            let text = rev.as_str().ok_or_else(|| bad("Invalid rev format"))?;
            Ok(text.parse::<RevId>()?)
        };
        let revs = revs.into_iter().map(rev).collect::<Result<_, HttpError>>()?;
        let purge = id.parse::<DocId>().map(|id| Purge { id, revs }).map_err(|_| id);
        asked.push(Asked { purge });
    }
    if asked.len() > DOCUMENTS_MAX {
        return Err(bad("Exceeded maximum number of documents."));
    }
    if count > REVISIONS_MAX {
        return Err(bad("Exceeded maximum number of revisions."));
    }
    Ok(asked)
}

fn write(asked: &[Asked], purged: Vec<Vec<RevId>>) -> Vec<u8> {
    let mut purged = purged.into_iter();
    let mut text = b"{\"purge_seq\":null,\"purged\":{".to_vec();
    for (position, asked) in asked.iter().enumerate() {
        if position > 0 {
            text.push(b',');
        }
        let (id, revs) = match &asked.purge {
            Ok(purge) => (purge.id.as_str(), purged.next().unwrap_or_default()),
            Err(id) => (id.as_str(), Vec::new()),
        };
        store::json::write_string(&mut text, id);
        text.push(b':');
        write_revs(&mut text, &revs);
    }
    text.extend_from_slice(b"}}");
    text
}

/// `GET /{db}/_purged_infos`
pub(crate) async fn purged_infos(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let gate = Gate::of(&call, Action::Administer);
    pages::answer(gate, database, Infos { position: 0, rows: 0 }).await
}

/// The record of purges, and how far it was read.
struct Infos {
    position: u64,
    rows: u64,
}

impl Pages for Infos {
    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        if self.rows == 0 {
            out.text().extend_from_slice(b"{\"purged_infos\":[");
        }
        let text = out.text();
        let progress = database.read::<_, HttpError>(|snapshot| {
            for _ in 0..PAGE_ROWS_MAX {
                let Some((position, purge)) = snapshot.purges(self.position, 1)?.pop() else {
                    return Ok(Progress::Done);
                };
                if self.rows > 0 {
                    text.push(b',');
                }
                self.rows += 1;
                self.position = position;
                text.extend_from_slice(b"{\"id\":");
                store::json::write_string(text, purge.id.as_str());
                text.extend_from_slice(b",\"revs\":");
                write_revs(text, &purge.revs);
                text.push(b'}');
                if text.len() >= PAGE_BYTES {
                    break;
                }
            }
            Ok(Progress::More)
        })?;
        if progress == Progress::Done {
            text.extend_from_slice(b"]}\n");
        }
        Ok(progress)
    }
}

/// `GET /{db}/_purged_infos_limit`
pub(crate) async fn purged_infos_limit(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let limit = blocking(move || Ok(database.purged_infos_limit()?)).await?;
    Ok(reply::json(StatusCode::OK, &limit))
}

/// `PUT /{db}/_purged_infos_limit`
pub(crate) async fn set_purged_infos_limit(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let limit = json_body::value(&call.headers, call.body).await?;
    let Some(limit) = limit.as_u64().filter(|&limit| limit > 0) else {
        let reason = "`purged_infos_limit` must be positive integer";
        return Err(HttpError::BadRequest(reason.into()));
    };
    blocking(move || Ok(database.set_purged_infos_limit(limit)?)).await?;
    Ok(reply::ok(StatusCode::OK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let asked = parse(serde_json::from_str(body).unwrap());
        let shown = asked.map_or_else(
            |error| error.to_string(),
            |asked| {
                let purged = asked.iter().filter_map(|asked| asked.purge.clone().ok());
                let purged = purged.map(|purge| purge.revs).collect();
                String::from_utf8(write(&asked, purged)).unwrap()
            },
        );
        assert_eq!(shown, expected, "{body}");
    }

    #[test]
    fn reads_and_answers() {
        check("{}", r#"{"purge_seq":null,"purged":{}}"#);
        check(
            r#"{"_c":["1-x"],"a":[],"b":["1-x","2-y"]}"#,
            r#"{"purge_seq":null,"purged":{"_c":[],"a":[],"b":["1-x","2-y"]}}"#,
        );
        check(r#"{"a":"1-x"}"#, "Invalid list of revisions");
        check(r#"{"a":[1]}"#, "Invalid rev format");
        check(r#"{"a":["x"]}"#, "Invalid rev format");
        let many: Vec<String> = (0..=DOCUMENTS_MAX).map(|n| format!("\"{n}\":[]")).collect();
        check(&format!("{{{}}}", many.join(",")), "Exceeded maximum number of documents.");
        let revs = vec!["\"1-x\""; REVISIONS_MAX + 1].join(",");
        check(&format!("{{\"a\":[{revs}]}}"), "Exceeded maximum number of revisions.");
    }
}
