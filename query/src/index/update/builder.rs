//! An index made from nothing, from all documents at once: every page is written once, in order.

use store::{IndexFile, PagesMut};

use super::{
    DocRows, Emitted, Progress, View, encode_rows, place_rows, progress, set_progress, tree,
};
use crate::index::IndexError;
use crate::index::row::{write_payload, write_place};
use crate::index::sorter::Sorter;
use crate::index::tree::Source as _;

/// Bytes of rows held in memory, those of all views together; the others wait in files.
const BYTES_MAX: usize = 16 << 20;

/// Collects the rows of all documents, in any order, and makes an index of them.
pub struct Builder<'v> {
    views: &'v [View<'v>],
    rows: Vec<Sorter>,
    documents: Sorter,
    place: Vec<u8>,
    payload: Vec<u8>,
}

impl<'v> Builder<'v> {
    /// Begins to collect; what does not fit in memory goes where the index's file is.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    pub fn new(index: &IndexFile, views: &'v [View<'v>]) -> Result<Self, IndexError> {
        let bytes_max = BYTES_MAX / (views.len() + 1);
        let sorter = || Ok::<_, IndexError>(Sorter::new(index.scratch()?, bytes_max));
        Ok(Self {
            views,
            rows: views.iter().map(|_| sorter()).collect::<Result<_, _>>()?,
            documents: sorter()?,
            place: Vec::new(),
            payload: Vec::new(),
        })
    }

    /// Takes a document's rows; each document once.
    ///
    /// # Errors
    /// Any of [`IndexError`].
    pub fn add(&mut self, document: &DocRows) -> Result<(), IndexError> {
        let placed = place_rows(self.views, document)?;
        if placed.is_empty() {
            return Ok(());
        }
        for (row, Emitted { key, value, .. }) in &placed {
            self.place.clear();
            self.payload.clear();
            write_place(&mut self.place, &row.key, &document.id, row.duplicate);
            write_payload(&mut self.payload, key, value);
            self.rows[row.view].push(&self.place, &self.payload)?;
        }
        self.documents.push(document.id.as_bytes(), &encode_rows(&placed))
    }

    /// Writes the index, which is empty before.
    ///
    /// # Errors
    /// [`IndexError::NotANewBuild`] when it is not, or when a document was added twice; or any other of
    /// [`IndexError`]. The write that this is a part of must not be committed then.
    pub fn finish(self, pages: &mut dyn PagesMut, to: Progress) -> Result<(), IndexError> {
        if progress(pages)?.is_some() {
            return Err(IndexError::NotANewBuild);
        }
        for (number, (view, rows)) in self.views.iter().zip(self.rows).enumerate() {
            tree(pages, number, *view)?.build(pages, &mut rows.finish()?)?;
        }
        let mut documents = self.documents.finish()?;
        let mut last: Option<String> = None;
        while let Some((id, rows)) = documents.next()? {
            let id = std::str::from_utf8(id).map_err(|_| IndexError::Damaged("a document's id"))?;
            if last.as_deref() == Some(id) {
                return Err(IndexError::NotANewBuild);
            }
            pages.put_document(id, rows)?;
            last = Some(id.into());
        }
        set_progress(pages, to)
    }
}
