//! How much others may bring: bytes for each key or app, in one database or in all, and for each database.
//!
//! Whoever first delivers a revision is charged for it (`store::Charges`), as long as it is stored. Past a
//! quota a revision is refused and can come later; deletions always pass. Quotas are about this device's
//! disk, so they are this device's alone: a local document of `_acl`.

mod account;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use store::{Database, DbName, DbUuid, Error, LocalId, Store};
use tokio::sync::watch;

pub(crate) use self::account::{Account, OverQuota, Payer, usages};
use crate::access::ACL_DATABASE;
use crate::config::QuotasConfig;

/// The document.
const DOCUMENT: &str = "_local/quotas";

/// Quotas that can be set.
const QUOTAS_MAX: usize = 10_000;

/// How much somebody may bring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quota {
    /// Who: a key, or the name of an app; all friends together where nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) who: Option<String>,
    /// Into which database, by its uuid; into all together where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) db: Option<String>,
    /// How many bytes; no limit where it is `None`.
    pub(crate) bytes_max: Option<u64>,
}

/// The document's body.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    quotas: Vec<Quota>,
}

/// All quotas.
#[derive(Debug)]
pub(crate) struct Quotas {
    config: QuotasConfig,
    set: ArcSwap<Vec<Quota>>,
    /// Counts up when they change.
    changes: watch::Sender<u64>,
    /// Held while they are changed.
    changing: Mutex<()>,
}

/// A quota was not set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuotaError {
    /// There are as many as there can be.
    #[error("at most {QUOTAS_MAX} quotas can be set")]
    TooMany,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Quotas {
    /// Those that were set. May block.
    pub(crate) fn read(store: &Store, config: &QuotasConfig) -> Result<Self, Error> {
        let mut quotas = Vec::new();
        if let Some((database, id)) = place(store)
            && let Some(local) = database.read(|snapshot| snapshot.local(&id))?
        {
            let kept = serde_json::from_str::<Kept>(&local.json);
            quotas = kept.map(|kept| kept.quotas).unwrap_or_else(|error| {
                // The defaults are in force, which are limits too.
                tracing::warn!(%error, "the quotas that were set cannot be read");
                Vec::new()
            });
        }
        Ok(Self {
            config: config.clone(),
            set: ArcSwap::from_pointee(quotas),
            changes: watch::Sender::new(0),
            changing: Mutex::default(),
        })
    }

    /// What holds where nothing is set.
    pub(crate) fn config(&self) -> &QuotasConfig {
        &self.config
    }

    /// Those that were set.
    pub(crate) fn all(&self) -> Arc<Vec<Quota>> {
        self.set.load_full()
    }

    /// Told when they change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Sets one in place of what was set for the same. May block.
    pub(crate) fn set(&self, store: &Store, quota: &Quota) -> Result<(), QuotaError> {
        self.change(store, |quotas| {
            quotas.retain(|known| (&known.who, &known.db) != (&quota.who, &quota.db));
            if quotas.len() >= QUOTAS_MAX {
                return Err(QuotaError::TooMany);
            }
            quotas.push(quota.clone());
            Ok(())
        })
    }

    /// Takes one away; whether it was set. May block.
    pub(crate) fn unset(
        &self,
        store: &Store,
        who: Option<&str>,
        db: Option<&str>,
    ) -> Result<bool, QuotaError> {
        let mut found = false;
        self.change(store, |quotas| {
            let before = quotas.len();
            quotas.retain(|known| (known.who.as_deref(), known.db.as_deref()) != (who, db));
            found = quotas.len() < before;
            Ok(())
        })?;
        Ok(found)
    }

    fn change(
        &self,
        store: &Store,
        change: impl FnOnce(&mut Vec<Quota>) -> Result<(), QuotaError>,
    ) -> Result<(), QuotaError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut quotas = self.all().to_vec();
        change(&mut quotas)?;
        let (database, id) = place(store).ok_or(Error::NoDatabase)?;
        let text = serde_json::to_string(&Kept { quotas: quotas.clone() }).unwrap_or_default();
        database.write_local(id, 0, Some(text))?;
        self.set.store(Arc::new(quotas));
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// What was set for exactly this; the inner `None` is no limit.
    fn set_for(&self, who: Option<&str>, db: Option<DbUuid>) -> Option<Option<u64>> {
        let db = db.map(|db| db.to_string());
        let all = self.set.load();
        let found = all.iter().find(|quota| quota.who.as_deref() == who && quota.db == db);
        found.map(|quota| quota.bytes_max)
    }
}

fn place(store: &Store) -> Option<(Arc<Database>, LocalId)> {
    let name: DbName = ACL_DATABASE.parse().ok()?;
    Some((store.database(&name)?, DOCUMENT.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use store::{Millis, Options};

    use super::*;

    #[test]
    fn quotas_are_kept() {
        let options = Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] };
        let store = Store::in_memory(&options).unwrap();
        store.create(&ACL_DATABASE.parse().unwrap(), Millis(1)).unwrap();
        let config = QuotasConfig::default();
        let quotas = Quotas::read(&store, &config).unwrap();
        let db = DbUuid([3; 16]);
        let quota = |who: Option<&str>, db: Option<DbUuid>, bytes_max| Quota {
            who: who.map(Into::into),
            db: db.map(|db| db.to_string()),
            bytes_max,
        };
        quotas.set(&store, &quota(Some("anna"), None, Some(5))).unwrap();
        quotas.set(&store, &quota(Some("anna"), None, None)).unwrap();
        quotas.set(&store, &quota(None, Some(db), Some(7))).unwrap();
        let again = Quotas::read(&store, &config).unwrap();
        assert_eq!(again.set_for(Some("anna"), None), Some(None));
        assert_eq!(again.set_for(None, Some(db)), Some(Some(7)));
        assert_eq!(again.set_for(Some("anna"), Some(db)), None);
        assert!(again.unset(&store, Some("anna"), None).unwrap());
        assert!(!again.unset(&store, Some("anna"), None).unwrap());
        assert_eq!(Quotas::read(&store, &config).unwrap().all().len(), 1);
    }
}
