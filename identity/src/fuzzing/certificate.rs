//! What a peer shows in place of a certificate.

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

use crate::tls::{CERTIFICATE_BYTES_MAX, CertificateFault, key_of};
use crate::{PublicKey, PublicKeyError};

/// Any bytes are refused or have a key: one that stands in them, and the one that the TLS library reads
/// there, where it can. A second certificate changes that, whatever it is.
///
/// # Panics
/// When that does not hold.
pub fn certificate(bytes: &[u8]) {
    let certificate = CertificateDer::from(bytes);
    let chain = key_of(&certificate, std::slice::from_ref(&certificate));
    assert_eq!(chain, Err(CertificateFault::Chain));
    let found = key_of(&certificate, &[]);
    if let Ok(key) = found {
        assert!(bytes.len() <= CERTIFICATE_BYTES_MAX);
        let info = [&PublicKey::SPKI_PREFIX[..], key.bytes()].concat();
        assert!(bytes.windows(info.len()).any(|window| window == info));
        assert_eq!(PublicKey::from_bytes(*key.bytes()), Ok(key));
        if let Ok(parsed) = ParsedCertificate::try_from(&certificate) {
            assert_eq!(parsed.subject_public_key_info().as_ref(), info);
        }
    }
    let impossible = Err(CertificateFault::Key(PublicKeyError::Text));
    assert_ne!(found, impossible, "a key of 32 bytes is no text");
}
