//! Who is charged for what is stored: counted by the transaction that stores it or lets it go.

use crate::engine::{Rows, RowsMut};
use crate::rev_tree::{Charge, RevTree};
use crate::{Error, varint};

use super::super::setting::{CHARGED, CHARGES};
use super::{Commit, Pending};

/// What a revision takes beside its body: its place in the tree, in the feed and in pages.
const REVISION_BYTES: u64 = 128;

/// Names that are told apart; whoever comes later is not charged.
const NAMES_MAX: usize = 10_000;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// Names behind the numbers in trees, and what each of them is charged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::database) struct Ledger {
    names: Vec<String>,
    bytes: Vec<u64>,
    has_new_names: bool,
    has_new_bytes: bool,
}

impl Ledger {
    /// As the rows have it.
    pub(in crate::database) fn read(rows: &dyn Rows) -> Result<Self, Error> {
        let damaged = || Error::Damaged("what is charged to whom".into());
        let mut ledger = Self::default();
        let names = rows.setting(CHARGED)?.unwrap_or_default();
        let mut rest = &names[..];
        while !rest.is_empty() {
            let length = varint::read(&mut rest).ok_or_else(damaged)?;
            let length = usize::try_from(length).map_err(|_| damaged())?;
            let (name, behind) = rest.split_at_checked(length).ok_or_else(damaged)?;
            ledger.names.push(std::str::from_utf8(name).map_err(|_| damaged())?.to_owned());
            rest = behind;
        }
        let bytes = rows.setting(CHARGES)?.unwrap_or_default();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            ledger.bytes.push(varint::read(&mut rest).ok_or_else(damaged)?);
        }
        Ok(ledger)
    }

    /// Writes what has changed; whether anything has.
    pub(in crate::database) fn write(&self, rows: &mut dyn RowsMut) -> Result<bool, Error> {
        if self.has_new_names {
            let mut out = Vec::new();
            for name in &self.names {
                varint::write(&mut out, name.len() as u64);
                out.extend_from_slice(name.as_bytes());
            }
            rows.set_setting(CHARGED, &out)?;
        }
        if self.has_new_bytes {
            let mut out = Vec::new();
            self.bytes.iter().for_each(|bytes| varint::write(&mut out, *bytes));
            rows.set_setting(CHARGES, &out)?;
        }
        Ok(self.has_new_names || self.has_new_bytes)
    }

    /// Each name, and what it is charged.
    pub(in crate::database) fn entries(&self) -> impl Iterator<Item = (&str, u64)> {
        let bytes = self.bytes.iter().copied().chain(std::iter::repeat(0));
        self.names.iter().map(String::as_str).zip(bytes)
    }

    /// What each number is charged, without those that are charged nothing at the end.
    pub(in crate::database) fn bytes(&self) -> &[u64] {
        let used = self.bytes.iter().rposition(|bytes| *bytes > 0).map_or(0, |last| last + 1);
        &self.bytes[..used]
    }

    /// Counts a document with these charges.
    pub(in crate::database) fn add(&mut self, charges: &[Charge]) {
        self.change(charges, u64::saturating_add);
    }

    /// Counts it no more.
    pub(in crate::database) fn take(&mut self, charges: &[Charge]) {
        self.change(charges, u64::saturating_sub);
    }

    fn change(&mut self, charges: &[Charge], change: impl Fn(u64, u64) -> u64) {
        for charge in charges {
            // Numbers are given out one by one; a greater one is damage, which `verify` finds.
            let at = usize::try_from(charge.to).unwrap_or(NAMES_MAX);
            if at >= NAMES_MAX {
                continue;
            }
            if self.bytes.len() <= at {
                self.bytes.resize(at + 1, 0);
            }
            self.bytes[at] = change(self.bytes[at], charge.bytes);
            self.has_new_bytes = true;
        }
    }

    /// The number that stands for a name, where there is room for one.
    fn number(&mut self, name: &str) -> Option<u32> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return None;
        }
        let known = self.names.iter().position(|known| known == name);
        let at = match known {
            Some(at) => at,
            None if self.names.len() < NAMES_MAX => {
                self.names.push(name.to_owned());
                self.has_new_names = true;
                self.names.len() - 1
            }
            None => return None,
        };
        u32::try_from(at).ok()
    }
}

/// What is charged for a document, by number.
pub(in crate::database) fn charges_of(tree: &RevTree) -> Vec<Charge> {
    let mut charges: Vec<Charge> = Vec::new();
    for charge in tree.stored_bodies().into_iter().filter_map(|stored| stored.charge) {
        match charges.iter_mut().find(|known| known.to == charge.to) {
            Some(known) => known.bytes = known.bytes.saturating_add(charge.bytes),
            None => charges.push(charge),
        }
    }
    charges.sort_unstable();
    charges
}

impl Commit<'_> {
    /// What somebody is charged who brings so many bytes in one revision.
    pub(super) fn charge(&mut self, by: Option<&str>, bytes: u64) -> Result<Option<Charge>, Error> {
        let Some(by) = by else { return Ok(None) };
        let to = self.ledger()?.number(by);
        Ok(to.map(|to| Charge { to, bytes: bytes.saturating_add(REVISION_BYTES) }))
    }

    /// Counts what is charged for a document in the place of what was before.
    pub(super) fn recharge(&mut self, pending: &Pending) -> Result<(), Error> {
        let before = pending.before.as_ref().map_or(&[][..], |before| &before.charges);
        let after = charges_of(&pending.tree);
        if before != after {
            let ledger = self.ledger()?;
            ledger.take(before);
            ledger.add(&after);
        }
        Ok(())
    }

    fn ledger(&mut self) -> Result<&mut Ledger, Error> {
        match &mut self.ledger {
            Some(ledger) => Ok(ledger),
            unknown => Ok(unknown.insert(Ledger::read(&*self.rows)?)),
        }
    }
}
