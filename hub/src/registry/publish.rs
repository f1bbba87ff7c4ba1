//! Databases that are made of a view, so that it can be shared by itself.

use std::sync::Arc;

use store::{ConflictPolicy, Database, DbName, Error, Millis};

use super::record::{Record, Scope, SourceView};
use super::{Registry, RegistryError};

/// Longest part of such a name that comes of the view's own, in bytes.
const NAME_BYTES_MAX: usize = 100;

impl Registry {
    /// What is noted of the database that this view is published as, where it is.
    pub(crate) fn published(&self, view: &SourceView) -> Option<Arc<Record>> {
        let records = self.records();
        let mut made_of = records.values().filter(|record| record.view.as_ref() == Some(view));
        made_of.find(|record| record.is_live()).cloned()
    }

    /// The database that a view is published as: the one that there is, the one that was before and is
    /// still in the trash, so that whoever has a copy goes on with it, or a new one. Whatever device asks
    /// for it first keeps it up to date. May block.
    pub(crate) fn publish(
        &self,
        view: &SourceView,
        now: Millis,
    ) -> Result<Arc<Database>, RegistryError> {
        if let Some(record) = self.published(view) {
            if !self.is_kept_by_somebody(&record) {
                self.keep_from_now_on(&record, now)?;
            }
            return self.own(record.uuid).ok_or(RegistryError::Unknown(
                "this view is published by another device of yours, and has yet to come here",
            ));
        }
        let name = self.free_plain_name(&folded(&view.view))?;
        if let Some(before) = self.put_away_before(view)? {
            let restored = self.restore(&before.uuid.to_string(), Some(&name), now)?;
            self.keep_from_now_on(&before, now)?;
            return Ok(restored);
        }
        let uuid = self.store.new_uuid()?;
        let record = Record {
            conflicts: ConflictPolicy::Newest,
            conflicts_version: 1,
            scope: Scope::Shared,
            view: Some(view.clone()),
            ..Record::new(uuid, name.clone(), self.device, now)
        };
        let mut state = self.state();
        self.make(&mut state, &record, &name, now)
    }

    /// Whether the device that keeps it up to date is one of the owner's, as far as is known.
    fn is_kept_by_somebody(&self, record: &Record) -> bool {
        let policies = self.policies.now();
        let is_own = |device| policies.principals().get(&device).is_some_and(|notes| notes.own);
        record.device.is_some_and(|device| device == self.device || is_own(device))
    }

    /// This device keeps it up to date from now on.
    fn keep_from_now_on(&self, record: &Record, now: Millis) -> Result<(), RegistryError> {
        let mut state = self.state();
        let device = Some(self.device);
        self.note(&mut state, record.uuid, now, |known| {
            let known = known.ok_or(RegistryError::Conflict)?;
            Ok(Record { device, scope: Scope::Shared, ..known })
        })?;
        self.told();
        Ok(())
    }

    /// The one that was deleted last of those that a view was published as, where it can be brought back.
    fn put_away_before(&self, view: &SourceView) -> Result<Option<Arc<Record>>, Error> {
        let trash = self.store.trash()?;
        let records = self.records();
        let made_of = records.values().filter(|record| {
            record.view.as_ref() == Some(view)
                && record.joined.is_none()
                && trash.iter().any(|trashed| trashed.uuid == record.uuid)
        });
        Ok(made_of.max_by_key(|record| record.deleted_at).cloned())
    }

    /// A name that no database has: this one, or with a number behind.
    pub(crate) fn free_plain_name(&self, wanted: &str) -> Result<DbName, RegistryError> {
        let spelt = (1_u32..).map(|number| match number {
            1 => wanted.to_owned(),
            _ => format!("{wanted}-{number}"),
        });
        for text in spelt {
            let name: DbName = text
                .parse()
                .map_err(|error: store::DbNameError| RegistryError::Refused(error.to_string()))?;
            if self.store.database(&name).is_none() {
                return Ok(name);
            }
        }
        Err(RegistryError::Conflict)
    }
}

/// The name of the database that a view of this name is published as. It tells whom it is shared with
/// neither the database nor the design document.
fn folded(view: &str) -> String {
    let folded = fold(view);
    format!("views/{}", if folded.is_empty() { "view" } else { &folded })
}

/// What of a text can stand in the name of a database, behind its first letter: whatever cannot becomes a
/// hyphen.
pub(crate) fn fold(text: &str) -> String {
    let kept = |letter: char| match letter {
        'a'..='z' | '0'..='9' | '_' | '-' => letter,
        _ => '-',
    };
    let spelt: String = text.to_lowercase().chars().map(kept).take(NAME_BYTES_MAX).collect();
    spelt.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_views_become_names_of_databases() {
        for (view, expected) in [
            ("Titles", "views/titles"),
            ("by date/2024", "views/by-date-2024"),
            ("\u{1f600}", "views/view"),
            ("1", "views/1"),
        ] {
            assert_eq!(folded(view), expected);
            expected.parse::<DbName>().unwrap();
        }
        folded(&"\u{e9}x".repeat(300)).parse::<DbName>().unwrap();
    }
}
