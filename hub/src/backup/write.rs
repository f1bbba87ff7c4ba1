//! Writing a backup.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use store::{CopyFile, Database, Error, Millis, OutputError, Store};

use super::{
    END, End, EndDatabase, FOLDER, FORMAT, MANIFEST, Manifest, ManifestDatabase, SETTINGS, Summary,
};

/// How hard zstd tries: fast, and good with JSON.
const COMPRESSION_LEVEL: i32 = 3;

/// Writes a backup of all databases and of the file with CouchDB's settings; `scratch` is a folder
/// for copies, one at a time. May block.
pub(crate) fn write(
    store: &Store,
    settings: &Path,
    scratch: &Path,
    now: Millis,
    out: impl Write,
) -> Result<Summary, OutputError> {
    let databases = store.databases();
    let scratch = scratch_folder(scratch)?;
    let encoder = zstd::Encoder::new(out, COMPRESSION_LEVEL).map_err(OutputError::Sink)?;
    let mut archive = Archive { tar: tar::Builder::new(encoder), now, bytes: 0 };
    archive.json(MANIFEST, &manifest(&databases, now))?;
    let mut end = End { settings: archive.settings(settings)?, ..End::default() };
    for database in databases {
        match archive.database(&database, scratch.path()) {
            Ok(written) => end.databases.push(written),
            // Deleted since the manifest was written, and before any of it was.
            Err(OutputError::Store(Error::NoDatabase)) => {}
            Err(error) => return Err(error),
        }
    }
    archive.json(END, &end)?;
    let summary = Summary { databases: end.databases.len() as u64, bytes: archive.bytes };
    let finish = |tar: tar::Builder<zstd::Encoder<'_, _>>| tar.into_inner()?.finish();
    finish(archive.tar).map_err(OutputError::Sink)?;
    Ok(summary)
}

fn scratch_folder(parent: &Path) -> Result<tempfile::TempDir, Error> {
    let make = || {
        fs::create_dir_all(parent)?;
        tempfile::Builder::new().prefix("backup-").tempdir_in(parent)
    };
    make().map_err(|source| Error::of_io("make room for a copy", source))
}

fn manifest(databases: &[std::sync::Arc<Database>], now: Millis) -> Manifest {
    let databases = databases.iter().map(|database| ManifestDatabase {
        uuid: database.uuid().to_string(),
        name: database.name().to_string(),
        created: database.created().0,
    });
    Manifest {
        format: FORMAT,
        hub: env!("CARGO_PKG_VERSION").into(),
        created: now.0,
        databases: databases.collect(),
    }
}

struct Archive<W: Write> {
    tar: tar::Builder<W>,
    now: Millis,
    bytes: u64,
}

impl<W: Write> Archive<W> {
    fn database(
        &mut self,
        database: &Database,
        scratch: &Path,
    ) -> Result<EndDatabase, OutputError> {
        let uuid = database.uuid().to_string();
        let mut main = String::new();
        let mut attachments = 0;
        database.copy(scratch, |file, path| {
            let hash = self.file(&format!("{FOLDER}{uuid}/{}", file.name()), path)?;
            match file {
                CopyFile::Main => main = hash.to_hex().to_string(),
                CopyFile::Attachment(expected) if expected.0 == *hash.as_bytes() => {
                    attachments += 1;
                }
                CopyFile::Attachment(expected) => {
                    let finding =
                        format!("attachment {expected}: its bytes are not what was stored");
                    return Err(OutputError::Store(Error::Damaged(finding)));
                }
            }
            Ok(())
        })?;
        Ok(EndDatabase { uuid, main, attachments })
    }

    /// Appends a file; the hash of what was written.
    fn file(&mut self, name: &str, path: &Path) -> Result<blake3::Hash, OutputError> {
        let reading = |source| OutputError::Store(Error::Io { action: "read a copy", source });
        let file = File::open(path).map_err(reading)?;
        let length = file.metadata().map_err(reading)?.len();
        let mut hashing = Hashing { reader: file.take(length), hasher: blake3::Hasher::new() };
        let mut header = self.header(length);
        self.tar.append_data(&mut header, name, &mut hashing).map_err(OutputError::Sink)?;
        if hashing.reader.limit() > 0 {
            // The header is written: what follows would be taken for the rest of this file.
            return Err(reading(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(hashing.hasher.finalize())
    }

    /// Appends the file with CouchDB's settings, where there is one; the hash of what was written.
    fn settings(&mut self, path: &Path) -> Result<Option<String>, OutputError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let action = "read the settings";
                return Err(OutputError::Store(Error::Io { action, source }));
            }
        };
        let mut header = self.header(text.len() as u64);
        let appended = self.tar.append_data(&mut header, SETTINGS, text.as_slice());
        appended.map_err(OutputError::Sink)?;
        Ok(Some(blake3::hash(&text).to_hex().to_string()))
    }

    fn json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<(), OutputError> {
        let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
        text.push(b'\n');
        let mut header = self.header(text.len() as u64);
        self.tar.append_data(&mut header, name, text.as_slice()).map_err(OutputError::Sink)
    }

    fn header(&mut self, length: u64) -> tar::Header {
        self.bytes += length;
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o600);
        header.set_mtime(self.now.0 / 1000);
        header
    }
}

struct Hashing<R> {
    reader: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}
