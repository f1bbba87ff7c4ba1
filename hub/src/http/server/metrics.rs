//! What the node counts: `_stats`, `_prometheus`, `_system`, `_versions`.

use std::fmt::Write as _;

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value as Json, json};
use tokio::runtime::Handle;

use super::COUCHDB_VERSION;
use super::node::check_node;
use crate::clock;
use crate::http::call::blocking;
use crate::http::{Call, HttpError, Reply, body, reply};
use crate::metrics::{Kind, Metric, PERCENTILES, Process, Summary, Value, report};

/// What CouchDB says of its figures' format.
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=2.0");

/// `GET /_node/{node}/_stats` and `GET /_node/{node}/_stats/{rest}`: all figures, or those below a
/// path; `null` where there is none.
pub(crate) async fn stats(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    let Call { app, captures, .. } = call;
    let metrics = blocking(move || Ok(report(&app))).await?;
    let mut tree = Json::Object(Map::new());
    for metric in &metrics {
        let mut place = &mut tree;
        for name in &metric.path {
            place = &mut place[name];
        }
        *place = statistic(metric);
    }
    let mut found = &tree;
    for name in captures.att.split('/').filter(|name| !name.is_empty()) {
        found = found.get(name).unwrap_or(&Json::Null);
    }
    Ok(reply::json(StatusCode::OK, found))
}

fn statistic(metric: &Metric) -> Json {
    match &metric.value {
        Value::Number(value) => {
            json!({"value": value, "type": "counter", "desc": metric.description})
        }
        Value::Durations(summary) => {
            json!({"value": durations(summary), "type": "histogram", "desc": metric.description})
        }
    }
}

fn durations(summary: &Summary) -> Json {
    let percentiles = PERCENTILES.iter().zip(summary.percentiles);
    let percentiles: Vec<Json> =
        percentiles.map(|((name, _), value)| json!([name, value])).collect();
    let classes = match summary.classes.is_empty() {
        true => vec![(0.0, 0)],
        false => summary.classes.clone(),
    };
    json!({
        "min": summary.min,
        "max": summary.max,
        "arithmetic_mean": summary.arithmetic_mean,
        "geometric_mean": summary.geometric_mean,
        "harmonic_mean": summary.harmonic_mean,
        "median": summary.percentiles[0],
        "variance": summary.variance,
        "standard_deviation": summary.variance.sqrt(),
        "skewness": summary.skewness,
        "kurtosis": summary.kurtosis,
        "percentile": percentiles,
        "histogram": classes,
        "n": summary.count,
    })
}

/// `GET /_node/{node}/_prometheus`
pub(crate) async fn prometheus(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    let Call { app, .. } = call;
    let text = blocking(move || {
        let mut text = String::new();
        for_prometheus(&report(&app), &mut text);
        let uptime_s = clock::now().0.saturating_sub(app.started.0) / 1000;
        declare(&mut text, "couchdb_uptime_seconds", "counter", "seconds since the hub started");
        line(&mut text, "couchdb_uptime_seconds", uptime_s);
        if let Some(bytes) = Process::look().resident_bytes {
            let name = "larder_memory_resident_bytes";
            declare(&mut text, name, "gauge", "memory that the hub occupies");
            line(&mut text, name, bytes);
        }
        Ok(text)
    });
    let mut reply = Response::new(body::whole(text.await?));
    reply.headers_mut().insert(header::CONTENT_TYPE, PROMETHEUS);
    Ok(reply)
}

/// Names as CouchDB makes them of paths.
fn for_prometheus(metrics: &[Metric], text: &mut String) {
    let mut declared = String::new();
    let misses = metrics.iter().find(|metric| metric.path.ends_with(&["auth_cache_misses".into()]));
    for metric in metrics {
        let path = metric.path.join("_");
        let bare = path.strip_prefix("couchdb_").unwrap_or(&path);
        let (mut value, name) = match (&metric.value, &metric.series, metric.kind) {
            (Value::Durations(summary), ..) => {
                summary_lines(
                    &format!("couchdb_{bare}_seconds"),
                    metric.description,
                    summary,
                    text,
                );
                continue;
            }
            (Value::Number(value), Some((series, ..)), _) => (*value, format!("couchdb_{series}")),
            (Value::Number(value), None, Kind::Level) => (*value, format!("couchdb_{bare}")),
            (Value::Number(value), None, Kind::Counter) => {
                (*value, format!("couchdb_{bare}_total"))
            }
        };
        let mut name = name.replace("couchdb_larder_", "larder_");
        if let ("auth_cache_hits", Some(Value::Number(misses))) =
            (bare, misses.map(|metric| &metric.value))
        {
            name = "couchdb_auth_cache_requests_total".into();
            value += misses;
        }
        if name != declared {
            let kind = if metric.kind == Kind::Level { "gauge" } else { "counter" };
            declare(text, &name, kind, metric.description);
            declared.clone_from(&name);
        }
        match &metric.series {
            Some((_, label, of)) => line(text, &format!("{name}{{{label}=\"{of}\"}}"), value),
            None => line(text, &name, value),
        }
    }
}

fn summary_lines(name: &str, description: &str, summary: &Summary, text: &mut String) {
    declare(text, name, "summary", description);
    for ((_, part), value) in PERCENTILES.iter().zip(summary.percentiles) {
        line(text, &format!("{name}{{quantile=\"{part}\"}}"), value / 1000.0);
    }
    line(text, &format!("{name}_sum"), summary.sum / 1000.0);
    line(text, &format!("{name}_count"), summary.count);
}

// Writing to a string cannot fail.
fn declare(text: &mut String, name: &str, kind: &str, description: &str) {
    let _written = write!(text, "# HELP {name} {description}\n# TYPE {name} {kind}\n");
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _written = writeln!(text, "{name} {value}");
}

/// `GET /_node/{node}/_system`: of CouchDB's members those that a hub has a like of.
pub(crate) async fn system(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    let runtime = Handle::current().metrics();
    let started = call.app.started;
    let process = blocking(|| Ok(Process::look())).await?;
    let memory = [("resident", process.resident_bytes), ("peak", process.peak_bytes)];
    let memory: Map<String, Json> = memory
        .into_iter()
        .filter_map(|(name, bytes)| Some((name.to_owned(), bytes?.into())))
        .collect();
    let mut system = json!({
        "uptime": clock::now().0.saturating_sub(started.0) / 1000,
        "memory": memory,
        "run_queue": runtime.global_queue_depth(),
        "process_count": runtime.num_alive_tasks(),
        "os_proc_count": 0,
        "message_queues": {},
        "internal_replication_jobs": 0,
        "distribution": {},
    });
    if let Some(switches) = process.context_switches {
        system["context_switches"] = switches.into();
    }
    Ok(reply::json(StatusCode::OK, &system))
}

/// `GET /_node/{node}/_versions`: nothing of Erlang, libicu or SpiderMonkey is in here.
pub(crate) async fn versions(call: Call) -> Result<Reply, HttpError> {
    check_node(&call)?;
    let versions = json!({
        "larder": {"version": env!("CARGO_PKG_VERSION")},
        "couchdb_api": {"version": COUCHDB_VERSION},
    });
    Ok(reply::json(StatusCode::OK, &versions))
}
