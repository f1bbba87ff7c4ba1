//! Rows of databases published in `_overwritten`, and rows removed that were dismissed there.

use std::io;
use std::sync::{Arc, PoisonError};

use store::{
    Attachment, Content, Database, DbUuid, Direction, DocId, Edit, Encoding, Error, IdRange,
    Intake, Lineage, Millis, NewAttachment, Overwritten, RevId,
};

use super::entry::{self, Entry, Lost};
use super::marks::{Mark, Marks};
use super::{DATABASE, database};
use crate::app::App;

/// Rows read at a time.
const PAGE_ROWS: usize = 100;

/// Changes of `_overwritten` read at a time.
const PAGE_CHANGES: usize = 500;

/// Publishes what databases have lost since the last time, and removes their rows of what was dismissed
/// since. One database that cannot be read does not keep the others from it. May block.
pub(super) fn catch_up(app: &App, now: Millis) -> Result<(), Error> {
    let published = database(app)?;
    // The command line asks for it, too, and both read on from the same place.
    let mut known = app.publishing.lock().unwrap_or_else(PoisonError::into_inner);
    let before = known.marks(&published)?.clone();
    let mut marks = before.clone();
    let databases = app.store.databases();
    for database in &databases {
        let uuid = database.uuid().to_string();
        let seq = database.update_seq().to_string();
        let mark = marks.databases.get(&uuid).cloned().unwrap_or_default();
        // Of what lost in `_overwritten` itself nothing is told.
        if mark.seq == seq || database.name().as_str() == DATABASE {
            continue;
        }
        match publish_rows(database, &published, &mut marks, mark.row, now) {
            Ok(row) => _ = marks.databases.insert(uuid, Mark { seq, row }),
            Err(Error::Closing) => return Err(Error::Closing),
            Err(Error::NoDatabase) => {}
            Err(error) => {
                let (uuid, error) = (database.uuid(), error.unnamed());
                tracing::warn!(database = %uuid, error, "what it lost is not published");
            }
        }
    }
    for uuid in marks.databases.keys().filter_map(|uuid| DbUuid::parse(uuid)).collect::<Vec<_>>() {
        // What is in the trash may come back.
        if app.store.database_of(uuid).is_none() && !app.store.keeps(uuid)? {
            forget(app, uuid, None, |_| true, now)?;
            marks.databases.remove(&uuid.to_string());
        }
    }
    obey_dismissals(app, &published, &mut marks)?;
    if marks != before {
        let is_news = marks.are_news(&before);
        known.marks = Some(marks);
        known.keep(&published, is_news, now)?;
    }
    Ok(())
}

/// Publishes the rows behind one; the last of them.
fn publish_rows(
    database: &Database,
    published: &Database,
    marks: &mut Marks,
    mut after: u64,
    now: Millis,
) -> Result<u64, Error> {
    loop {
        let rows = database.overwritten(after, PAGE_ROWS)?;
        let Some(last) = rows.last() else { return Ok(after) };
        let end = last.id;
        for row in rows {
            publish(database, published, marks, &row, now)?;
        }
        after = end;
    }
}

fn publish(
    database: &Database,
    published: &Database,
    marks: &mut Marks,
    row: &Overwritten,
    now: Millis,
) -> Result<(), Error> {
    let lost =
        Lost { database: database.uuid(), document: row.doc.clone(), revision: row.rev.clone() };
    let Ok(id) = lost.id() else { return Ok(()) };
    if let Some(known) = published.read(|snapshot| snapshot.head(&id))? {
        if known.deleted {
            // It was dismissed before this device had lost it.
            database.dismiss_overwritten(row.id)?;
        }
        return Ok(());
    }
    let contents = database.read(|snapshot| snapshot.overwritten_contents(row.id))?;
    let Some((_, contents)) = contents else { return Ok(()) };
    let text = lost.text(row.deleted, &contents.json);
    let text = text.map_err(|error| Error::Damaged(format!("an overwritten body: {error}")))?;
    let rev = entry::revision(&id, &text, &contents.attachments);
    if row.attention {
        marks.call_attention(id.to_string());
    }
    let edit = Edit {
        id,
        lineage: Lineage::Path(vec![rev]),
        deleted: false,
        body: text.into(),
        attachments: copies(database, published, &contents.attachments)?,
    };
    // It is no edit of a document that somebody could have changed meanwhile.
    published.write(vec![edit], now)?.into_iter().for_each(|outcome| {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a body that was overwritten is not published");
        }
    });
    Ok(())
}

/// Attachments of one database, to be written into another one.
pub(super) fn copies(
    from: &Database,
    to: &Database,
    attachments: &[Attachment],
) -> Result<Vec<NewAttachment>, Error> {
    let copy = |attachment: &Attachment| {
        let mut reader = from.read(|snapshot| snapshot.attachment(attachment))?;
        let intake = match attachment.encoding {
            None => Intake::Plain,
            Some(Encoding::Gzip) => Intake::Gzip,
        };
        let mut writer = to.stage(attachment.length.max(attachment.stored_length()), intake)?;
        io::copy(&mut reader, &mut writer)
            .map_err(|error| Error::of_io("copy an attachment", error))?;
        Ok(NewAttachment {
            name: attachment.name.clone(),
            content_type: Some(attachment.content_type.clone()),
            revpos: None,
            content: Content::Staged(writer.finish()?),
        })
    };
    attachments.iter().map(copy).collect()
}

