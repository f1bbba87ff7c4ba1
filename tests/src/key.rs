//! Keys of friends, apps and strangers.

use std::ops::Range;
use std::path::{Path, PathBuf};

use data_encoding::{BASE32_NOPAD, BASE64};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PublicKeyData as _};
use ureq::tls::{Certificate, ClientCert, PrivateKey};

/// What stands before the seed of an Ed25519 key in PKCS#8, version 1 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Where the seed is, in either version.
const PKCS8_SEED: Range<usize> = 16..48;

/// An Ed25519 key with a certificate that it signed itself.
pub struct Key {
    pair: KeyPair,
    certificate: rcgen::Certificate,
}

impl Key {
    /// A fresh one.
    ///
    /// # Panics
    /// When none can be made.
    #[track_caller]
    pub fn new() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let params = CertificateParams::new(Vec::new()).expect("no names");
        let certificate = params.self_signed(&pair).expect("a certificate");
        Self { pair, certificate }
    }

    /// The public key in base32, as Larder writes it.
    pub fn text(&self) -> String {
        BASE32_NOPAD.encode(self.pair.der_bytes()).to_ascii_lowercase()
    }

    /// The key pair.
    pub fn pair(&self) -> &KeyPair {
        &self.pair
    }

    /// The certificate.
    pub fn certificate(&self) -> &rcgen::Certificate {
        &self.certificate
    }

    /// Writes the certificate and the secret key as PEM files, for programs like curl.
    ///
    /// # Panics
    /// When they cannot be written.
    #[track_caller]
    pub fn write_to(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, secret) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, self.certificate.pem()).expect("a certificate file");
        std::fs::write(&secret, self.secret_pem()).expect("a key file");
        (certificate, secret)
    }

    /// The secret as PKCS#8 of the first version, which every program reads: what rcgen writes has the
    /// public key behind it, and OpenSSL takes that for damage.
    fn secret_pem(&self) -> String {
        let der = self.pair.serialize_der();
        let seed = der.get(PKCS8_SEED).expect("a seed");
        let text = BASE64.encode(&[&PKCS8_PREFIX, seed].concat());
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }

    pub(crate) fn for_ureq(&self) -> ClientCert {
        let certificate = Certificate::from_der(self.certificate.der()).to_owned();
        let secret = PrivateKey::from_pem(self.pair.serialize_pem().as_bytes()).expect("a key");
        ClientCert::new_with_certs(&[certificate], secret)
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
    }
}
