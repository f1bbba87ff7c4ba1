//! How often this hub was started, and by which random id: two hubs with one key give themselves away.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data_dir::DataDir;
use crate::file_error::FileError;
use crate::small_file;

/// Longest file.
const FILE_BYTES_MAX: u64 = 4096;

/// Bytes of an id.
const ID_BYTES: usize = 16;

/// One start of a hub. As text, `COUNT-ID`, the id in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boot {
    /// How often the hub has been started.
    pub(crate) count: u64,
    /// Which of the starts with this count it is, were there several.
    pub(crate) id: [u8; ID_BYTES],
}

/// A text is no start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a start is a count, a hyphen, and 32 lower-case hexadecimal digits")]
pub(crate) struct BootError;

/// What the file says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    count: u64,
    #[serde(default)]
    id: String,
    /// Whether it is signed which devices an earlier release knew.
    #[serde(default)]
    devices_signed: bool,
}

impl Kept {
    fn boot(&self) -> Option<Boot> {
        format!("{}-{}", self.count, self.id).parse().ok()
    }
}

/// A start, and whether the data directory is one of an earlier release.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    /// This start.
    pub(crate) boot: Boot,
    /// Whether it has yet to be signed which devices an earlier release knew.
    pub(crate) devices_to_sign: bool,
}

impl Boot {
    /// Counts this start. Where the file cannot be read the count begins anew, which peers notice. On a full
    /// disk the start counts as the one before, so that the hub serves who makes room.
    pub(crate) fn begin(data_dir: &DataDir) -> Result<Begun, FileError> {
        let path = data_dir.boot();
        let text = small_file::read(&path, FILE_BYTES_MAX)?;
        let kept = text.as_deref().map(serde_json::from_str::<Kept>);
        let (before, devices_signed) = match &kept {
            Some(Ok(kept)) => (kept.count, kept.devices_signed),
            Some(Err(error)) => {
                tracing::warn!(%error, "the count of starts cannot be read; it begins anew");
                // Whoever could damage it is not to have devices signed by that.
                (0, true)
            }
            None => (0, false),
        };
        let mut id = [0; ID_BYTES];
        getrandom::fill(&mut id)
            .map_err(|error| FileError::at("make an id for", &path)(io::Error::other(error)))?;
        let boot = Self { count: before.saturating_add(1), id };
        // Before anybody is told.
        match write(&path, &boot, devices_signed) {
            Err(error) if error.is_disk_full() => {
                tracing::error!("this start is not counted: the disk is full");
                let before = kept.and_then(Result::ok).and_then(|kept| kept.boot());
                Ok(Begun { boot: before.unwrap_or(boot), devices_to_sign: false })
            }
            written => {
                written?;
                Ok(Begun { boot, devices_to_sign: !devices_signed })
            }
        }
    }

    /// Notes that it is signed which devices an earlier release knew.
    pub(crate) fn note_signed(&self, data_dir: &DataDir) -> Result<(), FileError> {
        write(&data_dir.boot(), self, true)
    }

    /// Notes in a directory that is made from a backup that there is nothing to sign: its devices are those
    /// of another key.
    pub(crate) fn note_none(path: &Path) -> Result<(), FileError> {
        write(path, &Self { count: 0, id: [0; ID_BYTES] }, true)
    }
}

fn write(path: &Path, boot: &Boot, devices_signed: bool) -> Result<(), FileError> {
    let kept = Kept { count: boot.count, id: hex(&boot.id), devices_signed };
    // Numbers and text always serialise.
    small_file::replace(path, &serde_json::to_string(&kept).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.count, hex(&self.id))
    }
}

impl FromStr for Boot {
    type Err = BootError;

    fn from_str(text: &str) -> Result<Self, BootError> {
        let (count, digits) = text.split_once('-').ok_or(BootError)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 2 * ID_BYTES || !digits.bytes().all(is_hex) {
            return Err(BootError);
        }
        let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|_| is_number).ok_or(BootError)?;
        let mut id = [0; ID_BYTES];
        for (at, byte) in id.iter_mut().enumerate() {
            let digits = &digits[2 * at..2 * at + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| BootError)?;
        }
        Ok(Self { count, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::prepare(folder.path()).unwrap();
        let first = Boot::begin(&data_dir).unwrap();
        assert_eq!((first.boot.count, first.devices_to_sign), (1, true));
        // It ended before they were signed.
        let second = Boot::begin(&data_dir).unwrap();
        assert_eq!((second.boot.count, second.devices_to_sign), (2, true));
        second.boot.note_signed(&data_dir).unwrap();
        let third = Boot::begin(&data_dir).unwrap();
        assert_eq!((third.boot.count, third.devices_to_sign), (3, false));
        assert_ne!(first.boot.id, second.boot.id);
        std::fs::write(data_dir.boot(), "{").unwrap();
        let damaged = Boot::begin(&data_dir).unwrap();
        assert_eq!((damaged.boot.count, damaged.devices_to_sign), (1, false));
    }

    #[test]
    fn texts() {
        let boot = Boot { count: 7, id: [0xab; ID_BYTES] };
        assert_eq!(boot.to_string().parse(), Ok(boot));
        let id = "ab".repeat(16);
        for bad in ["", "7", "7-", &format!("-{id}"), &format!("+7-{id}"), &format!("7-{id}a")] {
            assert_eq!(bad.parse::<Boot>(), Err(BootError), "{bad}");
        }
        assert_eq!(format!("7-{}", "é".repeat(16)).parse::<Boot>(), Err(BootError));
    }
}
