//! An edit as validation functions see it before it is written.

use super::commit::time_of;
use super::lineage::{edited_leaf, is_settled, known_ancestors};
use super::{Snapshot, setting};
use crate::document::render::{
    append, begin_attachment, write_members, write_rev, write_signature,
};
use crate::rev_tree::{Derived, Node, NodeId, RevTree};
use crate::stamp::stamp_of;
use crate::{
    Attachment, ConflictPolicy, Content, DocTree, Edit, EditError, Error, Lineage, NewAttachment,
    Output, RevId, Show, json,
};

/// What an edit would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preview {
    /// Nothing: the revision is known.
    Known,
    /// What this database does itself where it meets the same conflict: a resolution tombstone, beside a
    /// leaf that is greater than what it takes away. Nobody need be asked.
    Resolution,
    /// It would be refused, whatever it holds.
    Refused(EditError),
    /// It would write this document.
    Document {
        /// The document as JSON text, with `_revisions`; `_rev` is the revision that is edited, or
        /// with `new_edits=false` its own.
        new: String,
        /// The revision that it follows, where that is stored.
        old: Option<String>,
    },
}

impl Snapshot<'_> {
    /// What an edit would do, were it committed to this snapshot.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn preview(&self, edit: &Edit) -> Result<Preview, Error> {
        let document = self.tree(&edit.id)?;
        let document = document.as_ref();
        let empty = RevTree::default();
        let tree = document.map_or(&empty, |document| &document.tree);
        let base = match &edit.lineage {
            Lineage::Child(base) => match edited_leaf(tree, base.as_ref(), edit.deleted) {
                // Whoever brings a deleted document back without naming its tombstone begins anew.
                Ok(at) => at.filter(|_| base.is_some()),
                Err(error) => return Ok(Preview::Refused(error)),
            },
            Lineage::Path(path) => match path.first() {
                None => return Ok(Preview::Refused(EditError::InvalidPath)),
                Some(tip) if tree.find(tip).is_some_and(|at| is_settled(tree, at)) => {
                    return Ok(Preview::Known);
                }
                Some(_) if self.resolves(edit, path, tree, &[])? => return Ok(Preview::Resolution),
                Some(_) => {
                    let mut ancestors = known_ancestors(tree, path).into_iter();
                    ancestors.find(|at| tree.node(*at).stored.is_some())
                }
            },
        };
        let old = match (document, base) {
            (Some(document), Some(at)) => self.whole(edit, document, at)?,
            _ => None,
        };
        let kept = match (document, base.and_then(|at| tree.node(at).stored)) {
            (Some(_), Some(stored)) => self.body(stored.body)?.map(|body| body.attachments),
            _ => None,
        };
        let revs: Vec<RevId> = match (&edit.lineage, base) {
            (Lineage::Path(path), _) => path.clone(),
            (Lineage::Child(_), None) => Vec::new(),
            (Lineage::Child(_), Some(at)) => {
                tree.ancestry(at).map(|node| node.rev.clone()).collect()
            }
        };
        let new = render(edit, &revs, &kept.unwrap_or_default());
        Ok(Preview::Document { new: text(new)?, old })
    }

    /// Whether an edit would be a [`Preview::Resolution`] once others of its document were written that
    /// come with it.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn resolves_beside(&self, edit: &Edit, beside: &[&Edit]) -> Result<bool, Error> {
        let Lineage::Path(path) = &edit.lineage else { return Ok(false) };
        let document = self.tree(&edit.id)?;
        let tree = document.map(|document| document.tree).unwrap_or_default();
        self.resolves(edit, path, &tree, beside)
    }

    /// Whether an edit is a resolution tombstone that the tree, or what comes beside it, and the rule of this
    /// database justify. Without a greater leaf it is a deletion like any other.
    fn resolves(
        &self,
        edit: &Edit,
        path: &[RevId],
        tree: &RevTree,
        beside: &[&Edit],
    ) -> Result<bool, Error> {
        let ([_, lost, ..], true) = (path, edit.deleted && edit.attachments.is_empty()) else {
            return Ok(false);
        };
        if Derived::of_path(path) != Some(Derived::Overwritten) {
            return Ok(false);
        }
        let rule = setting::conflict_rule(self.rows.setting(setting::CONFLICT_RULE)?.as_deref())?;
        let field = match &rule.policy {
            ConflictPolicy::Keep => return Ok(false),
            ConflictPolicy::Newest => None,
            ConflictPolicy::NewestBy(field) => Some(field),
        };
        let time =
            |node: &Node| time_of(self.rows, field, node, node.stored.map(|stored| stored.body));
        let lost_at = tree.find(lost).map(|at| tree.node(at));
        let lost_time = lost_at.map_or_else(|| Ok(stamp_of(lost)), time)?;
        let beats = |other: &&Edit| {
            let Lineage::Path(path) = &other.lineage else { return false };
            let Some(tip) = path.first().filter(|_| Derived::of_path(path).is_none()) else {
                return false;
            };
            let told = field.and_then(|field| field.time_in(&other.body));
            let by_time = told.or_else(|| stamp_of(tip)).cmp(&lost_time);
            by_time.then_with(|| tip.cmp(lost)).is_gt()
        };
        Ok(lost_time.is_some()
            && (beside.iter().any(beats) || tree.is_beaten(lost, lost_time, time)?))
    }

    /// A stored revision with everything that validation functions see of it.
    fn whole(&self, edit: &Edit, document: &DocTree, at: NodeId) -> Result<Option<String>, Error> {
        let rev = &document.tree.node(at).rev;
        let show = Show { revs: true, ..Show::default() };
        let mut out = Output::new();
        let found = self.render_revision(&edit.id, document, rev, &show, &mut out)?;
        found.then(|| text(std::mem::take(out.text()))).transpose()
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Error::Damaged("a document is not UTF-8".into()))
}

