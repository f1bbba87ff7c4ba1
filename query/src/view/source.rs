//! Documents that changed, as map functions are shown them.

use store::{Change, Database, Direction, Error, Output, Seq, Show, Snapshot};

use crate::design::ViewOptions;

/// Changes read from one snapshot, and bytes of their documents; one document more may exceed them.
const CHANGES_MAX: usize = 500;
const BYTES_MAX: usize = 2 << 20;

/// Documents that changed one after the other.
pub(crate) struct Changed {
    /// Each with its text, or without where it has no rows: it is deleted, or not to be mapped.
    pub(crate) documents: Vec<(String, Option<String>)>,
    /// Up to where everything is among them, or was before.
    pub(crate) position: Seq,
    /// Whether nothing follows.
    pub(crate) last: bool,
}

/// Reads what changed after a position and not after another, some of it.
pub(crate) fn read(
    database: &Database,
    after: Seq,
    until: Seq,
    options: ViewOptions,
) -> Result<Changed, Error> {
    database.read(|snapshot| {
        let mut changes = snapshot.changes(after, Direction::Ascending, CHANGES_MAX)?;
        let all = changes.len() < CHANGES_MAX;
        // What changed since comes again behind it: each document is seen once.
        let read = changes.len();
        changes.retain(|change| change.seq <= until);
        let all = all || changes.len() < read;
        let mut documents = Vec::with_capacity(changes.len());
        let (mut position, mut bytes, mut left) = (after, 0, changes.len());
        for change in changes {
            position = change.seq;
            left -= 1;
            let text = text(snapshot, &change, options)?;
            bytes += text.as_ref().map_or(0, String::len);
            documents.push((change.id.as_str().to_owned(), text));
            if bytes >= BYTES_MAX {
                break;
            }
        }
        Ok(Changed { documents, position, last: all && left == 0 })
    })
}

fn text(
    snapshot: &Snapshot<'_>,
    change: &Change,
    options: ViewOptions,
) -> Result<Option<String>, Error> {
    let deleted = change.leaves.first().is_none_or(|(_, deleted)| *deleted);
    if deleted || (change.id.is_design() && !options.include_design) {
        return Ok(None);
    }
    let Some(head) = snapshot.head(&change.id)? else { return Ok(None) };
    let several = change.leaves.len() > 1;
    let show = Show {
        conflicts: several,
        deleted_conflicts: several,
        local_seq: options.local_seq,
        ..Show::default()
    };
    let mut out = Output::new();
    snapshot.render_winner(&head, &show, &mut out)?;
    let damaged = |_| Error::Damaged(format!("document {} is not UTF-8", change.id));
    String::from_utf8(std::mem::take(out.text())).map(Some).map_err(damaged)
}
