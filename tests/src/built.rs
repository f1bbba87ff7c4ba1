//! Programs that cargo built beside this test.

use std::path::PathBuf;

/// The program of this name.
///
/// # Panics
/// When it is not there.
#[track_caller]
pub(crate) fn built(program: &str, package: &str) -> PathBuf {
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let ourselves = std::env::current_exe().unwrap_or_default();
    // target/debug/deps/suite-… or target/debug/demo
    let beside = ourselves.ancestors().skip(1).take(2).map(|folder| folder.join(&name));
    match beside.into_iter().find(|path| path.is_file()) {
        Some(path) => path,
        None => panic!(
            "no {program} beside {}: run `cargo build -p {package}` first",
            ourselves.display()
        ),
    }
}
