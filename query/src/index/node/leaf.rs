//! Pages of rows.

use super::{LEAF, read_place, shared, take_bytes, write_bytes, write_place};
use crate::index::{Cut, Row};

/// Rows in order: their places one behind the other, and their payloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaf {
    places: Vec<u8>,
    payloads: Vec<u8>,
    /// Where the place and the payload of each row end.
    ends: Vec<(usize, usize)>,
}

/// About as many bytes as a short row takes.
const ENTRY_BYTES: usize = 16;

impl Leaf {
    pub(super) fn decode(mut entries: &[u8]) -> Option<Self> {
        let mut leaf = Self::default();
        leaf.payloads.reserve(entries.len());
        leaf.places.reserve(2 * entries.len());
        leaf.ends.reserve(entries.len() / ENTRY_BYTES);
        let mut before = 0;
        while !entries.is_empty() {
            let start = leaf.places.len();
            read_place(&mut leaf.places, before, &mut entries)?;
            leaf.payloads.extend(take_bytes(&mut entries)?);
            leaf.ends.push((leaf.places.len(), leaf.payloads.len()));
            before = start;
        }
        Some(leaf)
    }

    pub(crate) fn push(&mut self, place: &[u8], payload: &[u8]) {
        self.places.extend(place);
        self.payloads.extend(payload);
        self.ends.push((self.places.len(), self.payloads.len()));
    }

    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.payloads.clear();
        self.ends.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn place(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before].0);
        &self.places[start..self.ends[number].0]
    }

    fn payload(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before].1);
        &self.payloads[start..self.ends[number].1]
    }

    /// A row's place and payload.
    pub(crate) fn entry(&self, number: usize) -> (&[u8], &[u8]) {
        (self.place(number), self.payload(number))
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|number| self.entry(number))
    }

    /// A row; `None` when it is damaged.
    pub(crate) fn row(&self, number: usize) -> Option<Row<'_>> {
        let (place, payload) = self.entry(number);
        Row::read(place, payload)
    }

    /// How many rows lie before a cut.
    pub(crate) fn count_before(&self, cut: &Cut) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match cut.is_behind(self.place(middle)) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// The page of some rows.
    pub(crate) fn encode(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut page = vec![LEAF];
        let mut before: &[u8] = &[];
        for (place, payload) in entries {
            write_place(&mut page, place, before);
            write_bytes(&mut page, payload);
            before = place;
        }
        page
    }

    /// About as many bytes as a row takes behind another one.
    pub(crate) fn entry_bytes(place: &[u8], payload: &[u8], before: &[u8]) -> usize {
        const LENGTHS: usize = 4;
        place.len() - shared(before, place) + payload.len() + LENGTHS
    }
}
