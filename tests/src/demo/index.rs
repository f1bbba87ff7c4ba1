//! Debian's package index as documents.

use std::collections::{HashMap, HashSet};
use std::process::Command;

use serde_json::{Map, Value};

use crate::Finished;

/// One package of the index.
pub(crate) struct Package {
    /// The package's name, or `name_architecture_version` where the name alone is not unique.
    pub(crate) id: String,
    /// The document, without `_rev`.
    pub(crate) doc: Value,
    /// The stanza as apt prints it.
    pub(crate) stanza: String,
}

/// What the index held.
pub(crate) struct Index {
    pub(crate) packages: Vec<Package>,
    /// Packages whose name occurs more than once, under their long ids.
    pub(crate) shared_names: usize,
    /// Stanzas left out because name, architecture and version were there already.
    pub(crate) repeated: usize,
}

/// Fields with a number.
const NUMBERS: [&str; 2] = ["installed_size", "size"];

/// Fields with a list, separated by commas.
const LISTS: [&str; 10] = [
    "breaks",
    "conflicts",
    "depends",
    "enhances",
    "pre_depends",
    "provides",
    "recommends",
    "replaces",
    "suggests",
    "tag",
];

/// This machine's index, from `apt-cache dumpavail`; `apt-get update` fetches it when there is none.
///
/// # Panics
/// When there is no index and none can be fetched.
pub(crate) fn read() -> Index {
    let dump = || Finished::of(Command::new("apt-cache").arg("dumpavail")).expect_success();
    let mut text = dump();
    if text.trim().is_empty() {
        Finished::of(Command::new("apt-get").args(["--quiet", "update"])).expect_success();
        text = dump();
    }
    assert!(!text.trim().is_empty(), "apt knows of no packages, even after `apt-get update`");
    parse(&text)
}

fn parse(text: &str) -> Index {
    let stanzas: Vec<_> = text
        .split("\n\n")
        .map(|stanza| stanza.trim_matches('\n'))
        .filter(|stanza| !stanza.is_empty())
        .map(|stanza| (stanza, fields(stanza)))
        .collect();
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (_, fields) in &stanzas {
        *names.entry(word(fields, "package")).or_default() += 1;
    }

    let mut index = Index { packages: Vec::new(), shared_names: 0, repeated: 0 };
    let mut seen = HashSet::new();
    for (stanza, fields) in &stanzas {
        let name = word(fields, "package");
        let shared = names.get(name).is_some_and(|count| *count > 1);
        let id = if shared {
            format!("{name}_{}_{}", word(fields, "architecture"), word(fields, "version"))
        } else {
            name.to_owned()
        };
        if !seen.insert(id.clone()) {
            index.repeated += 1;
            continue;
        }
        index.shared_names += usize::from(shared);
        let mut doc = fields.clone();
        doc.insert("_id".into(), id.clone().into());
        index.packages.push(Package { id, doc: Value::Object(doc), stanza: format!("{stanza}\n") });
    }
    index
}

/// A stanza's fields: `Name: value`, continued on lines that start with white space.
fn fields(stanza: &str) -> Map<String, Value> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for line in stanza.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, text)) = texts.last_mut() {
                text.push('\n');
                text.push_str(line.trim_start());
            }
        } else if let Some((name, text)) = line.split_once(':') {
            texts.push((name.to_lowercase().replace('-', "_"), text.trim().to_owned()));
        }
    }
    texts.into_iter().map(|(name, text)| (name.clone(), value(&name, &text))).collect()
}

fn value(name: &str, text: &str) -> Value {
    if NUMBERS.contains(&name)
        && let Ok(number) = text.parse::<u64>()
    {
        number.into()
    } else if LISTS.contains(&name) {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    } else {
        text.into()
    }
}

fn word<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stanzas_become_documents() {
        let index = parse(concat!(
            "Package: g++\nVersion: 4:12.2\nArchitecture: amd64\nInstalled-Size: 16\n",
            "Pre-Depends: a (>= 1), b | c\nTag: role::program,\n implemented-in::c\n",
            "Description: the compiler\n\n",
            "Package: twice\nVersion: 1\nArchitecture: all\n\n",
            "Package: twice\nVersion: 2\nArchitecture: all\n\n",
            "Package: twice\nVersion: 2\nArchitecture: all\nSize: 7\n\n",
        ));
        let ids: Vec<_> = index.packages.iter().map(|package| package.id.as_str()).collect();
        assert_eq!(ids, ["g++", "twice_all_1", "twice_all_2"]);
        assert_eq!((index.shared_names, index.repeated), (2, 1));
        assert_eq!(
            index.packages[0].doc,
            json!({
                "_id": "g++", "package": "g++", "version": "4:12.2", "architecture": "amd64",
                "installed_size": 16, "pre_depends": ["a (>= 1)", "b | c"],
                "tag": ["role::program", "implemented-in::c"], "description": "the compiler",
            })
        );
        assert!(index.packages[0].stanza.ends_with("Description: the compiler\n"));
    }
}
