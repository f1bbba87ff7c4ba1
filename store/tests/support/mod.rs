//! What the suites of this crate share.

#![allow(dead_code, unused_imports, reason = "each suite uses its own part")]

mod random;

use std::path::Path;

pub(crate) use random::{Random, fresh_seed};
use store::{Edit, Lineage, Options, RevId};

/// A store that commits on the caller's thread and keeps few files open.
pub(crate) fn options() -> Options {
    Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] }
}

/// An edit of this revision, or the first one.
pub(crate) fn put(id: &str, base: Option<RevId>, body: &str) -> Edit {
    Edit {
        id: id.parse().expect("a document id"),
        lineage: Lineage::Child(base),
        deleted: false,
        body: body.into(),
        attachments: Vec::new(),
    }
}

/// The names of all files below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in folder.read_dir().expect("a file") {
        let entry = entry.expect("a file");
        match entry.file_type().expect("a file").is_dir() {
            true => names.extend(files_below(&entry.path())),
            false => names.push(entry.file_name().into_string().expect("a file")),
        }
    }
    names.sort();
    names
}
