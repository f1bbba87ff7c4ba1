//! What is asked of the other server beside its documents.

use replication::{HttpPeer, PeerError, PeerUrl};
use serde_json::Value;

use super::Counts;
use crate::app::App;
use crate::http::HttpError;
use crate::replicate;

/// A server that databases are imported from.
pub(super) struct Server {
    /// Its URL with credentials, without a slash at the end.
    url: String,
    client: replication::HttpClient,
}

/// A database there.
pub(super) struct Remote {
    /// Where it is.
    pub(super) url: PeerUrl,
    peer: HttpPeer,
}

/// What a database there says of itself.
pub(super) struct Info {
    pub(super) counts: Counts,
    pub(super) partitioned: bool,
}

impl Server {
    /// The server at a URL, which is not asked yet.
    pub(super) fn new(app: &App, url: &str) -> Result<Self, HttpError> {
        let url = url.trim().trim_end_matches('/').to_owned();
        let server = Self { url, client: app.replications.client() };
        let list = server.database("_all_dbs")?;
        replicate::check_way(&list.url, &app.onion)?;
        Ok(server)
    }

    /// The databases that the credentials see.
    pub(super) async fn databases(&self) -> Result<Vec<String>, HttpError> {
        // The list is asked for as if it were a database: it stands where they do.
        let text = self.database("_all_dbs")?.ask("list of databases", "").await?;
        serde_json::from_str(&text).map_err(|_| nonsense("list of databases"))
    }

    /// A database there, whether it exists or not.
    pub(super) fn database(&self, name: &str) -> Result<Remote, HttpError> {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let url = replicate::parse_url(&format!("{}/{name}", self.url), "url")?;
        let peer = HttpPeer::new(self.client.clone(), url.clone(), http::HeaderMap::new());
        Ok(Remote { url, peer })
    }
}

impl Remote {
    /// What it says of itself.
    pub(super) async fn info(&self) -> Result<Info, HttpError> {
        let text = self.ask("database information", "").await?;
        let info: Value =
            serde_json::from_str(&text).map_err(|_| nonsense("database information"))?;
        let documents =
            info["doc_count"].as_u64().ok_or_else(|| nonsense("database information"))?;
        // PouchDB's server does not count them.
        let counts = Counts { documents, deleted: info["doc_del_count"].as_u64() };
        Ok(Info { counts, partitioned: info["props"]["partitioned"] == true })
    }

    /// Its security object as compact JSON, where there is one that may be seen.
    pub(super) async fn security(&self) -> Result<Option<String>, HttpError> {
        let text = unless_missing(self.ask("security object", "/_security").await)?;
        let Some(text) = text else { return Ok(None) };
        let text = store::json::compact(text.as_bytes())?;
        Ok(Some(text).filter(|text| text.starts_with('{') && text != "{}"))
    }

    /// How many revisions of each document it keeps.
    pub(super) async fn revs_limit(&self) -> Result<Option<u64>, HttpError> {
        let text = unless_missing(self.ask("revisions limit", "/_revs_limit").await)?;
        Ok(text.and_then(|text| text.trim().parse().ok()).filter(|limit| *limit > 0))
    }

    async fn ask(&self, what: &'static str, path: &str) -> Result<String, HttpError> {
        self.peer.read_text(what, path).await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &PeerError) -> HttpError {
        let (status, word, reason) = replicate::failure(error, &self.url.to_string());
        HttpError::Replication { status, word: word.into(), reason }
    }
}

/// A server that has no such thing (PouchDB's has no `_security` by itself) is as good as one whose
/// is empty.
fn unless_missing(answer: Result<String, HttpError>) -> Result<Option<String>, HttpError> {
    match answer {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.parts().0.as_u16() == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

fn nonsense(what: &str) -> HttpError {
    HttpError::Replication {
        status: http::StatusCode::BAD_GATEWAY,
        word: "replication_failed".into(),
        reason: format!("the server's answer is no {what}"),
    }
}
