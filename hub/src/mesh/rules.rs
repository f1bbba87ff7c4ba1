//! What of which database each of the owner's devices takes: documents of `_devices`, so that every device
//! sees what all of them leave out. One for each device and database: two devices that change different
//! rules at the same time do not come in each other's way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use identity::PublicKey;
use replication::sync::{Checkpoint, SyncFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{Database, DbUuid, Error, Millis, Store};
use tokio::sync::watch;

use super::Kind;
use crate::access::{self, AclError};

/// What the ids of rules begin with; a key and a uuid follow.
pub(super) const PREFIX: &str = "rules/";

/// Rules that are heeded.
const RULES_MAX: usize = 20_000;

/// Longest selector, in bytes: it goes into every request.
const SELECTOR_BYTES_MAX: usize = 64 * 1024;

/// What one device takes of one database; what is not named it takes all of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceRule {
    /// The device.
    pub(crate) device: PublicKey,
    /// The database, by its uuid.
    pub(crate) db: String,
    /// Whether it takes nothing of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) skip: bool,
    /// A Mango selector: it takes the documents that this matches, and all deletions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) selector: Option<Map<String, Value>>,
    /// It takes no revision that has a larger attachment, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attachment_bytes_max: Option<u64>,
    /// What other releases note.
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// All of them, by device and database.
pub(crate) type Rules = BTreeMap<(PublicKey, DbUuid), Arc<DeviceRule>>;

impl DeviceRule {
    /// What a device takes of a database.
    ///
    /// # Errors
    /// Why a rule cannot say so.
    pub(crate) fn new(
        device: PublicKey,
        db: DbUuid,
        skip: bool,
        selector: Option<Map<String, Value>>,
        attachment_bytes_max: Option<u64>,
    ) -> Result<Self, String> {
        let (db, more) = (db.to_string(), Map::new());
        let rule = Self { device, db, skip, selector, attachment_bytes_max, more };
        rule.check().map(|()| rule)
    }

    fn check(&self) -> Result<(), String> {
        if self.skip && (self.selector.is_some() || self.attachment_bytes_max.is_some()) {
            return Err("a database of which nothing is taken has no selector and no cap".into());
        }
        if !self.skip && self.selector.is_none() && self.attachment_bytes_max.is_none() {
            return Err("a rule says what is left out".into());
        }
        let Some(text) = self.selector_text() else { return Ok(()) };
        if text.len() > SELECTOR_BYTES_MAX {
            return Err(format!("a selector has at most {SELECTOR_BYTES_MAX} bytes"));
        }
        query::Selector::parse(&text).map(|_| ()).map_err(|error| format!("the selector: {error}"))
    }

    /// The selector as JSON.
    pub(crate) fn selector_text(&self) -> Option<String> {
        self.selector.as_ref().map(|selector| Value::Object(selector.clone()).to_string())
    }

    fn filter(&self) -> SyncFilter {
        SyncFilter {
            selector: self.selector_text().map(Into::into),
            attachment_bytes_max: self.attachment_bytes_max,
        }
    }

    /// What is taken, in words that go on `… takes`.
    pub(crate) fn words(&self) -> String {
        if self.skip {
            return "nothing of it".into();
        }
        let selector = self.selector_text().map(|text| format!("only documents that match {text}"));
        let cap = self.attachment_bytes_max.map(|max| match max {
            0 => "nothing that has attachments".to_owned(),
            _ => format!("nothing that has an attachment of more than {max} bytes"),
        });
        selector.into_iter().chain(cap).collect::<Vec<_>>().join(" and ")
    }
}

/// All rules, as of now.
#[derive(Debug)]
pub(crate) struct LiveRules {
    /// This hub's own key.
    hub: PublicKey,
    current: ArcSwap<Rules>,
    /// Counts up when `current` is replaced.
    changes: watch::Sender<u64>,
    /// Held over a whole reading, so that an older one never replaces a newer one.
    reading: Mutex<()>,
}

impl LiveRules {
    /// None until [`Self::reload`].
    pub(super) fn new(hub: PublicKey) -> Self {
        let changes = watch::Sender::new(0);
        Self { hub, current: ArcSwap::default(), changes, reading: Mutex::default() }
    }

    /// As they are now.
    pub(crate) fn now(&self) -> Arc<Rules> {
        self.current.load_full()
    }

    /// What this device takes of a database, where that is not all.
    pub(crate) fn own(&self, db: DbUuid) -> Option<Arc<DeviceRule>> {
        self.now().get(&(self.hub, db)).cloned()
    }

    /// The same, as sources are asked.
    pub(super) fn filter(&self, db: DbUuid) -> SyncFilter {
        self.own(db).map(|rule| rule.filter()).unwrap_or_default()
    }

    /// What tells it from what was taken before: nothing where all is.
    pub(super) fn tag(&self, db: DbUuid) -> String {
        match self.own(db) {
            Some(rule) if rule.skip => "skip".into(),
            Some(rule) => Checkpoint::id("", &rule.filter()).to_string(),
            None => String::new(),
        }
    }

    /// Told whenever they may have changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Reads them anew. One that cannot be read leaves nothing out. May block.
    pub(super) fn reload(&self, store: &Store) -> Result<(), Error> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = Rules::new();
        let Some(database) = place(store) else { return Ok(()) };
        for (id, body) in database.read(access::documents)? {
            let Some(of) = id.strip_prefix(PREFIX) else { continue };
            match parse(of, &body) {
                Some((key, rule)) if rules.len() < RULES_MAX => {
                    rules.insert(key, Arc::new(rule));
                }
                _ => tracing::warn!("a rule for what a device takes is ignored"),
            }
        }
        if *self.now() != rules {
            self.current.store(Arc::new(rules));
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}

/// The rule that a document says, whose id is that of its device and database.
fn parse(of: &str, body: &str) -> Option<((PublicKey, DbUuid), DeviceRule)> {
    let rule: DeviceRule = serde_json::from_str(body).ok()?;
    let db = DbUuid::parse(&rule.db)?;
    let named = of == format!("{}/{db}", rule.device);
    (named && rule.check().is_ok()).then_some(((rule.device, db), rule))
}

/// Notes what a device takes of a database; `None` is all of it. May block.
pub(super) fn set(
    store: &Store,
    (device, db): (PublicKey, DbUuid),
    rule: Option<&DeviceRule>,
    now: Millis,
) -> Result<(), AclError> {
    let database = place(store).ok_or(AclError::Store(Error::NoDatabase))?;
    let text = rule.map(serde_json::to_string).transpose().map_err(acl::DocumentError::from)?;
    access::change_in(&database, &format!("{PREFIX}{device}/{db}"), now, |_| Ok(text.clone()))
}

fn place(store: &Store) -> Option<Arc<Database>> {
    store.database(&Kind::Device.database().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;
    use serde_json::json;

    use super::*;

    fn rule(value: &Value) -> Result<DeviceRule, String> {
        let device = DeviceKey::from_seed(&[7; 32]).public();
        let object = |name: &str| value[name].as_object().cloned();
        let cap = value["attachment_bytes_max"].as_u64();
        let skip = value["skip"] == true;
        DeviceRule::new(device, DbUuid([3; 16]), skip, object("selector"), cap)
    }

    #[test]
    fn rules_say_what_is_left_out() {
        for (value, words) in [
            (json!({"skip": true}), "nothing of it"),
            (json!({"attachment_bytes_max": 0}), "nothing that has attachments"),
            (
                json!({"selector": {"year": 2026}, "attachment_bytes_max": 9}),
                "only documents that match {\"year\":2026} and nothing that has an attachment of \
                 more than 9 bytes",
            ),
        ] {
            assert_eq!(rule(&value).unwrap().words(), words);
        }
        for bad in [
            json!({}),
            json!({"skip": true, "attachment_bytes_max": 0}),
            json!({"selector": {"a": {"$nothing": 1}}}),
            json!({"selector": {"a": "x".repeat(SELECTOR_BYTES_MAX)}}),
        ] {
            assert!(rule(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rules_are_read_as_they_were_written() {
        let rule = rule(&json!({"selector": {"year": 2026}})).unwrap();
        let (device, db) = (rule.device, DbUuid([3; 16]));
        let text = serde_json::to_string(&rule).unwrap();
        let of = format!("{device}/{db}");
        assert_eq!(parse(&of, &text), Some(((device, db), rule)));
        assert_eq!(parse(&format!("{device}/{}", DbUuid([4; 16])), &text), None);
        assert_eq!(parse(&of, "{}"), None);
        // What another release may say does not make it unreadable.
        let more = text.replacen('{', "{\"soon\":1,", 1);
        let kept = serde_json::to_value(parse(&of, &more).unwrap().1).unwrap();
        assert_eq!(kept["soon"], 1);
    }
}
