//! What must hold whatever bytes come in: the fuzz targets of this crate, and the seeds that once
//! found something.
//!
//! Built for `cargo fuzz` and for tests only.

mod certificate;
mod http_key_url;
mod pairing;

pub use certificate::certificate;
pub use http_key_url::http_key_url;
pub use pairing::{pairing_link, pairing_message};

#[cfg(test)]
#[path = "../../fuzz/check_seeds.rs"]
mod check_seeds;

#[cfg(test)]
mod tests {
    use super::check_seeds::check;

    #[test]
    fn seeds_of_certificates() {
        check("certificate", super::certificate);
    }

    #[test]
    fn seeds_of_links() {
        check("pairing_link", super::pairing_link);
    }

    #[test]
    fn seeds_of_messages() {
        check("pairing_message", super::pairing_message);
    }

    #[test]
    fn seeds_of_urls() {
        check("http_key_url", super::http_key_url);
    }
}
