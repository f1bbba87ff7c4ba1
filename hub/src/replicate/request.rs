//! What `POST /_replicate` asks for.
//!
//! Source: CouchDB's replication documents (`couch_replicator_parse`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use replication::{Filter, PeerSeq, PeerUrl, ReplicationId, Spec};
use serde_json::{Map, Value};
use store::{DbName, DocId};

use crate::http::HttpError;

/// Changes that one batch may have; a batch is held in memory.
const BATCH_CHANGES_MAX: u64 = 2000;

/// Shortest and longest time between two checkpoints, in milliseconds.
const CHECKPOINT_INTERVAL_MS: std::ops::RangeInclusive<u64> = 100..=3_600_000;

/// Members that this release does not know how to obey; ignoring them would replicate something
/// else than was asked for.
const NOT_YET: [&str; 5] = ["filter", "winning_revs_only", "proxy", "source_proxy", "target_proxy"];

/// Headers that say how a request is sent, which is not for its sender to choose.
const FRAMING: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a request asks for.
pub(super) enum Wanted {
    /// A replication.
    Start(Box<Replicate>),
    /// The end of the replication with this job id.
    Cancel(String),
}

/// A replication that is asked for.
pub(super) struct Replicate {
    pub(super) source: Endpoint,
    pub(super) target: Endpoint,
    pub(super) spec: Spec,
}

/// One side of a replication.
pub(super) enum Endpoint {
    /// A database here.
    Local(DbName),
    /// A database elsewhere, and the headers to ask it with.
    Remote(PeerUrl, HeaderMap),
}

impl Endpoint {
    /// The database, if it is one here.
    pub(super) fn local(&self) -> Option<&DbName> {
        match self {
            Self::Local(name) => Some(name),
            Self::Remote(..) => None,
        }
    }

    /// What tells it from others, without credentials.
    fn identity(&self) -> &str {
        match self {
            Self::Local(name) => name.as_str(),
            Self::Remote(url, _) => url.endpoint(),
        }
    }
}

/// Prints what may be shown.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(name) => name.fmt(f),
            Self::Remote(url, _) => url.fmt(f),
        }
    }
}

impl Wanted {
    /// Reads the body of a request to the hub of this uuid.
    pub(super) fn parse(body: Map<String, Value>, hub: &str) -> Result<Self, HttpError> {
        let cancel = flag(&body, "cancel")?;
        if cancel && let Some(id) = job_id(&body) {
            return Ok(Self::Cancel(id.into()));
        }
        for member in NOT_YET {
            if body
                .get(member)
                .is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
            {
                return Err(HttpError::NotImplemented(
                    "replication with filter functions, winning_revs_only or proxies is not in \
                     this release",
                ));
            }
        }
        let source = endpoint(&body, "source")?;
        let target = endpoint(&body, "target")?;
        let filter = filter(&body)?;
        let (from, to) = (source.identity(), target.identity());
        let id = ReplicationId::new(hub.as_bytes(), from, to, &filter);
        let defaults = Spec::new(id);
        let spec = Spec {
            continuous: flag(&body, "continuous")?,
            create_target: flag(&body, "create_target")?,
            since: since(&body)?,
            use_checkpoints: body.get("use_checkpoints") != Some(&Value::Bool(false)),
            checkpoint_interval_ms: number(&body, "checkpoint_interval")?
                .unwrap_or(defaults.checkpoint_interval_ms)
                .clamp(*CHECKPOINT_INTERVAL_MS.start(), *CHECKPOINT_INTERVAL_MS.end()),
            batch_changes_max: match number(&body, "worker_batch_size")? {
                Some(size) => size.clamp(1, BATCH_CHANGES_MAX) as usize,
                None => defaults.batch_changes_max,
            },
            retries_max: match number(&body, "retries_per_request")? {
                Some(retries) => u32::try_from(retries).unwrap_or(u32::MAX),
                None => defaults.retries_max,
            },
            filter,
            ..defaults
        };
        if cancel {
            return Ok(Self::Cancel(spec.job_id()));
        }
        Ok(Self::Start(Box::new(Replicate { source, target, spec })))
    }
}

fn job_id(body: &Map<String, Value>) -> Option<&str> {
    ["replication_id", "id", "_local_id"].iter().find_map(|name| body.get(*name)?.as_str())
}

