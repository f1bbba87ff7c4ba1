//! What a session needs of chance, drawn by the caller.

use std::fmt;

use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// 96 random bytes, good for one attempt of one side.
#[derive(Clone)]
pub struct Chance(Zeroizing<[u8; Self::BYTES]>);

impl Chance {
    /// How many there are.
    pub const BYTES: usize = 96;

    /// These bytes, which nobody else may know and which are used once.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What is revealed after the other side is committed.
    pub(super) fn nonce(&self) -> [u8; 32] {
        let mut nonce = [0; 32];
        nonce.copy_from_slice(&self.0[..32]);
        nonce
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// What the spoken code's secret is drawn from: the last 64 bytes.
    pub(super) fn for_code(&self) -> impl RngCore + CryptoRng + '_ {
        Drawn { bytes: &self.0[32..], at: 0 }
    }
}

/// No secret is shown.
impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance(…)")
    }
}

/// Hands bytes out that were drawn before, each once.
struct Drawn<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl RngCore for Drawn<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// # Panics
    /// When more is asked for than there is: one scalar takes all 64 bytes, whatever comes in.
    fn fill_bytes(&mut self, into: &mut [u8]) {
        let end = self.at + into.len();
        into.copy_from_slice(&self.bytes[self.at..end]);
        self.at = end;
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(into);
        Ok(())
    }
}

impl CryptoRng for Drawn<'_> {}
