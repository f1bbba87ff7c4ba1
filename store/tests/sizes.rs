//! The sizes that a database tells of, against the disk and against what was written.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use flate2::write::GzEncoder;
use store::{
    Content, Database, DbName, Direction, Edit, Error, Intake, Lineage, Millis, NewAttachment,
    Purge, RevId, Seq, Sizes, Store,
};
use support::{Random, fresh_seed, options, put};
use tempfile::TempDir;

const NOW: Millis = Millis(1_700_000_000_000);

/// How far `active` may be from what compaction then leaves, in percent: pages are more or less full.
const FORETOLD_PERCENT: u64 = 30;

/// What a file may have beside what is active, right after compaction: the index of the log, and pages
/// that were needed while it was filled.
const BESIDE_BYTES: u64 = 48 << 10;

/// A store with one database.
struct Site {
    folder: TempDir,
    store: Arc<Store>,
    database: Arc<Database>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &options()).unwrap();
        let database = store.create(&name(), NOW).unwrap();
        Self { folder, store, database }
    }

    fn reopened(self) -> Self {
        let Self { folder, store, database } = self;
        drop(database);
        store.close();
        drop(store);
        let store = Store::open(folder.path(), &options()).unwrap();
        let database = store.database(&name()).unwrap();
        Self { folder, store, database }
    }

    fn write(&self, edit: Edit) -> RevId {
        self.database.write(vec![edit], NOW).unwrap().remove(0).unwrap()
    }

    fn attach(&self, name: &str, bytes: &[u8], intake: Intake) -> NewAttachment {
        let mut writer = self.database.stage(1 << 30, intake).unwrap();
        writer.write_all(bytes).unwrap();
        let content = Content::Staged(writer.finish().unwrap());
        NewAttachment { name: name.into(), content_type: None, revpos: None, content }
    }

    fn sizes(&self) -> Sizes {
        self.database.info().unwrap().sizes
    }

    /// The sizes, once they were compared with the disk and with all that can be read.
    fn checked(&self) -> Sizes {
        let sizes = self.sizes();
        let folder = self.folder.path().join("databases").join(self.database.uuid().to_string());
        assert_eq!(sizes.file, bytes_below(&folder), "on disk");
        assert_eq!(sizes.external, external(&self.database));
        assert!(sizes.active <= sizes.file, "{sizes:?}");
        assert_eq!(self.database.verify().unwrap(), Vec::<String>::new());
        sizes
    }

    fn compact(&self) {
        self.database.compact(&mut |_, _| {}).unwrap();
    }
}

fn name() -> DbName {
    "db".parse().unwrap()
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { bytes_below(&path) } else { path.metadata().unwrap().len() })
        .sum()
}

/// What all leaves hold, read one by one.
fn external(database: &Database) -> u64 {
    let leaves = database.read(|snapshot| {
        let mut bytes = 0;
        for change in snapshot.changes(Seq(0), Direction::Ascending, usize::MAX)? {
            let tree = snapshot.tree(&change.id)?.unwrap().tree;
            for leaf in tree.leaves() {
                let body = snapshot.body(tree.node(leaf).stored.unwrap().body)?.unwrap();
                let attachments = body.attachments.iter().map(|attachment| attachment.length);
                bytes += body.json.len() as u64 + attachments.sum::<u64>();
            }
        }
        Ok::<_, Error>(bytes)
    });
    leaves.unwrap()
}

fn foretells(active: u64, left: u64) -> bool {
    active.abs_diff(left) <= left * FORETOLD_PERCENT / 100
}

/// Whether hardly anything is on the disk that compaction would not keep.
fn is_tight(sizes: Sizes) -> bool {
    sizes.file - sizes.active <= BESIDE_BYTES
}

fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.next() as u8).collect()
}

#[test]
fn file_is_what_lies_on_the_disk() {
    let site = Site::new();
    site.checked();
    let mut edit = put("x", None, "{}");
    edit.attachments = vec![
        site.attach("small", &[1; 1000], Intake::Plain),
        site.attach("large", &[2; 200_000], Intake::Plain),
    ];
    site.write(edit);
    assert!(site.checked().file > 201_000);
    let many = (0..3000).map(|number| put(&format!("doc-{number}"), None, "{\"some\":\"text\"}"));
    site.database.write(many.collect(), NOW).unwrap();
    let before = site.checked();
    let site = site.reopened();
    let after = site.checked();
    assert_eq!(after.external, before.external);
    assert!(after.active <= before.active && foretells(after.active, before.active));
    site.compact();
    site.checked();
}

