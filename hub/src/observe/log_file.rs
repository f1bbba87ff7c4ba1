//! The log as files of bounded size and number: `larder.log`, and what was in it before as
//! `larder.log.1`, `larder.log.2`, the oldest last.
//!
//! Of our own, because what there is either cuts lines at the bound, or goes past it, or makes files
//! that others may read.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;
use tracing_subscriber::fmt::MakeWriter;

use crate::data_dir::folder_of;
use crate::file_error::FileError;

/// Only its owner may read and write a log.
const OWNER_ONLY: u32 = 0o600;

/// How much room a log may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Bytes of one file.
    pub(super) file_bytes_max: NonZeroU64,
    /// Files, the one that is written included.
    pub(super) files_max: NonZeroUsize,
}

impl Bounds {
    /// Bytes of all files but the one that is written.
    fn past_bytes_max(self) -> u64 {
        let files = u64::try_from(self.files_max.get() - 1).unwrap_or(u64::MAX);
        self.file_bytes_max.get().saturating_mul(files)
    }
}

/// Takes the log's lines, from any thread.
#[derive(Debug)]
pub(super) struct LogFile(Mutex<Files>);

impl LogFile {
    /// Goes on with the log at this path, or begins it. On a full disk it begins once there is room.
    ///
    /// # Errors
    /// When there can be no log at this path.
    pub(super) fn open(path: PathBuf, bounds: Bounds) -> Result<Self, FileError> {
        let mut files = Files { path, bounds, open: None, complained: false };
        match files.open() {
            Err(error) if is_full(&error) => files.complain(&error),
            opened => opened.map_err(FileError::at("log to", &files.path))?,
        }
        Ok(Self(Mutex::new(files)))
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes one line, which comes in one piece.
pub(super) struct Line<'a>(MutexGuard<'a, Files>);

impl Write for Line<'_> {
    /// Never fails: a hub goes on without its log.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.0.append(line) {
            self.0.complain(&error);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Files {
    path: PathBuf,
    bounds: Bounds,
    /// The file that is written, and its bytes.
    open: Option<(File, u64)>,
    complained: bool,
}

impl Files {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let file_bytes_max = self.bounds.file_bytes_max.get();
        let bytes = line.len() as u64;
        if bytes > file_bytes_max {
            return Err(io::Error::other("a line is longer than file_bytes_max"));
        }
        if self.open.is_none() {
            self.open()?;
        }
        if self.open.as_ref().is_some_and(|(_, written)| written + bytes > file_bytes_max) {
            self.rotate()?;
            self.open()?;
        }
        let Some((file, written)) = &mut self.open else { return Ok(()) };
        if let Err(error) = file.write_all(line) {
            // The disk took a part of the line; half a line is worse than none.
            file.set_len(*written)?;
            return Err(error);
        }
        *written += bytes;
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        remove_surplus(&self.path, self.bounds)?;
        // Neither through somebody's link nor, waiting for a reader, into a pipe.
        let careful = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(OWNER_ONLY);
        options.custom_flags(i32::try_from(careful.bits()).unwrap_or_default());
        let file = options.open(&self.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        if metadata.len() > self.bounds.file_bytes_max.get() {
            // Nobody but its owner knows whether this is a log at all.
            return Err(io::Error::other("it is longer than file_bytes_max; move it away"));
        }
        if metadata.permissions().mode() & 0o777 != OWNER_ONLY {
            file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
        }
        self.open = Some((file, metadata.len()));
        Ok(())
    }

    /// Moves every file to the next number, which leaves none to write.
    fn rotate(&mut self) -> io::Result<()> {
        if self.bounds.files_max.get() == 1 {
            remove(&self.path)?;
        }
        for number in (0..self.bounds.files_max.get() - 1).rev() {
            match fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.open = None;
        Ok(())
    }

    /// Tells once that there are gaps in the log.
    fn complain(&mut self, error: &io::Error) {
        if !self.complained {
            self.complained = true;
            let path = self.path.display();
            // Nobody is left to be told when this fails too.
            let _unseen = writeln!(
                io::stderr().lock(),
                "larder: could not log to {path}: {error}; the hub goes on, with gaps in its log"
            );
        }
    }
}

/// Removes what is more than the bounds allow, as after a change of the settings, the oldest first.
fn remove_surplus(path: &Path, bounds: Bounds) -> io::Result<()> {
    let mut files: Vec<(usize, u64)> = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let number = path.file_name().and_then(|log| number_of(log, &entry.file_name()));
        if let (Some(number), Ok(metadata)) = (number, entry.metadata())
            && metadata.is_file()
        {
            files.push((number, metadata.len()));
        }
    }
    files.sort_unstable();
    let mut bytes = 0_u64;
    for (number, length) in files {
        bytes = bytes.saturating_add(length);
        if number >= bounds.files_max.get() || bytes > bounds.past_bytes_max() {
            remove(&numbered(path, number))?;
        }
    }
    Ok(())
}

/// The number that a past file of this log has in its name.
fn number_of(log: &OsStr, name: &OsStr) -> Option<usize> {
    let rest = name.as_encoded_bytes().strip_prefix(log.as_encoded_bytes())?;
    let number = std::str::from_utf8(rest.strip_prefix(b".")?).ok()?;
    let parsed: usize = number.parse().ok().filter(|number| *number > 0)?;
    (parsed.to_string() == number).then_some(parsed)
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(path);
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests;
