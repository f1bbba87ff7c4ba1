//! A fault at each row of a write in turn: nothing of that write is to be seen, and all goes on.

#![cfg(test)]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use super::Faults;
use crate::stamp::{EditContent, Stamp, stamped};
use crate::{
    ConflictPolicy, ConflictRule, Content, Database, DbName, Direction, DocId, Edit, Error,
    IdRange, Intake, Lineage, Millis, NewAttachment, Options, Purge, RevId, Seq, Store,
};

/// A store that fails on cue, with one database.
struct Site {
    store: Arc<Store>,
    database: Arc<Database>,
    faults: Arc<Faults>,
}

impl Site {
    fn open(folder: &Path) -> Self {
        let options = Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] };
        let faults = Arc::new(Faults::default());
        let store = Store::open_faulty(folder, &options, &faults).unwrap();
        let name: DbName = "db".parse().unwrap();
        let database = store.database(&name);
        let database = database.unwrap_or_else(|| store.create(&name, Millis(1)).unwrap());
        Self { store, database, faults }
    }

    fn close(self) {
        let Self { store, database, .. } = self;
        drop(database);
        store.close();
    }

    /// All that can be seen.
    fn seen(&self) -> String {
        assert_eq!(self.database.verify().unwrap(), Vec::<String>::new());
        describe(&self.database).unwrap()
    }
}

fn describe(database: &Database) -> Result<String, Error> {
    let info = database.info()?;
    let limit = database.revs_limit()?;
    let mut text = format!(
        "{} {} {:?} {:?} {} {limit} {:?}\n",
        info.doc_count,
        info.doc_del_count,
        info.update_seq,
        info.purge_seq,
        info.sizes.external,
        database.update_seq(),
    );
    database.read(|snapshot| {
        for change in snapshot.changes(Seq(0), Direction::Ascending, usize::MAX)? {
            let _ = writeln!(text, "{change:?}");
            let tree = snapshot.tree(&change.id)?.expect("a document of the feed").tree;
            for leaf in tree.leaves().into_iter().filter_map(|leaf| tree.node(leaf).stored) {
                let body = snapshot.body(leaf.body)?.expect("the body of a leaf");
                let _ = writeln!(text, " {body:?}");
                for attachment in &body.attachments {
                    let mut bytes = Vec::new();
                    snapshot.attachment(attachment)?.read_to_end(&mut bytes).expect("its bytes");
                }
            }
        }
        let all = IdRange { start: None, end: None, direction: Direction::Ascending };
        let _ = writeln!(text, "{:?}", snapshot.locals(&all, 0, usize::MAX)?);
        let _ = writeln!(text, "{:?}", snapshot.purges(0, usize::MAX)?);
        for lost in snapshot.overwritten(0, usize::MAX)? {
            let _ = writeln!(text, "{:?}", snapshot.overwritten_contents(lost.id)?);
        }
        Ok::<_, Error>(())
    })?;
    let _ = writeln!(text, "{:?} {:?}", database.held()?, database.conflict_rule()?);
    Ok(text)
}

fn edit(id: &str, lineage: Lineage, body: &str) -> Edit {
    let id = id.parse().unwrap();
    Edit { id, lineage, deleted: false, body: body.into(), attachments: Vec::new() }
}

fn attach(database: &Database, name: &str, byte: u8, length: usize) -> NewAttachment {
    let mut writer = database.stage(u64::MAX, Intake::Plain).unwrap();
    writer.write_all(&vec![byte; length]).unwrap();
    let content = Content::Staged(writer.finish().unwrap());
    NewAttachment { name: name.into(), content_type: None, revpos: None, content }
}

fn head(database: &Database, id: &str) -> Option<RevId> {
    let id: DocId = id.parse().unwrap();
    database.read(|snapshot| snapshot.head(&id)).unwrap().map(|head| head.rev)
}

fn write(database: &Database, edits: Vec<Edit>) -> Result<(), Error> {
    let outcomes = database.write(edits, Millis(9))?;
    outcomes.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    Ok(())
}

/// Brings revisions that are stamped so, each the first of its document.
fn deliver(database: &Database, revisions: &[(&str, Millis)]) -> Result<(), Error> {
    let edits = revisions.iter().map(|(id, at)| {
        let body = format!("{{\"stamped\":{}}}", at.0);
        let hash = blake3::hash(body.as_bytes());
        let (body_hash, device) = (hash.as_bytes(), &[9; 32]);
        let content = EditContent { parent: None, body: body_hash, attachments: &[], device };
        edit(id, Lineage::Path(vec![stamped(Stamp::at(*at), &content)]), &body)
    });
    let outcomes = database.deliver(edits.collect(), Millis(9), "elsewhere")?;
    outcomes.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    Ok(())
}

/// Stamped so, a revision is held.
const LATE: Millis = Millis(1 << 40);

