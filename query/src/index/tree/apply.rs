//! Rows added to a tree and taken from it, many at once.

use std::cmp::Ordering;
use std::collections::VecDeque;

use store::{PageId, PagesMut};

use super::build::{self, Source};
use super::{LEVELS_MAX, Tree, read_node};
use crate::index::IndexError;
use crate::index::node::{
    CHILDREN_MIN, Child, Filling, Inner, Leaf, Node, PAGE_BYTES_FULL, PAGE_BYTES_MIN, separator,
    split,
};
use crate::index::row::{write_payload, write_place};

/// What to do at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    pub(crate) place: Vec<u8>,
    /// What the row is from now on; `None` for no row.
    pub(crate) payload: Option<Vec<u8>>,
}

impl Action {
    /// Puts a row; `duplicate` counts the document's rows with this key, in the order of emission.
    #[must_use]
    pub fn put(collation_key: &[u8], id: &str, duplicate: u32, key: &str, value: &str) -> Self {
        let mut payload = Vec::with_capacity(key.len() + value.len() + 2);
        write_payload(&mut payload, key, value);
        Self { payload: Some(payload), ..Self::remove(collation_key, id, duplicate) }
    }

    /// Takes a row away, if it is there.
    #[must_use]
    pub fn remove(collation_key: &[u8], id: &str, duplicate: u32) -> Self {
        let mut place = Vec::with_capacity(collation_key.len() + id.len() + 3);
        write_place(&mut place, collation_key, id, duplicate);
        Self { place, payload: None }
    }
}

/// A page after a change; one page may have become several.
struct Kid {
    child: Child,
    /// How long it is, if it was written.
    written: Option<usize>,
}

/// Where a page lies that is being changed.
#[derive(Clone, Copy)]
struct At {
    filling: Filling,
    levels: usize,
}

