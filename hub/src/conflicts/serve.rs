//! `/_hub/conflicts`: what needs a decision, shown, and decided.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use store::rev_tree::{Node, RevTree};
use store::stamp::{Stamp, stamp_of};
use store::{ConflictPolicy, Database, DbName, DocId, Error, RevId, Snapshot};

use super::decision::{self, live_leaves};
use super::verdict::Verdict;
use super::{LIST_CHANGES_MAX, known, look, of_policies};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, json_body, reply};

/// Documents listed at a time: unless `limit` says otherwise, and at most.
const LISTED: u64 = 100;
const LISTED_MAX: u64 = 500;

/// Leaves shown of one document.
const LEAVES_MAX: usize = 20;

/// Bytes of bodies shown of one document.
const BODIES_BYTES_MAX: u64 = 16 << 20;

const UNKNOWN: HttpError = HttpError::NotFound("there is no such document");

/// `GET /_hub/conflicts`: documents that need a decision; with `db` those of one database, whatever its
/// policy, and with `id` one of them with what its leaves say.
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let db = call.query.text("db").map(|word| database(&call.app, word)).transpose()?;
    let id = call.query.text("id").map(document).transpose()?;
    let limit = call.query.unsigned("limit")?.unwrap_or(LISTED).clamp(1, LISTED_MAX);
    let skip = call.query.unsigned("skip")?.unwrap_or_default();
    let page = (usize::try_from(skip).unwrap_or(usize::MAX), usize::try_from(limit).unwrap_or(1));
    let app = call.app;
    let shown = match (db, id) {
        (Some(db), Some(id)) => {
            let policy = app.registry.rule(&db).policy;
            blocking(move || show(&db, &policy, &id, true)?.ok_or(UNKNOWN)).await?
        }
        (None, Some(_)) => return Err(HttpError::BadRequest("option `db` is missing".into())),
        (db, None) => blocking(move || page_of(&app, db, page)).await?,
    };
    Ok(reply::json(StatusCode::OK, &shown))
}

fn page_of(
    app: &App,
    db: Option<Arc<Database>>,
    (mut skip, limit): (usize, usize),
) -> Result<Value, HttpError> {
    let is_of_one = db.is_some();
    let databases = match db {
        Some(db) => {
            let policy = app.registry.rule(&db).policy;
            vec![(db, policy)]
        }
        None => of_policies(app, |policy| *policy != ConflictPolicy::Keep),
    };
    let others = of_policies(app, |policy| *policy == ConflictPolicy::Keep && !is_of_one);
    let both = databases.iter().chain(&others).map(|(database, _)| database);
    let complete = look(app, both, LIST_CHANGES_MAX);
    known(app).retain(|uuid| app.store.database_of(uuid).is_some());
    let (mut shown, mut undecided, mut more) = (Vec::new(), 0, false);
    for (database, policy) in &databases {
        let count = known(app).count(database);
        undecided += count;
        more |= known(app).has_more(database);
        let documents = known(app).documents(database, skip, limit - shown.len());
        more |= count.saturating_sub(skip) > documents.len();
        skip = skip.saturating_sub(count);
        for document in documents {
            match show(database, policy, &document, false) {
                Ok(Some(one)) => shown.push(one),
                Ok(None) => known(app).forget(database, &document),
                // It answers with what is wrong with it to whoever asks.
                Err(_) => break,
            }
        }
    }
    let kept = others.iter().filter_map(|(database, _)| {
        let count = known(app).count(database);
        let name = database.name();
        (count > 0).then(|| json!({"database": name.as_str(), "documents": count}))
    });
    let kept: Vec<Value> = kept.collect();
    Ok(json!({
        "conflicts": shown, "undecided": undecided, "more": more, "complete": complete, "kept": kept,
    }))
}

