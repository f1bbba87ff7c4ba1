//! What a device of an owner says of another one: that it is one of the owner's, or no longer. Each
//! device numbers what it says, and each statement names the one before it, so that none can be taken
//! out, and a key that speaks with two tongues is found out.
//!
//! The format is in `docs/devices.md`.

mod hash;
#[cfg(test)]
mod tests;

use std::fmt;

use data_encoding::BASE64;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

pub use self::hash::{StatementHash, StatementHashError};
use crate::{DeviceKey, PublicKey};

/// What stands before the signed bytes, so that nothing else that is signed can be taken for a statement.
const LABEL: &[u8] = b"larder device statement 1\0";

/// The version that this release signs and heeds.
const VERSION: u64 = 1;

/// Longest statement as JSON, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 8 * 1024;

/// Most removals that one statement answers.
pub const ANSWERS_MAX: usize = 64;

/// Longest word for a kind, and longest signer set, in bytes.
const KIND_BYTES_MAX: usize = 32;
const SIGNER_SET_BYTES_MAX: usize = 1024;

/// What is said of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatementKind {
    /// It is one of the owner's.
    Add,
    /// It is no longer.
    Remove,
    /// It is, whatever the answered removals say.
    Keep,
}

impl StatementKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Keep => "keep",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Add, Self::Remove, Self::Keep].into_iter().find(|kind| kind.word() == word)
    }
}

/// What is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which of the signer's statements it is, counted from 1.
    pub seq: u64,
    /// The signer's statement before it; none where this is the first.
    pub prev: Option<StatementHash>,
    /// What is said.
    pub kind: StatementKind,
    /// Of which device.
    pub subject: PublicKey,
    /// When, in Unix milliseconds by the signer's clock. It decides nothing.
    pub at: u64,
    /// Removals by others that this overrides on the signer's own hub.
    pub answers: Vec<StatementHash>,
}

/// A statement as it was read. Whether its signer made it is for [`Self::is_genuine`] to say.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    signer: PublicKey,
    seq: u64,
    prev: Option<StatementHash>,
    /// Also a word that a later release has thought of.
    kind: String,
    subject: PublicKey,
    at: u64,
    answers: Vec<StatementHash>,
    /// For whom a set of keys speaks; empty until there are keychains.
    signer_set: String,
    signature: [u8; 64],
}

