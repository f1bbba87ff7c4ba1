//! Functions of design documents, asked over HTTP.

mod request;

use std::sync::Arc;

use http::StatusCode;
use store::{Database, DocId};

pub(crate) use self::request::{Asked, security, user_context};
use super::HttpError;
use crate::app::App;
use crate::designs::DesignDoc;

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
    let head = database.read::<_, store::Error>(|snapshot| snapshot.head(&id))?;
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
