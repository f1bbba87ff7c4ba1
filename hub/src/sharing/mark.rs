//! How far a published view goes: kept in a local document of the database that is made of it.

use serde::{Deserialize, Serialize};
use store::{Database, Error, LocalId, Seq};

/// The local document.
const ID: &str = "_local/published-view";

/// Up to where the rows of a view have become documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// What makes ids here others than elsewhere, in hexadecimal digits.
    secret: String,
    /// The history of the source that `seq` counts, and which database that is.
    pub(super) history: String,
    /// Which index the rows were of, and which of its trees.
    pub(super) index: String,
    pub(super) tree: usize,
    /// The last edit of the source, and the last purge, whose rows are here.
    pub(super) seq: u64,
    pub(super) purge_seq: u64,
    /// Whether documents may be left of sources that no change tells of.
    #[serde(default)]
    pub(super) sweeps: bool,
}

impl Mark {
    /// As it was kept last; a new one where there is none. May block.
    pub(super) fn read(database: &Database) -> Result<Self, Error> {
        let id = id()?;
        let local = database.read(|snapshot| snapshot.local(&id))?;
        let text = local.map(|local| local.json).unwrap_or_default();
        let known: Option<Self> = serde_json::from_str(&text).ok();
        match known.filter(|mark| mark.key().is_some()) {
            Some(mark) => Ok(mark),
            // Without the secret no document that there is can be found again.
            None => Ok(Self { secret: new_secret()?, sweeps: true, ..Self::default() }),
        }
    }

    /// Keeps it. May block.
    pub(super) fn write(&self, database: &Database) -> Result<(), Error> {
        // It always serialises.
        let text = serde_json::to_string(self).unwrap_or_default();
        database.write_local(id()?, 0, Some(text))?;
        Ok(())
    }

    /// The secret.
    pub(super) fn key(&self) -> Option<[u8; 32]> {
        blake3::Hash::from_hex(&self.secret).ok().map(|hash| *hash.as_bytes())
    }

    /// The position up to which changes of the source need not be read again.
    pub(super) fn since(&self) -> Seq {
        Seq(self.seq)
    }
}

/// The history that a database's sequences count.
pub(super) fn history(source: &Database) -> String {
    format!("{} {}", source.uuid(), source.seq(Seq(0)))
}

fn new_secret() -> Result<String, Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| Error::Damaged(format!("no random bytes: {error}")))?;
    Ok(blake3::Hash::from_bytes(secret).to_hex().to_string())
}

fn id() -> Result<LocalId, Error> {
    ID.parse().map_err(|_| Error::NoDatabase)
}
