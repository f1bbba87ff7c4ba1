//! What `POST /_replicate` asks for.
//!
//! Source: CouchDB's replication documents (`couch_replicator_parse`).

use replication::{Filter, PeerSeq, ReplicationId, Spec};
use serde_json::{Map, Value};
use store::DocId;

use super::endpoint::Endpoint;
use crate::http::HttpError;

/// Changes that one batch may have; a batch is held in memory.
const BATCH_CHANGES_MAX: u64 = 2000;

/// Shortest and longest time between two checkpoints, in milliseconds.
const CHECKPOINT_INTERVAL_MS: std::ops::RangeInclusive<u64> = 100..=3_600_000;

/// Members that this release does not know how to obey; ignoring them would replicate something
/// else than was asked for.
const NOT_YET: [&str; 5] = ["filter", "winning_revs_only", "proxy", "source_proxy", "target_proxy"];

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

impl Wanted {
    /// Reads the body of a request to the hub of this uuid.
    pub(super) fn parse(body: &Map<String, Value>, hub: &str) -> Result<Self, HttpError> {
        let cancel = flag(body, "cancel")?;
        if cancel && let Some(id) = job_id(body) {
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
        let source = Endpoint::parse(body, "source")?;
        let target = Endpoint::parse(body, "target")?;
        let filter = filter(body)?;
        let (from, to) = (source.identity(), target.identity());
        let id = ReplicationId::new(hub.as_bytes(), from, to, &filter);
        let defaults = Spec::new(id);
        let spec = Spec {
            continuous: flag(body, "continuous")?,
            create_target: flag(body, "create_target")?,
            since: since(body)?,
            use_checkpoints: body.get("use_checkpoints") != Some(&Value::Bool(false)),
            checkpoint_interval_ms: number(body, "checkpoint_interval")?
                .unwrap_or(defaults.checkpoint_interval_ms)
                .clamp(*CHECKPOINT_INTERVAL_MS.start(), *CHECKPOINT_INTERVAL_MS.end()),
            batch_changes_max: match number(body, "worker_batch_size")? {
                Some(size) => size.clamp(1, BATCH_CHANGES_MAX) as usize,
                None => defaults.batch_changes_max,
            },
            retries_max: match number(body, "retries_per_request")? {
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
        Wanted::parse(&body, "hub").map_err(|error| {
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
