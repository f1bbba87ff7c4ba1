//! The options of a replication, as CouchDB names them.
//!
//! Source: `couch_replicator_parse`, whose words the complaints have.

use replication::{Filter, FunctionFilter, Leaves, PeerSeq, ReplicationId, Spec};
use serde_json::{Map, Value};
use store::DocId;

use super::endpoint::Endpoint;
use super::filtered::{self, Selected};
use super::settings::Settings;
use crate::http::HttpError;

/// Changes that one batch may have; a batch is held in memory.
const BATCH_CHANGES_MAX: u64 = 2000;

/// Batches that may be under way at once.
const BATCHES_MAX: u64 = 8;

/// Shortest and longest time between two checkpoints, in milliseconds.
const CHECKPOINT_INTERVAL_MS: std::ops::RangeInclusive<u64> = 100..=3_600_000;

/// Shortest and longest wait for an answer, in milliseconds.
const CONNECTION_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1_000..=600_000;

/// Members that this release does not know how to obey; ignoring them would replicate something
/// else than was asked for.
const NOT_YET: [&str; 3] = ["proxy", "source_proxy", "target_proxy"];

/// Longest names and values of `query_params`, which become part of a URL.
const QUERY_PARAMS_BYTES_MAX: usize = 16 * 1024;

/// Options of a feed that is filtered by a view that are JSON.
const JSON_OPTIONS: [&str; 4] = ["key", "keys", "start_key", "end_key"];

/// How the two sides are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Means {
    /// How long an answer is waited for.
    pub(super) answer_s: u64,
    /// Whether several documents are asked for at once.
    pub(super) bulk_get: bool,
    /// What a target that has to be made is made with.
    pub(super) create: Vec<(String, String)>,
}

/// Reads the options of a replication from `source` to `target` that the hub of this uuid runs.
pub(super) fn parse(
    body: &Map<String, Value>,
    (source, target): (&Endpoint, &Endpoint),
    hub: &str,
    settings: &Settings,
) -> Result<(Spec, Means), HttpError> {
    let filter = filter(body)?;
    match (&filter, source.local()) {
        (Filter::Selector(selector), Some(_)) => drop(Selected::parse(selector)?),
        (Filter::Function(function), Some(_)) => filtered::check(function)?,
        _ => {}
    }
    refuse_what_is_not_yet(body)?;
    let leaves = if flag(body, "winning_revs_only")? { Leaves::Winner } else { Leaves::All };
    let id =
        ReplicationId::new(hub.as_bytes(), source.identity(), target.identity(), &filter, leaves);
    let continuous = flag(body, "continuous")?;
    let number = |name, default| Ok::<u64, HttpError>(number(body, name)?.unwrap_or(default));
    let interval = number("checkpoint_interval", settings.checkpoint_interval_ms)?;
    let batch_size = number("worker_batch_size", settings.worker_batch_size)?;
    let workers = number("worker_processes", settings.worker_processes)?;
    let connections = number("http_connections", settings.http_connections)?;
    let retries = number("retries_per_request", settings.retries_per_request)?;
    let timeout = number("connection_timeout", settings.connection_timeout_ms)?;
    let use_checkpoints = match body.get("use_checkpoints") {
        None | Some(Value::Null) => settings.use_checkpoints,
        Some(value) => *value != Value::Bool(false),
    };
    let spec = Spec {
        continuous,
        create_target: flag(body, "create_target")?,
        filter,
        leaves,
        since: since(body)?,
        use_checkpoints,
        checkpoint_interval_ms: within(interval, &CHECKPOINT_INTERVAL_MS),
        batch_changes_max: within(batch_size, &(1..=BATCH_CHANGES_MAX)) as usize,
        // Each batch has one request under way, so that fewer connections are fewer batches.
        batches_max: within(workers.min(connections), &(1..=BATCHES_MAX)) as usize,
        retries_max: Some(u32::try_from(retries).unwrap_or(u32::MAX)),
        ..Spec::new(id)
    };
    let means = Means {
        answer_s: within(timeout, &CONNECTION_TIMEOUT_MS).div_ceil(1000),
        bulk_get: match body.get("use_bulk_get") {
            None | Some(Value::Null) => settings.use_bulk_get,
            Some(_) => flag(body, "use_bulk_get")?,
        },
        create: create_target_params(body)?,
    };
    Ok((spec, means))
}

