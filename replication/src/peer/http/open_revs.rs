//! Revisions from a server that knows no `_bulk_get`, one document after another.

use std::borrow::Cow;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::{Reply, printable};
use super::{DOCUMENT_BYTES_MAX, HttpPeer, document, document_path, parse, url};
use crate::{Fetched, PeerError, Wanted};

/// Documents asked for at a time.
const REQUESTS_AT_ONCE: usize = 4;

impl HttpPeer {
    /// Asks for each document with `open_revs`.
    pub(super) async fn get_each(
        &self,
        wanted: &[Wanted],
        bytes_max: usize,
    ) -> Result<Fetched, PeerError> {
        let mut fetched = Fetched::default();
        let mut bytes = 0;
        let questions: Vec<_> = wanted.iter().map(|one| self.get_one(one)).collect();
        let mut answers = stream::iter(questions).buffered(REQUESTS_AT_ONCE);
        for at in 0..wanted.len() {
            if bytes >= bytes_max {
                fetched.unanswered = wanted[at..].to_vec();
                break;
            }
            let Some((one, length)) = answers.try_next().await? else { break };
            bytes += length;
            fetched.revisions.extend(one.revisions);
            fetched.missing += one.missing;
            fetched.refused += one.refused;
        }
        Ok(fetched)
    }

    async fn get_one(&self, wanted: &Wanted) -> Result<(Fetched, usize), PeerError> {
        let mut fetched = Fetched::default();
        let revs: Vec<String> = wanted.revs.iter().map(ToString::to_string).collect();
        let revs = serde_json::Value::from(revs).to_string();
        let path = document_path(&wanted.id);
        let path = format!(
            "{path}?revs=true&latest=true&att_encoding_info=true&open_revs={}",
            url::encode(&revs)
        );
        let reply: Reply = match self.get("document", &path).await {
            Ok(reply) => reply,
            Err(PeerError::Refused { status: 404, .. }) => {
                fetched.missing = wanted.revs.len() as u64;
                return Ok((fetched, 0));
            }
            Err(error) => return Err(error),
        };
        let text = reply.read(DOCUMENT_BYTES_MAX).await.map_err(|error| match error {
            PeerError::Answer(problem) => PeerError::TooLarge(problem),
            error => error,
        })?;
        for found in parse::<Vec<Found<'_>>>(&text)? {
            found.add(wanted, &mut fetched)?;
        }
        Ok((fetched, text.len()))
    }
}

/// One revision, or why there is none; `_bulk_get` wraps the reason, `open_revs` does not.
#[derive(Deserialize)]
pub(super) struct Found<'a> {
    #[serde(default, borrow)]
    ok: Option<&'a RawValue>,
    #[serde(default, borrow)]
    missing: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Trouble<'a> {
    #[serde(borrow)]
    error: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

impl Found<'_> {
    /// Puts it where it belongs.
    pub(super) fn add(self, wanted: &Wanted, fetched: &mut Fetched) -> Result<(), PeerError> {
        if let Some(document) = self.ok {
            match document::read(document.get().as_bytes(), &wanted.id)? {
                Some(revision) => fetched.revisions.push(revision),
                None => fetched.refused += 1,
            }
            return Ok(());
        }
        let Some(error) = self.error else {
            fetched.missing += u64::from(self.missing.is_some());
            return Ok(());
        };
        let trouble: Trouble<'_> = serde_json::from_str(error.get()).unwrap_or_default();
        match &*trouble.error {
            "not_found" | "missing" | "deleted" => fetched.missing += 1,
            "forbidden" | "unauthorized" => fetched.refused += 1,
            _ => {
                let reason = printable(&format!("{}: {}", trouble.error, trouble.reason));
                return Err(PeerError::Unavailable { status: 200, reason });
            }
        }
        Ok(())
    }
}
