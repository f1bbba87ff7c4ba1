//! The secret that makes a device itself.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::PublicKey;

/// What stands before the seed in an Ed25519 key as PKCS#8, version 1, without attributes.
///
/// Source: RFC 8410, section 7.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// An Ed25519 secret key: it never leaves its device, shows nothing in `Debug`, and is wiped from memory
/// when it is dropped.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl DeviceKey {
    /// The key that follows from this seed; any 32 bytes are one.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// What others know this device by.
    pub fn public(&self) -> PublicKey {
        PublicKey::of_secret(&self.0)
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The key as PKCS#8, which TLS libraries read.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        // Whole from the start: what grows leaves copies behind.
        let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + 32));
        der.extend_from_slice(&PKCS8_PREFIX);
        der.extend_from_slice(self.0.as_bytes());
        der
    }
}

/// Shows whose secret it is, as far as a log may.
impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey(of {:?})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, HEXLOWER};
    use ed25519_dalek::{Signature, VerifyingKey};

    use super::*;

    #[test]
    fn keys_and_signatures_are_those_of_the_standard() {
        // RFC 8032, section 7.1, test 2.
        let bytes = |text: &[u8]| HEXLOWER.decode(text).unwrap();
        let seed = bytes(b"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = DeviceKey::from_seed(&seed.try_into().unwrap());
        let public = bytes(b"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(key.public().bytes().as_slice(), public);
        let signature = Signature::from_bytes(&key.sign(&[0x72]));
        let verifying = VerifyingKey::from_bytes(key.public().bytes()).unwrap();
        assert!(verifying.verify_strict(&[0x72], &signature).is_ok());
        assert!(
            HEXLOWER.encode(&signature.to_bytes()).starts_with("92a009a9f0d4cab8720e820b5f6425")
        );
    }

    #[test]
    fn pkcs8_is_that_of_the_standard() {
        // RFC 8410, section 10.3.
        let seed = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";
        let seed = HEXLOWER.decode(seed.as_bytes()).unwrap();
        let key = DeviceKey::from_seed(&seed.try_into().unwrap());
        let expected = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
        assert_eq!(BASE64.encode(&key.to_pkcs8()), expected);
    }

    #[test]
    fn every_public_key_of_a_secret_is_one_that_is_taken() {
        for seed in 0..=255 {
            let key = DeviceKey::from_seed(&[seed; 32]).public();
            assert_eq!(PublicKey::from_bytes(*key.bytes()), Ok(key));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", DeviceKey::from_seed(&[7; 32]));
        assert!(shown.starts_with("DeviceKey(of PublicKey(") && shown.len() < 40, "{shown}");
    }
}
