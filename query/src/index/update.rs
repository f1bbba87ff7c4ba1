//! Trees kept in step with the documents they follow from.
//!
//! Which rows a document has now is kept by its id, so that they can be taken out when it changes:
//! for each, which view it is of and its key.

mod builder;
mod rows;

use std::collections::HashSet;
use std::ops::ControlFlow;

use store::{Direction, Pages, PagesMut, varint};

pub use self::builder::Builder;
use self::rows::{Placed, decode_rows, encode_rows, place_rows};
use super::{Action, Collation, CollationKey, Cut, IndexError, KEYS_VERSION, Range, Reduce, Tree};

/// A view of an index: how its rows are ordered and reduced.
#[derive(Clone, Copy)]
pub struct View<'r> {
    /// By which order its keys are compared.
    pub collation: Collation,
    /// The reduce functions that share its rows.
    pub reducers: &'r [&'r dyn Reduce],
}

/// All rows of a document, in the order they were emitted; none where it is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocRows {
    /// The document.
    pub id: String,
    /// Its rows.
    pub rows: Vec<Emitted>,
}

/// A row as a document's view emitted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The view, by its number.
    pub view: usize,
    /// The key as JSON.
    pub key: String,
    /// The value as JSON.
    pub value: String,
}

/// Up to where an index goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last edit that is in it.
    pub update_seq: u64,
    /// The last purge that is in it.
    pub purge_seq: u64,
}

/// The key that progress is kept under.
const PROGRESS: &str = "progress";

/// Up to where an index goes; `None` where nothing was ever written.
///
/// # Errors
/// [`IndexError::Damaged`] when it has to be made again, also because its keys were written by another
/// release; or any other of [`IndexError`].
pub fn progress(pages: &dyn Pages) -> Result<Option<Progress>, IndexError> {
    let Some(bytes) = pages.meta(PROGRESS)? else { return Ok(None) };
    let mut rest = bytes.as_slice();
    let mut number = || varint::read(&mut rest).ok_or(IndexError::Damaged("progress"));
    if number()? != KEYS_VERSION {
        return Err(IndexError::Damaged("keys of another version"));
    }
    Ok(Some(Progress { update_seq: number()?, purge_seq: number()? }))
}

/// The tree of a view, to be read.
///
/// # Errors
/// Any of [`IndexError`].
pub fn tree<'r>(pages: &dyn Pages, number: usize, view: View<'r>) -> Result<Tree<'r>, IndexError> {
    Tree::open(pages, &format!("view-{number}"), view.reducers)
}

/// Key and value, as JSON, of each row that a document has in a view, ordered by key, then as they were
/// emitted.
///
/// # Errors
/// Any of [`IndexError`].
pub fn rows_of(
    pages: &dyn Pages,
    number: usize,
    view: View<'_>,
    id: &str,
) -> Result<Vec<(String, String)>, IndexError> {
    let Some(kept) = pages.document(id)? else { return Ok(Vec::new()) };
    let placed = decode_rows(&kept)?;
    let tree = tree(pages, number, view)?;
    let mut rows = Vec::new();
    let firsts = placed.iter().filter(|row| row.view == number && row.duplicate == 0);
    for row in firsts {
        let key = CollationKey::of_bytes(&row.key);
        let (low, high) = (Cut::before_document(&key, id), Cut::after_document(&key, id));
        let range = Range { low, high };
        tree.range(pages, &range, Direction::Ascending, (0, u64::MAX), &mut |row| {
            rows.push((row.key.to_owned(), row.value.to_owned()));
            ControlFlow::Continue(())
        })?;
    }
    Ok(rows)
}

/// Brings an index up to `to`: from now on these documents have these rows, and no others. Of a document
/// that occurs twice, the last counts.
///
/// # Errors
/// Any of [`IndexError`]; the write that this is a part of must not be committed then.
pub fn apply_batch(
    pages: &mut dyn PagesMut,
    views: &[View<'_>],
    batch: &[DocRows],
    to: Progress,
) -> Result<(), IndexError> {
    let is_new = progress(pages)?.is_none();
    let mut actions: Vec<Vec<Action>> = views.iter().map(|_| Vec::new()).collect();
    for document in last_of_each(batch) {
        let placed = place_rows(views, document)?;
        let kept = if is_new { None } else { pages.document(&document.id)? };
        let before = decode_rows(kept.as_deref().unwrap_or_default())?;
        for row in gone(&before, &placed) {
            let actions = actions.get_mut(row.view);
            let actions = actions.ok_or(IndexError::Damaged("rows of another view"))?;
            actions.push(Action::remove(&row.key, &document.id, row.duplicate));
        }
        for (row, emitted) in &placed {
            let Emitted { key, value, .. } = emitted;
            let put = Action::put(&row.key, &document.id, row.duplicate, key, value);
            actions[row.view].push(put);
        }
        keep_rows(pages, &document.id, kept.as_deref(), &encode_rows(&placed))?;
    }
    for (number, (view, mut actions)) in views.iter().zip(actions).enumerate() {
        actions.sort_unstable();
        tree(pages, number, *view)?.apply(pages, &actions)?;
    }
    set_progress(pages, to)
}

fn set_progress(pages: &mut dyn PagesMut, to: Progress) -> Result<(), IndexError> {
    let mut bytes = Vec::new();
    for number in [KEYS_VERSION, to.update_seq, to.purge_seq] {
        varint::write(&mut bytes, number);
    }
    Ok(pages.set_meta(PROGRESS, &bytes)?)
}

/// Each document once, in the order of their ids.
fn last_of_each(batch: &[DocRows]) -> Vec<&DocRows> {
    let mut seen = HashSet::new();
    let mut last: Vec<_> =
        batch.iter().rev().filter(|document| seen.insert(document.id.as_str())).collect();
    last.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    last
}

/// The rows of the first list that the second lacks; both are in order.
fn gone<'a>(before: &'a [Placed], now: &[(Placed, &Emitted)]) -> Vec<&'a Placed> {
    let mut now = now.iter().map(|(row, _)| row).peekable();
    let is_gone = |row: &&Placed| {
        while now.next_if(|present| present < row).is_some() {}
        now.peek() != Some(row)
    };
    before.iter().filter(is_gone).collect()
}

fn keep_rows(
    pages: &mut dyn PagesMut,
    id: &str,
    kept: Option<&[u8]>,
    rows: &[u8],
) -> Result<(), IndexError> {
    match (kept, rows) {
        (None, []) => {}
        (Some(_), []) => pages.remove_document(id)?,
        (Some(kept), rows) if kept == rows => {}
        (_, rows) => pages.put_document(id, rows)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests;
