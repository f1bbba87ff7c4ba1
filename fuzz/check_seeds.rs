//! Included by the tests of every crate that has fuzz targets.

use std::fs;
use std::path::Path;

/// Runs a target on every seed that lies in its folder.
pub(crate) fn check(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
    let seeds: Vec<_> = fs::read_dir(&folder).unwrap().map(|seed| seed.unwrap().path()).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for seed in seeds {
        target(&fs::read(&seed).unwrap());
    }
}
