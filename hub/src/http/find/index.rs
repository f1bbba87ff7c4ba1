//! `_index`: indexes made, listed and removed.

use std::sync::Arc;

use ::query::mango::{
    Addition, BulkDelete, IndexDefinition, Removal, list_indexes, list_part, remove_index,
};
use http::StatusCode;
use serde_json::json;
use store::{Database, DocId, Document, DocumentLimits, Edit, Lineage, RevId};

use super::{body, designs};
use crate::app::App;
use crate::designs::DesignDoc;
use crate::http::call::Captures;
use crate::http::document::submit_one;
use crate::http::{Call, HttpError, Reply, blocking, reply};
use crate::validate::Author;

/// `GET /{db}/_index`
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let part = list_part(call.query.text("limit"), call.query.text("skip"))?;
    let designs = designs(&call.app, &database).await?;
    let indexes = designs.iter().flat_map(|design| design.indexes.iter().map(AsRef::as_ref));
    let text = list_indexes(indexes, designs.partitioned(), part);
    Ok(reply::json_text(StatusCode::OK, text.into_bytes()))
}

/// `POST /{db}/_index`
pub(crate) async fn create(call: Call) -> Result<Reply, HttpError> {
    let changer = Changer::of(&call)?;
    let designs = designs(&changer.app, &changer.database).await?;
    let text = body(call).await?;
    let index = IndexDefinition::parse(&text, designs.partitioned())?;
    let id = index.design().parse::<DocId>()?;
    let add = |design: Option<&DesignDoc>| {
        Ok(match index.add_to(design.map(|design| &*design.text))? {
            Addition::Exists => None,
            Addition::Changed(text) => Some(Change::Write(text)),
        })
    };
    let result = match changer.change(&id, add).await? {
        true => "created",
        false => "exists",
    };
    Ok(reply::json(
        StatusCode::OK,
        &json!({"result": result, "id": index.design(), "name": index.name()}),
    ))
}

/// `DELETE /{db}/_index/{design}/{type}/{name}`
pub(crate) async fn remove(call: Call) -> Result<Reply, HttpError> {
    let changer = Changer::of(&call)?;
    let Captures { doc, key: kind, function: name, .. } = &call.captures;
    if kind != "json" {
        return Err(NO_INDEX);
    }
    // The id may be given whole, its slash encoded.
    let doc = doc.strip_prefix(PREFIX).filter(|rest| rest.starts_with(PREFIX)).unwrap_or(doc);
    let id = doc.parse::<DocId>()?;
    changer.change(&id, |design| without(design, |index| index.name() == name)).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// `POST /{db}/_index/_bulk_delete`
pub(crate) async fn bulk_delete(call: Call) -> Result<Reply, HttpError> {
    let changer = Changer::of(&call)?;
    let request = BulkDelete::parse(&body(call).await?)?;
    let (mut success, mut fail) = (Vec::new(), Vec::new());
    for id in request.designs {
        let removed = match id.parse::<DocId>() {
            Ok(parsed) => changer.change(&parsed, |design| without(design, |_| true)).await,
            Err(error) => Err(error.into()),
        };
        match removed {
            Ok(_) => success.push(json!({"id": id, "ok": true})),
            Err(error) => {
                let (_, word, reason) = error.parts();
                fail.push(json!({"id": id, "error": word, "reason": reason}));
            }
        }
    }
    Ok(reply::json(StatusCode::OK, &json!({"success": success, "fail": fail})))
}

const NO_INDEX: HttpError = HttpError::NotFound("missing");

/// What begins the id of a design document.
const PREFIX: &str = "_design/";

/// A design document without some of its indexes, at least one.
fn without(
    design: Option<&DesignDoc>,
    goes: impl Fn(&IndexDefinition) -> bool,
) -> Result<Option<Change>, HttpError> {
    let design = design.ok_or(NO_INDEX)?;
    let mut change = None;
    for index in design.indexes.iter().filter(|index| goes(index)) {
        let text = match &change {
            Some(Change::Write(text)) => text,
            Some(Change::Delete) => break,
            None => &*design.text,
        };
        change = Some(match remove_index(text, index.name())? {
            Removal::Deleted => Change::Delete,
            Removal::Changed(text) => Change::Write(text),
        });
    }
    change.ok_or(NO_INDEX).map(Some)
}

/// What is made of a design document.
enum Change {
    Write(String),
    Delete,
}

/// Who changes the design documents of a database.
struct Changer {
    app: Arc<App>,
    database: Arc<Database>,
    author: Author,
}

/// How often a change is tried where others change the same design document: clients make the indexes
/// they need all at once.
const ATTEMPTS: usize = 20;

impl Changer {
    fn of(call: &Call) -> Result<Self, HttpError> {
        let (app, author) = (Arc::clone(&call.app), call.author());
        Ok(Self { app, database: call.database()?, author })
    }

    /// Changes a design document, or makes it; whether there was anything to change.
    async fn change(
        &self,
        id: &DocId,
        make: impl Fn(Option<&DesignDoc>) -> Result<Option<Change>, HttpError>,
    ) -> Result<bool, HttpError> {
        let mut attempts = 1..=ATTEMPTS;
        loop {
            let designs = designs(&self.app, &self.database).await?;
            let design = designs.find(id).map(AsRef::as_ref);
            let Some(change) = make(design)? else { return Ok(false) };
            let base = design.map(|design| design.rev.clone());
            match self.write(id, base, change).await {
                Err(HttpError::Conflict) if attempts.next().is_some() => {}
                outcome => return outcome.map(|()| true),
            }
        }
    }

    async fn write(
        &self,
        id: &DocId,
        base: Option<RevId>,
        change: Change,
    ) -> Result<(), HttpError> {
        let (text, deleted) = match change {
            Change::Write(text) => (text, false),
            Change::Delete => ("{}".into(), true),
        };
        let (database, id) = (Arc::clone(&self.database), id.clone());
        let edit = blocking(move || edit(&database, id, base, &text, deleted)).await?;
        submit_one(&self.author, &self.database, edit).await.map(drop)
    }
}

fn edit(
    database: &Arc<Database>,
    id: DocId,
    base: Option<RevId>,
    text: &str,
    deleted: bool,
) -> Result<Edit, HttpError> {
    // Attachments stay as they are: they stand in the text as stubs.
    let document = Document::parse(text.as_bytes(), DocumentLimits::default())?;
    let lineage = Lineage::Child(base);
    let mut edit = document.into_edit(id, lineage, database, &store::Compression::default())?;
    edit.deleted = deleted;
    Ok(edit)
}
