//! Rows reduced group by group.

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde_json::value::RawValue;
use store::{Direction, Pages};

use super::read::Span;
use super::{LEVELS_MAX, Tree, read_leaf_row, read_node};
use crate::index::key::{group_len, inner_group_len, value_len};
use crate::index::node::{Leaf, Node};
use crate::index::{Cut, IndexError, Range};

/// What rows of one group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupLevel {
    /// The key.
    Exact,
    /// So many first elements of keys that are arrays, at least one; the key where it is none.
    Elements(usize),
    /// Of keys that are pairs the first element, and of the second what [`Self::Elements`] has of keys.
    InnerElements(usize),
}

const NO_PAIR: IndexError = IndexError::Damaged("a key is no pair");

/// A page of rows, kept while the next group lies in it, too.
struct Cursor<'a> {
    tree: &'a Tree<'a>,
    pages: &'a dyn Pages,
    leaf: Leaf,
    /// The number of its first row.
    base: u64,
}

impl Tree<'_> {
    /// Shows the key of each group of a range as JSON, and what one reduce function makes of its rows.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    pub fn group(
        &self,
        pages: &dyn Pages,
        range: &Range,
        level: GroupLevel,
        function: usize,
        direction: Direction,
        visit: &mut dyn FnMut(&str, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        let Span { mut from, mut until } = self.span(pages, range)?;
        let mut cursor = Cursor { tree: self, pages, leaf: Leaf::default(), base: 0 };
        while from < until {
            let first = match direction {
                Direction::Ascending => from,
                Direction::Descending => until - 1,
            };
            let (key, beginning) = cursor.group_at(first, level)?;
            let group = match direction {
                Direction::Ascending => {
                    let end = cursor.count_before(&Cut::after_beginning(&beginning))?;
                    Span { from, until: end.clamp(from + 1, until) }
                }
                Direction::Descending => {
                    let start = cursor.count_before(&Cut::before_beginning(&beginning))?;
                    Span { from: start.clamp(from, until - 1), until }
                }
            };
            if visit(&key, &cursor.reduce(group, function)?).is_break() {
                break;
            }
            match direction {
                Direction::Ascending => from = group.until,
                Direction::Descending => until = group.from,
            }
        }
        Ok(())
    }
}

impl Cursor<'_> {
    /// The key of a row's group as JSON, and what all keys of the group begin with.
    fn group_at(&mut self, row: u64, level: GroupLevel) -> Result<(String, Vec<u8>), IndexError> {
        let number = self.load(row)?;
        let row = read_leaf_row(&self.leaf, number)?;
        let length = match level {
            GroupLevel::Exact => value_len(row.collation_key),
            GroupLevel::Elements(elements) => group_len(row.collation_key, elements),
            GroupLevel::InnerElements(elements) => inner_group_len(row.collation_key, elements),
        };
        let length = length.ok_or(IndexError::Damaged("a key"))?;
        let key = match level {
            GroupLevel::Exact => Cow::Borrowed(row.key),
            GroupLevel::Elements(elements) => first_elements(row.key, elements)?,
            GroupLevel::InnerElements(elements) => {
                let [outer, inner]: [&RawValue; 2] =
                    serde_json::from_str(row.key).map_err(|_| NO_PAIR)?;
                let inner = first_elements(inner.get(), elements)?;
                Cow::Owned(format!("[{outer},{inner}]"))
            }
        };
        Ok((key.into_owned(), row.collation_key[..length].to_vec()))
    }

    fn count_before(&self, cut: &Cut) -> Result<u64, IndexError> {
        let before = self.leaf.count_before(cut);
        match before > 0 && before < self.leaf.len() {
            true => Ok(self.base + before as u64),
            false => self.tree.count_before(self.pages, cut),
        }
    }

    fn reduce(&self, span: Span, function: usize) -> Result<Vec<u8>, IndexError> {
        let end = self.base + self.leaf.len() as u64;
        match self.base <= span.from && span.until <= end {
            true => self.tree.reduce_leaf(&self.leaf, self.base, span, function),
            false => self.tree.reduce_span(self.pages, span, function),
        }
    }

    /// Takes the page that has a row; the row's number in it.
    fn load(&mut self, row: u64) -> Result<usize, IndexError> {
        let here = |base: u64, leaf: &Leaf| {
            let number = usize::try_from(row.checked_sub(base)?).ok()?;
            (number < leaf.len()).then_some(number)
        };
        if let Some(number) = here(self.base, &self.leaf) {
            return Ok(number);
        }
        let missing = IndexError::Damaged("a row is missing");
        let Some(root) = &self.tree.root else { return Err(missing) };
        let mut base = 0;
        let mut node = read_node(self.pages, root.view(), LEVELS_MAX)?;
        for levels in (0..LEVELS_MAX).rev() {
            let inner = match node {
                Node::Leaf(leaf) => {
                    (self.leaf, self.base) = (leaf, base);
                    return here(self.base, &self.leaf).ok_or(missing);
                }
                Node::Inner(inner) => inner,
            };
            let mut children = inner.children();
            let child = children.find(|child| {
                let is_here = row < base + child.count;
                base += if is_here { 0 } else { child.count };
                is_here
            });
            let Some(child) = child else { return Err(missing) };
            node = read_node(self.pages, child, levels)?;
        }
        Err(missing)
    }
}

/// The first elements of an array; all of anything else.
fn first_elements(key: &str, elements: usize) -> Result<Cow<'_, str>, IndexError> {
    if !key.starts_with('[') {
        return Ok(Cow::Borrowed(key));
    }
    let all: Vec<&RawValue> =
        serde_json::from_str(key).map_err(|_| IndexError::Damaged("a key is not JSON"))?;
    if all.len() <= elements {
        return Ok(Cow::Borrowed(key));
    }
    let first: Vec<&str> = all[..elements].iter().map(|element| element.get()).collect();
    Ok(Cow::Owned(format!("[{}]", first.join(","))))
}
