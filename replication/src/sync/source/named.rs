//! Revisions that were asked for by name.

use std::collections::VecDeque;

use store::rev_tree::NodeId;
use store::{Database, DocTree, Seq, Snapshot};

use super::page::{Absent, Attachments, Extent, Page};
use super::{Read, SourceOptions};
use crate::PeerError;
use crate::sync::request::Terms;
use crate::sync::{Wish, Withheld};

/// The revisions that are still to be sent.
pub(super) struct Named {
    wishes: VecDeque<Wish>,
    /// How many revisions of the first wish are sent.
    done: usize,
}

impl Named {
    pub(super) fn new(wishes: Vec<Wish>) -> Self {
        Self { wishes: wishes.into(), done: 0 }
    }

    pub(super) fn read(
        &mut self,
        database: &Database,
        terms: &Terms,
        options: &SourceOptions,
        page: &mut Page,
    ) -> Result<Read, PeerError> {
        database.read::<_, store::Error>(|snapshot| {
            while let Some(wish) = self.wishes.front()
                && !page.is_full(options.batch)
            {
                let document = snapshot.tree(&wish.id)?;
                while self.done < wish.revs.len() {
                    if page.is_full(options.batch)
                        || !write(snapshot, document.as_ref(), wish, self.done, terms, page)?
                    {
                        return Ok(());
                    }
                    self.done += 1;
                }
                self.wishes.pop_front();
                self.done = 0;
            }
            Ok(())
        })?;
        let over = self.wishes.is_empty();
        let batch = (page.writer.documents() > 0).then_some(self.wishes.len() as u64);
        Ok(Read { through: Seq(0), batch, over })
    }
}

/// Writes one revision, or the newer ones that it led to; `false` when it is for another batch.
fn write(
    snapshot: &Snapshot<'_>,
    document: Option<&DocTree>,
    wish: &Wish,
    at: usize,
    terms: &Terms,
    page: &mut Page,
) -> Result<bool, store::Error> {
    let Some(rev) = wish.revs.get(at) else { return Ok(true) };
    let nodes = document.map(|document| (&document.tree, document.tree.latest(rev)));
    let Some((tree, nodes)) = nodes.filter(|(_, nodes)| !nodes.is_empty()) else {
        page.writer.document(Seq(0), &wish.id, 1);
        page.writer.withheld(rev, false, Withheld::Gone);
        return Ok(true);
    };
    let bytes = |at: &NodeId| tree.node(*at).stored.map_or(0, |stored| stored.bytes);
    if !page.has_room(nodes.iter().map(bytes).sum()) {
        return Ok(false);
    }
    let attachments = match wish.whole {
        true => Attachments::All,
        false => Attachments::Since(&wish.ancestors),
    };
    let extent = Extent { revs_max: usize::MAX, attachments, absent: Absent::Withheld };
    page.writer.document(Seq(0), &wish.id, nodes.len());
    for at in nodes {
        page.leaf(snapshot, tree, at, terms, &extent)?;
    }
    Ok(true)
}
