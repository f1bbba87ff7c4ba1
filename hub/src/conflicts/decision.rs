//! A conflict decided by a person, as edits that are written together.

use store::rev_tree::{Derived, NodeId, RevTree};
use store::{Body, ConflictPolicy, Content, DocId, Edit, Lineage, NewAttachment, RevId};

use crate::http::HttpError;

/// The body of a tombstone.
const EMPTY: &str = "{}";

const UNKNOWN: HttpError = HttpError::NotFound("no live revision of the document is called so");

const DECIDED: HttpError = HttpError::NotFound("there is nothing to decide about the document");

/// The live leaf that is to be kept.
pub(super) fn kept(tree: &RevTree, keep: &RevId) -> Result<NodeId, HttpError> {
    let live = live_leaves(tree);
    if live.len() < 2 {
        return Err(DECIDED);
    }
    live.into_iter().find(|at| tree.node(*at).rev == *keep).ok_or(UNKNOWN)
}

/// Leaves that are not deleted, the winner first.
pub(super) fn live_leaves(tree: &RevTree) -> Vec<NodeId> {
    let mut leaves = tree.leaves();
    leaves.retain(|at| !tree.node(*at).deleted);
    leaves
}

/// The edits that decide for a leaf, whose `body` this is: one that says it again, so that it is newer than
/// whatever anybody decided before, and a tombstone for each other live leaf.
///
/// Where a policy decides conflicts, what loses to a person's decision is kept as what loses to a policy's.
/// Where none does, apps find the deletions that CouchDB's clients write.
pub(super) fn edits(
    id: &DocId,
    tree: &RevTree,
    kept: NodeId,
    body: Body,
    policy: &ConflictPolicy,
) -> Vec<Edit> {
    let again = Edit {
        id: id.clone(),
        lineage: Lineage::Child(Some(tree.node(kept).rev.clone())),
        deleted: false,
        attachments: body.attachments.into_iter().map(|attachment| stub(attachment.name)).collect(),
        body: body.json.into(),
    };
    let others = live_leaves(tree).into_iter().filter(|at| *at != kept);
    let tombstone = |at: NodeId| {
        let path = tree.ancestry(at).map(|node| node.rev.clone());
        let rev = tree.node(at).rev.clone();
        let lineage = match policy {
            ConflictPolicy::Keep => Lineage::Child(Some(rev)),
            _ => {
                let tombstone = Derived::Overwritten.tombstone(&rev);
                Lineage::Path(std::iter::once(tombstone).chain(path).collect())
            }
        };
        let (body, attachments) = (EMPTY.to_owned().into(), Vec::new());
        Edit { id: id.clone(), lineage, deleted: true, body, attachments }
    };
    std::iter::once(again).chain(others.map(tombstone)).collect()
}

/// An attachment that stays as it is.
fn stub(name: String) -> NewAttachment {
    NewAttachment { name, content_type: None, revpos: None, content: Content::Stub }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(leaves: &[(&str, bool)]) -> RevTree {
        let mut tree = RevTree::default();
        for (rev, deleted) in leaves {
            let path: Vec<RevId> = [rev, "1-root"].iter().map(|rev| rev.parse().unwrap()).collect();
            let _ = tree.insert_path(&path, *deleted, None).unwrap();
        }
        tree
    }

    fn decided(policy: &str) -> Vec<Edit> {
        let tree = tree(&[("2-a", false), ("2-b", false), ("2-c", true), ("2-d", false)]);
        let at = kept(&tree, &"2-a".parse().unwrap()).unwrap();
        let body = Body { json: r#"{"by":"a"}"#.into(), attachments: Vec::new() };
        edits(&"doc".parse().unwrap(), &tree, at, body, &policy.parse().unwrap())
    }

    #[test]
    fn what_is_kept_is_said_again_and_other_live_leaves_go() {
        for policy in ["keep", "newest", "newest_by:/at"] {
            let edits = decided(policy);
            assert_eq!(edits.len(), 3, "{policy}: the deleted leaf is none of it");
            assert_eq!((&*edits[0].body, edits[0].deleted), (r#"{"by":"a"}"#, false));
            let base = Some("2-a".parse().unwrap());
            assert!(matches!(&edits[0].lineage, Lineage::Child(rev) if *rev == base));
            assert!(edits[1..].iter().all(|edit| edit.deleted && &*edit.body == EMPTY));
        }
    }

    #[test]
    fn where_apps_decide_deletions_are_theirs() {
        let of = |edit: &Edit| match &edit.lineage {
            Lineage::Child(rev) => rev.clone().map(|rev| rev.to_string()),
            Lineage::Path(_) => None,
        };
        let bases: Vec<_> = decided("keep").iter().skip(1).filter_map(of).collect();
        assert_eq!(bases, ["2-d", "2-b"]);
        for edit in &decided("newest")[1..] {
            let Lineage::Path(path) = &edit.lineage else { panic!("no path") };
            assert_eq!((path.len(), Derived::of_path(path)), (3, Some(Derived::Overwritten)));
        }
    }

    #[test]
    fn only_live_leaves_of_a_conflict_can_be_kept() {
        let refused =
            |tree: &RevTree, rev: &str| kept(tree, &rev.parse().unwrap()).unwrap_err().to_string();
        let conflict = tree(&[("2-a", false), ("2-b", false), ("2-c", true)]);
        for rev in ["2-c", "1-root", "2-x"] {
            assert_eq!(refused(&conflict, rev), UNKNOWN.to_string(), "{rev}");
        }
        let none = tree(&[("2-a", false), ("2-c", true)]);
        assert_eq!(refused(&none, "2-a"), DECIDED.to_string());
    }
}
