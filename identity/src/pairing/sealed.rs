//! Messages of one direction of a session, each under its number.

use zeroize::Zeroizing;

use super::PairingError;
use super::message::{Bytes, Sealed};
use super::transcript::{mac, same};

/// What is said in one direction.
#[derive(Clone)]
pub(super) struct Direction {
    key: Zeroizing<[u8; 32]>,
    /// Of the message that came or went last.
    last: u64,
}

impl Direction {
    /// Nothing was said yet.
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self { key, last: 0 }
    }

    /// Seals what is said next; the number goes up by one.
    pub(super) fn seal_next(&mut self, content: String) -> Sealed {
        self.last += 1;
        self.seal(self.last, content)
    }

    /// Seals an answer to the message of this number.
    pub(super) fn seal(&self, number: u64, content: String) -> Sealed {
        let seal = Bytes(self.authenticator(number, &content));
        Sealed { number, content, seal }
    }

    /// What a message says that is newer than all before.
    pub(super) fn open_newer(&mut self, sealed: Sealed) -> Result<(u64, String), PairingError> {
        let Sealed { number, content, seal } = sealed;
        if !same(&seal.0, &self.authenticator(number, &content)) {
            return Err(PairingError::Seal);
        }
        if number <= self.last {
            return Err(PairingError::Replayed);
        }
        self.last = number;
        Ok((number, content))
    }

    /// What the answer to the message of this number says.
    pub(super) fn open_answer(&self, number: u64, sealed: Sealed) -> Result<String, PairingError> {
        if !same(&sealed.seal.0, &self.authenticator(sealed.number, &sealed.content)) {
            return Err(PairingError::Seal);
        }
        if sealed.number != number {
            return Err(PairingError::Replayed);
        }
        Ok(sealed.content)
    }

    fn authenticator(&self, number: u64, content: &str) -> [u8; 32] {
        mac(&self.key, &[&number.to_be_bytes(), content.as_bytes()])
    }
}
