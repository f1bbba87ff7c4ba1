//! Small files of the data directory that are read whole and replaced whole.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::data_dir::folder_of;
use crate::file_error::FileError;

/// The file's text; none where there is no file. What is longer than this many bytes is an error.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Option<String>, FileError> {
    let failed = |error| FileError::at("read", path)(error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    file.take(bytes_max.saturating_add(1)).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > bytes_max {
        return Err(failed(io::Error::other("it is longer than such a file ever is")));
    }
    Ok(Some(text))
}

/// Puts a text in the place of what was there, durably: after a crash the file has the one or the other.
/// Only its owner may read it.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let put = || {
        let folder = folder_of(path);
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder)?.sync_all()
    };
    put().map_err(FileError::at("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_long_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read(&path, 10).unwrap(), None);
        replace(&path, "one").unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(read(&path, 3).unwrap().as_deref(), Some("two"));
        assert!(read(&path, 2).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
