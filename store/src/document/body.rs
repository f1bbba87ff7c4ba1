//! A body on its way into the store.

use std::ops::Deref;
use std::sync::OnceLock;

/// The JSON object of an edit, without the members that begin with an underscore, as [`crate::json`]
/// compacts it.
///
/// It keeps its hash once somebody has asked for it, so that this can be had while a request is read,
/// not while others wait for the commit.
#[derive(Clone, Debug)]
pub struct BodyText {
    json: String,
    hash: OnceLock<[u8; 32]>,
}

impl BodyText {
    /// BLAKE3 over the text.
    pub fn hash(&self) -> &[u8; 32] {
        self.hash.get_or_init(|| *blake3::hash(self.json.as_bytes()).as_bytes())
    }

    /// The text alone.
    #[must_use]
    pub fn into_string(self) -> String {
        self.json
    }
}

impl From<String> for BodyText {
    fn from(json: String) -> Self {
        Self { json, hash: OnceLock::new() }
    }
}

impl From<&str> for BodyText {
    fn from(json: &str) -> Self {
        json.to_owned().into()
    }
}

impl Deref for BodyText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.json
    }
}

impl PartialEq for BodyText {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Eq for BodyText {}
