//! Public keys: what every principal is.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE64};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Characters of a key in base32.
const TEXT_BYTES: usize = 52;

/// Characters that tell keys apart in a log.
const SHORT_BYTES: usize = 8;

/// An Ed25519 public key: a point in its one canonical form, and none of the few that prove nothing.
///
/// As text it is 52 lower-case base32 characters (RFC 4648, no padding, the last four bits zero): the
/// value of the key type `ed25519publickey` in an httpkey URL.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// What was given is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// It has another length or other characters.
    #[error("a key is {TEXT_BYTES} lower-case base32 characters (a to z, 2 to 7)")]
    Text,
    /// Its last character has bits that no key has, so that two texts would mean one key.
    #[error("the last character of the key is not one that a key can end with")]
    TrailingBits,
    /// The bytes are no point of the curve in canonical form.
    #[error("the key is no point of the curve Ed25519 in canonical form")]
    Point,
    /// A point of small order, for which signatures can be made without a secret.
    #[error("the key is a point of small order, which proves nothing")]
    SmallOrder,
}

impl PublicKey {
    /// What stands before the key in its SubjectPublicKeyInfo.
    ///
    /// Source: RFC 8410, section 4.
    pub(crate) const SPKI_PREFIX: [u8; 12] =
        [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

    /// The key with these 32 bytes.
    ///
    /// # Errors
    /// [`PublicKeyError::Point`] and [`PublicKeyError::SmallOrder`].
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, PublicKeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| PublicKeyError::Point)?;
        if key.is_weak() {
            return Err(PublicKeyError::SmallOrder);
        }
        // Decompression takes a few encodings that are not the canonical one.
        if key.to_edwards().compress().to_bytes() != bytes {
            return Err(PublicKeyError::Point);
        }
        Ok(Self(bytes))
    }

    /// The key of a secret: its scalar times the base point, which has a large order.
    pub(crate) fn of_secret(secret: &SigningKey) -> Self {
        Self(secret.verifying_key().to_bytes())
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The SHA-256 of the key as a SubjectPublicKeyInfo, in the form that `curl --pinnedpubkey` takes.
    pub fn pin(&self) -> String {
        let digest = Sha256::new().chain_update(Self::SPKI_PREFIX).chain_update(self.0).finalize();
        format!("sha256//{}", BASE64.encode(&digest))
    }

    /// The first characters, for logs: enough to tell keys apart, too few to find one by.
    pub fn shortened(&self) -> String {
        let mut text = self.to_string();
        text.truncate(SHORT_BYTES);
        text
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

/// Shows as much as a log may.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}…)", self.shortened())
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let letters = |b: u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b);
        if text.len() != TEXT_BYTES || !text.bytes().all(letters) {
            return Err(PublicKeyError::Text);
        }
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        // Length and letters are right, so the bits that are left over are not.
        let bytes = bytes.map_err(|_| PublicKeyError::TrailingBits)?;
        Self::from_bytes(bytes.try_into().map_err(|_| PublicKeyError::Text)?)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, PublicKeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
        PublicKey::from_bytes(key.to_bytes()).unwrap()
    }

    #[test]
    fn one_text_means_one_key() {
        let text = key(7).to_string();
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(text.parse(), Ok(key(7)));
        let error = |text: &str| text.parse::<PublicKey>().unwrap_err();
        assert_eq!(error(&text.to_uppercase()), PublicKeyError::Text);
        assert_eq!(error(&format!("{text}====")), PublicKeyError::Text);
        assert_eq!(error(&format!(" {text}")), PublicKeyError::Text);
        assert_eq!(error(&text[1..]), PublicKeyError::Text);
        assert_eq!(error(&text.replace(&text[..1], "1")), PublicKeyError::Text);
        assert_eq!(error(""), PublicKeyError::Text);
        // 52 characters are 260 bits: the last character carries one bit of the key.
        for last in "bcdefghijklmnopqrstuvwxyz234567".chars().filter(|&last| last != 'q') {
            let text = format!("{}{last}", &text[..51]);
            assert_eq!(error(&text), PublicKeyError::TrailingBits, "{last}");
        }
    }

    #[test]
    fn points_that_prove_nothing_are_no_keys() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(identity), Err(PublicKeyError::SmallOrder));
        assert_eq!(PublicKey::from_bytes([0; 32]), Err(PublicKeyError::SmallOrder));
        assert_eq!(PublicKey::from_bytes([0xff; 32]), Err(PublicKeyError::Point));
        // y = p + 3 is y = 3 in a form that is not canonical.
        let mut beyond = [0xff; 32];
        (beyond[0], beyond[31]) = (0xed + 3, 0x7f);
        let mut three = [0; 32];
        three[0] = 3;
        assert!(PublicKey::from_bytes(three).is_ok());
        assert_eq!(PublicKey::from_bytes(beyond), Err(PublicKeyError::Point));
    }

    #[test]
    fn debug_shows_no_whole_key() {
        let (text, shown) = (key(7).to_string(), format!("{:?}", key(7)));
        assert!(!shown.contains(&text) && shown.contains(&text[..8]));
    }

    #[test]
    fn goes_through_json() {
        let json = serde_json::to_string(&key(7)).unwrap();
        assert_eq!(json, format!("\"{}\"", key(7)));
        assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), key(7));
        assert!(serde_json::from_str::<PublicKey>("\"a\"").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_come_back(bytes: [u8; 32]) {
            if let Ok(key) = PublicKey::from_bytes(bytes) {
                prop_assert_eq!(key.bytes(), &bytes);
                prop_assert_eq!(key.to_string().parse(), Ok(key));
            }
        }
    }
}
