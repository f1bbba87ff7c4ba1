//! A tree built from all its rows at once, from the bottom up: each page is written once.

use store::PagesMut;

use super::Tree;
use crate::index::IndexError;
use crate::index::node::{
    CHILDREN_MIN, Child, Inner, Leaf, PAGE_BYTES_FULL, PAGE_BYTES_MAX, separator,
};

/// A row's place and payload.
pub(crate) type Entry<'a> = (&'a [u8], &'a [u8]);

/// Rows in order, of which no two have the same place.
pub(crate) trait Source {
    /// The next row.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    fn next(&mut self) -> Result<Option<Entry<'_>>, IndexError>;
}

impl Tree<'_> {
    /// Fills a tree that is empty.
    pub(crate) fn build(
        &mut self,
        pages: &mut dyn PagesMut,
        rows: &mut dyn Source,
    ) -> Result<(), IndexError> {
        let mut building = Building::default();
        while let Some((place, payload)) = rows.next()? {
            building.push(self, pages, place, payload)?;
        }
        self.root = building.finish(self, pages)?;
        self.save(pages)
    }
}

/// The pages at the right edge of a tree, not written yet.
#[derive(Default)]
struct Building {
    leaf: Leaf,
    leaf_bytes: usize,
    /// The last place of the page before.
    last: Vec<u8>,
    /// Pages that have none above them yet, those of rows first.
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    children: Vec<Child>,
    bytes: usize,
}

impl Building {
    fn push(
        &mut self,
        tree: &Tree<'_>,
        pages: &mut dyn PagesMut,
        place: &[u8],
        payload: &[u8],
    ) -> Result<(), IndexError> {
        let before = self.leaf.len().checked_sub(1).map(|last| self.leaf.place(last));
        let mut bytes = Leaf::entry_bytes(place, payload, before.unwrap_or_default());
        let is_full =
            self.leaf_bytes >= PAGE_BYTES_FULL || self.leaf_bytes + bytes > PAGE_BYTES_MAX;
        if is_full && self.leaf.len() > 0 {
            self.close_leaf(tree, pages)?;
            bytes = Leaf::entry_bytes(place, payload, &[]);
        }
        self.leaf_bytes += bytes;
        self.leaf.push(place, payload);
        Ok(())
    }

    fn close_leaf(&mut self, tree: &Tree<'_>, pages: &mut dyn PagesMut) -> Result<(), IndexError> {
        let entries: Vec<_> = self.leaf.entries().collect();
        let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else {
            return Ok(());
        };
        let page = pages.new_page()?;
        pages.put_page(page, &Leaf::encode(&entries))?;
        let low = if self.levels.is_empty() { Vec::new() } else { separator(&self.last, first) };
        let reductions = tree.reduce_rows(&entries)?;
        let child = Child { low, page, count: entries.len() as u64, reductions };
        self.last.clear();
        self.last.extend(*last);
        self.leaf.clear();
        self.leaf_bytes = 0;
        self.add(tree, pages, 0, child)
    }

    /// Adds a page to a level; a level that is full gets a page above it.
    fn add(
        &mut self,
        tree: &Tree<'_>,
        pages: &mut dyn PagesMut,
        level: usize,
        child: Child,
    ) -> Result<(), IndexError> {
        if level == self.levels.len() {
            self.levels.push(Level::default());
        }
        let Level { children, bytes } = &mut self.levels[level];
        let before = children.last().map(|child| child.low.as_slice()).unwrap_or_default();
        let more = child.entry_bytes(before);
        let is_full = *bytes >= PAGE_BYTES_FULL || *bytes + more > PAGE_BYTES_MAX;
        if is_full && children.len() >= CHILDREN_MIN {
            self.close_level(tree, pages, level)?;
        }
        let Level { children, bytes } = &mut self.levels[level];
        *bytes += more;
        children.push(child);
        Ok(())
    }

    fn close_level(
        &mut self,
        tree: &Tree<'_>,
        pages: &mut dyn PagesMut,
        level: usize,
    ) -> Result<(), IndexError> {
        let Level { children, .. } = std::mem::take(&mut self.levels[level]);
        let page = pages.new_page()?;
        pages.put_page(page, &Inner::encode(&children))?;
        let over = tree.over(page, &children)?;
        self.add(tree, pages, level + 1, over)
    }

    /// Writes what is left; the page above all others.
    fn finish(
        mut self,
        tree: &Tree<'_>,
        pages: &mut dyn PagesMut,
    ) -> Result<Option<Child>, IndexError> {
        self.close_leaf(tree, pages)?;
        let mut level = 0;
        while level < self.levels.len() {
            let is_top = level + 1 == self.levels.len();
            match self.levels[level].children.len() {
                1 if is_top => return Ok(self.levels[level].children.pop()),
                0 => {}
                _ => self.close_level(tree, pages, level)?,
            }
            level += 1;
        }
        Ok(None)
    }
}
