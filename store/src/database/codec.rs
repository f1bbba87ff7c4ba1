//! How the JSON text of a body lies on disk: one byte that names the codec, then its output.

use std::io::Read as _;

use crate::Error;

const RAW: u8 = 0;
const ZSTD: u8 = 1;

/// Shorter bodies do not gain enough from compression without a dictionary.
const ZSTD_BYTES_MIN: usize = 4096;
const ZSTD_LEVEL: i32 = 1;

/// The text as it is stored.
pub(crate) fn encode(json: &str) -> Vec<u8> {
    if json.len() >= ZSTD_BYTES_MIN
        && let Ok(packed) = zstd::bulk::compress(json.as_bytes(), ZSTD_LEVEL)
        && packed.len() < json.len()
    {
        return with_codec(ZSTD, &packed);
    }
    with_codec(RAW, json.as_bytes())
}

/// The text that was stored.
pub(crate) fn decode(mut stored: Vec<u8>) -> Result<String, Error> {
    let damaged = |what: &str| Error::Damaged(format!("body with {what}"));
    let bytes = match stored.first() {
        Some(&RAW) => {
            stored.remove(0);
            stored
        }
        Some(&ZSTD) => {
            let mut text = Vec::with_capacity(stored.len() * 2);
            zstd::Decoder::new(&stored[1..])
                .and_then(|mut decoder| decoder.read_to_end(&mut text))
                .map_err(|error| damaged(&error.to_string()))?;
            text
        }
        _ => return Err(damaged("an unknown codec")),
    };
    String::from_utf8(bytes).map_err(|_| damaged("text that is not UTF-8"))
}

fn with_codec(codec: u8, bytes: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(bytes.len() + 1);
    stored.push(codec);
    stored.extend_from_slice(bytes);
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back() {
        for json in ["{}".to_owned(), format!("{{\"a\":\"{}\"}}", "ab".repeat(10_000))] {
            let stored = encode(&json);
            assert!(stored.len() <= json.len() + 1);
            assert_eq!(decode(stored).unwrap(), json);
        }
    }

    #[test]
    fn damage_is_told() {
        for stored in [vec![], vec![9, 1], vec![ZSTD, 1, 2], vec![RAW, 0xff]] {
            assert!(matches!(decode(stored), Err(Error::Damaged(_))));
        }
    }
}
