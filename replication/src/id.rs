//! Names of replications, and of their runs.

use std::fmt;

use store::LocalId;

use crate::{Filter, Leaves};

/// What a replication's checkpoints are filed under: the same for the same source, target and
/// filter, whatever the credentials; 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplicationId(Box<str>);

/// One run of a replication; 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(Box<str>);

impl ReplicationId {
    /// Names the replication that `hub` (whatever is unique to it) runs from `source` to `target`,
    /// each a database's name or [`crate::PeerUrl::endpoint`].
    #[must_use]
    pub fn new(hub: &[u8], source: &str, target: &str, filter: &Filter, leaves: Leaves) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(b"larder-replication-1");
        part(hub);
        part(source.as_bytes());
        part(target.as_bytes());
        match filter {
            Filter::All => {}
            Filter::DocIds(ids) => {
                let mut ids: Vec<_> = ids.iter().map(store::DocId::as_str).collect();
                ids.sort_unstable();
                ids.dedup();
                part(b"doc_ids");
                ids.iter().for_each(|id| part(id.as_bytes()));
            }
            Filter::Selector(selector) => {
                part(b"selector");
                part(selector.as_bytes());
            }
            Filter::Function(function) => {
                part(b"filter");
                part(function.name.as_bytes());
                let mut options: Vec<_> = function.options.iter().collect();
                options.sort_unstable();
                for (name, value) in options {
                    part(name.as_bytes());
                    part(value.as_bytes());
                }
            }
        }
        match leaves {
            Leaves::All => {}
            Leaves::Winner => part(b"winning_revs_only"),
        }
        let digest = hasher.finalize().to_hex();
        Self(digest.as_str().get(..32).unwrap_or_default().into())
    }

    /// The local document that holds the checkpoints, on either side.
    #[must_use]
    pub fn log_id(&self) -> LocalId {
        // Hexadecimal digits behind `_local/` always make an id.
        format!("_local/{}", self.0).parse().unwrap_or_else(|_| unreachable!("not a local id"))
    }
}

impl SessionId {
    /// Makes a session's name of random bits.
    #[must_use]
    pub fn from_random(random: u128) -> Self {
        Self(format!("{random:032x}").into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FunctionFilter;

    fn doc_ids(ids: &[&str]) -> Filter {
        Filter::DocIds(ids.iter().map(|id| id.parse().unwrap()).collect())
    }

    #[test]
    fn same_replication_same_id() {
        let id = |source: &str, filter: &Filter| {
            ReplicationId::new(b"hub", source, "b", filter, Leaves::All)
        };
        let all = id("a", &Filter::All);
        assert_eq!(all.to_string().len(), 32);
        assert_eq!(all, id("a", &Filter::All));
        assert_ne!(all, id("c", &Filter::All));
        assert_ne!(all, ReplicationId::new(b"other", "a", "b", &Filter::All, Leaves::All));
        assert_ne!(all, ReplicationId::new(b"hub", "ab", "", &Filter::All, Leaves::All));
        assert_eq!(id("a", &doc_ids(&["x", "y"])), id("a", &doc_ids(&["y", "x", "y"])));
        assert_ne!(all, id("a", &doc_ids(&[])));
        assert_ne!(id("a", &doc_ids(&["x"])), id("a", &Filter::Selector("x".into())));
        let function = |name: &str, options: &[(&str, &str)]| {
            let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let options = options.iter().map(option).collect();
            let name = name.to_owned();
            id("a", &Filter::Function(FunctionFilter { name, options }.into()))
        };
        assert_eq!(
            function("d/f", &[("a", "1"), ("b", "2")]),
            function("d/f", &[("b", "2"), ("a", "1")])
        );
        assert_ne!(function("d/f", &[("a", "1")]), function("d/f", &[("a", "2")]));
        assert_ne!(function("d/f", &[]), function("d/g", &[]));
        assert_ne!(all, function("", &[]));
        let winners = ReplicationId::new(b"hub", "a", "b", &Filter::All, Leaves::Winner);
        assert_ne!(all, winners);
        assert_eq!(all.log_id().to_string(), format!("_local/{all}"));
    }
}