/// One document; `None` where it is not in conflict. Of what cannot be shown for its size there is no `body`.
fn show(
    database: &Database,
    policy: &ConflictPolicy,
    id: &DocId,
    with_bodies: bool,
) -> Result<Option<Value>, HttpError> {
    let shown = database.read(|snapshot| {
        let Some(document) = snapshot.tree(id)? else { return Ok(None) };
        let tree = document.tree;
        let live = live_leaves(&tree);
        if live.len() < 2 && !with_bodies {
            return Ok(None);
        }
        let mut left = if with_bodies { BODIES_BYTES_MAX } else { 0 };
        let (mut leaves, mut all_have_times) = (Vec::new(), true);
        for at in live.iter().take(LEAVES_MAX) {
            let node = tree.node(*at);
            let written = snapshot.written(policy, node)?;
            all_have_times &= written.is_some();
            leaves.push(leaf(snapshot, node, written, &mut left)?);
        }
        // Those that are not shown are judged by their stamps, which costs nothing.
        let mut rest = live.iter().skip(LEAVES_MAX).map(|at| &tree.node(*at).rev);
        all_have_times &= rest.all(|rev| stamp_of(rev).is_some());
        let verdict = Verdict::of(policy, all_have_times);
        Ok::<_, Error>(Some(json!({
            "database": database.name().as_str(),
            "id": id.as_str(),
            "policy": policy.to_string(),
            "winner": winner(&tree),
            "leaves": leaves,
            "leaves_count": live.len(),
            "decides": verdict == Verdict::Decides,
            "code": verdict.code(),
            "why": verdict.reason(),
        })))
    });
    Ok(shown?)
}

fn winner(tree: &RevTree) -> Option<String> {
    tree.winner().map(|winner| winner.rev.to_string())
}

fn leaf(
    snapshot: &Snapshot<'_>,
    node: &Node,
    written: Option<Stamp>,
    left: &mut u64,
) -> Result<Value, Error> {
    let bytes = node.stored.map_or(0, |stored| stored.bytes);
    let mut shown = json!({
        "rev": node.rev.to_string(),
        "written": written.map(|stamp| stamp.millis().0),
        "bytes": bytes,
    });
    if let Some(stored) = node.stored.filter(|_| *left > 0 && bytes <= *left) {
        *left = left.saturating_sub(bytes.max(1));
        if let Some(body) = snapshot.body(stored.body)? {
            // What the store keeps is JSON.
            shown["body"] = serde_json::from_str(&body.json).unwrap_or_default();
            let files = body.attachments.iter();
            let files = files.map(|file| json!({"name": file.name, "length": file.length}));
            shown["attachments"] = files.collect();
        }
    }
    Ok(shown)
}

/// What `POST /_hub/conflicts` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keep {
    /// A database's name.
    db: String,
    /// A document of it.
    id: String,
    /// The live leaf that stays.
    keep: String,
}

/// `POST /_hub/conflicts`: a person decides for one leaf of a document.
pub(crate) async fn keep(call: Call) -> Result<Reply, HttpError> {
    let author = call.author();
    let Call { app, headers, body, .. } = call;
    let asked = json_body::object(&headers, body).await?;
    let asked: Keep = serde_json::from_value(asked.into())
        .map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let (db, id) = (database(&app, &asked.db)?, document(&asked.id)?);
    let keep: RevId = asked.keep.parse()?;
    let decided = blocking(move || {
        let policy = app.registry.rule(&db).policy;
        let (tree, kept, body) = db.read(|snapshot| {
            let tree = snapshot.tree(&id)?.ok_or(UNKNOWN)?.tree;
            let kept = decision::kept(&tree, &keep)?;
            let stored = tree.node(kept).stored.ok_or(UNKNOWN)?;
            let body = snapshot.body(stored.body)?.ok_or(UNKNOWN)?;
            Ok::<_, HttpError>((tree, kept, body))
        })?;
        let edits = decision::edits(&id, &tree, kept, body, &policy);
        for verdict in author.judge(&db, &edits)? {
            verdict?;
        }
        let deleted = edits.len() - 1;
        let mut written = db.write(edits, clock::now())?.into_iter();
        let rev = written.next().ok_or(HttpError::Conflict)??;
        // Whoever edited another leaf meanwhile has not lost that edit: it stays to be decided.
        let is_whole = written.all(|outcome| outcome.is_ok());
        Ok(json!({
            "ok": is_whole, "database": db.name().as_str(), "id": id.as_str(),
            "rev": rev.to_string(), "deleted": deleted,
        }))
    });
    Ok(reply::json(StatusCode::OK, &decided.await?))
}

/// A database whose conflicts are for people to decide.
fn database(app: &App, name: &str) -> Result<Arc<Database>, HttpError> {
    let name = DbName::of_existing(name).map_err(|_| HttpError::NoDatabase)?;
    if name.is_system() {
        return Err(HttpError::BadRequest("hubs decide what is in conflict in their own".into()));
    }
    app.store.database(&name).ok_or(HttpError::NoDatabase)
}

fn document(id: &str) -> Result<DocId, HttpError> {
    Ok(id.parse::<DocId>()?)
}
