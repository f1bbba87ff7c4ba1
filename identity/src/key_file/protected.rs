//! A key behind a passphrase, as one line of text.
//!
//! ```text
//! larder-key-1 <public key> argon2id <memory in KiB>,<passes>,<lanes> <salt> <nonce> <sealed key> <check>
//! ```
//!
//! Salt (16 bytes), nonce (24), sealed key (32 and a tag of 16) and check (8) are base64url without padding.
//! The key is sealed with XChaCha20-Poly1305, under what Argon2id makes of the passphrase, together with all
//! that stands before it. The check is the beginning of a SHA-256 over all that stands before it: what is
//! damaged is told from a wrong passphrase by it, and nothing depends on it that matters to an attacker.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Key, KeyFileError, fill};
use crate::PublicKey;

const FORMAT: &str = "larder-key-1";
const FUNCTION: &str = "argon2id";

/// Shortest passphrase, in characters.
const PASSPHRASE_CHARS_MIN: usize = 8;

/// Longest passphrase, in bytes.
const PASSPHRASE_BYTES_MAX: usize = 1024;

/// A passphrase; neither printed nor compared, wiped when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

/// What was given cannot be a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a passphrase has at least {PASSPHRASE_CHARS_MIN} characters and at most {PASSPHRASE_BYTES_MAX} bytes"
)]
pub struct UnfitPassphrase;

impl Passphrase {
    /// Takes a text as a passphrase.
    ///
    /// # Errors
    /// When it is too short to protect anything, or longer than any that is read.
    pub fn new(text: String) -> Result<Self, UnfitPassphrase> {
        let passphrase = Self(Zeroizing::new(text));
        let text = passphrase.0.as_str();
        let long_enough = text.chars().count() >= PASSPHRASE_CHARS_MIN;
        if long_enough && text.len() <= PASSPHRASE_BYTES_MAX {
            Ok(passphrase)
        } else {
            Err(UnfitPassphrase)
        }
    }

    /// Whether both are the same: somebody typed it twice.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// What guessing a passphrase costs, once for every guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// Source: RFC 9106, section 4, second recommended option.
    const CHOSEN: Self = Self { memory_kib: 65_536, passes: 3, lanes: 4 };

    /// What a file may ask for at most; a damaged one must not cost gigabytes or hours.
    const MAX: Self = Self { memory_kib: 262_144, passes: 16, lanes: 16 };

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(',').map(|number| number.parse::<u32>().ok());
        let (memory_kib, passes) = (numbers.next()??, numbers.next()??);
        let cost = Self { memory_kib, passes, lanes: numbers.next()?? };
        let lanes = (1..=Self::MAX.lanes).contains(&cost.lanes);
        let memory = lanes && (8 * cost.lanes..=Self::MAX.memory_kib).contains(&memory_kib);
        let bounded = memory && (1..=Self::MAX.passes).contains(&passes);
        (bounded && numbers.next().is_none()).then_some(cost)
    }

    fn to_text(self) -> String {
        let Self { memory_kib, passes, lanes } = self;
        format!("{memory_kib},{passes},{lanes}")
    }
}

/// A key that is of use only with its passphrase. Whose it is can be read without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedKey {
    public: PublicKey,
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
    sealed: [u8; 48],
}

/// A key could not be had from behind its passphrase.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// Another passphrase.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// What was sealed is not the key that it says it is.
    #[error("the key is damaged: it is not the one that its file names")]
    Damaged,
    /// Making a key of the passphrase failed.
    #[error("could not work with the passphrase: {0}")]
    Derivation(argon2::Error),
    /// The system has no random bytes.
    #[error(transparent)]
    Random(#[from] KeyFileError),
}

impl ProtectedKey {
    /// Puts a key behind a passphrase. Takes a large part of a second.
    ///
    /// # Errors
    /// [`UnlockError::Derivation`], for which want of memory is the only cause known, and
    /// [`UnlockError::Random`].
    pub fn seal(key: &Key, passphrase: &Passphrase) -> Result<Self, UnlockError> {
        Self::seal_at(Cost::CHOSEN, key, passphrase)
    }

