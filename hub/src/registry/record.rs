//! What `_dbs` says of a database.

use identity::PublicKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::stamp::stamp_of;
use store::{ConflictPolicy, ConflictRule, DbName, DbUuid, Millis, RevId};

/// What `_dbs` says of a database.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// What it is.
    pub(crate) uuid: DbUuid,
    /// What it is called, wherever nothing else is called so.
    pub(crate) name: DbName,
    /// What becomes of conflicts in it.
    pub(crate) conflicts: ConflictPolicy,
    /// How often that was set; hubs sync it only under the same version.
    pub(crate) conflicts_version: u64,
    /// Where it is.
    pub(crate) scope: Scope,
    /// The device that made it; unknown where it came with a restored copy.
    pub(crate) device: Option<PublicKey>,
    /// When it was made.
    pub(crate) created: Millis,
    /// Whether its documents are kept in partitions.
    pub(crate) partitioned: bool,
    /// When it was deleted, if it was.
    pub(crate) deleted_at: Option<Millis>,
    /// The database that has its documents now: it is deleted, since it became one with that.
    pub(crate) joined: Option<DbUuid>,
    /// The view that it is made of, where nobody writes it.
    pub(crate) view: Option<SourceView>,
    /// What later releases say of it.
    pub(super) others: Map<String, Value>,
}

/// Where a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// On the device that made it only.
    Local,
    /// On every device of its owner.
    Mesh,
    /// There, and with friends.
    Shared,
}

/// A view whose rows a database is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SourceView {
    /// The uuid of the database that it is a view of, as text.
    pub(crate) database: String,
    /// The design document, without `_design/`.
    pub(crate) design: String,
    /// The view in it.
    pub(crate) view: String,
}

impl SourceView {
    /// The database that it is a view of.
    pub(crate) fn of(&self) -> Option<DbUuid> {
        DbUuid::parse(&self.database)
    }
}

