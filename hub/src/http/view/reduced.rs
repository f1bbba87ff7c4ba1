//! What reduce functions make of rows.

use std::ops::ControlFlow;

use query::index::{GroupLevel, Range, Tree};
use query::view::ViewError;
use store::{Direction, Pages};

use crate::http::HttpError;

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

/// The first groups of a range.
pub(super) fn groups(
    pages: &dyn Pages,
    tree: &Tree<'_>,
    range: &Range,
    (level, function): (GroupLevel, usize),
    direction: Direction,
    wanted: usize,
) -> Result<Vec<Group>, HttpError> {
    let mut groups = Vec::new();
    let mut failed = None;
    if wanted == 0 {
        return Ok(groups);
    }
    tree.group(pages, range, level, function, direction, &mut |key, reduction| {
        match tree.finish(function, reduction) {
            Ok(value) => groups.push(Group { key: key.to_owned(), value }),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        match groups.len() < wanted {
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
