//! Looking for damage: below the rows, between them, and in attachment files.

use std::collections::{BTreeSet, HashSet};
use std::io::Read as _;
use std::ops::ControlFlow;

use super::Database;
use super::commit::{Contents, Ledger, charges_of, decode_attachments, decode_tree, doc_row};
use super::held::held;
use super::overwritten::overwritten;
use super::purge::decode_purge;
use crate::changes::encode_leaves;
use crate::engine::{Counters, DocRow, Pins, Rows};
use crate::rev_tree::BodyId;
use crate::{Direction, Error};

/// Findings told of one database; damage tends to come in thousands.
const FINDINGS_MAX: usize = 100;

/// What is wrong, in plain words.
struct Findings(Vec<String>);

impl Findings {
    fn check(&mut self, right: bool, finding: impl FnOnce() -> String) {
        if !right && self.0.len() < FINDINGS_MAX {
            self.0.push(finding());
        }
    }
}

impl Database {
    /// Reads everything and compares: pages, documents with their feed rows, bodies, counters, the
    /// bytes of attachments with their hashes. Returns what is wrong, in plain words; empty is sound.
    ///
    /// # Errors
    /// Any of [`Error`] that keeps it from looking.
    pub fn verify(&self) -> Result<Vec<String>, Error> {
        let _held = self.hold_files()?;
        let engine = self.suspected()?;
        let mut findings = Findings(engine.check()?);
        let looked = engine.read(&mut |rows| {
            let counted = check_documents(rows, &mut findings)?;
            check_changes(rows, &counted, &mut findings)?;
            check_purges(rows, &mut findings)?;
            check_blobs(rows, &mut findings)
        });
        match looked {
            // What was found before says more.
            Err(error @ Error::Damaged(_)) => findings.check(false, || error.to_string()),
            looked => looked?,
        }
        Ok(findings.0)
    }
}