/// A record as its document has it.
#[derive(Serialize, Deserialize)]
struct Body {
    name: String,
    conflicts: String,
    conflicts_version: u64,
    scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<PublicKey>,
    created: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    partitioned: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joined: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    view: Option<SourceView>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A document of `_dbs` says nothing that is understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// It is no record.
    #[error("no record of a database")]
    Json(#[from] serde_json::Error),
    /// It names no database.
    #[error("it names no database")]
    Name(#[from] store::DbNameError),
    /// It does not say what becomes of conflicts.
    #[error("`conflicts`: {0}")]
    Conflicts(String),
    /// It became one with nothing.
    #[error("`joined` is no database")]
    Joined,
    /// It is of a database that a hub has of its own.
    #[error("a system database has no record")]
    System,
}

impl Record {
    /// Of a database that is made now, or was found without one.
    pub(crate) fn new(uuid: DbUuid, name: DbName, device: PublicKey, created: Millis) -> Self {
        let ConflictRule { policy, version } = ConflictRule::default();
        Self {
            uuid,
            name,
            conflicts: policy,
            conflicts_version: version,
            scope: Scope::Mesh,
            device: Some(device),
            created,
            partitioned: false,
            deleted_at: None,
            joined: None,
            view: None,
            others: Map::new(),
        }
    }

    /// Reads a document's text.
    pub(crate) fn parse(uuid: DbUuid, text: &str) -> Result<Self, RecordError> {
        let body: Body = serde_json::from_str(text)?;
        let name: DbName = body.name.parse()?;
        if name.is_system() {
            return Err(RecordError::System);
        }
        let conflicts = body.conflicts.parse::<ConflictPolicy>();
        let joined = body.joined.map(|joined| DbUuid::parse(&joined).ok_or(RecordError::Joined));
        Ok(Self {
            uuid,
            name,
            conflicts: conflicts.map_err(|error| RecordError::Conflicts(error.to_string()))?,
            conflicts_version: body.conflicts_version,
            scope: body.scope,
            device: body.device,
            created: Millis(body.created),
            partitioned: body.partitioned,
            deleted_at: body.deleted_at.map(Millis),
            joined: joined.transpose()?,
            view: body.view,
            others: body.others,
        })
    }

    /// The document's text.
    pub(crate) fn text(&self) -> String {
        let body = Body {
            name: self.name.to_string(),
            conflicts: self.conflicts.to_string(),
            conflicts_version: self.conflicts_version,
            scope: self.scope,
            device: self.device,
            created: self.created.0,
            partitioned: self.partitioned,
            deleted_at: self.deleted_at.map(|at| at.0),
            joined: self.joined.map(|joined| joined.to_string()),
            view: self.view.clone(),
            others: self.others.clone(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// What becomes of conflicts in the database, and how often that was set.
    pub(crate) fn rule(&self) -> ConflictRule {
        ConflictRule { policy: self.conflicts.clone(), version: self.conflicts_version }
    }

    /// Whether the database is, somewhere.
    pub(crate) fn is_live(&self) -> bool {
        self.deleted_at.is_none()
    }

    /// What the live leaves of a document say together, whichever order they came in: the newest of
    /// them counts, but of what becomes of conflicts the one that was set most often, so that no hub
    /// goes back to what it had before.
    pub(crate) fn merged(leaves: Vec<(RevId, Self)>) -> Option<Self> {
        let rule_of = |record: &Self| (record.conflicts_version, record.conflicts.to_string());
        let rule = leaves.iter().map(|(_, record)| record).max_by_key(|record| rule_of(record));
        let rule = rule?.rule();
        let order = |rev: &RevId| {
            (
                stamp_of(rev).map(|stamp| (stamp.millis().0, stamp.counter())),
                rev.generation,
                rev.to_string(),
            )
        };
        let newest = leaves.into_iter().max_by_key(|(rev, _)| order(rev));
        newest.map(|(_, record)| Self {
            conflicts: rule.policy,
            conflicts_version: rule.version,
            ..record
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: DbUuid = DbUuid([7; 16]);

    fn record(conflicts: &str, version: u64) -> Record {
        let text = format!(
            r#"{{"name":"notes","conflicts":"{conflicts}","conflicts_version":{version},"scope":"mesh","created":5,"later":1}}"#
        );
        Record::parse(UUID, &text).unwrap()
    }

    #[test]
    fn comes_back_as_it_was_written() {
        let mut record = record("newest_by:/a/b", 3);
        record.deleted_at = Some(Millis(9));
        record.joined = Some(DbUuid([1; 16]));
        record.view =
            Some(SourceView { database: UUID.to_string(), design: "d".into(), view: "v".into() });
        assert_eq!(record.view.as_ref().unwrap().of(), Some(UUID));
        assert_eq!(Record::parse(UUID, &record.text()).unwrap(), record);
        assert!(record.text().contains(r#""later":1"#));
    }

    #[test]
    fn says_what_is_wrong() {
        let text = record("keep", 0).text();
        for (from, to, expected) in [
            (r#""mesh""#, r#""moon""#, "no record of a database"),
            (r#""notes""#, r#""No""#, "it names no database"),
            (r#""notes""#, r#""_apps""#, "a system database has no record"),
            (r#""notes""#, r#""notes~phone""#, "it names no database"),
            (r#""keep""#, r#""first""#, "`conflicts`: "),
            (r#""later""#, r#""joined""#, "no record of a database"),
        ] {
            let error = Record::parse(UUID, &text.replace(from, to)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn leaves_are_merged_whatever_their_order() {
        let rev = |text: &str| text.parse::<RevId>().unwrap();
        let renamed = Record { name: "diary".parse().unwrap(), ..record("newest", 2) };
        let mut leaves = vec![
            (rev("3-aa"), renamed),
            (rev("2-cc"), record("keep", 4)),
            (rev("2-bb"), record("newest", 4)),
        ];
        for _ in 0..3 {
            leaves.rotate_left(1);
            let merged = Record::merged(leaves.clone()).unwrap();
            assert_eq!(merged.name.as_str(), "diary", "the one of the greatest revision");
            assert_eq!(merged.rule(), record("newest", 4).rule(), "the greater text of version 4");
        }
        assert_eq!(Record::merged(Vec::new()), None);
    }
}
