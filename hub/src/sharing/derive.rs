//! Rows of a view as documents of a database of its own: one for each row, gone when the row goes.
//!
//! A document's id is `hash(source)`, 16 hexadecimal digits, and `hash(source, key, number)`, 32 of them: BLAKE3
//! under a secret of the database's, so that nobody can find out a source's id by trying. The first part lets the
//! rows of one source be found again and tells no more than which rows belong together; the number tells rows of
//! one source with the same key apart. The body is `{"key": …, "value": …}`: of what a row was made of it says nothing.

use std::collections::BTreeMap;

use store::{DocId, Edit, Lineage, RevId};

/// Hexadecimal digits of an id that stand for its source.
pub(super) const SOURCE_DIGITS: usize = 16;

/// Hexadecimal digits behind them, which stand for the row.
const ROW_DIGITS: usize = 32;

/// Largest row that becomes a document, in bytes of key and value as JSON.
pub(super) const ROW_BYTES_MAX: usize = 1 << 20;

/// What makes ids of one database others than those of every other one.
#[derive(Clone, Copy)]
pub(super) struct IdKey([u8; 32]);

/// A document that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) id: DocId,
    pub(super) rev: RevId,
    pub(super) body: String,
}

/// The documents that the rows of one source are to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Their bodies, by their ids.
    pub(super) documents: BTreeMap<String, String>,
    /// Rows that are too large to be any.
    pub(super) too_large: u64,
}

impl IdKey {
    /// From what is kept in the database.
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// What the ids of all documents of a source begin with.
    pub(super) fn of_source(&self, source: &str) -> String {
        let hash = blake3::keyed_hash(&self.0, source.as_bytes());
        hash.to_hex().chars().take(SOURCE_DIGITS).collect()
    }

    /// The id of a row: of several of the source's with this key, the one of this number.
    fn of_row(&self, source: &str, key: &str, number: u64) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in [source, key] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&number.to_be_bytes());
        let row: String = hasher.finalize().to_hex().chars().take(ROW_DIGITS).collect();
        self.of_source(source) + &row
    }

    /// The documents of a source that has these rows, keys and values as JSON.
    pub(super) fn documents(&self, source: &str, rows: &[(String, String)]) -> Wanted {
        let mut wanted = Wanted::default();
        let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
        for (key, value) in rows {
            if key.len() + value.len() > ROW_BYTES_MAX {
                wanted.too_large += 1;
                continue;
            }
            let number = numbers.entry(key).or_default();
            let id = self.of_row(source, key, *number);
            *number += 1;
            wanted.documents.insert(id, format!(r#"{{"key":{key},"value":{value}}}"#));
        }
        wanted
    }
}

/// What has to be written so that instead of those documents there are these.
pub(super) fn edits(present: Vec<Present>, mut wanted: BTreeMap<String, String>) -> Vec<Edit> {
    let edit = |id: DocId, base: Option<RevId>, body: Option<String>| Edit {
        id,
        lineage: Lineage::Child(base),
        deleted: body.is_none(),
        body: body.unwrap_or_else(|| "{}".into()).into(),
        attachments: Vec::new(),
    };
    let mut edits = Vec::new();
    for Present { id, rev, body } in present {
        match wanted.remove(id.as_str()) {
            Some(same) if same == body => {}
            other => edits.push(edit(id, Some(rev), other)),
        }
    }
    let new = wanted.into_iter().filter_map(|(id, body)| Some((id.parse().ok()?, body)));
    edits.extend(new.map(|(id, body)| edit(id, None, Some(body))));
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn ids_follow_from_source_key_and_number() {
        let key = IdKey::new([7; 32]);
        let same = rows(&[("1", "\"a\""), ("1", "\"b\""), ("[1]", "null")]);
        let wanted = key.documents("soup", &same).documents;
        assert_eq!(wanted.len(), 3, "rows with the same key are several documents");
        assert_eq!(key.documents("soup", &same).documents, wanted);
        for id in wanted.keys() {
            assert_eq!(id.len(), SOURCE_DIGITS + ROW_DIGITS);
            assert!(id.starts_with(&key.of_source("soup")), "{id}");
        }
        let others = key.documents("cake", &same).documents;
        assert!(others.keys().all(|id| !wanted.contains_key(id)), "another source");
        let elsewhere = IdKey::new([8; 32]).documents("soup", &same).documents;
        assert!(elsewhere.keys().all(|id| !wanted.contains_key(id)), "another database");
        let body = wanted.values().find(|body| body.contains("[1]")).unwrap();
        assert_eq!(body, r#"{"key":[1],"value":null}"#);
    }

    #[test]
    fn rows_that_are_too_large_are_left_out_and_counted() {
        let large = format!("\"{}\"", "x".repeat(ROW_BYTES_MAX));
        let wanted = IdKey::new([7; 32]).documents("soup", &rows(&[("1", &large), ("2", "3")]));
        assert_eq!((wanted.documents.len(), wanted.too_large), (1, 1));
    }

    #[test]
    fn only_what_differs_is_written() {
        let key = IdKey::new([7; 32]);
        let before = key.documents("soup", &rows(&[("1", "1"), ("2", "2"), ("3", "3")]));
        let rev: RevId = "1-aa".parse().unwrap();
        let present = before.documents.iter().map(|(id, body)| Present {
            id: id.parse().unwrap(),
            rev: rev.clone(),
            body: body.clone(),
        });
        let now = key.documents("soup", &rows(&[("1", "1"), ("2", "5"), ("4", "4")])).documents;
        let edits = edits(present.collect(), now);
        let told = edits.iter().map(|edit| {
            let based = matches!(&edit.lineage, Lineage::Child(Some(_)));
            (based, edit.deleted)
        });
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        assert_eq!(told, [(false, false), (true, false), (true, true)]);
    }
}
