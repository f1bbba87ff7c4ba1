//! What `POST /_replicate` and documents of `_replicator` ask for.

use replication::Spec;
use serde_json::{Map, Value};

use super::endpoint::{Endpoint, check_way};
use super::options::{self, Means, flag};
use super::settings::Settings;
use crate::http::HttpError;
use crate::onion::Onion;

/// What a request asks for.
pub(super) enum Wanted {
    /// A replication.
    Start(Box<Replicate>),
    /// The end of the replication with this job id.
    Cancel(String),
}

/// A replication that is asked for.
#[derive(Clone, PartialEq)]
pub(super) struct Replicate {
    pub(super) source: Endpoint,
    pub(super) target: Endpoint,
    pub(super) spec: Spec,
    pub(super) means: Means,
}

impl Wanted {
    /// Reads the body of a request to the hub of this uuid.
    pub(super) fn parse(
        body: &Map<String, Value>,
        hub: &str,
        settings: &Settings,
    ) -> Result<Self, HttpError> {
        let cancel = flag(body, "cancel")?;
        if cancel && let Some(id) = job_id(body) {
            return Ok(Self::Cancel(id.into()));
        }
        let replicate = Replicate::parse(body, hub, settings)?;
        if cancel {
            return Ok(Self::Cancel(replicate.spec.job_id()));
        }
        Ok(Self::Start(Box::new(replicate)))
    }
}

impl Replicate {
    /// Reads a document, or the body of a request that begins a replication.
    pub(super) fn parse(
        body: &Map<String, Value>,
        hub: &str,
        settings: &Settings,
    ) -> Result<Self, HttpError> {
        let source = Endpoint::parse(body, "source")?;
        let target = Endpoint::parse(body, "target")?;
        let (spec, means) = options::parse(body, (&source, &target), hub, settings)?;
        Ok(Self { source, target, spec, means })
    }

    /// Refuses what this hub has no way to, as long as it is set up as it is.
    pub(super) fn check_way(&self, onion: &Onion) -> Result<(), HttpError> {
        let mut urls = [&self.source, &self.target].into_iter().filter_map(Endpoint::url);
        urls.try_for_each(|url| check_way(url, onion))
    }
}

