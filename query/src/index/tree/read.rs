//! Rows read from a tree, counted and reduced.

use std::ops::ControlFlow;

use store::{Direction, Pages};

use super::{LEVELS_MAX, Tree, combine, read_leaf_row};
use crate::index::node::{ChildView, Leaf, Node};
use crate::index::{Cut, IndexError, Range, Row};

/// Told of each row in turn; `Break` ends the reading.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&Row<'_>) -> ControlFlow<()>;

/// Rows by their numbers in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) until: u64,
}

impl Span {
    fn has(self, other: Self) -> bool {
        self.from <= other.from && other.until <= self.until
    }

    fn meets(self, other: Self) -> bool {
        self.from < other.until && other.from < self.until
    }
}

impl Tree<'_> {
    /// Shows the rows of a range, but not the first `skip` of them and at most `limit`; how many rows
    /// of the tree come before the first that is shown, in the direction of reading.
    ///
    /// What is skipped is not read.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    pub fn range(
        &self,
        pages: &dyn Pages,
        range: &Range,
        direction: Direction,
        (skip, limit): (u64, u64),
        visit: Visit<'_>,
    ) -> Result<u64, IndexError> {
        let Span { from, until } = self.span(pages, range)?;
        let (span, offset) = match direction {
            Direction::Ascending => {
                let from = from.saturating_add(skip).min(until);
                (Span { from, until: from.saturating_add(limit).min(until) }, from)
            }
            Direction::Descending => {
                let until = until.saturating_sub(skip).max(from);
                let span = Span { from: until.saturating_sub(limit).max(from), until };
                (span, self.total() - until)
            }
        };
        if let Some(root) = self.root.as_ref().filter(|_| span.from < span.until) {
            let _ended = self.walk(pages, (root.view(), 0), span, direction, LEVELS_MAX, visit)?;
        }
        Ok(offset)
    }

    /// How many rows lie before a cut.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    pub fn count_before(&self, pages: &dyn Pages, cut: &Cut) -> Result<u64, IndexError> {
        let Some(root) = &self.root else { return Ok(0) };
        if *cut == Cut::start() {
            return Ok(0);
        }
        if *cut == Cut::end() {
            return Ok(root.count);
        }
        let mut before = 0;
        let mut node = self.node(pages, root.view(), LEVELS_MAX)?;
        for levels in (0..LEVELS_MAX).rev() {
            let next = match &*node {
                Node::Leaf(leaf) => return Ok(before + leaf.count_before(cut) as u64),
                Node::Inner(inner) => {
                    let at = inner.child_at(cut);
                    before += inner.children().take(at).map(|child| child.count).sum::<u64>();
                    self.node(pages, inner.child(at), levels)?
                }
            };
            node = next;
        }
        Err(IndexError::Damaged("too many levels"))
    }

    /// How many rows a range has.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    pub fn count(&self, pages: &dyn Pages, range: &Range) -> Result<u64, IndexError> {
        let span = self.span(pages, range)?;
        Ok(span.until - span.from)
    }

    /// What one reduce function makes of a range's rows; `None` where it has none.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    pub fn reduce(
        &self,
        pages: &dyn Pages,
        range: &Range,
        function: usize,
    ) -> Result<Option<Vec<u8>>, IndexError> {
        let span = self.span(pages, range)?;
        match span.from < span.until {
            true => self.reduce_span(pages, span, function).map(Some),
            false => Ok(None),
        }
    }

    pub(super) fn span(&self, pages: &dyn Pages, range: &Range) -> Result<Span, IndexError> {
        let from = self.count_before(pages, &range.low)?;
        let until = self.count_before(pages, &range.high)?;
        Ok(Span { from, until: until.max(from) })
    }

    /// Shows some rows of a page and of those below it.
    fn walk(
        &self,
        pages: &dyn Pages,
        (child, base): (ChildView<'_>, u64),
        span: Span,
        direction: Direction,
        levels: usize,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, IndexError> {
        match &*self.node(pages, child, levels)? {
            Node::Leaf(leaf) => {
                let numbers = numbers(leaf, base, span);
                let mut show = |number| Ok(visit(&read_leaf_row(leaf, number)?));
                match direction {
                    Direction::Ascending => each(numbers, &mut show),
                    Direction::Descending => each(numbers.rev(), &mut show),
                }
            }
            Node::Inner(inner) => {
                let mut base = base;
                let children = inner.children().map(|child| {
                    base += child.count;
                    (child, base - child.count)
                });
                let children: Vec<_> = children
                    .filter(|(child, base)| {
                        span.meets(Span { from: *base, until: base + child.count })
                    })
                    .collect();
                let mut go = |below| self.walk(pages, below, span, direction, levels - 1, visit);
                match direction {
                    Direction::Ascending => each(children.into_iter(), &mut go),
                    Direction::Descending => each(children.into_iter().rev(), &mut go),
                }
            }
        }
    }

    /// What one reduce function makes of some rows, which are there.
    pub(super) fn reduce_span(
        &self,
        pages: &dyn Pages,
        span: Span,
        function: usize,
    ) -> Result<Vec<u8>, IndexError> {
        let reducer = *self.reducers.get(function).ok_or(IndexError::NoFunction(function))?;
        let mut parts = Vec::new();
        if let Some(root) = &self.root {
            if span.has(Span { from: 0, until: root.count }) {
                let reduction = root.reductions.get(function);
                return reduction.cloned().ok_or(IndexError::NoFunction(function));
            }
            self.gather(pages, (root.view(), 0), span, function, LEVELS_MAX, &mut parts)?;
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        combine(reducer, &parts)
    }

    /// Collects reductions of whole pages, and makes those of parts of pages.
    fn gather(
        &self,
        pages: &dyn Pages,
        (child, base): (ChildView<'_>, u64),
        span: Span,
        function: usize,
        levels: usize,
        parts: &mut Vec<Vec<u8>>,
    ) -> Result<(), IndexError> {
        if span.has(Span { from: base, until: base + child.count }) {
            let reduction = child.reduction(function);
            parts.push(reduction.ok_or(IndexError::Damaged("a reduction is missing"))?.to_vec());
            return Ok(());
        }
        match &*self.node(pages, child, levels)? {
            Node::Leaf(leaf) => parts.push(self.reduce_leaf(leaf, base, span, function)?),
            Node::Inner(inner) => {
                let mut base = base;
                for child in inner.children() {
                    if span.meets(Span { from: base, until: base + child.count }) {
                        self.gather(pages, (child, base), span, function, levels - 1, parts)?;
                    }
                    base += child.count;
                }
            }
        }
        Ok(())
    }

    /// What one reduce function makes of some rows of a page, whose first row has the number `base`.
    pub(super) fn reduce_leaf(
        &self,
        leaf: &Leaf,
        base: u64,
        span: Span,
        function: usize,
    ) -> Result<Vec<u8>, IndexError> {
        let reducer = *self.reducers.get(function).ok_or(IndexError::NoFunction(function))?;
        let rows = numbers(leaf, base, span).map(|number| read_leaf_row(leaf, number));
        Ok(reducer.reduce(&rows.collect::<Result<Vec<_>, _>>()?)?)
    }
}

/// Which rows of a page a span has.
fn numbers(leaf: &Leaf, base: u64, span: Span) -> std::ops::Range<usize> {
    let number = |at: u64| usize::try_from(at.saturating_sub(base)).unwrap_or(usize::MAX);
    number(span.from)..number(span.until).min(leaf.len())
}

fn each<T>(
    all: impl Iterator<Item = T>,
    show: &mut dyn FnMut(T) -> Result<ControlFlow<()>, IndexError>,
) -> Result<ControlFlow<()>, IndexError> {
    for one in all {
        if show(one)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
