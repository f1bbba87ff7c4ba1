//! How a guest finds a hub whose onion service is found by those alone whom it knows.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::message::Bytes;
use super::secret::{SECRET_BYTES, Secret};
use crate::OnionAddress;

/// Where what finds a service is derived from a secret.
const DISCOVERY: &str = "larder pairing 1 discovery";

/// What a link holds so that its guest finds the host's onion service: 128 bits. It opens nothing: who is let
/// in is for the link's other secret, and for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindSecret(Secret);

impl FindSecret {
    /// How many bytes it has.
    pub const BYTES: usize = SECRET_BYTES;

    /// The secret with these bytes, drawn at random.
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// The secret key, of X25519, for which this service's descriptor is encrypted.
    pub fn discovery_secret(&self, service: &OnionAddress) -> Zeroizing<[u8; 32]> {
        self.0.key(&format!("{DISCOVERY}{}", service.full()))
    }
}

/// By which key one side looks for the other's onion service from now on: a public key of X25519. In base32 in
/// messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Bytes<32>", into = "Bytes<32>")]
pub struct FindKey(pub [u8; 32]);

impl From<Bytes<32>> for FindKey {
    fn from(Bytes(bytes): Bytes<32>) -> Self {
        Self(bytes)
    }
}

impl From<FindKey> for Bytes<32> {
    fn from(FindKey(bytes): FindKey) -> Self {
        Self(bytes)
    }
}
