//! Addresses of onion services, version 3.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Sha3_256};

/// Characters before `.onion`.
const NAME_BYTES: usize = 56;

/// The only version there is.
const VERSION: u8 = 3;

/// Characters that tell onion services apart in a log.
const SHORT_BYTES: usize = 8;

/// The address of an onion service: its key, a checksum, a version, and `.onion`.
///
/// It says where a server is, never who. No `Display`: [`Self::full`] is for Tor and for people, `Debug` for
/// logs.
///
/// Source: Tor's rend-spec-v3, section 6.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OnionAddress(String);

/// A name that ends with `.onion` is none of an onion service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnionAddressError {
    /// It has another length or other characters; names of version 2 have 16 and are gone for good.
    #[error("an onion address is {NAME_BYTES} base32 characters and .onion")]
    Text,
    /// A character was mistaken.
    #[error("the onion address has a wrong checksum: a character is mistaken")]
    Checksum,
    /// It is of a version to come.
    #[error("the onion address is not of version {VERSION}")]
    Version,
}

impl OnionAddress {
    /// The address of the service with this Ed25519 public key.
    pub fn of_key(key: &[u8; 32]) -> Self {
        let bytes = [key.as_slice(), &checksum(key, VERSION), &[VERSION]].concat();
        let encoded = BASE32_NOPAD.encode(&bytes);
        Self(format!("{}.onion", encoded.to_ascii_lowercase()))
    }

    /// The whole name, `.onion` included, in lower case.
    pub fn full(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OnionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}….onion", self.0.get(..SHORT_BYTES).unwrap_or_default())
    }
}

impl FromStr for OnionAddress {
    type Err = OnionAddressError;

    fn from_str(text: &str) -> Result<Self, OnionAddressError> {
        let name = text.to_ascii_uppercase();
        let encoded = name.strip_suffix(".ONION").ok_or(OnionAddressError::Text)?;
        if encoded.len() != NAME_BYTES {
            return Err(OnionAddressError::Text);
        }
        let bytes = BASE32_NOPAD.decode(encoded.as_bytes()).map_err(|_| OnionAddressError::Text)?;
        let [key @ .., first, second, version] = bytes.as_slice() else {
            return Err(OnionAddressError::Text);
        };
        if checksum(key, *version) != [*first, *second] {
            return Err(OnionAddressError::Checksum);
        }
        if *version != VERSION {
            return Err(OnionAddressError::Version);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl TryFrom<String> for OnionAddress {
    type Error = OnionAddressError;

    fn try_from(text: String) -> Result<Self, OnionAddressError> {
        text.parse()
    }
}

impl From<OnionAddress> for String {
    fn from(address: OnionAddress) -> Self {
        address.0
    }
}

fn checksum(key: &[u8], version: u8) -> [u8; 2] {
    let hash = Sha3_256::new().chain_update(".onion checksum").chain_update(key);
    let [first, second, ..] = <[u8; 32]>::from(hash.chain_update([version]).finalize());
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_key() {
        // The public key of the seed 00 01 … 1f; the address is what C Tor and Arti make of it.
        let seed: Vec<u8> = (0..32).collect();
        let key = crate::DeviceKey::from_seed(&seed.try_into().unwrap()).public();
        let address = OnionAddress::of_key(key.bytes());
        assert!(address.full().starts_with("aoqqpp7t") && address.full().ends_with("bqead.onion"));
        assert_eq!(address.full().parse(), Ok(address.clone()));
        let json = serde_json::to_string(&address).unwrap();
        assert_eq!(serde_json::from_str::<OnionAddress>(&json).unwrap(), address);
        assert!(serde_json::from_str::<OnionAddress>("\"a.onion\"").is_err());
    }
}