fn endpoint(body: &Map<String, Value>, side: &str) -> Result<Endpoint, HttpError> {
    let invalid =
        |what: &dyn fmt::Display| HttpError::BadRequest(format!("Invalid `{side}`: {what}"));
    let (text, headers) = match body.get(side) {
        Some(Value::String(text)) => (text.as_str(), HeaderMap::new()),
        Some(Value::Object(members)) => {
            let url = members.get("url").and_then(Value::as_str);
            let url = url.ok_or_else(|| invalid(&"an object needs a `url`"))?;
            (url, headers(members).map_err(|what| invalid(&what))?)
        }
        Some(_) => return Err(invalid(&"neither a string nor an object")),
        None => return Err(HttpError::BadRequest(format!("Missing `{side}`"))),
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(Endpoint::Local(text.parse()?));
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(HttpError::NotImplemented(
            "replication over anything but http is not in this release",
        ));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host).trim_end_matches('.');
    if host.to_ascii_lowercase().ends_with(".onion") {
        // Never looked up: the name would go to a name server.
        return Err(HttpError::NotImplemented(
            "replication with onion services is not in this release",
        ));
    }
    Ok(Endpoint::Remote(text.parse().map_err(|error| invalid(&error))?, headers))
}

/// The members `headers` and `auth` of a source or target.
fn headers(members: &Map<String, Value>) -> Result<HeaderMap, &'static str> {
    let mut headers = HeaderMap::new();
    if let Some(given) = members.get("headers") {
        for (name, value) in given.as_object().ok_or("`headers` is no object")? {
            let name: HeaderName = name.parse().map_err(|_| "a header's name is none")?;
            if FRAMING.contains(&name) {
                return Err("a header that the hub sets itself");
            }
            let value = value.as_str().ok_or("a header's value is no string")?;
            let mut value = HeaderValue::from_str(value).map_err(|_| "a header's value is none")?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
    }
    let Some(auth) = members.get("auth") else { return Ok(headers) };
    let basic = auth.get("basic").ok_or("`auth` needs `basic`")?;
    let text = |name: &str| basic.get(name).and_then(Value::as_str);
    let (Some(name), Some(password)) = (text("username"), text("password")) else {
        return Err("`auth.basic` needs `username` and `password`");
    };
    if name.contains(':') {
        return Err("a user name has no colon");
    }
    let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    let mut value = HeaderValue::try_from(value).map_err(|_| "`auth.basic` is too long")?;
    value.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, value);
    Ok(headers)
}

fn filter(body: &Map<String, Value>) -> Result<Filter, HttpError> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    match (given("doc_ids"), given("selector")) {
        (None, None) => Ok(Filter::All),
        (Some(Value::Array(ids)), None) => {
            let id = |id: &Value| {
                let text = id.as_str().ok_or_else(|| bad("`doc_ids` is no array of strings"))?;
                Ok(text.parse::<DocId>()?)
            };
            Ok(Filter::DocIds(ids.iter().map(id).collect::<Result<_, HttpError>>()?))
        }
        (None, Some(Value::Object(selector))) => {
            Ok(Filter::Selector(Value::from(selector.clone()).to_string().into()))
        }
        (Some(_), Some(_)) => Err(bad("`doc_ids` and `selector` exclude each other")),
        (Some(_), None) => Err(bad("`doc_ids` is no array of strings")),
        (None, Some(_)) => Err(bad("`selector` is no object")),
    }
}

fn since(body: &Map<String, Value>) -> Result<Option<PeerSeq>, HttpError> {
    let given = body.get("since_seq").filter(|value| !value.is_null());
    let seq = |value: &Value| {
        PeerSeq::from_json(&value.to_string()).ok_or_else(|| bad("`since_seq` is no sequence"))
    };
    given.map(seq).transpose()
}

fn flag(body: &Map<String, Value>, name: &str) -> Result<bool, HttpError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(bad(&format!("`{name}` should be a boolean"))),
    }
}

fn number(body: &Map<String, Value>, name: &str) -> Result<Option<u64>, HttpError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64();
            number.map(Some).ok_or_else(|| bad(&format!("`{name}` should be a natural number")))
        }
    }
}