#[test]
fn external_is_what_was_written() {
    let site = Site::new();
    let first = site.write(put("x", None, "{\"n\":1}"));
    assert_eq!(site.checked().external, 7);
    let second = site.write(put("x", Some(first.clone()), "{\"n\":1000}"));
    assert_eq!(site.checked().external, 10, "what was superseded counts no more");
    let mut branch = put("x", None, "{\"branch\":true}");
    branch.lineage = Lineage::Path(vec!["2-b".parse().unwrap(), first]);
    let branch = site.write(branch);
    assert_eq!(site.checked().external, 10 + 15, "both leaves of a conflict");
    site.write(Edit { deleted: true, ..put("x", Some(branch), "{}") });
    assert_eq!(site.checked().external, 10 + 2, "a tombstone has a body, too");
    site.write(Edit { deleted: true, ..put("x", Some(second), "{}") });
    assert_eq!(site.checked().external, 2 + 2);
    let revived = site.write(put("x", None, "{\"again\":1}"));
    assert_eq!(site.checked().external, 2 + 11);
    let purge = Purge { id: "x".parse().unwrap(), revs: vec![revived] };
    site.database.purge(vec![purge]).unwrap();
    site.checked();
    let site = site.reopened();
    site.checked();
    site.database.write_local("_local/x".parse().unwrap(), 0, Some("{\"a\":1}".into())).unwrap();
    let large = format!("{{\"a\":\"{}\"}}", "b".repeat(100_000));
    let before = site.sizes().external;
    site.write(put("large", None, &large));
    assert_eq!(site.checked().external, before + large.len() as u64, "before it is compressed");
}

#[test]
fn attachments_count_decoded_for_each_leaf_that_has_them() {
    let site = Site::new();
    let text = b"to and fro ".repeat(20_000);
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(&text).unwrap();
    let packed = encoder.finish().unwrap();
    let length = text.len() as u64;
    let mut plain = put("plain", None, "{}");
    plain.attachments = vec![site.attach("a", &text, Intake::Plain)];
    let plain_rev = site.write(plain.clone());
    assert_eq!(site.checked().external, 2 + length);
    // Two documents, one stored attachment.
    let mut packed_edit = put("packed", None, "{}");
    packed_edit.attachments = vec![
        site.attach("a", &packed, Intake::Gzip),
        site.attach("b", &text, Intake::Compress(8)),
        site.attach("c", b"tiny", Intake::Plain),
    ];
    let packed_rev = site.write(packed_edit.clone());
    packed_edit.id = "again".parse().unwrap();
    site.write(packed_edit);
    let all = 6 + 5 * length + 2 * 4;
    assert_eq!(site.checked().external, all);
    let full = site.sizes();

    // Kept by a stub, replaced, dropped.
    let stub = NewAttachment { content: Content::Stub, ..site.attach("a", b"", Intake::Plain) };
    let kept = Edit { attachments: vec![stub], ..put("packed", Some(packed_rev), "{}") };
    let packed_rev = site.write(kept);
    assert_eq!(site.checked().external, all - length - 4);
    let replacement = site.attach("a", &[9; 70_000], Intake::Plain);
    site.write(Edit { attachments: vec![replacement], ..put("plain", Some(plain_rev), "{}") });
    let replaced = all - length - 4 - length + 70_000;
    assert_eq!(site.checked().external, replaced);
    site.write(put("packed", Some(packed_rev), "{}"));
    let dropped = site.checked();
    assert_eq!(dropped.external, replaced - length);
    assert!(dropped.file > full.file, "nothing is given back before compaction");
    assert!(dropped.active < dropped.file - length, "what nobody has is not kept: {dropped:?}");

    let site = site.reopened();
    assert_eq!(site.checked().external, dropped.external);
    site.compact();
    let after = site.checked();
    assert_eq!(after.external, dropped.external);
    assert!(foretells(dropped.active, after.active) && is_tight(after));
}

/// A document whose history is cut at once: its superseded bodies are gone when the commit ends.
#[test]
fn what_goes_within_its_commit_counts_no_more() {
    let site = Site::new();
    site.database.set_revs_limit(1).unwrap();
    let mut rev = None;
    for number in 0..5_u8 {
        let mut edit = put("x", rev, "{}");
        edit.attachments = vec![site.attach("a", &[number; 5000], Intake::Plain)];
        rev = Some(site.write(edit));
        assert_eq!(site.checked().external, 5002);
    }
    let purge = Purge { id: "x".parse().unwrap(), revs: rev.into_iter().collect() };
    site.database.purge(vec![purge]).unwrap();
    assert_eq!(site.checked().external, 0);
    site.compact();
    assert_eq!(site.checked().external, 0);
}

