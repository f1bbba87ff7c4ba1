//! Reading everything there is, to find damage before it is needed.

use std::io::{self, Write as _};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{OutputError, Store};

use crate::causes::with_causes;
use crate::http::{Call, HttpError, Reply, sink};

/// What was found in one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// The database.
    pub(crate) database: String,
    /// What is wrong, in plain words; empty is sound.
    pub(crate) findings: Vec<String>,
}

/// Reads all databases, one after the other. May block.
///
/// # Errors
/// What `told` returns.
pub(crate) fn verify(
    store: &Store,
    mut told: impl FnMut(Verdict) -> io::Result<()>,
) -> io::Result<()> {
    for database in store.databases() {
        let findings = match database.verify() {
            Ok(findings) => findings,
            Err(store::Error::NoDatabase) => continue,
            Err(error) => vec![with_causes(&error)],
        };
        told(Verdict { database: database.name().to_string(), findings })?;
    }
    Ok(())
}

/// `POST /_hub/verify`: a line of JSON per database, as soon as it is known.
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let app = call.app;
    Ok(sink::stream_json(StatusCode::OK, move |sink| {
        let line = |verdict: Verdict| {
            serde_json::to_writer(&mut *sink, &verdict)?;
            sink.write_all(b"\n")?;
            sink.flush()
        };
        verify(&app.store, line).map_err(OutputError::Sink)
    }))
}