/// A member that is true or false.
pub(super) fn flag(body: &Map<String, Value>, name: &str) -> Result<bool, HttpError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(bad(&format!("parameter `{name}` must be a boolean"))),
    }
}

fn refuse_what_is_not_yet(body: &Map<String, Value>) -> Result<(), HttpError> {
    let given = |member: &&str| {
        let value = body.get(*member);
        value.is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
    };
    if NOT_YET.iter().any(given) {
        return Err(HttpError::NotImplemented(
            "replication through proxies is not in this release",
        ));
    }
    Ok(())
}

fn filter(body: &Map<String, Value>) -> Result<Filter, HttpError> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let options = match given("query_params") {
        None => None,
        Some(Value::Object(options)) => Some(options),
        Some(_) => return Err(bad("parameter `query_params` must be an object")),
    };
    let ids = given("doc_ids").map(doc_ids).transpose()?;
    let selector = given("selector").map(selector).transpose()?;
    match (ids, selector, given("filter")) {
        (None, None, None) => Ok(Filter::All),
        (None, None, Some(name)) => function(name, options),
        (Some(filter), None, None) | (None, Some(filter), None) => Ok(filter),
        _ => Err(bad("`doc_ids`,`filter`,`selector` are mutually exclusive")),
    }
}

/// Ids may be percent-encoded, as old replicators had them.
fn doc_ids(ids: &Value) -> Result<Filter, HttpError> {
    let wrong = || bad("parameter `doc_ids` must be an array");
    let id = |id: &Value| {
        let text = id.as_str().ok_or_else(wrong)?;
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
        let text = decoded.as_deref().unwrap_or(text);
        Ok(text.parse::<DocId>()?)
    };
    let ids = ids.as_array().ok_or_else(wrong)?.iter().map(id);
    Ok(Filter::DocIds(ids.collect::<Result<_, HttpError>>()?))
}

fn selector(selector: &Value) -> Result<Filter, HttpError> {
    match selector {
        Value::Object(_) => Ok(Filter::Selector(selector.to_string().into())),
        _ => Err(bad("parameter `selector` must be a JSON object")),
    }
}

/// A function, by its name and what it is told.
fn function(name: &Value, options: Option<&Map<String, Value>>) -> Result<Filter, HttpError> {
    let name = name.as_str().map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| bad("parameter `filter` must be a string"))?;
    let option = |(option, value): (&String, &Value)| {
        // Functions get these as values, and a feed's query has them as JSON.
        let json = name == "_view" && JSON_OPTIONS.contains(&option.as_str());
        let text = value.as_str().filter(|_| !json);
        (option.clone(), text.map_or_else(|| value.to_string(), str::to_owned))
    };
    let options: Vec<_> = options.into_iter().flatten().map(option).collect();
    let bytes: usize = options.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > QUERY_PARAMS_BYTES_MAX {
        return Err(bad("parameter `query_params` is too long"));
    }
    Ok(Filter::Function(FunctionFilter { name: name.to_owned(), options }.into()))
}

fn create_target_params(body: &Map<String, Value>) -> Result<Vec<(String, String)>, HttpError> {
    let params = match body.get("create_target_params") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(bad("parameter `create_target_params` must be a JSON object")),
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let param = |(name, value): (&String, &Value)| {
        let wrong = || bad("parameter `create_target_params` has a value that is no scalar");
        Ok((name.clone(), text(value).ok_or_else(wrong)?))
    };
    params.iter().map(param).collect()
}

fn since(body: &Map<String, Value>) -> Result<Option<PeerSeq>, HttpError> {
    let given = body.get("since_seq").filter(|value| !value.is_null());
    let seq = |value: &Value| {
        PeerSeq::from_json(&value.to_string()).ok_or_else(|| bad("`since_seq` is no sequence"))
    };
    given.map(seq).transpose()
}

/// A natural number, or one as text.
fn number(body: &Map<String, Value>, name: &str) -> Result<Option<u64>, HttpError> {
    let number = match body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => value.as_u64(),
    };
    number.map(Some).ok_or_else(|| bad(&format!("parameter `{name}` must be an integer")))
}

fn within(number: u64, bounds: &std::ops::RangeInclusive<u64>) -> u64 {
    number.clamp(*bounds.start(), *bounds.end())
}

fn bad(reason: &str) -> HttpError {
    HttpError::BadRequest(reason.into())
}
