//! How attachments are encoded where they are stored, and which of them are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the bytes of a stored attachment are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Compressed as RFC 1952 has it.
    Gzip,
}

/// CouchDB's word for it, which is HTTP's, too.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip => f.write_str("gzip"),
        }
    }
}

/// What becomes of an attachment's bytes when they are taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// They are kept as they come.
    Plain,
    /// They are compressed, at a level from 1 to 9.
    Compress(u32),
    /// They come compressed and are kept so; they must be whole and sound.
    Gzip,
}

/// Which attachments are compressed when they come in plain, and how hard.
///
/// Source: CouchDB's settings `attachments/compressible_types` and `attachments/compression_level`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    level: u32,
    /// Media types in small letters, `*` for any run of characters.
    types: Vec<String>,
}

/// CouchDB's own.
impl Default for Compression {
    fn default() -> Self {
        Self::new(8, "text/*, application/javascript, application/json, application/xml")
    }
}

impl Compression {
    /// Compresses these types, a list with commas, at this level; 0 compresses nothing, 9 most.
    #[must_use]
    pub fn new(level: u32, types: &str) -> Self {
        let types = types.split(',').map(|text| text.trim().to_ascii_lowercase());
        Self { level: level.min(9), types: types.filter(|text| !text.is_empty()).collect() }
    }

    /// Compresses nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::new(0, "")
    }

    /// What becomes of a plain attachment of this media type, whose parameters do not count.
    #[must_use]
    pub fn intake(&self, content_type: &str) -> Intake {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let media_type = media_type.to_ascii_lowercase();
        if self.level > 0 && self.types.iter().any(|pattern| matches(pattern, &media_type)) {
            Intake::Compress(self.level)
        } else {
            Intake::Plain
        }
    }
}

/// Whether a text is what a pattern says, whose first `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(compression: &Compression, content_type: &str, compressed: bool) {
        let intake = compression.intake(content_type);
        assert_eq!(matches!(intake, Intake::Compress(_)), compressed, "{content_type}");
    }

    #[test]
    fn couchdbs_types() {
        let compression = Compression::default();
        for yes in ["text/plain", "TEXT/Html; charset=utf-8", "text/", " application/json ;x"] {
            check(&compression, yes, true);
        }
        for no in ["application/octet-stream", "image/png", "text", "", "application/json5"] {
            check(&compression, no, false);
        }
    }

    #[test]
    fn other_settings() {
        check(&Compression::new(9, "image/svg*,*/xml"), "image/svg+xml", true);
        check(&Compression::new(9, "image/svg*,*/xml"), "application/xml", true);
        check(&Compression::new(9, "*"), "anything/at-all", true);
        check(&Compression::new(0, "*"), "text/plain", false);
        check(&Compression::new(9, " , "), "", false);
        check(&Compression::none(), "text/plain", false);
        assert_eq!(Compression::new(77, "*").intake("a/b"), Intake::Compress(9));
    }
}
