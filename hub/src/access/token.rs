//! Tokens: what a client proves itself with, and what the hub keeps to check it.

use identity::key_file::{Key, KeyFileError};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// A secret that stands for a principal; never printed but where a person asks for it.
pub(crate) struct Token(String);

/// Shortest token that a person may choose, in bytes: long enough that guessing, slowed as it is,
/// leads nowhere.
const CHOSEN_BYTES_MIN: usize = 16;

/// Longest token that a person may choose, in bytes: it has to fit into a header.
const CHOSEN_BYTES_MAX: usize = 512;

/// A person chose a token that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token has {CHOSEN_BYTES_MIN} to {CHOSEN_BYTES_MAX} printable ASCII characters and no spaces"
)]
pub(crate) struct UnfitToken;

impl Token {
    /// A fresh token of 256 random bits.
    pub(crate) fn random() -> Result<Self, KeyFileError> {
        Ok(Self(Key::random()?.to_text()))
    }

    /// A token that a person chose.
    pub(crate) fn choose(text: &str) -> Result<Self, UnfitToken> {
        let fits = (CHOSEN_BYTES_MIN..=CHOSEN_BYTES_MAX).contains(&text.len());
        if !fits || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UnfitToken);
        }
        Ok(Self(text.into()))
    }

    /// The secret, to show it to the one who asked for it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// What the hub keeps of a token: enough to recognise it, too little to use it.
///
/// A fast hash is right here: a token of the hub's own making cannot be guessed at any rate, and
/// guesses at chosen ones are slowed by [`super::attempts`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenHash {
    /// Makes equal tokens look different; 64 hexadecimal digits.
    #[serde(with = "hex")]
    salt: [u8; 32],
    /// BLAKE3 of the token, keyed with the salt; 64 hexadecimal digits.
    #[serde(with = "hex")]
    hash: [u8; 32],
}

impl TokenHash {
    /// What to keep of a token.
    pub(crate) fn of(token: &str) -> Result<Self, KeyFileError> {
        let salt = *Key::random()?.bytes();
        Ok(Self { salt, hash: *blake3::keyed_hash(&salt, token.as_bytes()).as_bytes() })
    }

    /// Whether this is the token, in a time that does not tell how nearly it is.
    pub(crate) fn matches(&self, token: &[u8]) -> bool {
        let hash = blake3::keyed_hash(&self.salt, token);
        hash.as_bytes().ct_eq(&self.hash).into()
    }

    /// Bytes that change whenever the token does; sessions are bound to them.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.hash
    }
}

mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&blake3::Hash::from_bytes(*bytes).to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        blake3::Hash::from_hex(text).map(Into::into).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_its_token_and_no_other() {
        let token = Token::random().unwrap();
        assert_eq!(token.expose().len(), 43);
        let hash = TokenHash::of(token.expose()).unwrap();
        assert!(hash.matches(token.expose().as_bytes()));
        for other in ["", "x", &token.expose()[1..], Token::random().unwrap().expose()] {
            assert!(!hash.matches(other.as_bytes()));
        }
        let again = TokenHash::of(token.expose()).unwrap();
        assert!(again.bytes() != hash.bytes());
    }

    #[test]
    fn keeps_no_token() {
        let hash = TokenHash::of("correct horse battery staple").unwrap();
        let text = serde_json::to_string(&hash).unwrap();
        assert!(!text.contains("horse"));
        let read: TokenHash = serde_json::from_str(&text).unwrap();
        assert!(read.matches(b"correct horse battery staple"));
        assert!(serde_json::from_str::<TokenHash>(r#"{"salt":"00","hash":"00"}"#).is_err());
    }

    #[test]
    fn chosen_tokens_have_a_least_length() {
        assert!(Token::choose("0123456789abcdef").is_ok());
        for bad in
            ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdé", "0123456789abcdef\n"]
        {
            assert_eq!(Token::choose(bad).err(), Some(UnfitToken), "{bad:?}");
        }
        assert!(Token::choose(&"x".repeat(513)).is_err());
    }

    /// Hashes are compared, by a library that looks at every byte; and where those of two guesses differ
    /// from the token's does not follow from where the guesses do.
    #[test]
    fn nearness_does_not_show_in_what_is_compared() {
        let token = Token::random().unwrap();
        let known = TokenHash::of(token.expose()).unwrap();
        for same in 0..token.expose().len() {
            let (front, back) = token.expose().split_at(same);
            let guess = format!("{front}{}", "~".repeat(back.len()));
            assert!(!known.matches(guess.as_bytes()));
            let hash = blake3::keyed_hash(&known.salt, guess.as_bytes());
            let alike = hash.as_bytes().iter().zip(&known.hash).take_while(|(a, b)| a == b).count();
            assert!(alike < 5, "{same} characters alike, {alike} bytes of the hashes");
        }
    }
}