fn job_id(body: &Map<String, Value>) -> Option<&str> {
    ["replication_id", "id", "_local_id"].iter().find_map(|name| body.get(*name)?.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use replication::Leaves;
    use serde_json::json;

    fn parse(body: Value) -> Result<Wanted, String> {
        let Value::Object(body) = body else { panic!("no object") };
        Wanted::parse(&body, "hub", &Settings::read(&BTreeMap::new())).map_err(|error| {
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
        assert_eq!(request.means, Means { answer_s: 30, bulk_get: true, create: vec![] });
        let request = start(json!({
            "source": "a", "target": "b", "continuous": true, "create_target": true,
            "doc_ids": ["x", "a%2Fb"], "since_seq": "7-x", "use_checkpoints": false,
            "checkpoint_interval": 1, "worker_batch_size": 1_000_000, "retries_per_request": "2",
            "http_connections": 2, "worker_processes": 3, "filter": null, "query_params": {},
            "winning_revs_only": true, "use_bulk_get": false, "connection_timeout": 2_001,
            "create_target_params": {"q": 1, "partitioned": true, "n": "1"},
            "socket_options": "[{keepalive, true}]",
        }));
        assert!(request.spec.continuous && request.spec.create_target);
        assert!(!request.spec.use_checkpoints);
        assert_eq!(request.spec.since.unwrap().as_json(), "\"7-x\"");
        assert_eq!(request.spec.checkpoint_interval_ms, 100);
        assert_eq!(request.spec.batch_changes_max, 2000);
        assert_eq!(request.spec.batches_max, 2);
        assert_eq!(request.spec.retries_max, Some(2));
        assert_eq!(request.spec.leaves, Leaves::Winner);
        let replication::Filter::DocIds(ids) = request.spec.filter else { panic!("another") };
        assert_eq!(ids.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["x", "a/b"]);
        let create = [("n", "1"), ("partitioned", "true"), ("q", "1")];
        let mut given = request.means.create;
        given.sort();
        assert_eq!(given, create.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((request.means.answer_s, request.means.bulk_get), (3, false));
    }

    #[test]
    fn filters_are_named_with_what_they_are_told() {
        let body = json!({
            "source": "http://h/a", "target": "b", "filter": " d/f ",
            "query_params": {"a": "x", "b": 5, "key": "k", "c": [true]},
        });
        let told = |body: Value| match start(body).spec.filter {
            replication::Filter::Function(function) => function,
            _ => panic!("another"),
        };
        let function = told(body.clone());
        let mut options = function.options.clone();
        options.sort();
        let expected = [("a", "x"), ("b", "5"), ("c", "[true]"), ("key", "k")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((function.name.as_str(), options), ("d/f", expected.to_vec()));
        let mut view = body;
        view["filter"] = "_view".into();
        assert!(told(view).options.contains(&("key".into(), "\"k\"".into())));
        let long = json!({
            "source": "a", "target": "b", "filter": "d/f", "query_params": {"a": "x".repeat(20_000)},
        });
        assert!(parse(long).err().unwrap().contains("`query_params` is too long"));
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
            ("source", json!("ftp://h/a"), "501 not_implemented"),
            ("source", json!("https://abc.onion/a"), "Invalid `source`: an onion address is 56"),
            ("target", json!("http://u:p@ABC.Onion.:80/a"), "Invalid `target`: an onion address"),
            ("source", json!({"url": "http://abc%2Eonion/a"}), "not an absolute URL"),
            ("source", json!("httpkey://abc.onion/ed25519publickey:a/b"), "400 bad_request"),
            ("source", json!("http://h"), "the URL names no database"),
            ("target", json!({"url": "http://h/a", "headers": {"Host": "x"}}), "sets itself"),
            (
                "target",
                json!({"url": "http://h/a", "headers": {"a": "b\r\nc: d"}}),
                "value is none",
            ),
            ("target", json!({"url": "http://h/a", "auth": {}}), "needs `basic`"),
            ("continuous", json!("yes"), "parameter `continuous` must be a boolean"),
            ("cancel", json!("true"), "parameter `cancel` must be a boolean"),
            ("winning_revs_only", json!("foo"), "`winning_revs_only` must be a boolean"),
            ("use_bulk_get", json!(1), "parameter `use_bulk_get` must be a boolean"),
            ("doc_ids", json!("x"), "parameter `doc_ids` must be an array"),
            ("doc_ids", json!([1]), "parameter `doc_ids` must be an array"),
            ("doc_ids", json!([""]), "400 illegal_docid"),
            ("selector", json!({"a": {"$odd": 1}}), "400 bad_request: parameter `selector`"),
            ("selector", json!([]), "parameter `selector` must be a JSON object"),
            ("query_params", json!("x"), "parameter `query_params` must be an object"),
            ("create_target_params", json!([]), "must be a JSON object"),
            ("create_target_params", json!({"q": []}), "no scalar"),
            ("since_seq", json!({}), "no sequence"),
            ("worker_batch_size", json!(-1), "`worker_batch_size` must be an integer"),
            ("worker_processes", json!("a few"), "`worker_processes` must be an integer"),
            ("filter", json!(5), "parameter `filter` must be a string"),
            ("filter", json!(" "), "parameter `filter` must be a string"),
            ("filter", json!("d"), "`filter` must be of the form `designname/filtername`"),
            ("filter", json!("_view"), "`view` filter parameter is not provided."),
            ("filter", json!("_other"), "unknown builtin filter name"),
            ("source_proxy", json!("http://h:1"), "501 not_implemented"),
        ] {
            let message = with(member, value.clone());
            assert!(message.contains(expected), "{member}={value} gives {message:?}");
        }
        assert!(parse(json!({"target": "b"})).err().unwrap().contains("Missing `source`"));
        let several = json!({"source": "a", "target": "b", "doc_ids": [], "selector": {}});
        assert!(parse(several).err().unwrap().contains("are mutually exclusive"));
    }
}
