//! Names of onion services, version 3.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use sha3::{Digest as _, Sha3_256};

/// Characters before `.onion`.
const NAME_BYTES: usize = 56;

/// The only version there is.
const VERSION: u8 = 3;

/// Characters that tell onion services apart in a log.
const SHORT_BYTES: usize = 8;

/// The name of an onion service: its key, a checksum, a version, and `.onion`.
///
/// It says where a server is, never who. No `Display`: [`Self::full`] is for Tor and for people, `Debug` for
/// logs.
///
/// Source: Tor's rend-spec-v3, section 6.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OnionName(String);

/// A name that ends with `.onion` is none of an onion service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnionNameError {
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

impl OnionName {
    /// The whole name, `.onion` included, in lower case.
    pub fn full(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OnionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}….onion", self.0.get(..SHORT_BYTES).unwrap_or_default())
    }
}

impl FromStr for OnionName {
    type Err = OnionNameError;

    fn from_str(text: &str) -> Result<Self, OnionNameError> {
        let name = text.to_ascii_uppercase();
        let encoded = name.strip_suffix(".ONION").ok_or(OnionNameError::Text)?;
        if encoded.len() != NAME_BYTES {
            return Err(OnionNameError::Text);
        }
        let bytes = BASE32_NOPAD.decode(encoded.as_bytes()).map_err(|_| OnionNameError::Text)?;
        let [key @ .., first, second, version] = bytes.as_slice() else {
            return Err(OnionNameError::Text);
        };
        let hash = Sha3_256::new().chain_update(".onion checksum").chain_update(key);
        let hash = hash.chain_update([*version]).finalize();
        if hash.get(..2) != Some(&[*first, *second][..]) {
            return Err(OnionNameError::Checksum);
        }
        if *version != VERSION {
            return Err(OnionNameError::Version);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}
