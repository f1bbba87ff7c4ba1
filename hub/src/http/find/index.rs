//! `_index`: indexes made, listed and removed.

use std::sync::Arc;

use ::query::mango::{
    Addition, BulkDelete, IndexDefinition, IndexError, Removal, list_indexes, remove_index,
};
use http::StatusCode;
use serde_json::json;
use store::{Database, DocId, Document, DocumentLimits, Edit, Lineage, RevId};

use super::{body, designs};
use crate::designs::DesignDocs;
use crate::http::document::submit_one;
use crate::http::{Call, HttpError, Reply, blocking, query, reply};
use crate::validate::Author;

/// `GET /{db}/_index`
pub(crate) async fn list(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let number = |name| {
        let number = call.query.text(name).map(query::unsigned).transpose()?;
        Ok::<_, HttpError>(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    };
    let (limit, skip) = (number("limit")?, number("skip")?);
    let designs = designs(&call.app, &database).await?;
    let indexes = designs.iter().flat_map(|design| design.indexes.iter().map(AsRef::as_ref));
    let text = list_indexes(indexes, designs.partitioned(), skip.unwrap_or(0), limit);
    Ok(reply::json_text(StatusCode::OK, text.into_bytes()))
}

/// `POST /{db}/_index`
pub(crate) async fn create(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let (app, author) = (Arc::clone(&call.app), call.author());
    let designs = designs(&app, &database).await?;
    let text = body(call).await?;
    let index = IndexDefinition::parse(&text, designs.partitioned())?;
    let id = index.design().parse::<DocId>()?;
    let result = change(&author, &database, &designs, &id, |document| {
        Ok(match index.add_to(document)? {
            Addition::Exists => None,
            Addition::Changed(text) => Some(Change::Write(text)),
        })
    });
    let result = match result.await? {
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
    let database = call.database()?;
    let designs = designs(&call.app, &database).await?;
    if call.captures.key != "json" {
        return Err(IndexError::NotFound(call.captures.function.clone()).into());
    }
    let name = call.captures.function.clone();
    let id = call.captures.doc.parse::<DocId>()?;
    remove_from(&call.author(), &database, &designs, &id, &name).await?;
    Ok(reply::ok(StatusCode::OK))
}

/// `POST /{db}/_index/_bulk_delete`
pub(crate) async fn bulk_delete(call: Call) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let (app, author) = (Arc::clone(&call.app), call.author());
    let designs = designs(&app, &database).await?;
    let request = BulkDelete::parse(&body(call).await?)?;
    let (mut success, mut fail) = (Vec::new(), Vec::new());
    for id in request.designs {
        let removed = match id.parse::<DocId>() {
            Ok(parsed) => {
                let remove = |document: Option<&str>| match document {
                    Some(_) => Ok(Some(Change::Delete)),
                    None => Err(HttpError::NotFound("missing")),
                };
                change(&author, &database, &designs, &parsed, remove).await.map(drop)
            }
            Err(error) => Err(error.into()),
        };
        match removed {
            Ok(()) => success.push(json!({"id": id, "ok": true})),
            Err(error) => {
                let (_, word, reason) = error.parts();
                fail.push(json!({"id": id, "error": word, "reason": reason}));
            }
        }
    }
    Ok(reply::json(StatusCode::OK, &json!({"success": success, "fail": fail})))
}

async fn remove_from(
    author: &Author,
    database: &Arc<Database>,
    designs: &DesignDocs,
    id: &DocId,
    name: &str,
) -> Result<(), HttpError> {
    let remove = |document: Option<&str>| {
        let document = document.ok_or(HttpError::NotFound("missing"))?;
        Ok(Some(match remove_index(document, name)? {
            Removal::Deleted => Change::Delete,
            Removal::Changed(text) => Change::Write(text),
        }))
    };
    change(author, database, designs, id, remove).await.map(drop)
}

/// What is made of a design document.
enum Change {
    Write(String),
    Delete,
}

/// Changes a design document, or makes it; whether there was anything to change.
async fn change(
    author: &Author,
    database: &Arc<Database>,
    designs: &DesignDocs,
    id: &DocId,
    make: impl FnOnce(Option<&str>) -> Result<Option<Change>, HttpError>,
) -> Result<bool, HttpError> {
    let design = designs.find(id);
    let Some(change) = make(design.map(|design| &*design.text))? else { return Ok(false) };
    let base = design.map(|design| design.rev.clone());
    let (text, deleted) = match change {
        Change::Write(text) => (text, false),
        Change::Delete => ("{}".into(), true),
    };
    let (database_there, id) = (Arc::clone(database), id.clone());
    let edit = blocking(move || edit(&database_there, id, base, &text, deleted)).await?;
    submit_one(author, database, edit).await?;
    Ok(true)
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
