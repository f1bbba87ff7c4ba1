//! Bytes as text: base32 as keys are written, in one way only.

use data_encoding::BASE32_NOPAD;

/// The bytes in lower-case base32 without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// Exactly so many bytes; none where the text is another form of them, too.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
    bytes.try_into().ok().filter(|_| plain)
}