/// A document with attachments and a history, one with a conflict, a tombstone, one that was overwritten,
/// one that is held, and others.
fn fill(database: &Database) {
    let rule = ConflictRule { policy: ConflictPolicy::Newest, version: 1 };
    database.set_conflict_rule(rule).unwrap();
    database.set_revs_limit(2).unwrap();
    for round in 0..3 {
        let mut first = edit("a", Lineage::Child(head(database, "a")), "{\"a\":1}");
        first.attachments =
            vec![attach(database, "in", round, 500), attach(database, "out", round, 70_000)];
        write(database, vec![first]).unwrap();
    }
    for rev in ["1-x", "1-y"] {
        let lineage = Lineage::Path(vec![rev.parse().unwrap()]);
        write(database, vec![edit("torn", lineage, "{}")]).unwrap();
    }
    let many = (0..10).map(|number| edit(&format!("many-{number}"), Lineage::Child(None), "{}"));
    write(database, many.collect()).unwrap();
    write(database, vec![edit("later", Lineage::Child(None), "{}")]).unwrap();
    deliver(database, &[("many-5", Millis(70)), ("many-6", LATE), ("many-7", Millis(3))]).unwrap();
    let gone = edit("many-0", Lineage::Child(head(database, "many-0")), "{}");
    write(database, vec![Edit { deleted: true, ..gone }]).unwrap();
    database.write_local("_local/x".parse().unwrap(), 0, Some("{}".into())).unwrap();
}

/// Does the work with a fault at its first row, its second, and so on until there is none to fail at;
/// how many there were.
#[track_caller]
fn check(work: impl Fn(&Database) -> Result<(), Error>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::open(folder.path());
    fill(&site.database);
    for row in 1.. {
        let before = site.seen();
        site.faults.fail_at_row(row);
        let outcome = work(&site.database);
        site.faults.fail_at_row(0);
        let Err(error) = outcome else {
            assert_eq!(site.faults.struck(), 0, "a fault that nobody was told of");
            assert_eq!(site.database.verify().unwrap(), Vec::<String>::new());
            return row - 1;
        };
        assert!(matches!(error, Error::Io { .. }), "row {row}: {error}");
        assert_eq!(site.faults.struck(), 1, "row {row}: nothing goes on after a fault");
        assert_eq!(site.seen(), before, "row {row}");
        // Always the same document, so that the work has as many rows the next time.
        let later = Lineage::Child(head(&site.database, "later"));
        let later = edit("later", later, &format!("{{\"row\":{row}}}"));
        write(&site.database, vec![later]).unwrap();
        let after = site.seen();
        assert_ne!(after, before);
        site.close();
        site = Site::open(folder.path());
        assert_eq!(site.seen(), after, "row {row}: opened again");
    }
    unreachable!("work has an end")
}

#[test]
fn edits_are_written_whole_or_not_at_all() {
    let rows = check(|database| {
        let mut first = edit("a", Lineage::Child(head(database, "a")), "{\"more\":1}");
        let stub = NewAttachment { content: Content::Stub, ..attach(database, "in", 0, 0) };
        first.attachments = vec![stub, attach(database, "out", 77, 80_000)];
        let branch = Lineage::Path(vec!["2-z".parse().unwrap(), "1-x".parse().unwrap()]);
        let again = edit("many-0", Lineage::Child(None), "{}");
        let gone = edit("many-1", Lineage::Child(head(database, "many-1")), "{}");
        let gone = Edit { deleted: true, ..gone };
        let mut new = edit("new", Lineage::Child(None), "{}");
        new.attachments = vec![attach(database, "in", 9, 10)];
        write(database, vec![first, edit("torn", branch, "{}"), again, gone, new])
    });
    assert!(rows > 25, "{rows}");
}

#[test]
fn purges_are_written_whole_or_not_at_all() {
    let rows = check(|database| {
        let ids = ["a", "torn", "many-2"];
        let purges = ids.map(|id| Purge {
            id: id.parse().unwrap(),
            revs: head(database, id).into_iter().collect(),
        });
        database.purge(purges.into()).map(drop)
    });
    assert!(rows > 15, "{rows}");
}

#[test]
fn conflicts_are_decided_whole_or_not_at_all() {
    let rows = check(|database| {
        let later = Millis(100);
        deliver(database, &[("a", later), ("many-1", later), ("many-2", Millis(1)), ("new", LATE)])
    });
    assert!(rows > 30, "{rows}");
    assert!(check(|database| database.release_due(LATE).map(drop)) > 10);
    let id = |database: &Database| database.held().unwrap()[0].id;
    assert!(check(|database| database.release(id(database), Millis(9)).map(drop)) > 10);
    assert!(check(|database| database.trim_overwritten(LATE, 0).map(drop)) > 5);
    let rows = check(|database| {
        let revs = head(database, "many-5").into_iter().collect();
        let purge = |id: &str, revs| Purge { id: id.parse().unwrap(), revs };
        let held = database.held().unwrap().iter().map(|held| held.rev.clone()).collect();
        database.purge(vec![purge("many-5", revs), purge("many-6", held)]).map(drop)
    });
    assert!(rows > 15, "{rows}");
}

#[test]
fn what_is_no_document_is_written_whole_or_not_at_all() {
    let local = |database: &Database| {
        database.write_local("_local/x".parse().unwrap(), 1, Some("{\"a\":1}".into())).map(drop)
    };
    assert!(check(local) > 2);
    assert!(check(|database| database.set_revs_limit(7)) > 2);
}

/// Here each write is one of many: that of the new file which is at fault, and nothing else.
#[test]
fn compaction_copies_everything_or_changes_nothing() {
    let rows = check(|database| database.compact(&mut |_, _| {}));
    assert!(rows > 40, "{rows}");
}