    fn seal_at(cost: Cost, key: &Key, passphrase: &Passphrase) -> Result<Self, UnlockError> {
        let public = key.device_key().public();
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        fill(&mut salt)?;
        fill(&mut nonce)?;
        let mut protected = Self { public, cost, salt, nonce, sealed: [0; 48] };
        let head = protected.head();
        let payload = Payload { msg: key.bytes(), aad: head.as_bytes() };
        let sealed = protected.cipher(passphrase)?.encrypt(&nonce.into(), payload);
        let sealed = sealed.ok().and_then(|sealed| sealed.try_into().ok());
        protected.sealed = sealed.ok_or(UnlockError::Damaged)?;
        Ok(protected)
    }

    /// The key, given its passphrase. Takes a large part of a second.
    ///
    /// # Errors
    /// [`UnlockError::WrongPassphrase`], and rarely the others.
    pub fn unlock(&self, passphrase: &Passphrase) -> Result<Key, UnlockError> {
        let head = self.head();
        let payload = Payload { msg: &self.sealed, aad: head.as_bytes() };
        let opened = self.cipher(passphrase)?.decrypt(&self.nonce.into(), payload);
        let opened = Zeroizing::new(opened.map_err(|_| UnlockError::WrongPassphrase)?);
        let bytes = opened.as_slice().try_into().map_err(|_| UnlockError::Damaged)?;
        let key = Key(Zeroizing::new(bytes));
        if key.device_key().public() != self.public {
            return Err(UnlockError::Damaged);
        }
        Ok(key)
    }

