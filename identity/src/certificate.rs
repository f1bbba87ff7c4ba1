//! What carries a device's key through a TLS handshake.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{CertificateParams, DnType, PKCS_ED25519, PublicKeyData, SanType, SignatureAlgorithm};
use rustls::pki_types::CertificateDer;

use crate::{DeviceKey, PublicKey};

/// The first and the last year in which it says to be valid. A key does not expire.
const YEARS: (i32, i32) = (1975, 4096);

/// A device's key in a certificate that the key itself has signed.
///
/// Its names and dates are there for programs that insist on some; to a hub only the key means anything.
#[derive(Clone, Debug)]
pub struct Certificate(rcgen::Certificate);

/// A certificate could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not make a certificate")]
pub struct CertificateError(#[from] rcgen::Error);

impl Certificate {
    /// Makes a device's certificate: name `larder`, for `localhost` and its addresses.
    ///
    /// # Errors
    /// When the library that writes certificates refuses, for which no cause is known.
    pub fn of(key: &DeviceKey) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new(["localhost".to_owned()])?;
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        params.subject_alt_names.extend(addresses.map(SanType::IpAddress));
        params.distinguished_name.push(DnType::CommonName, "larder");
        params.not_before = rcgen::date_time_ymd(YEARS.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(YEARS.1, 1, 1);
        Ok(Self(params.self_signed(&Signer { key, public: key.public() })?))
    }

    /// As TLS sends it.
    pub fn der(&self) -> &CertificateDer<'static> {
        self.0.der()
    }

    /// As files hold it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }
}

/// A device's key as the library that writes certificates asks for it.
pub(crate) struct Signer<'a> {
    key: &'a DeviceKey,
    public: PublicKey,
}

#[cfg(test)]
impl<'a> Signer<'a> {
    pub(crate) fn of(key: &'a DeviceKey) -> Self {
        Self { key, public: key.public() }
    }
}

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public.bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_small_and_the_same_each_time() {
        let key = DeviceKey::from_seed(&[7; 32]);
        let (one, other) = (Certificate::of(&key).unwrap(), Certificate::of(&key).unwrap());
        assert_eq!(one.der(), other.der());
        assert!(one.der().len() < 400, "{} bytes", one.der().len());
        assert!(one.pem().starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
