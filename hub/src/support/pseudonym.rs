//! Names that stand for names.

use std::collections::BTreeMap;

/// What databases and hubs are called in one bundle: numbered as they come, the same each time.
#[derive(Debug, Default)]
pub(crate) struct Pseudonyms {
    databases: BTreeMap<String, usize>,
    peers: BTreeMap<String, usize>,
}

impl Pseudonyms {
    /// What stands for a database of this name.
    pub(crate) fn database(&mut self, name: &str) -> String {
        format!("db-{}", number(&mut self.databases, name))
    }

    /// What stands for a hub of this name.
    pub(crate) fn peer(&mut self, name: &str) -> String {
        format!("peer-{}", number(&mut self.peers, name))
    }
}

fn number(known: &mut BTreeMap<String, usize>, name: &str) -> usize {
    let next = known.len() + 1;
    *known.entry(name.to_owned()).or_insert(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_has_the_same_pseudonym() {
        let mut pseudonyms = Pseudonyms::default();
        let names = ["notes", "diary", "notes"].map(|name| pseudonyms.database(name));
        assert_eq!(names, ["db-1", "db-2", "db-1"]);
        assert_eq!(pseudonyms.peer("notes"), "peer-1");
    }
}