/// Removes the rows of what was dismissed in `_overwritten`, here or on another device.
fn obey_dismissals(app: &App, published: &Database, marks: &mut Marks) -> Result<(), Error> {
    let from =
        published.parse_since(if marks.dismissed.is_empty() { "0" } else { &marks.dismissed });
    let mut since = from.unwrap_or_default();
    loop {
        let changes = published
            .read(|snapshot| snapshot.changes(since, Direction::Ascending, PAGE_CHANGES))?;
        let Some(last) = changes.last() else { break };
        since = last.seq;
        for change in &changes {
            if change.leaves.iter().all(|(_, deleted)| *deleted) {
                marks.attention.remove(change.id.as_str());
                remove_row(app, &change.id)?;
            }
        }
    }
    marks.dismissed = published.seq(since).to_string();
    Ok(())
}

/// Removes the row that a document of `_overwritten` was made of, where there is one here.
fn remove_row(app: &App, id: &DocId) -> Result<(), Error> {
    let database = entry::database_in(id).and_then(|uuid| app.store.database_of(uuid));
    let Some(database) = database else { return Ok(()) };
    let mut after = 0;
    loop {
        let rows = match database.overwritten(after, PAGE_ROWS) {
            Ok(rows) => rows,
            Err(Error::Closing) => return Err(Error::Closing),
            // It answers with what is wrong with it to whoever asks.
            Err(_) => return Ok(()),
        };
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id;
        for row in rows {
            let lost = Lost { database: database.uuid(), document: row.doc, revision: row.rev };
            if lost.id().is_ok_and(|of| of == *id) {
                return database.dismiss_overwritten(row.id).map(|_was_there| ());
            }
        }
    }
}

/// Dismisses documents of `_overwritten`: they are gone on every device. May block.
pub(super) fn dismiss(published: &Database, ids: &[DocId], now: Millis) -> Result<u64, Error> {
    let mut edits = Vec::with_capacity(ids.len());
    for id in ids {
        let head = published.read(|snapshot| snapshot.head(id))?;
        let Some(head) = head.filter(|head| !head.deleted) else { continue };
        edits.push(Edit {
            id: id.clone(),
            lineage: Lineage::Path(vec![entry::tombstone(&head.rev), head.rev]),
            deleted: true,
            body: "{}".to_owned().into(),
            attachments: Vec::new(),
        });
    }
    let count = edits.len() as u64;
    if !edits.is_empty() {
        published.write(edits, now)?;
    }
    Ok(count)
}

/// Has what is published of a database, or of one of its documents, dismissed, since it is purged or deleted
/// for good: of the document what `goes` says of its revisions. May block.
pub(crate) fn forget(
    app: &App,
    of: DbUuid,
    document: Option<&DocId>,
    goes: impl Fn(&RevId) -> bool,
    now: Millis,
) -> Result<(), Error> {
    let published = database(app)?;
    let start =
        document.map_or_else(|| entry::prefix_of(of), |document| entry::prefix(of, document));
    let ids = ids(&published, &start, |text| match serde_json::from_str::<Entry<'_>>(text) {
        Ok(entry) => entry.lost().is_none_or(|lost| goes(&lost.revision)),
        Err(_) => true,
    })?;
    if dismiss(&published, &ids, now)? > 0 {
        // What was purged is not to lie in a file until there happens to be enough of it.
        compact(app, &published);
    }
    Ok(())
}

fn compact(app: &App, published: &Arc<Database>) {
    let (published, tasks) = (Arc::clone(published), Arc::clone(&app.tasks));
    std::thread::spawn(move || {
        // One that is running, or could not be done, is made up for by the next.
        let _outcome =
            crate::compaction::compact(&published, &tasks, || std::ops::ControlFlow::Continue(()));
    });
}

/// Ids of the live documents that begin so, and whose text is one that is wanted.
pub(super) fn ids(
    published: &Database,
    start: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<DocId>, Error> {
    let mut ids = Vec::new();
    let mut from = (start.to_owned(), true);
    loop {
        let range = IdRange { start: Some(from), end: None, direction: Direction::Ascending };
        let page = published.read(|snapshot| {
            let heads = snapshot.heads(&range, 0, PAGE_CHANGES)?;
            let mut page = Vec::with_capacity(heads.len());
            for head in heads {
                let body = snapshot.body(head.body)?.map(|body| body.json);
                page.push((head.id, body.unwrap_or_default()));
            }
            Ok::<_, Error>(page)
        })?;
        let Some((last, _)) = page.last() else { return Ok(ids) };
        from = (last.as_str().to_owned(), false);
        for (id, text) in page {
            if !id.as_str().starts_with(start) {
                return Ok(ids);
            }
            if wanted(&text) {
                ids.push(id);
            }
        }
    }
}
