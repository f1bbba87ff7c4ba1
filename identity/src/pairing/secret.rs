//! Bytes that a link holds and nobody is shown.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::transcript::expand;

/// How many there are: 128 bits.
pub(super) const SECRET_BYTES: usize = 16;

/// 128 bits drawn at random.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl Secret {
    pub(super) fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// A key for one purpose. 128 uniform bits need no salt.
    pub(super) fn key(&self, label: &str) -> Zeroizing<[u8; 32]> {
        expand(&Hkdf::<Sha256>::new(None, &*self.0), label)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other.0.as_slice()).into()
    }
}

impl Eq for Secret {}

/// No secret is shown.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
