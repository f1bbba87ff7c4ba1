//! Trees of rows, each page of which knows how many rows are below it and what the reduce functions
//! make of them.
//!
//! Pages are rewritten in place: whoever reads has a snapshot. The root is kept under the tree's name.

mod apply;
mod build;
mod group;
mod read;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use store::{PageId, Pages, PagesMut};

pub use self::apply::Action;
pub(crate) use self::build::{Entry, Source};
pub use self::group::GroupLevel;
use super::node::{Child, ChildView, Leaf, Node};
use super::{IndexError, Reduce, Row};

/// Levels of pages: more than any number of rows has.
const LEVELS_MAX: usize = 64;

/// Rows in order, with what reduce functions make of them.
pub struct Tree<'r> {
    /// Under which its root is kept.
    name: String,
    reducers: &'r [&'r dyn Reduce],
    root: Option<Child>,
    kept: Kept,
}

/// Pages that were read last: whoever looks for both ends of a range goes through the same ones.
#[derive(Default)]
struct Kept(RefCell<VecDeque<(PageId, Rc<Node>)>>);

/// How many of them; a search has one on each level.
const KEPT_MAX: usize = 16;

impl<'r> Tree<'r> {
    /// Finds a tree by its name; empty where there is none. The reduce functions must be those that it
    /// was always opened with.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    pub fn open(
        pages: &dyn Pages,
        name: &str,
        reducers: &'r [&'r dyn Reduce],
    ) -> Result<Self, IndexError> {
        let root = match pages.meta(name)? {
            Some(bytes) if !bytes.is_empty() => {
                let root = Child::decode(&bytes).ok_or(IndexError::Damaged("a root"))?;
                if root.reductions.len() != reducers.len() {
                    return Err(IndexError::Damaged("another number of reduce functions"));
                }
                Some(root)
            }
            _ => None,
        };
        Ok(Self { name: name.into(), reducers, root, kept: Kept::default() })
    }

    /// How many rows there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.root.as_ref().map_or(0, |root| root.count)
    }

    /// What a reduce function made of rows, as the JSON that a client sees.
    ///
    /// # Errors
    /// Where the function says what was wrong with the rows.
    pub fn finish(&self, function: usize, reduction: &[u8]) -> Result<String, IndexError> {
        let reducer = self.reducers.get(function).ok_or(IndexError::NoFunction(function))?;
        Ok(reducer.finish(reduction)?)
    }

    /// Reads a page, or takes it as it was read before from the same snapshot.
    fn node(
        &self,
        pages: &dyn Pages,
        child: ChildView<'_>,
        levels: usize,
    ) -> Result<Rc<Node>, IndexError> {
        let mut kept = self.kept.0.borrow_mut();
        if let Some((_, node)) = kept.iter().find(|(page, _)| *page == child.page) {
            return match levels {
                0 => Err(IndexError::Damaged("too many levels")),
                _ => Ok(Rc::clone(node)),
            };
        }
        let node = Rc::new(read_node(pages, child, levels)?);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((child.page, Rc::clone(&node)));
        Ok(node)
    }

    /// Keeps the root.
    fn save(&self, pages: &mut dyn PagesMut) -> Result<(), IndexError> {
        // The pages are others now.
        self.kept.0.borrow_mut().clear();
        let root = self.root.as_ref().map(Child::encode).unwrap_or_default();
        Ok(pages.set_meta(&self.name, &root)?)
    }

    /// What the reduce functions make of rows.
    fn reduce_rows(&self, entries: &[(&[u8], &[u8])]) -> Result<Vec<Vec<u8>>, IndexError> {
        if self.reducers.is_empty() {
            return Ok(Vec::new());
        }
        let rows = entries.iter().map(|(place, payload)| Row::read(place, payload));
        let rows: Vec<_> = rows.collect::<Option<_>>().ok_or(IndexError::Damaged("a row"))?;
        let reduced = self.reducers.iter().map(|reducer| reducer.reduce(&rows));
        Ok(reduced.collect::<Result<_, _>>()?)
    }

    /// What the reduce functions make of what they made of the rows below some pages.
    fn reduce_children(&self, children: &[Child]) -> Result<Vec<Vec<u8>>, IndexError> {
        let reduced = self.reducers.iter().enumerate().map(|(function, reducer)| {
            let parts: Option<Vec<&[u8]>> = children
                .iter()
                .map(|child| child.reductions.get(function).map(Vec::as_slice))
                .collect();
            let parts = parts.ok_or(IndexError::Damaged("a reduction is missing"))?;
            combine(*reducer, &parts)
        });
        reduced.collect()
    }
}

/// What a reduce function makes of its own results; of one, nothing else.
fn combine(reducer: &dyn Reduce, parts: &[&[u8]]) -> Result<Vec<u8>, IndexError> {
    match parts {
        [one] => Ok(one.to_vec()),
        parts => Ok(reducer.rereduce(parts)?),
    }
}

/// Reads a page, which has as many rows below it as the page above says: a tree that is damaged may
/// otherwise lead in circles.
fn read_node(pages: &dyn Pages, child: ChildView<'_>, levels: usize) -> Result<Node, IndexError> {
    let mut node = None;
    pages.page(child.page, &mut |page| node = Node::decode(page))?;
    let node = node.ok_or(IndexError::Damaged("a page"))?;
    let count = match &node {
        Node::Leaf(leaf) => Some(leaf.len() as u64),
        Node::Inner(inner) => inner.count(),
    };
    match count {
        _ if levels == 0 => Err(IndexError::Damaged("too many levels")),
        Some(count) if count == child.count => Ok(node),
        _ => Err(IndexError::Damaged("a count of rows")),
    }
}

fn read_leaf_row(leaf: &Leaf, number: usize) -> Result<Row<'_>, IndexError> {
    leaf.row(number).ok_or(IndexError::Damaged("a row"))
}

#[cfg(test)]
mod tests;
