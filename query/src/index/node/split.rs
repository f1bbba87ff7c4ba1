//! Where what is too much for one page is cut.

use std::ops::Range;

use super::{PAGE_BYTES_FULL, PAGE_BYTES_MAX, shared};

/// What comes after the entries that are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    /// Nothing: the next rows are likely to come behind, so all pages but the last are filled.
    Last,
    /// Other pages: rows are likely to come anywhere, so all get the same.
    Within,
}

/// The entries of one page.
pub(crate) type Split = Range<usize>;

/// Cuts entries of these sizes into pages of at least `entries_min` each, the last one left out.
pub(crate) fn split(sizes: &[usize], entries_min: usize, filling: Filling) -> Vec<Split> {
    let total: usize = sizes.iter().sum();
    if total <= PAGE_BYTES_MAX {
        return std::iter::once(0..sizes.len()).filter(|all| !all.is_empty()).collect();
    }
    let limit = match filling {
        Filling::Last => PAGE_BYTES_FULL,
        Filling::Within => total.div_ceil(total.div_ceil(PAGE_BYTES_FULL)),
    };
    let mut pages = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (number, size) in sizes.iter().enumerate() {
        let is_full = bytes >= limit || bytes + size > PAGE_BYTES_MAX;
        if is_full && number - start >= entries_min {
            pages.push(start..number);
            (start, bytes) = (number, 0);
        }
        bytes += size;
    }
    pages.push(start..sizes.len());
    pages
}

/// The shortest bound between two places, the first less than the second.
pub(crate) fn separator(before: &[u8], place: &[u8]) -> Vec<u8> {
    place[..place.len().min(shared(before, place) + 1)].to_vec()
}
