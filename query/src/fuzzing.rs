//! What must hold whatever bytes come in: the fuzz targets of this crate, and the seeds that once
//! found something.
//!
//! Built for `cargo fuzz` and for tests only.

mod key;
mod selector;

#[cfg(test)]
pub(crate) use key::compare_raw;
pub use key::key;
pub use selector::selector;

/// A query of full-text search in the first line, a text whose words it marks in those after it.
///
/// # Panics
/// When what must hold of them does not.
#[cfg(feature = "search")]
pub fn search(bytes: &[u8]) {
    crate::search::fuzzing::query(bytes);
}

#[cfg(test)]
#[path = "../../fuzz/check_seeds.rs"]
mod check_seeds;

#[cfg(test)]
mod tests {
    use super::check_seeds::check;

    #[test]
    fn seeds_of_keys() {
        check("key", super::key);
    }

    #[test]
    fn seeds_of_selectors() {
        check("selector", super::selector);
    }

    #[cfg(feature = "search")]
    #[test]
    fn seeds_of_search() {
        check("search", super::search);
    }
}
