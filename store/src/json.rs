//! JSON as it arrives: checked, compacted, freed of duplicates, cut into a document's parts.
//!
//! Everything here reads hostile text. What passes is valid for any other reader of JSON and means
//! the same to all of them. Numbers and strings are never rewritten, so `1.0`, `1E5` and
//! `12345678901234567890123` stay as their author wrote them.
//!
//! ```
//! let scanned = store::json::scan_document(br#"{"_id": "a", "n": 1, "n": 2.0}"#)?;
//! assert_eq!(scanned.body, r#"{"n":2.0}"#);
//! assert_eq!(scanned.members, [("_id".to_owned(), r#""a""#.to_owned())]);
//! # Ok::<(), store::json::JsonError>(())
//! ```

mod extent;
mod members;
mod scan;
mod split;
mod string;

pub use split::{ArrayMember, ArraySplitter, Rest};
pub use string::write_string;

/// Levels of nesting accepted: `[[1]]` has two.
pub const DEPTH_MAX: usize = 512;

/// The text was refused; offsets count bytes from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes at `offset` are not UTF-8.
    #[error("invalid UTF-8 at byte {offset}")]
    Utf8 {
        /// Where the first faulty sequence begins.
        offset: usize,
    },
    /// The text breaks the grammar of RFC 8259, or ends too early.
    #[error("invalid JSON at byte {offset}: expected {expected}")]
    Syntax {
        /// Where the text stops making sense; its length if it ends too early.
        offset: usize,
        /// What would have made sense there.
        expected: &'static str,
    },
    /// Arrays and objects lie more than [`DEPTH_MAX`] levels within one another.
    #[error("JSON nested deeper than {DEPTH_MAX} levels")]
    Depth,
    /// A number is beyond the greatest 64-bit float, so most readers would take it for infinity.
    #[error("number out of range at byte {offset}")]
    NumberRange {
        /// Where the number begins.
        offset: usize,
    },
    /// An escaped UTF-16 surrogate stands without its partner, so the string has no UTF-8 form.
    #[error("lone surrogate at byte {offset}")]
    Surrogate {
        /// Where the escape begins.
        offset: usize,
    },
    /// The text is valid JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The member that [`ArraySplitter`] splits occurs twice.
    #[error("the array to read occurs twice")]
    ArrayTwice,
    /// An element of the array is longer than [`ArraySplitter`] was allowed to hold.
    #[error("an element of the array is too large")]
    ElementTooLarge,
    /// The members beside the array are more than [`ArraySplitter`] holds.
    #[error("the members beside the array are too large")]
    RestTooLarge,
}

impl JsonError {
    /// The same error in a text that has `bytes` more in front.
    fn shifted(mut self, bytes: usize) -> Self {
        match &mut self {
            Self::Utf8 { offset }
            | Self::Syntax { offset, .. }
            | Self::NumberRange { offset }
            | Self::Surrogate { offset } => *offset += bytes,
            Self::Depth
            | Self::NotAnObject
            | Self::ArrayTwice
            | Self::ElementTooLarge
            | Self::RestTooLarge => {}
        }
        self
    }
}

/// A document cut in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The object without its members that begin with an underscore, compacted: `{...}`.
    pub body: String,
    /// The members that do begin with one, in order: their names unescaped and with the
    /// underscore, their values as compacted JSON. No name occurs twice.
    pub members: Vec<(String, String)>,
}

/// Checks a document and cuts its underscored members out of it.
///
/// White space between tokens goes; of members with the same name only the last stays, at every
/// level, in its place.
///
/// # Errors
/// [`JsonError::NotAnObject`] for any other valid JSON, else the variant that names the first
/// fault.
pub fn scan_document(text: &[u8]) -> Result<Scanned, JsonError> {
    scan::document(check_utf8(text)?)
}

/// Checks any JSON value and compacts it as [`scan_document`] does, underscored members included.
///
/// # Errors
/// As [`scan_document`], but never [`JsonError::NotAnObject`].
pub fn compact(text: &[u8]) -> Result<String, JsonError> {
    scan::value(check_utf8(text)?)
}

fn check_utf8(text: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(text).map_err(|fault| JsonError::Utf8 { offset: fault.valid_up_to() })
}

#[cfg(test)]
mod tests;
