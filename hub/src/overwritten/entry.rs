//! What is published of one revision that lost: a function of the revision alone, so that all devices which
//! had it publish the same.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{Attachment, DbUuid, DocId, DocIdError, RevId, Signature};

/// Says which revision the document in `_overwritten` is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The database.
    pub(crate) database: DbUuid,
    /// The document.
    pub(crate) document: DocId,
    /// The revision.
    pub(crate) revision: RevId,
}

/// The text of such a document.
#[derive(Serialize, Deserialize)]
pub(crate) struct Entry<'a> {
    pub(crate) database: String,
    pub(crate) document: String,
    pub(crate) revision: String,
    /// Whether it deleted the document.
    pub(crate) deleted: bool,
    /// What it said.
    #[serde(borrow)]
    pub(crate) body: &'a RawValue,
}

/// Digits of hashes in ids.
const DIGITS: usize = 16;

impl Lost {
    /// The id of the document in `_overwritten`.
    pub(crate) fn id(&self) -> Result<DocId, DocIdError> {
        let rev = digits(self.revision.to_string().as_bytes());
        format!("{}{rev}", prefix(self.database, &self.document)).parse()
    }

    /// The text of the document.
    pub(crate) fn text(&self, deleted: bool, body: &str) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Entry {
            database: self.database.to_string(),
            document: self.document.to_string(),
            revision: self.revision.to_string(),
            deleted,
            body: serde_json::from_str(body)?,
        })
    }
}

impl Entry<'_> {
    /// Which revision it is about.
    pub(crate) fn lost(&self) -> Option<Lost> {
        Some(Lost {
            database: DbUuid::parse(&self.database)?,
            document: self.document.parse().ok()?,
            revision: self.revision.parse().ok()?,
        })
    }
}

/// What the ids of all documents begin with that are about one document.
pub(crate) fn prefix(database: DbUuid, document: &DocId) -> String {
    format!("{database}:{}:", digits(document.as_str().as_bytes()))
}

/// What the ids of all documents begin with that are about one database.
pub(crate) fn prefix_of(database: DbUuid) -> String {
    format!("{database}:")
}

/// The database that a document is about, by its id.
pub(crate) fn database_in(id: &DocId) -> Option<DbUuid> {
    DbUuid::parse(id.as_str().split(':').next()?)
}

/// The one revision of such a document: no hub writes another.
pub(crate) fn revision(id: &DocId, text: &str, attachments: &[Attachment]) -> RevId {
    let mut hasher = blake3::Hasher::new_derive_key("larder 2026-11-28 overwritten");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(id.as_str().as_bytes());
    part(text.as_bytes());
    for attachment in attachments {
        part(attachment.name.as_bytes());
        part(attachment.content_type.as_bytes());
        part(&attachment.digest.0);
    }
    RevId { generation: 1, signature: Signature::Digest(first_half(hasher.finalize())) }
}

/// The tombstone of such a document, whoever dismisses it.
pub(crate) fn tombstone(of: &RevId) -> RevId {
    let hash = blake3::derive_key("larder 2026-11-28 dismissed", of.to_string().as_bytes());
    let digest = first_half(blake3::Hash::from_bytes(hash));
    RevId { generation: of.generation + 1, signature: Signature::Digest(digest) }
}

fn first_half(hash: blake3::Hash) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.as_bytes()[..16]);
    digest
}

fn digits(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().chars().take(DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_function_of_the_revision() {
        let lost = Lost {
            database: DbUuid([1; 16]),
            document: "a/b".parse().unwrap(),
            revision: "2-aa".parse().unwrap(),
        };
        let (id, text) = (lost.id().unwrap(), lost.text(false, r#"{"n":1.0}"#).unwrap());
        assert!(id.as_str().starts_with(&prefix(lost.database, &lost.document)));
        assert!(id.as_str().starts_with(&prefix_of(lost.database)));
        assert_eq!(database_in(&id), Some(lost.database));
        assert!(text.contains(r#""body":{"n":1.0}"#), "{text}");
        let entry: Entry<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(entry.lost(), Some(lost.clone()));
        let rev = revision(&id, &text, &[]);
        assert_eq!((rev.generation, tombstone(&rev).generation), (1, 2));
        assert_eq!(rev, revision(&id, &text, &[]));
        let other = Lost { revision: "2-ab".parse().unwrap(), ..lost };
        assert_ne!(other.id().unwrap(), id);
    }
}