fn bad(reason: &str) -> HttpError {
    HttpError::BadRequest(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(body: Value) -> Result<Wanted, String> {
        let Value::Object(body) = body else { panic!("no object") };
        Wanted::parse(body, "hub").map_err(|error| {
            let (status, word, reason) = error.parts();
            format!("{} {word}: {reason}", status.as_u16())
        })
    }

    fn start(body: Value) -> Replicate {
        match parse(body) {
            Ok(Wanted::Start(request)) => *request,
            Ok(Wanted::Cancel(id)) => panic!("cancels {id}"),
            Err(error) => panic!("{error}"),
        }
    }

    fn cancel(body: Value) -> String {
        match parse(body) {
            Ok(Wanted::Cancel(id)) => id,
            Ok(Wanted::Start(_)) => panic!("starts"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn sides_in_every_form() {
        let request = start(json!({"source": "a", "target": "http://u:secret@h.test:1/b"}));
        assert_eq!(request.source.local().unwrap().as_str(), "a");
        assert!(request.target.local().is_none());
        assert_eq!(request.target.to_string(), "http://u:*****@h.test:1/b/");
        let request = start(json!({
            "source": {"url": "http://h.test/a", "headers": {"X-One": "1"},
                       "auth": {"basic": {"username": "u", "password": "p:w"}}},
            "target": {"url": "b"},
        }));
        let Endpoint::Remote(_, headers) = &request.source else { panic!("local") };
        assert_eq!(headers["x-one"], "1");
        assert_eq!(headers[header::AUTHORIZATION], "Basic dTpwOnc=");
        assert_eq!(request.target.local().unwrap().as_str(), "b");
    }

    #[test]
    fn options() {
        let request = start(json!({"source": "a", "target": "b"}));
        assert_eq!(request.spec, Spec::new(request.spec.id.clone()));
        let request = start(json!({
            "source": "a", "target": "b", "continuous": true, "create_target": true,
            "doc_ids": ["x"], "since_seq": "7-x", "use_checkpoints": false,
            "checkpoint_interval": 1, "worker_batch_size": 1_000_000, "retries_per_request": 2,
            "http_connections": 20, "filter": null, "winning_revs_only": false,
        }));
        assert!(request.spec.continuous && request.spec.create_target);
        assert!(!request.spec.use_checkpoints);
        assert_eq!(request.spec.since.unwrap().as_json(), "\"7-x\"");
        assert_eq!(request.spec.checkpoint_interval_ms, 100);
        assert_eq!(request.spec.batch_changes_max, 2000);
        assert_eq!(request.spec.retries_max, 2);
    }

    #[test]
    fn cancelling_names_the_same_job() {
        let body = json!({"source": "a", "target": "http://h/b", "continuous": true});
        let id = start(body.clone()).spec.job_id();
        let mut with_credentials = body;
        with_credentials["target"] = "http://u:p@h/b/".into();
        with_credentials["cancel"] = true.into();
        assert_eq!(cancel(with_credentials), id);
        assert_eq!(cancel(json!({"replication_id": id, "cancel": true})), id);
        assert_eq!(cancel(json!({"_local_id": id, "cancel": true})), id);
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let with = |member: &str, value: Value| {
            let mut body = json!({"source": "a", "target": "b"});
            body[member] = value;
            parse(body).err().unwrap_or_default()
        };
        for (member, value, expected) in [
            ("source", Value::Null, "400 bad_request: Invalid `source`"),
            ("source", json!({}), "an object needs a `url`"),
            ("source", json!("No Name"), "400 illegal_database_name"),
            ("source", json!("https://h/a"), "501 not_implemented"),
            ("source", json!("http://abc.onion/a"), "501 not_implemented"),
            ("source", json!("http://u:p@ABC.Onion.:80/a"), "501 not_implemented"),
            ("source", json!("http://h"), "the URL names no database"),
            ("target", json!({"url": "http://h/a", "headers": {"Host": "x"}}), "sets itself"),
            (
                "target",
                json!({"url": "http://h/a", "headers": {"a": "b\r\nc: d"}}),
                "value is none",
            ),
            ("target", json!({"url": "http://h/a", "auth": {}}), "needs `basic`"),
            ("continuous", json!("yes"), "`continuous` should be a boolean"),
            ("doc_ids", json!("x"), "no array of strings"),
            ("doc_ids", json!([""]), "400 illegal_docid"),
            ("selector", json!([]), "`selector` is no object"),
            ("since_seq", json!({}), "no sequence"),
            ("worker_batch_size", json!(-1), "natural number"),
            ("filter", json!("d/f"), "501 not_implemented"),
            ("winning_revs_only", json!(true), "501 not_implemented"),
        ] {
            let message = with(member, value.clone());
            assert!(message.contains(expected), "{member}={value} gives {message:?}");
        }
        assert!(parse(json!({"target": "b"})).err().unwrap().contains("Missing `source`"));
    }
}
