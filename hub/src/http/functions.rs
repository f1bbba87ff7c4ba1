//! Functions of design documents, asked over HTTP.

mod list;
mod request;
mod response;
mod rewrite;
mod show;
mod update;

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use store::{Database, DocId, Error, Output, RevId, Show};

pub(crate) use self::list::list;
pub(crate) use self::request::{Asked, security, user_context};
pub(crate) use self::rewrite::rewrite;
pub(crate) use self::show::show;
pub(crate) use self::update::update;
use super::incoming::Incoming;
use super::{Call, HttpError, request as requests};
use crate::app::App;
use crate::designs::DesignDoc;

/// Longest body that functions are shown: with its copies it has to fit the memory of one sandbox.
const BODY_BYTES_MAX: usize = 16 << 20;

/// The function that a request names.
#[derive(Clone, Debug)]
struct Called {
    /// The design document, without `_design/`.
    design: String,
    /// The member of it that has such functions.
    kind: &'static str,
    /// The function in that.
    function: String,
}

impl Called {
    fn of(call: &Call, kind: &'static str) -> Self {
        let id = &call.captures.doc;
        Self {
            design: id.strip_prefix("_design/").unwrap_or(id).to_owned(),
            kind,
            function: call.captures.function.clone(),
        }
    }

    /// The design document, if it has such a function. May block.
    fn find(&self, app: &App, database: &Arc<Database>) -> Result<Arc<DesignDoc>, HttpError> {
        let design = design(app, database, &self.design)?;
        let functions = design.members.get(self.kind).ok_or_else(|| missing(self.kind))?;
        match functions.get(&self.function) {
            Some(_) => Ok(design),
            None => Err(missing(&self.function)),
        }
    }
}

/// The design document of this name, which is its id without `_design/`. May block.
pub(crate) fn design(
    app: &App,
    database: &Arc<Database>,
    name: &str,
) -> Result<Arc<DesignDoc>, HttpError> {
    let id = format!("_design/{name}").parse::<DocId>()?;
    let designs = app.designs_of(database)?;
    if let Some(design) = designs.find(&id) {
        return Ok(Arc::clone(design));
    }
    let head = database.read::<_, Error>(|snapshot| snapshot.head(&id))?;
    Err(HttpError::NotFound(if head.is_some() { "deleted" } else { "missing" }))
}

/// CouchDB's answer where a design document has no such member.
pub(crate) fn missing(member: &str) -> HttpError {
    HttpError::Function {
        status: StatusCode::NOT_FOUND,
        word: "not_found".into(),
        reason: format!("missing json key: {member}"),
    }
}

/// The document of an id as functions see it, if there is one. May block.
fn shown(database: &Database, id: Option<&str>) -> Result<Option<(RevId, String)>, HttpError> {
    // What cannot be an id is the id of no document.
    let Some(id) = id.and_then(|id| id.parse::<DocId>().ok()) else { return Ok(None) };
    let show = Show { revs: true, conflicts: true, ..Show::default() };
    let found = database.read::<_, Error>(|snapshot| {
        let Some(head) = snapshot.head(&id)?.filter(|head| !head.deleted) else { return Ok(None) };
        let mut out = Output::new();
        snapshot.render_winner(&head, &show, &mut out)?;
        let text = String::from_utf8(std::mem::take(out.text()));
        let damaged = |_| Error::Damaged(format!("document {id} is not UTF-8"));
        Ok(Some((head.rev, text.map_err(damaged)?)))
    })?;
    Ok(found)
}

/// The body of a request as functions see it; none where the method has none.
async fn text(
    method: &Method,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Option<String>, HttpError> {
    let bytes = requests::read(headers, body, BODY_BYTES_MAX).await?;
    if bytes.is_empty() && (method == Method::GET || method == Method::HEAD) {
        return Ok(None);
    }
    let refused = |_| HttpError::BadRequest("The request body is not UTF-8".into());
    String::from_utf8(bytes).map(Some).map_err(refused)
}