fn check_documents(rows: &dyn Rows, findings: &mut Findings) -> Result<Counters, Error> {
    let mut counted = Counters::default();
    let (mut bodies, mut charged) = (HashSet::new(), Ledger::default());
    let mut failed = Ok(());
    rows.docs_after("", &mut |row| {
        let sums = (&mut counted, &mut charged);
        failed = check_document(rows, &row, sums, &mut bodies, findings);
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed?;
    let known = Ledger::read(rows)?;
    findings.check(known.bytes() == charged.bytes(), || {
        format!("charged are {:?}, by trees {:?}", known.bytes(), charged.bytes())
    });
    check_pins(rows, &mut bodies, findings)?;
    let stored = rows.count_bodies()?;
    findings.check(stored == bodies.len() as u64, || {
        format!("{stored} bodies are stored, {} referred to", bodies.len())
    });
    Ok(counted)
}

fn check_document(
    rows: &dyn Rows,
    row: &DocRow,
    (counted, charged): (&mut Counters, &mut Ledger),
    bodies: &mut HashSet<BodyId>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let id = &row.head.id;
    let tree = match decode_tree(id, &row.tree) {
        Ok(tree) => tree,
        Err(error) => {
            findings.check(false, || error.to_string());
            return Ok(());
        }
    };
    charged.add(&charges_of(&tree));
    bodies.extend(tree.stored_bodies().iter().map(|stored| stored.body));
    let expected = doc_row(id, row.head.seq, &tree);
    findings.check(expected.head == row.head, || format!("{id:?}: row and tree differ"));
    let count = if row.head.deleted { &mut counted.docs_deleted } else { &mut counted.docs_live };
    *count += 1;
    counted.update_seq = counted.update_seq.max(row.head.seq);
    let mut change = None;
    rows.changes(row.head.seq.saturating_sub(1), Direction::Ascending, &mut |found| {
        change = Some(found);
        ControlFlow::Break(())
    })?;
    let expected = Some((row.head.seq, id.clone(), encode_leaves(&tree)));
    findings.check(change == expected, || format!("{id:?}: no matching row in the feed"));
    for leaf in tree.leaves() {
        let node = tree.node(leaf);
        let body = match node.stored {
            Some(stored) => rows.body(stored.body)?,
            None => None,
        };
        findings.check(body.is_some(), || format!("{id:?}: body of {} is gone", node.rev));
        let Some(body) = body else { continue };
        if let Err(error) = super::codec::decode(body.body) {
            findings.check(false, || format!("{id:?} {}: {error}", node.rev));
        }
        for attachment in decode_attachments(body.attachments.as_deref())? {
            let there = rows.blob_row(&attachment.content)?.is_some();
            findings.check(there, || {
                format!("{id:?} {}: attachment {:?} is gone", node.rev, attachment.name)
            });
        }
    }
    Ok(())
}

/// Bodies that lost or are held, which no tree has.
fn check_pins(
    rows: &dyn Rows,
    bodies: &mut HashSet<BodyId>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let (mut counted, mut pinned) = (Pins::default(), Vec::new());
    rows.overwritten(0, &mut |row| {
        counted.overwritten += 1;
        findings.check(overwritten(&row).is_ok(), || format!("overwritten {} is damaged", row.id));
        pinned.push((row.id, row.body));
        ControlFlow::Continue(())
    })?;
    rows.held(&mut |row| {
        counted.held += 1;
        findings.check(held(&row).is_ok(), || format!("held {} is damaged", row.id));
        pinned.push((row.id, row.body));
        ControlFlow::Continue(())
    })?;
    let known = rows.counters()?.pins;
    for (id, body) in pinned {
        findings.check(id <= known.last, || format!("row {id} is newer than the last one"));
        findings.check(bodies.insert(body), || format!("body {} has two owners", body.0));
        let contents = match Contents::of(rows, body) {
            Ok(contents) => contents,
            Err(error) => {
                findings.check(false, || error.to_string());
                continue;
            }
        };
        match contents.json() {
            Ok(json) => counted.bytes += json.len() as u64,
            Err(error) => findings.check(false, || error.to_string()),
        }
        counted.attachment_bytes += contents.attachment_bytes();
        for attachment in contents.attachments() {
            let there = rows.blob_row(&attachment.content)?.is_some();
            findings.check(there, || format!("attachment {:?} is gone", attachment.name));
        }
    }
    let Pins { last, newest_stamp, .. } = known;
    let counted = Pins { last, newest_stamp, ..counted };
    findings.check(counted == known, || format!("counters say {known:?}, rows {counted:?}"));
    Ok(())
}

fn check_changes(
    rows: &dyn Rows,
    counted: &Counters,
    findings: &mut Findings,
) -> Result<(), Error> {
    let counters = rows.counters()?;
    let live = (counters.docs_live, counters.docs_deleted);
    findings.check(live == (counted.docs_live, counted.docs_deleted), || {
        format!("counters say {live:?}, rows {:?}", (counted.docs_live, counted.docs_deleted))
    });
    findings.check(counters.update_seq >= counted.update_seq, || {
        "a document is newer than the last sequence".into()
    });
    let feed = rows.count_changes(0, u64::MAX)?;
    findings.check(feed == counted.docs_live + counted.docs_deleted, || {
        format!("{feed} rows in the feed, {} documents", counted.docs_live + counted.docs_deleted)
    });
    let mut seen = BTreeSet::new();
    rows.changes(0, Direction::Ascending, &mut |(seq, id, _)| {
        findings.check(seen.insert(id), || format!("a document twice in the feed, at {seq}"));
        ControlFlow::Continue(())
    })
}

fn check_purges(rows: &dyn Rows, findings: &mut Findings) -> Result<(), Error> {
    let last = rows.counters()?.purge_seq;
    rows.purges(0, &mut |row| {
        findings.check(row.seq <= last, || format!("purge {} is newer than the last one", row.seq));
        if let Err(error) = decode_purge(&row) {
            findings.check(false, || error.to_string());
        }
        ControlFlow::Continue(())
    })
}

fn check_blobs(rows: &dyn Rows, findings: &mut Findings) -> Result<(), Error> {
    let mut blobs = Vec::new();
    rows.blobs(&mut |blob| {
        blobs.push(blob);
        ControlFlow::Continue(())
    })?;
    for blob in blobs {
        let mut hasher = blake3::Hasher::new();
        let mut length = 0;
        let reading = match rows.blob(&blob.hash) {
            Ok(Some(mut reader)) => copy(&mut reader, &mut hasher, &mut length),
            Ok(None) => Err("its row is gone".into()),
            Err(error) => Err(error.to_string()),
        };
        let right = hasher.finalize().as_bytes() == &blob.hash.0 && length == blob.length;
        findings.check(right && reading.is_ok(), || match reading {
            Err(error) => format!("attachment {}: {error}", blob.hash),
            Ok(()) => format!("attachment {}: its bytes are not what was stored", blob.hash),
        });
    }
    Ok(())
}

fn copy(
    reader: &mut crate::AttachmentReader,
    hasher: &mut blake3::Hasher,
    length: &mut u64,
) -> Result<(), String> {
    let mut buffer = [0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer).map_err(|error| error.to_string())?;
        if read == 0 {
            return Ok(());
        }
        hasher.update(&buffer[..read]);
        *length += read as u64;
    }
}