/// A text is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// It is longer than [`STATEMENT_BYTES_MAX`].
    #[error("a statement has at most {STATEMENT_BYTES_MAX} bytes")]
    TooLong,
    /// It is not the JSON of one.
    #[error("it is no statement: {0}")]
    Json(#[from] serde_json::Error),
    /// A later release made it.
    #[error("it is of version {0}, and this release reads version {VERSION}")]
    Version(u64),
    /// A member is longer than it may be, or is not what it may be.
    #[error("its {0} is not as it may be")]
    Member(&'static str),
}

/// A statement as JSON.
#[derive(Serialize, Deserialize)]
struct Form {
    v: u64,
    signer: PublicKey,
    seq: u64,
    #[serde(default)]
    prev: Option<StatementHash>,
    kind: String,
    subject: PublicKey,
    at: u64,
    #[serde(default)]
    answers: Vec<StatementHash>,
    #[serde(default)]
    signer_set: String,
    signature: String,
}

impl Statement {
    /// Signs a claim.
    pub fn sign(key: &DeviceKey, claim: Claim) -> Self {
        let Claim { seq, prev, kind, subject, at, answers } = claim;
        let mut statement = Self {
            signer: key.public(),
            seq,
            prev,
            kind: kind.word().into(),
            subject,
            at,
            answers,
            signer_set: String::new(),
            signature: [0; 64],
        };
        statement.signature = key.sign(&statement.signed_bytes());
        statement
    }

    /// Reads a statement's JSON; members that this release does not know are not heeded.
    ///
    /// # Errors
    /// Whatever is wrong with it but its signature.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        /// What says which form the rest has.
        #[derive(Deserialize)]
        struct Versioned {
            v: u64,
        }
        if text.len() > STATEMENT_BYTES_MAX {
            return Err(StatementError::TooLong);
        }
        let Versioned { v } = serde_json::from_str(text)?;
        if v != VERSION {
            return Err(StatementError::Version(v));
        }
        let form: Form = serde_json::from_str(text)?;
        let fits =
            |fits: bool, member| if fits { Ok(()) } else { Err(StatementError::Member(member)) };
        fits(form.seq > 0, "seq")?;
        fits((form.seq == 1) == form.prev.is_none(), "prev")?;
        let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        let is_word = !form.kind.is_empty() && form.kind.bytes().all(word);
        fits(is_word && form.kind.len() <= KIND_BYTES_MAX, "kind")?;
        fits(form.answers.len() <= ANSWERS_MAX, "answers")?;
        fits(form.signer_set.len() <= SIGNER_SET_BYTES_MAX, "signer_set")?;
        let signature = BASE64.decode(form.signature.as_bytes()).ok();
        let signature = signature.and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        Ok(Self {
            signer: form.signer,
            seq: form.seq,
            prev: form.prev,
            kind: form.kind,
            subject: form.subject,
            at: form.at,
            answers: form.answers,
            signer_set: form.signer_set,
            signature: signature.ok_or(StatementError::Member("signature"))?,
        })
    }

    /// Its JSON.
    pub fn text(&self) -> String {
        let form = Form {
            v: VERSION,
            signer: self.signer,
            seq: self.seq,
            prev: self.prev,
            kind: self.kind.clone(),
            subject: self.subject,
            at: self.at,
            answers: self.answers.clone(),
            signer_set: self.signer_set.clone(),
            signature: BASE64.encode(&self.signature),
        };
        // It always serialises: no maps with other keys than strings.
        serde_json::to_string(&form).unwrap_or_default()
    }

    /// Whether its signer has signed it.
    pub fn is_genuine(&self) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(self.signer.bytes()) else { return false };
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&self.signed_bytes(), &signature).is_ok()
    }

    /// What it is known by: the hash of what is signed.
    pub fn hash(&self) -> StatementHash {
        StatementHash::of(&self.signed_bytes())
    }

    /// Who says so.
    pub fn signer(&self) -> PublicKey {
        self.signer
    }

    /// Which of the signer's statements it is, counted from 1.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The signer's statement before it.
    pub fn prev(&self) -> Option<StatementHash> {
        self.prev
    }

    /// What is said; none where a later release has thought of it.
    pub fn kind(&self) -> Option<StatementKind> {
        StatementKind::of(&self.kind)
    }

    /// Of which device.
    pub fn subject(&self) -> PublicKey {
        self.subject
    }

    /// When it was signed, in Unix milliseconds, as its signer says.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Removals by others that it overrides on the signer's own hub.
    pub fn answers(&self) -> &[StatementHash] {
        &self.answers
    }

    /// The bytes that are signed: one form for one statement, every part of known length or with its
    /// length before it.
    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = LABEL.to_vec();
        bytes.extend(self.signer.bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.prev.unwrap_or_default().bytes());
        push(&mut bytes, self.kind.as_bytes());
        bytes.extend(self.subject.bytes());
        bytes.extend(self.at.to_be_bytes());
        // Both fit: at most `ANSWERS_MAX` and `SIGNER_SET_BYTES_MAX`.
        bytes.extend((self.answers.len() as u32).to_be_bytes());
        self.answers.iter().for_each(|answered| bytes.extend(answered.bytes()));
        push(&mut bytes, self.signer_set.as_bytes());
        bytes
    }
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u32).to_be_bytes());
    bytes.extend(part);
}

/// Shows no whole key.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (signer, subject) = (self.signer.shortened(), self.subject.shortened());
        write!(f, "Statement({signer} {}: {} {subject})", self.seq, self.kind)
    }
}
