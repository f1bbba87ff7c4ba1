//! What a database says of who is charged for what it stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Database;
use super::commit::Ledger;
use crate::Error;
use crate::core::lock;

/// Bytes of a database by who brought them: bodies and attachments of all revisions that are stored, with
/// something for each revision. What was superseded counts until compaction drops it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charges(BTreeMap<String, u64>);

impl Charges {
    /// Of a ledger.
    pub(super) fn new(ledger: &Ledger) -> Self {
        let charged = ledger.entries().filter(|(_, bytes)| *bytes > 0);
        Self(charged.map(|(name, bytes)| (name.to_owned(), bytes)).collect())
    }

    /// What one of them is charged.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// What all of them are charged.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Each of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, bytes)| (name.as_str(), *bytes))
    }
}

impl Database {
    /// Who is charged for what is stored here. Whoever is named where revisions are delivered is charged
    /// for those that were not known before. In memory once it was asked.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn charges(&self) -> Result<Arc<Charges>, Error> {
        // Held while it is read, so that what an older snapshot says never replaces what a commit says.
        let mut known = lock(&self.charges);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let ledger = self.read(|snapshot| Ledger::read(snapshot.rows))?;
        let charges = Arc::new(Charges::new(&ledger));
        *known = Some(Arc::clone(&charges));
        Ok(charges)
    }

    /// A commit has changed them.
    pub(super) fn note_charges(&self, ledger: &Ledger) {
        *lock(&self.charges) = Some(Arc::new(Charges::new(ledger)));
    }

    /// They are to be read anew.
    pub(super) fn forget_charges(&self) {
        *lock(&self.charges) = None;
    }
}