/// Writes documents over and over, in no order of their ids, and compares what is foretold of compaction
/// with what it leaves.
fn supersede(documents: usize, revisions: usize, mut body: impl FnMut() -> String) {
    let site = Site::new();
    let mut revs = vec![None; documents];
    let mut rewrite = || {
        let id = |at| format!("document-{}", at * 7919 % documents);
        let edits = revs.iter_mut().enumerate().map(|(at, rev)| put(&id(at), rev.take(), &body()));
        let written = site.database.write(edits.collect(), NOW).unwrap();
        revs = written.into_iter().map(|written| Some(written.unwrap())).collect();
    };
    (0..revisions).for_each(|_| rewrite());
    let superseded = site.checked();
    site.compact();
    let compacted = site.checked();
    let shown = format!("{superseded:?} {compacted:?}");
    assert!(is_tight(compacted), "right after compaction: {shown}");
    assert!(foretells(superseded.active, compacted.active), "foretold: {shown}");
    rewrite();
    let once_more = site.checked();
    assert!(foretells(once_more.active, compacted.active), "{once_more:?}, after {shown}");
    assert!(once_more.file > compacted.file);
}

#[test]
fn active_foretells_what_compaction_leaves_of_many_bodies() {
    let mut random = Random::new(1);
    let mut hex = |length: usize| {
        let text: String =
            noise(&mut random, length / 2).iter().map(|b| format!("{b:02x}")).collect();
        format!("{{\"a\":\"{text}\"}}")
    };
    supersede(3000, 1, || hex(300));
    supersede(3000, 10, || hex(300));
    supersede(3000, 10, || hex(2));
    supersede(300, 60, || hex(2));
    supersede(60, 400, || hex(2));
    supersede(600, 20, || hex(3000));
    supersede(200, 20, || hex(20_000));
    supersede(400, 20, || format!("{{\"a\":\"{}\"}}", "compressible".repeat(2000)));
}

#[test]
fn no_random_work_makes_them_wrong() {
    let seed = fresh_seed();
    let mut random = Random::new(seed);
    let mut site = Site::new();
    for _ in 0..400 {
        let id = format!("doc-{}", random.below(12));
        let leaves = leaves_of(&site.database, &id);
        let at = random.below(leaves.len().max(1) as u64) as usize;
        let body = format!("{{\"n\":\"{}\"}}", "n".repeat(random.below(6000) as usize));
        let mut edit = put(&id, leaves.get(at).cloned(), &body);
        let with = random.below(4);
        for name in 0..with {
            let length = [10, 3000, 70_000][random.below(3) as usize];
            // Few different ones, so that many are shared.
            let bytes = vec![random.below(5) as u8; length];
            let intake = if random.below(2) == 0 { Intake::Plain } else { Intake::Compress(3) };
            edit.attachments.push(site.attach(&format!("a{name}"), &bytes, intake));
        }
        match random.below(20) {
            0 => site.compact(),
            1 => site = site.reopened(),
            2 => {
                let revs = leaves.get(at).cloned().into_iter().collect();
                site.database.purge(vec![Purge { id: id.parse().unwrap(), revs }]).unwrap();
            }
            3 => site.database.set_revs_limit(1 + random.below(3)).unwrap(),
            4..8 => {
                let mut path =
                    vec![format!("{}-{}", 1 + leaves.len(), random.next()).parse().unwrap()];
                path.extend(
                    leaves.get(at).cloned().filter(|rev| rev.generation == leaves.len() as u64),
                );
                edit.lineage = Lineage::Path(path);
                site.database.write(vec![edit], NOW).unwrap();
            }
            8..10 => {
                edit.deleted = true;
                site.database.write(vec![edit], NOW).unwrap();
            }
            _ => {
                site.database.write(vec![edit.clone(), edit], NOW).unwrap();
            }
        }
        let sizes = site.sizes();
        assert_eq!(sizes.external, external(&site.database), "seed {seed}");
        assert!(sizes.active <= sizes.file, "seed {seed}: {sizes:?}");
    }
    site.compact();
    let sizes = site.checked();
    assert!(is_tight(sizes), "seed {seed}: {sizes:?}");
}

fn leaves_of(database: &Database, id: &str) -> Vec<RevId> {
    let found = database.read(|snapshot| snapshot.tree(&id.parse().unwrap())).unwrap();
    let Some(found) = found else { return Vec::new() };
    found.tree.leaves().into_iter().map(|at| found.tree.node(at).rev.clone()).collect()
}
