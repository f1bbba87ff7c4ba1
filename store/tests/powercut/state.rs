//! What anybody can see of a store, as text.

use std::fmt::Write as _;
use std::io::Read as _;

use store::{Database, Direction, Error, IdRange, Seq, Store};

/// Databases, feeds, leaves with their bodies and attachments, purges, local documents, settings, what lost
/// and what is held.
pub(crate) fn of(store: &Store) -> Result<String, Error> {
    let mut text = String::new();
    for database in store.databases() {
        let _ = writeln!(text, "database {}", database.name());
        describe(&database, &mut text)?;
    }
    for trashed in store.trash()? {
        let _ = writeln!(text, "in the trash {}", trashed.name);
    }
    Ok(text)
}

fn describe(database: &Database, text: &mut String) -> Result<(), Error> {
    let info = database.info()?;
    let _ = writeln!(
        text,
        " counts {} {} {}, external {}, purges {} of {}, limit {}",
        info.doc_count,
        info.doc_del_count,
        info.update_seq.seq.0,
        info.sizes.external,
        info.purge_seq.seq.0,
        database.purged_infos_limit()?,
        database.revs_limit()?
    );
    let _ = writeln!(text, " {:?}", database.conflict_rule()?);
    for held in database.held()? {
        let _ = writeln!(text, " held {} {} {} {}", held.id, held.doc, held.rev, held.due.0);
    }
    database.read(|snapshot| {
        for lost in snapshot.overwritten(0, usize::MAX)? {
            let contents = snapshot.overwritten_contents(lost.id)?;
            let (_, body) = contents.ok_or_else(|| Error::Damaged("overwritten".into()))?;
            let hash = blake3::hash(body.json.as_bytes()).to_hex();
            let _ = writeln!(text, " lost {} {} {} {hash}", lost.id, lost.doc, lost.rev);
        }
        for change in snapshot.changes(Seq(0), Direction::Ascending, usize::MAX)? {
            let _ = writeln!(text, " {} {} {}", change.seq.0, change.id, change.leaves.len());
            let tree = snapshot.tree(&change.id)?;
            let tree = tree.ok_or_else(|| Error::Damaged(format!("no row for {}", change.id)))?;
            for leaf in tree.tree.leaves() {
                let path: Vec<_> =
                    tree.tree.ancestry(leaf).map(|node| node.rev.to_string()).collect();
                let body = tree.tree.node(leaf).stored.map(|stored| snapshot.body(stored.body));
                let body = body.transpose()?.flatten();
                let body = body.ok_or_else(|| Error::Damaged(format!("no body {}", change.id)))?;
                let hash = blake3::hash(body.json.as_bytes()).to_hex();
                let _ = writeln!(text, "  {path:?} {hash}");
                for attachment in &body.attachments {
                    let mut bytes = Vec::new();
                    let read = snapshot.attachment(attachment)?.read_to_end(&mut bytes);
                    let found = read.map(|_| *blake3::hash(&bytes).as_bytes());
                    let right = matches!(found, Ok(hash) if hash == attachment.content.0);
                    let _ = writeln!(text, "   {} {right}", attachment.name);
                }
            }
        }
        for (seq, purge) in snapshot.purges(0, usize::MAX)? {
            let _ = writeln!(text, " purge {seq} {} {:?}", purge.id, purge.revs);
        }
        let range = IdRange { start: None, end: None, direction: Direction::Ascending };
        for local in snapshot.locals(&range, 0, usize::MAX)? {
            let _ = writeln!(text, " {} {} {}", local.id, local.rev, local.json);
        }
        Ok::<_, Error>(())
    })
}