    /// What others know a device by that has this key, as the file says it: true once it is unlocked.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    fn cipher(&self, passphrase: &Passphrase) -> Result<XChaCha20Poly1305, UnlockError> {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let mut key = Zeroizing::new([0; 32]);
        let params = Params::new(memory_kib, passes, lanes, Some(key.len()));
        let params = params.map_err(UnlockError::Derivation)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), &self.salt, key.as_mut_slice())
            .map_err(UnlockError::Derivation)?;
        Ok(XChaCha20Poly1305::new(key.as_slice().into()))
    }

    /// What stands before the sealed key.
    fn head(&self) -> String {
        let (cost, encode) = (self.cost.to_text(), |bytes| BASE64URL_NOPAD.encode(bytes));
        let (salt, nonce) = (encode(&self.salt), encode(&self.nonce));
        format!("{FORMAT} {} {FUNCTION} {cost} {salt} {nonce}", self.public)
    }

    pub(super) fn to_line(&self) -> String {
        let text = format!("{} {}", self.head(), BASE64URL_NOPAD.encode(&self.sealed));
        format!("{text} {}", check(&text))
    }

    pub(super) fn from_line(line: &str) -> Option<Self> {
        let (text, written) = line.rsplit_once(' ')?;
        if check(text) != written {
            return None;
        }
        let mut fields = text.split(' ');
        if fields.next()? != FORMAT {
            return None;
        }
        let public = fields.next()?.parse().ok()?;
        if fields.next()? != FUNCTION {
            return None;
        }
        let key = Self {
            public,
            cost: Cost::parse(fields.next()?)?,
            salt: decode(fields.next()?)?,
            nonce: decode(fields.next()?)?,
            sealed: decode(fields.next()?)?,
        };
        // One key is written in one way.
        (key.to_line() == line).then_some(key)
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn check(text: &str) -> String {
    let digest = Sha256::digest(text);
    BASE64URL_NOPAD.encode(digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As little as there is, so that tests are quick.
    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.into()).unwrap()
    }

    fn sealed() -> (Key, ProtectedKey) {
        let key = Key::random().unwrap();
        let sealed = ProtectedKey::seal_at(CHEAP, &key, &passphrase("correct horse")).unwrap();
        (key, sealed)
    }

    /// A line with a right check, whatever is in it.
    fn checked(text: &str) -> String {
        format!("{text} {}", check(text))
    }

    #[test]
    fn comes_back_by_its_passphrase_alone() {
        let (key, sealed) = sealed();
        let read = ProtectedKey::from_line(&sealed.to_line()).unwrap();
        assert_eq!(read, sealed);
        assert_eq!(read.public(), key.device_key().public());
        assert_eq!(read.unlock(&passphrase("correct horse")).unwrap().bytes(), key.bytes());
        for wrong in ["correct horse ", "Correct horse", "something else"] {
            let refused = read.unlock(&passphrase(wrong)).err();
            assert!(matches!(refused, Some(UnlockError::WrongPassphrase)), "{wrong}");
        }
    }

    #[test]
    fn what_a_person_gets_is_costly_enough() {
        let key = Key::random().unwrap();
        let sealed = ProtectedKey::seal(&key, &passphrase("correct horse")).unwrap();
        assert_eq!(sealed.cost, Cost::CHOSEN);
        assert_eq!(sealed.unlock(&passphrase("correct horse")).unwrap().bytes(), key.bytes());
        let line = sealed.to_line();
        assert!(line.starts_with("larder-key-1 ") && line.len() < 256, "{line}");
    }

    #[test]
    fn damage_is_told_without_a_passphrase() {
        let line = sealed().1.to_line();
        for at in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            let damaged = String::from_utf8(bytes).unwrap();
            assert_eq!(ProtectedKey::from_line(&damaged), None, "{damaged}");
            assert_eq!(ProtectedKey::from_line(&line[..at]), None);
        }
        assert_eq!(ProtectedKey::from_line(&format!("{line} ")), None);
    }

    #[test]
    fn nothing_that_was_sealed_can_be_exchanged() {
        let (_, one) = sealed();
        let (_, other) = sealed();
        let passphrase = passphrase("correct horse");
        for mixed in [
            ProtectedKey { public: other.public, ..one.clone() },
            ProtectedKey { cost: Cost { passes: 2, ..CHEAP }, ..one.clone() },
            ProtectedKey { salt: other.salt, ..one.clone() },
            ProtectedKey { nonce: other.nonce, ..one.clone() },
            ProtectedKey { sealed: other.sealed, ..one.clone() },
        ] {
            let mixed = ProtectedKey::from_line(&mixed.to_line()).unwrap();
            assert!(matches!(mixed.unlock(&passphrase), Err(UnlockError::WrongPassphrase)));
        }
    }

    #[test]
    fn a_file_cannot_ask_for_gigabytes() {
        let (_, sealed) = sealed();
        let text = format!("{} {}", sealed.head(), BASE64URL_NOPAD.encode(&sealed.sealed));
        assert!(ProtectedKey::from_line(&checked(&text)).is_some());
        for cost in [
            "4294967295,1,1",
            "262145,1,1",
            "8,17,1",
            "8,0,1",
            "8,1,0",
            "7,1,1",
            "8,1,2",
            "200,1,17",
            "8,1",
            "8,1,1,1",
            "08,1,1",
            "+8,1,1",
            "",
            "8,1,x",
        ] {
            let text = text.replace(" 8,1,1 ", &format!(" {cost} "));
            assert_eq!(ProtectedKey::from_line(&checked(&text)), None, "{cost}");
        }
        for (from, to) in [("larder-key-1", "larder-key-2"), ("argon2id", "argon2i"), (" ", "  ")] {
            let text = text.replacen(from, to, 1);
            assert_eq!(ProtectedKey::from_line(&checked(&text)), None, "{to}");
        }
    }

    #[test]
    fn passphrases_that_protect_nothing_are_refused() {
        for unfit in ["", "short", "1234567", &"x".repeat(1025)] {
            assert!(Passphrase::new(unfit.into()).is_err(), "{unfit}");
        }
        assert!(passphrase("12345678").is(&passphrase("12345678")));
        assert!(!passphrase("12345678").is(&passphrase("12345679")));
        // Characters, not bytes.
        assert!(Passphrase::new("\u{e4}\u{f6}\u{fc}\u{df}".into()).is_err());
    }
}
