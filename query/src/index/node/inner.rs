//! Pages of pages.

use store::{PageId, varint};

use super::{INNER, read_place, shared, take_bytes, write_bytes, write_place};
use crate::index::Cut;

/// What a page says of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    /// Not greater than the places in it, and greater than those in the page before it.
    pub(crate) low: Vec<u8>,
    pub(crate) page: PageId,
    /// Rows in it, and in whatever is below it.
    pub(crate) count: u64,
    /// What each reduce function makes of them.
    pub(crate) reductions: Vec<Vec<u8>>,
}

/// The same, within the page that says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildView<'a> {
    pub(crate) low: &'a [u8],
    pub(crate) page: PageId,
    pub(crate) count: u64,
    reductions: &'a [u8],
}

/// Pages in the order of their rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inner {
    lows: Vec<u8>,
    reductions: Vec<u8>,
    children: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    low_end: usize,
    reductions_end: usize,
    page: PageId,
    count: u64,
}

/// About as many bytes as a child takes where it says little.
const ENTRY_BYTES: usize = 16;

impl Inner {
    pub(super) fn decode(mut entries: &[u8]) -> Option<Self> {
        let mut inner = Self::default();
        inner.lows.reserve(2 * entries.len());
        inner.reductions.reserve(entries.len());
        inner.children.reserve(entries.len() / ENTRY_BYTES);
        let mut before = 0;
        while !entries.is_empty() {
            let start = inner.lows.len();
            read_place(&mut inner.lows, before, &mut entries)?;
            let page = PageId(varint::read(&mut entries)?);
            let count = varint::read(&mut entries)?;
            inner.reductions.extend(take_bytes(&mut entries)?);
            let (low_end, reductions_end) = (inner.lows.len(), inner.reductions.len());
            inner.children.push(Entry { low_end, reductions_end, page, count });
            before = start;
        }
        Some(inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.children.len()
    }

    pub(crate) fn child(&self, number: usize) -> ChildView<'_> {
        let entry = self.children[number];
        let before = number.checked_sub(1).map(|before| self.children[before]);
        let (low, reductions) =
            before.map_or((0, 0), |before| (before.low_end, before.reductions_end));
        ChildView {
            low: &self.lows[low..entry.low_end],
            page: entry.page,
            count: entry.count,
            reductions: &self.reductions[reductions..entry.reductions_end],
        }
    }

    pub(crate) fn children(&self) -> impl DoubleEndedIterator<Item = ChildView<'_>> {
        (0..self.len()).map(|number| self.child(number))
    }

    /// Rows in all of it; `None` when that cannot be.
    pub(crate) fn count(&self) -> Option<u64> {
        self.children.iter().try_fold(0_u64, |sum, child| match child.count {
            0 => None,
            count => sum.checked_add(count),
        })
    }

    /// The child in which a cut lies.
    pub(crate) fn child_at(&self, cut: &Cut) -> usize {
        let (mut low, mut high) = (0, self.len().saturating_sub(1));
        while low < high {
            let middle = low.midpoint(high) + 1;
            // If its bound lies before the cut, so do the children before it.
            match cut.is_behind(self.child(middle).low) {
                true => low = middle,
                false => high = middle - 1,
            }
        }
        low
    }

    /// The page of some children. The first one's bound is left out: who came here knows it.
    pub(crate) fn encode(children: &[Child]) -> Vec<u8> {
        let mut page = vec![INNER];
        let mut before: &[u8] = &[];
        for (number, child) in children.iter().enumerate() {
            let low: &[u8] = if number == 0 { &[] } else { &child.low };
            write_place(&mut page, low, before);
            varint::write(&mut page, child.page.0);
            varint::write(&mut page, child.count);
            write_bytes(&mut page, &join_reductions(&child.reductions));
            before = low;
        }
        page
    }
}

impl Child {
    /// About as many bytes as it takes behind another one.
    pub(crate) fn entry_bytes(&self, before: &[u8]) -> usize {
        const NUMBERS: usize = 12;
        let reductions: usize = self.reductions.iter().map(|reduction| reduction.len() + 2).sum();
        self.low.len() - shared(before, &self.low) + reductions + NUMBERS
    }

    /// Where it is, and how many rows there are; not what the reduce functions make of them.
    pub(crate) fn view(&self) -> ChildView<'_> {
        ChildView { low: &self.low, page: self.page, count: self.count, reductions: &[] }
    }

    /// As it is kept where no page says it: of the root.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::write(&mut out, self.page.0);
        varint::write(&mut out, self.count);
        out.extend(join_reductions(&self.reductions));
        out
    }

    /// Reads what [`Self::encode`] wrote.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let page = PageId(varint::read(&mut bytes)?);
        let count = varint::read(&mut bytes).filter(|count| *count > 0)?;
        let view = ChildView { low: &[], page, count, reductions: bytes };
        view.to_child()
    }
}

impl<'a> ChildView<'a> {
    /// What one reduce function makes of its rows.
    pub(crate) fn reduction(&self, function: usize) -> Option<&'a [u8]> {
        let mut rest = self.reductions;
        for _ in 0..function {
            take_bytes(&mut rest)?;
        }
        take_bytes(&mut rest)
    }

    pub(crate) fn to_child(self) -> Option<Child> {
        let mut reductions = Vec::new();
        let mut rest = self.reductions;
        while !rest.is_empty() {
            reductions.push(take_bytes(&mut rest)?.to_vec());
        }
        Some(Child { low: self.low.to_vec(), page: self.page, count: self.count, reductions })
    }
}

fn join_reductions(reductions: &[Vec<u8>]) -> Vec<u8> {
    let mut joined = Vec::new();
    reductions.iter().for_each(|reduction| write_bytes(&mut joined, reduction));
    joined
}
