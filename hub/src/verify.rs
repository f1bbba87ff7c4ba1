//! Reading everything there is, to find damage before it is needed.

use std::io::{self, Write as _};

use http::StatusCode;
use identity::key_file;
use serde::{Deserialize, Serialize};
use store::{Database, OutputError, Store};

use crate::causes::with_causes;
use crate::couch_config;
use crate::data_dir::DataDir;
use crate::http::{Call, HttpError, Reply, sink};

/// What was found in one database or file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// What was read.
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// What is wrong, in plain words; empty is sound.
    pub(crate) findings: Vec<String>,
}

/// What can be sound or damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    /// A database with its indexes, by its name.
    Database(String),
    /// One of the hub's own files, by its name in the data directory.
    File(String),
}

/// Reads the hub's own files and all databases, one after the other. May block.
///
/// # Errors
/// What `told` returns.
pub(crate) fn verify(
    store: &Store,
    data_dir: &DataDir,
    mut told: impl FnMut(Verdict) -> io::Result<()>,
) -> io::Result<()> {
    for verdict in files(data_dir) {
        told(verdict)?;
    }
    for database in store.databases() {
        if let Some(findings) = findings(&database) {
            let subject = Subject::Database(database.name().to_string());
            told(Verdict { subject, findings })?;
        }
    }
    Ok(())
}

/// What is wrong with a database and its indexes; none when it is deleted meanwhile.
fn findings(database: &Database) -> Option<Vec<String>> {
    let mut findings = Vec::new();
    for found in [database.verify(), database.verify_indexes(check_folder)] {
        match found {
            Ok(found) => findings.extend(found),
            Err(store::Error::NoDatabase) => return None,
            Err(error) => findings.push(with_causes(&error)),
        }
    }
    Some(findings)
}

/// What is wrong with the hub's own files. Of those that are not there nothing is said: they are made
/// at the next start, or were never needed.
fn files(data_dir: &DataDir) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for key in [data_dir.device(), data_dir.owner_token()] {
        let found = key_file::load(&key).map(|found| found.is_some());
        verdicts.extend(verdict(&key, found));
    }
    let settings = data_dir.couch_config();
    verdicts.extend(verdict(&settings, couch_config::find(&settings)));
    verdicts
}

/// The verdict on a file that may be there.
fn verdict(file: &std::path::Path, found: Result<bool, impl std::error::Error>) -> Option<Verdict> {
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let findings = match found {
        Ok(false) => return None,
        Ok(true) => Vec::new(),
        Err(error) => vec![with_causes(&error)],
    };
    Some(Verdict { subject: Subject::File(name), findings })
}

#[cfg(feature = "search")]
use query::search::check as check_folder;

/// Without full-text search nobody reads what is in folders of indexes.
#[cfg(not(feature = "search"))]
fn check_folder(_folder: &std::path::Path) -> Vec<String> {
    Vec::new()
}

/// `POST /_hub/verify`: a line of JSON per database and file, as soon as it is known.
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    Ok(sink::stream_json(StatusCode::OK, move |sink| {
        let line = |verdict: Verdict| {
            serde_json::to_writer(&mut *sink, &verdict)?;
            sink.write_all(b"\n")?;
            sink.flush()
        };
        verify(&app.store, &app.data_dir, line).map_err(OutputError::Sink)
    }))
}
