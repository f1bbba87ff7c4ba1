//! The secret that lets a program use a forwarder.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::ForwarderError;

/// 256 random bits, as 43 characters that a URL takes as they are.
pub(super) struct Token(Zeroizing<String>);

impl Token {
    /// Fresh random bits.
    pub(super) fn random() -> Result<Self, ForwarderError> {
        let mut bytes = Zeroizing::new([0; 32]);
        let filled = getrandom::fill(bytes.as_mut());
        filled.map_err(|error| ForwarderError::Random(error.to_string()))?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes))))
    }

    /// The secret, for whoever may use the forwarder.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the token, in a time that does not tell how nearly it is.
    pub(super) fn matches(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}
