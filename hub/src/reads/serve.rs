//! `GET /_hub/reads`: who has read what, for the owner.

use http::StatusCode;
use serde_json::{Value, json};
use store::{Database, Direction, Error, IdRange};

use super::{Noted, database, write};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, reply};

/// Rows shown unless another number is asked for, and most of them.
const LIMIT: u64 = 100;
const LIMIT_MAX: u64 = 10_000;

/// Documents read at a time.
const PAGE: usize = 500;

/// `GET /_hub/reads?db=&who=&limit=`: what keys have read, the newest day first.
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let limit = call.query.unsigned("limit")?.unwrap_or(LIMIT).min(LIMIT_MAX);
    let text = |name: &str| call.query.text(name).map(str::to_owned);
    let (db, who) = (text("db"), text("who"));
    let app = call.app;
    let rows = blocking(move || {
        // What was read a moment ago is part of it.
        write(&app, clock::now());
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let wanted = |noted: &Noted| {
            let name = name_of(&app, noted);
            db.as_ref().is_none_or(|db| *db == noted.database)
                && who.as_ref().is_none_or(|who| *who == name || *who == noted.key.to_string())
        };
        let rows = newest(&*database(&app)?, limit, wanted)?;
        Ok(rows.into_iter().map(|(day, noted)| shown(&app, &day, &noted)).collect::<Vec<_>>())
    });
    Ok(reply::json(StatusCode::OK, &json!({"reads": rows.await?})))
}

/// The newest that are wanted, with the day of each.
fn newest(
    database: &Database,
    limit: usize,
    wanted: impl Fn(&Noted) -> bool,
) -> Result<Vec<(String, Noted)>, Error> {
    let mut found = Vec::new();
    let mut start = None;
    while found.len() < limit {
        let range = IdRange { start, end: None, direction: Direction::Descending };
        let page = database.read(|snapshot| {
            let heads = snapshot.heads(&range, 0, PAGE)?;
            let mut page = Vec::with_capacity(heads.len());
            for head in heads {
                let body = if head.deleted { None } else { snapshot.body(head.body)? };
                page.push((head.id, body.map(|body| body.json).unwrap_or_default()));
            }
            Ok::<_, Error>(page)
        })?;
        let Some((last, _)) = page.last() else { break };
        start = Some((last.as_str().to_owned(), false));
        let noted = page.iter().filter_map(|(id, text)| {
            let (day, _) = id.as_str().split_once(':')?;
            Some((day.to_owned(), serde_json::from_str::<Noted>(text).ok()?))
        });
        found.extend(noted.filter(|(_, noted)| wanted(noted)));
    }
    found.truncate(limit);
    Ok(found)
}

fn name_of(app: &App, noted: &Noted) -> String {
    let policies = app.access.policies().now();
    let notes = policies.principals().get(&noted.key);
    notes.map(|notes| notes.name.clone()).unwrap_or_default()
}

fn shown(app: &App, day: &str, noted: &Noted) -> Value {
    let mut shown = json!({
        "day": day,
        "who": {"key": noted.key, "name": name_of(app, noted)},
        "database": noted.database,
        "documents": noted.documents,
        "reads": noted.reads,
        "first": noted.first,
        "last": noted.last,
    });
    if let Some(view) = &noted.view {
        shown["view"] = view.as_str().into();
    }
    shown
}