impl Tree<'_> {
    /// Does what the actions say, which are in order, and at most one for each place. Rows that are
    /// put as they are already cost no write.
    ///
    /// # Errors
    /// Any of [`IndexError`]; the write that this is a part of must not be committed then.
    pub fn apply(
        &mut self,
        pages: &mut dyn PagesMut,
        actions: &[Action],
    ) -> Result<(), IndexError> {
        if actions.is_empty() {
            return Ok(());
        }
        let Some(root) = self.root.take() else {
            return self.build(pages, &mut Puts(actions.iter()));
        };
        let at = At { filling: Filling::Last, levels: LEVELS_MAX };
        let mut kids = self.change(pages, root, actions, at)?;
        while kids.len() > 1 {
            kids = self.write_inners(pages, kids, VecDeque::new(), Filling::Last)?;
        }
        self.root = match kids.pop() {
            Some(Kid { child, written }) => Some(match written {
                Some(_) => shrink(pages, child)?,
                None => child,
            }),
            None => None,
        };
        self.save(pages)
    }

    /// Changes a page and what is below it; what is there then.
    fn change(
        &self,
        pages: &mut dyn PagesMut,
        child: Child,
        actions: &[Action],
        at: At,
    ) -> Result<Vec<Kid>, IndexError> {
        match read_node(pages, child.view(), at.levels)? {
            Node::Leaf(leaf) => self.change_leaf(pages, child, &leaf, actions, at),
            Node::Inner(inner) => self.change_inner(pages, child, &inner, actions, at),
        }
    }

    fn change_leaf(
        &self,
        pages: &mut dyn PagesMut,
        child: Child,
        leaf: &Leaf,
        actions: &[Action],
        at: At,
    ) -> Result<Vec<Kid>, IndexError> {
        let Some(entries) = merge(leaf, actions) else {
            return Ok(vec![Kid { child, written: None }]);
        };
        self.write_leaves(pages, &entries, &child, at.filling)
    }

    /// Writes rows into the page that they were in, and as many more as it takes.
    fn write_leaves(
        &self,
        pages: &mut dyn PagesMut,
        entries: &[(&[u8], &[u8])],
        old: &Child,
        filling: Filling,
    ) -> Result<Vec<Kid>, IndexError> {
        let mut before: &[u8] = &[];
        let sizes: Vec<_> = entries
            .iter()
            .map(|(place, payload)| {
                Leaf::entry_bytes(place, payload, std::mem::replace(&mut before, place))
            })
            .collect();
        let splits = split(&sizes, 1, filling);
        if splits.is_empty() {
            pages.free_page(old.page)?;
        }
        let mut kids = Vec::with_capacity(splits.len());
        for split in splits {
            let (low, page) = match split.start.checked_sub(1) {
                None => (old.low.clone(), old.page),
                Some(last) => {
                    (separator(entries[last].0, entries[split.start].0), pages.new_page()?)
                }
            };
            let entries = &entries[split];
            let bytes = Leaf::encode(entries);
            pages.put_page(page, &bytes)?;
            let reductions = self.reduce_rows(entries)?;
            let child = Child { low, page, count: entries.len() as u64, reductions };
            kids.push(Kid { child, written: Some(bytes.len()) });
        }
        Ok(kids)
    }

    fn change_inner(
        &self,
        pages: &mut dyn PagesMut,
        child: Child,
        inner: &Inner,
        actions: &[Action],
        at: At,
    ) -> Result<Vec<Kid>, IndexError> {
        let mut kids = Vec::with_capacity(inner.len() + 1);
        let mut left = actions;
        let last = inner.len() - 1;
        let mut is_changed = false;
        for number in 0..inner.len() {
            let end = match number == last {
                true => left.len(),
                false => {
                    let bound = inner.child(number + 1).low;
                    left.partition_point(|action| action.place.as_slice() < bound)
                }
            };
            let (own, rest) = left.split_at(end);
            left = rest;
            let old = inner.child(number).to_child().ok_or(IndexError::Damaged("a page"))?;
            if own.is_empty() {
                kids.push(Kid { child: old, written: None });
                continue;
            }
            let filling = if number == last { at.filling } else { Filling::Within };
            let new = self.change(pages, old, own, At { filling, levels: at.levels - 1 })?;
            is_changed |= !matches!(new.as_slice(), [Kid { written: None, .. }]);
            kids.extend(new);
        }
        if !is_changed {
            return Ok(vec![Kid { child, written: None }]);
        }
        self.join_small(pages, &mut kids)?;
        if kids.is_empty() {
            pages.free_page(child.page)?;
            return Ok(kids);
        }
        kids[0].child.low = child.low;
        self.write_inners(pages, kids, VecDeque::from([child.page]), at.filling)
    }

    /// Writes pages of pages, into these pages first.
    fn write_inners(
        &self,
        pages: &mut dyn PagesMut,
        kids: Vec<Kid>,
        mut old: VecDeque<PageId>,
        filling: Filling,
    ) -> Result<Vec<Kid>, IndexError> {
        let children: Vec<Child> = kids.into_iter().map(|kid| kid.child).collect();
        let mut before: &[u8] = &[];
        let sizes: Vec<_> = children
            .iter()
            .map(|child| child.entry_bytes(std::mem::replace(&mut before, &child.low)))
            .collect();
        let mut kids = Vec::new();
        for split in split(&sizes, CHILDREN_MIN, filling) {
            let page = match old.pop_front() {
                Some(page) => page,
                None => pages.new_page()?,
            };
            kids.push(self.write_inner(pages, page, &children[split])?);
        }
        Ok(kids)
    }

    /// Writes one page of pages.
    fn write_inner(
        &self,
        pages: &mut dyn PagesMut,
        page: PageId,
        children: &[Child],
    ) -> Result<Kid, IndexError> {
        let bytes = Inner::encode(children);
        pages.put_page(page, &bytes)?;
        Ok(Kid { child: self.over(page, children)?, written: Some(bytes.len()) })
    }

    /// What is said of a page of these pages.
    pub(super) fn over(&self, page: PageId, children: &[Child]) -> Result<Child, IndexError> {
        let low = children.first().map(|child| child.low.clone()).unwrap_or_default();
        let count = children.iter().map(|child| child.count).sum();
        Ok(Child { low, page, count, reductions: self.reduce_children(children)? })
    }

    /// Makes one page of a page that became small and a neighbour, where they fit.
    fn join_small(&self, pages: &mut dyn PagesMut, kids: &mut Vec<Kid>) -> Result<(), IndexError> {
        let mut at = 0;
        while at < kids.len() && kids.len() > 1 {
            let is_small = kids[at].written.is_some_and(|bytes| bytes < PAGE_BYTES_MIN);
            if !is_small {
                at += 1;
                continue;
            }
            let first = if at + 1 < kids.len() { at } else { at - 1 };
            match self.join(pages, &kids[first].child, &kids[first + 1].child)? {
                Some(joined) => {
                    kids[first] = joined;
                    kids.remove(first + 1);
                    at = first;
                }
                None => at += 1,
            }
        }
        Ok(())
    }

    /// Puts what is in the second page into the first, if it fits.
    fn join(
        &self,
        pages: &mut dyn PagesMut,
        first: &Child,
        second: &Child,
    ) -> Result<Option<Kid>, IndexError> {
        let nodes = (
            read_node(pages, first.view(), LEVELS_MAX)?,
            read_node(pages, second.view(), LEVELS_MAX)?,
        );
        let joined = match nodes {
            (Node::Leaf(one), Node::Leaf(other)) => {
                let entries: Vec<_> = one.entries().chain(other.entries()).collect();
                let bytes = Leaf::encode(&entries);
                if bytes.len() > PAGE_BYTES_FULL {
                    return Ok(None);
                }
                pages.put_page(first.page, &bytes)?;
                let reductions = self.reduce_children(&[first.clone(), second.clone()])?;
                let count = first.count + second.count;
                let child = Child { low: first.low.clone(), page: first.page, count, reductions };
                Kid { child, written: Some(bytes.len()) }
            }
            (Node::Inner(one), Node::Inner(other)) => {
                let mut children = children(&one)?;
                let start = children.len();
                children.extend(self::children(&other)?);
                // Of the first in a page, only the page above knows the bound.
                children[start].low.clone_from(&second.low);
                children[0].low.clone_from(&first.low);
                if Inner::encode(&children).len() > PAGE_BYTES_FULL {
                    return Ok(None);
                }
                self.write_inner(pages, first.page, &children)?
            }
            _ => return Err(IndexError::Damaged("branches of different height")),
        };
        pages.free_page(second.page)?;
        Ok(Some(joined))
    }
}

