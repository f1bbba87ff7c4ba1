//! An index that lives in memory only.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{PageId, Pages, PagesMut};
use crate::Error;

/// Pages in ordered maps: for stores that live in memory, and for tests.
///
/// A copy shares the bytes, so that a snapshot costs little.
#[derive(Clone, Debug, Default)]
pub struct MemoryPages {
    pages: BTreeMap<PageId, Arc<[u8]>>,
    meta: BTreeMap<String, Arc<[u8]>>,
    documents: BTreeMap<String, Arc<[u8]>>,
    last: u64,
}

impl MemoryPages {
    /// How many pages there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pages.len()
    }
}

impl Pages for MemoryPages {
    fn page(&self, id: PageId, look: &mut dyn FnMut(&[u8])) -> Result<bool, Error> {
        let page = self.pages.get(&id);
        Ok(page.map(|bytes| look(bytes)).is_some())
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.meta.get(key).map(|value| value.to_vec()))
    }

    fn document(&self, id: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.documents.get(id).map(|bytes| bytes.to_vec()))
    }
}

impl PagesMut for MemoryPages {
    fn new_page(&mut self) -> Result<PageId, Error> {
        self.last += 1;
        Ok(PageId(self.last))
    }

    fn put_page(&mut self, id: PageId, bytes: &[u8]) -> Result<(), Error> {
        self.pages.insert(id, bytes.into());
        Ok(())
    }

    fn free_page(&mut self, id: PageId) -> Result<(), Error> {
        self.pages.remove(&id);
        Ok(())
    }

    fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.meta.insert(key.into(), value.into());
        Ok(())
    }

    fn put_document(&mut self, id: &str, bytes: &[u8]) -> Result<(), Error> {
        self.documents.insert(id.into(), bytes.into());
        Ok(())
    }

    fn remove_document(&mut self, id: &str) -> Result<(), Error> {
        self.documents.remove(id);
        Ok(())
    }
}
