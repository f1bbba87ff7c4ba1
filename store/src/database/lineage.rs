//! Where an edit stands in its document's tree.

use crate::rev_tree::{NodeId, RevTree};
use crate::{EditError, RevId};

/// The leaf that an edit with `new_edits=true` follows.
pub(super) fn edited_leaf(
    tree: &RevTree,
    base: Option<&RevId>,
    deletes: bool,
) -> Result<Option<NodeId>, EditError> {
    match base {
        Some(rev) => {
            let at = tree.find(rev).filter(|at| tree.is_leaf(*at));
            at.map(Some).ok_or(EditError::Conflict)
        }
        // A deleted document comes back on top of its tombstone; deleting it again would be lost
        // work of somebody who saw another state.
        None if tree.is_deleted() && !deletes => Ok(tree.winner_id()),
        None if tree.is_empty() => Ok(None),
        None => Err(EditError::Conflict),
    }
}

/// Whether a delivery of this revision can change nothing: only a leaf without a body takes one.
pub(super) fn is_settled(tree: &RevTree, at: NodeId) -> bool {
    tree.node(at).stored.is_some() || !tree.is_leaf(at)
}

/// The nearest known revision of a path, and what it came from, nearest first.
pub(super) fn known_ancestors(tree: &RevTree, path: &[RevId]) -> Vec<NodeId> {
    let ancestors = path.iter().skip(1);
    ancestors.filter_map(|rev| tree.find(rev)).collect()
}
