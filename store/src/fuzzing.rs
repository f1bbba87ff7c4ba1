//! What must hold whatever bytes come in: the fuzz targets of this crate, and the seeds that once
//! found something.
//!
//! Built for `cargo fuzz` and for tests only.

mod document;
mod rev;

pub use document::document;
pub use rev::rev;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs a target on every seed that lies in its folder.
    fn check(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
        let seeds: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
        for seed in seeds {
            target(&fs::read(&seed).unwrap());
        }
    }

    #[test]
    fn seeds_of_documents() {
        check("document", super::document);
    }

    #[test]
    fn seeds_of_revisions() {
        check("rev", super::rev);
    }
}
