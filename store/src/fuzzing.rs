//! What must hold whatever bytes come in: the fuzz targets of this crate, and the seeds that once
//! found something.
//!
//! Built for `cargo fuzz` and for tests only.

mod document;
mod rev;

pub use document::document;
pub use rev::rev;

#[cfg(test)]
#[path = "../../fuzz/check_seeds.rs"]
mod check_seeds;

#[cfg(test)]
mod tests {
    use super::check_seeds::check;

    #[test]
    fn seeds_of_documents() {
        check("document", super::document);
    }

    #[test]
    fn seeds_of_revisions() {
        check("rev", super::rev);
    }
}