fn children(inner: &Inner) -> Result<Vec<Child>, IndexError> {
    let children = inner.children().map(|child| child.to_child());
    children.collect::<Option<_>>().ok_or(IndexError::Damaged("a page"))
}

/// Takes pages that have one page each from above a tree.
fn shrink(pages: &mut dyn PagesMut, mut root: Child) -> Result<Child, IndexError> {
    for levels in (0..LEVELS_MAX).rev() {
        match read_node(pages, root.view(), levels)? {
            Node::Inner(inner) if inner.len() == 1 => {
                pages.free_page(root.page)?;
                root = inner.child(0).to_child().ok_or(IndexError::Damaged("a page"))?;
            }
            _ => break,
        }
    }
    Ok(root)
}

/// A page's rows with the actions done; `None` where that changes nothing.
fn merge<'a>(leaf: &'a Leaf, actions: &'a [Action]) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let mut merged = Vec::with_capacity(leaf.len() + actions.len());
    let mut is_changed = false;
    let mut row = 0;
    for action in actions {
        while row < leaf.len() && leaf.place(row) < action.place.as_slice() {
            merged.push(leaf.entry(row));
            row += 1;
        }
        let present = (row < leaf.len()).then(|| leaf.entry(row));
        let present =
            present.filter(|(place, _)| place.cmp(&action.place.as_slice()) == Ordering::Equal);
        row += usize::from(present.is_some());
        let new = action.payload.as_deref();
        is_changed |= present.map(|(_, payload)| payload) != new;
        merged.extend(new.map(|payload| (action.place.as_slice(), payload)));
    }
    merged.extend((row..leaf.len()).map(|row| leaf.entry(row)));
    is_changed.then_some(merged)
}

/// The rows that actions put.
struct Puts<'a>(std::slice::Iter<'a, Action>);

impl Source for Puts<'_> {
    fn next(&mut self) -> Result<Option<build::Entry<'_>>, IndexError> {
        let put = |action: &'_ Action| action.payload.is_some();
        let next = self.0.find(|action| put(action));
        Ok(next.and_then(|action| Some((action.place.as_slice(), action.payload.as_deref()?))))
    }
}
