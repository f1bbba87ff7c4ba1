//! What a data directory shows of the work on its databases.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The files of all databases whose names begin like this.
pub(crate) fn files(data: &Path, prefix: &str) -> Vec<PathBuf> {
    let all = entries(&data.join("databases")).into_iter().flat_map(|folder| entries(&folder));
    all.filter(|path| named(path, prefix)).collect()
}

/// The databases' own files, without what SQLite keeps beside them.
pub(crate) fn mains(data: &Path) -> Vec<PathBuf> {
    let mut mains = files(data, "main-");
    mains.retain(|path| is_main(path));
    mains
}

/// Whether some database has two files: one is being filled, or has just taken the other's place.
pub(crate) fn is_compacting(data: &Path) -> bool {
    let databases = entries(&data.join("databases"));
    databases.iter().any(|folder| entries(folder).iter().filter(|path| is_main(path)).count() > 1)
}

fn is_main(path: &Path) -> bool {
    named(path, "main-") && path.extension().is_some_and(|extension| extension == "sqlite")
}

fn named(path: &Path, prefix: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
}
