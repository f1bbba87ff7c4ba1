//! What must hold whatever bytes come in: the fuzz targets of this crate, and the seeds that once
//! found something.
//!
//! Built for `cargo fuzz` and for tests only.

mod sync;

pub use sync::sync;

#[cfg(test)]
#[path = "../../fuzz/check_seeds.rs"]
mod check_seeds;

#[cfg(test)]
mod tests {
    use super::check_seeds::check;

    #[test]
    fn seeds_of_syncs() {
        check("sync", super::sync);
    }
}