/// The document that an edit makes.
fn render(edit: &Edit, revs: &[RevId], kept: &[Attachment]) -> Vec<u8> {
    let mut text = Vec::with_capacity(edit.body.len() + 256);
    text.extend_from_slice(b"{\"_id\":");
    json::write_string(&mut text, edit.id.as_str());
    if let Some(rev) = revs.first() {
        text.extend_from_slice(b",\"_rev\":");
        write_rev(&mut text, rev);
    }
    write_members(&mut text, &edit.body);
    if edit.deleted {
        text.extend_from_slice(b",\"_deleted\":true");
    }
    if let Some(rev) = revs.first() {
        append(&mut text, format_args!(",\"_revisions\":{{\"start\":{},\"ids\":[", rev.generation));
        for (index, rev) in revs.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            write_signature(&mut text, &rev.signature);
        }
        text.extend_from_slice(b"]}");
    }
    for (index, attachment) in edit.attachments.iter().enumerate() {
        let separator: &[u8] = if index == 0 { b",\"_attachments\":{" } else { b"," };
        text.extend_from_slice(separator);
        write_stub(&mut text, attachment, revs, kept);
    }
    if !edit.attachments.is_empty() {
        text.push(b'}');
    }
    text.push(b'}');
    text
}

/// An attachment as a stub: as it is stored, or as it will be.
fn write_stub(text: &mut Vec<u8>, new: &NewAttachment, revs: &[RevId], kept: &[Attachment]) {
    if let Content::Stub = new.content
        && let Some(stored) = kept.iter().find(|stored| stored.name == new.name)
    {
        begin_attachment(stored, text);
        append(text, format_args!("\"length\":{},\"stub\":true}}", stored.length));
        return;
    }
    json::write_string(text, &new.name);
    text.extend_from_slice(b":{\"content_type\":");
    json::write_string(text, new.content_type.as_deref().unwrap_or("application/octet-stream"));
    let next = revs.first().map_or(1, |rev| rev.generation.saturating_add(1));
    append(text, format_args!(",\"revpos\":{}", new.revpos.unwrap_or(next)));
    if let Content::Staged(staged) = &new.content {
        let (digest, length) = (staged.digest, staged.length);
        append(text, format_args!(",\"digest\":\"{digest}\",\"length\":{length}"));
    }
    text.extend_from_slice(b",\"stub\":true}");
}
