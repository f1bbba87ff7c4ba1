//! How a guest finds a hub whose onion service is found by those alone whom it knows.

use std::fmt;

use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::message::Bytes;
use super::transcript::expand;
use crate::OnionAddress;

/// Bytes of a secret, and where what finds a service is derived from it.
const SECRET_BYTES: usize = 16;
const DISCOVERY: &str = "larder pairing 1 discovery";

/// What a link holds so that its guest finds the host's onion service: 128 bits. It opens nothing: who is let
/// in is for the link's other secret, and for TLS.
#[derive(Clone)]
pub struct FindSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl FindSecret {
    /// How many bytes it has.
    pub const BYTES: usize = SECRET_BYTES;

    /// The secret with these bytes, drawn at random.
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// The secret key, of X25519, for which this service's descriptor is encrypted. 128 uniform bits need no
    /// salt.
    pub fn discovery_secret(&self, service: &OnionAddress) -> Zeroizing<[u8; 32]> {
        let label = format!("{DISCOVERY}{}", service.full());
        expand(&Hkdf::<Sha256>::new(None, &*self.0), &label)
    }
}

impl PartialEq for FindSecret {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other.0.as_slice()).into()
    }
}

impl Eq for FindSecret {}

/// No secret is shown.
impl fmt::Debug for FindSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FindSecret(…)")
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
