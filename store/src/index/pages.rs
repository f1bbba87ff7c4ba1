//! What an index is made of, whatever keeps it.

use crate::Error;

/// Number of a page within its index; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId(pub u64);

/// An index as it was at one moment.
pub trait Pages {
    /// Shows a page's bytes; `false` where there is no such page.
    ///
    /// # Errors
    /// Any of [`Error`], as for every method here.
    fn page(&self, id: PageId, look: &mut dyn FnMut(&[u8])) -> Result<bool, Error>;

    /// A value kept under a key of its own.
    ///
    /// # Errors
    /// Any of [`Error`].
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// What is kept of a document: by it, whoever writes finds what the document has in the pages.
    ///
    /// # Errors
    /// Any of [`Error`].
    fn document(&self, id: &str) -> Result<Option<Vec<u8>>, Error>;
}

/// An index within a write; nothing lasts until the whole write commits.
pub trait PagesMut: Pages {
    /// A number that no page has; it becomes one when it is put.
    ///
    /// # Errors
    /// Any of [`Error`], as for every method here.
    fn new_page(&mut self) -> Result<PageId, Error>;

    /// Writes a page, whether it is there already or not.
    ///
    /// # Errors
    /// Any of [`Error`].
    fn put_page(&mut self, id: PageId, bytes: &[u8]) -> Result<(), Error>;

    /// Gives a page back.
    ///
    /// # Errors
    /// Any of [`Error`].
    fn free_page(&mut self, id: PageId) -> Result<(), Error>;

    /// Keeps a value under a key of its own.
    ///
    /// # Errors
    /// Any of [`Error`].
    fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<(), Error>;

    /// Keeps what is to be known of a document.
    ///
    /// # Errors
    /// Any of [`Error`].
    fn put_document(&mut self, id: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Forgets a document.
    ///
    /// # Errors
    /// Any of [`Error`].
    fn remove_document(&mut self, id: &str) -> Result<(), Error>;
}
