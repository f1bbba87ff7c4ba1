//! What reduce functions make of rows.

use std::ops::ControlFlow;

use query::index::{GroupLevel, Range, Tree};
use query::view::ViewError;
use store::{Direction, Pages};

use crate::http::HttpError;
use crate::http::pages::PAGE_BYTES;

/// A group of rows, reduced.
pub(super) struct Group {
    /// What the rows' keys have in common, as JSON.
    pub(super) key: String,
    /// What is made of their values, as JSON.
    pub(super) value: String,
}

/// What is made of all rows of a range; nothing where there are none.
pub(super) fn whole(
    pages: &dyn Pages,
    tree: &Tree<'_>,
    range: &Range,
    function: usize,
) -> Result<Option<String>, HttpError> {
    let reduced = tree.reduce(pages, range, function).map_err(ViewError::from)?;
    let finish = |reduction: Vec<u8>| tree.finish(function, &reduction);
    Ok(reduced.map(finish).transpose().map_err(ViewError::from)?)
}

/// The first groups of a range, no more than are `wanted`, nor than a page holds.
pub(super) fn groups(
    pages: &dyn Pages,
    tree: &Tree<'_>,
    range: &Range,
    (level, function): (GroupLevel, usize),
    direction: Direction,
    wanted: usize,
) -> Result<Vec<Group>, HttpError> {
    let mut groups = Vec::new();
    let mut bytes = 0;
    let mut failed = None;
    if wanted == 0 {
        return Ok(groups);
    }
    tree.group(pages, range, level, function, direction, &mut |key, reduction| {
        match tree.finish(function, reduction) {
            Ok(value) => {
                bytes += key.len() + value.len();
                groups.push(Group { key: key.to_owned(), value });
            }
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        match groups.len() < wanted && bytes < PAGE_BYTES {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })
    .map_err(ViewError::from)?;
    match failed {
        Some(error) => Err(ViewError::from(error).into()),
        None => Ok(groups),
    }
}

#[cfg(test)]
mod tests {
    use query::Collation;
    use query::index::reduce::Builtin;
    use query::index::{DocRows, Emitted, IndexError, Progress, View, apply_batch, tree};
    use store::{Millis, Options, Store};

    use super::*;

    #[test]
    fn a_page_holds_so_many_bytes() {
        let options = Options { writer_threads: 0, open_databases_max: 4, device: [7; 32] };
        let store = Store::in_memory(&options).unwrap();
        let database = store.create(&"db".parse().unwrap(), Millis(0)).unwrap();
        let file = database.index(&"0a".parse().unwrap()).unwrap();
        let view = View { collation: Collation::Standard, reducers: &[&Builtin::Count] };
        let key = |number: u8| format!("\"{}{number:02}\"", "x".repeat(PAGE_BYTES / 16));
        let document = |number: u8| DocRows {
            id: number.to_string(),
            rows: vec![Emitted { view: 0, key: key(number), value: "1".into() }],
        };
        let documents: Vec<DocRows> = (0..40).map(document).collect();
        let to = Progress { update_seq: 1, purge_seq: 0 };
        file.write(|pages| apply_batch(pages, &[view], &documents, to)).unwrap();
        let found = |wanted: usize| {
            let look = |pages: &dyn Pages| {
                let tree = tree(pages, 0, view)?;
                let (range, by) = (Range::all(), (GroupLevel::Exact, 0));
                Ok(groups(pages, &tree, &range, by, Direction::Ascending, wanted))
            };
            file.read::<_, IndexError>(look).unwrap().unwrap().len()
        };
        assert_eq!(found(5), 5);
        assert_eq!(found(1000), 16);
    }
}
