//! Changes feeds, of a database and of the server.

use super::row::{Row, no_json, no_json_type, row};

const GET: &str = "GET /{db}/_changes";
const POST: &str = "POST /{db}/_changes";
const SERVER: &str = "GET /_db_updates";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = no_json(POST, "/db/_changes");
    rows.extend(no_json_type(POST, "/db/_changes"));
    rows.push(row(POST, "/db/_changes").json("[]").bad("Request body must be a JSON object"));
    rows.extend(doc_ids());
    for (endpoint, path) in [(GET, "/db/_changes"), (SERVER, "/_db_updates")] {
        rows.extend(waiting(endpoint, path));
    }
    let get = |query: &str| row(GET, &format!("/db/_changes?{query}"));
    let malformed = "Malformed sequence supplied in 'since' parameter.";
    for since in ["x", "-1", "1.5", "1-", "1-xyz", "999999999999999999999", "1-ab-cd", "%5B%5D"] {
        rows.push(get(&format!("since={since}")).bad(malformed));
        rows.push(row(SERVER, &format!("/_db_updates?since={since}")).bad(malformed));
    }
    rows.push(get("feed=eventsource").header("Last-Event-ID", "garbage").bad(malformed));
    for style in ["", "all", "ALL_DOCS"] {
        let reason = "Supported `style` types: main_only, all_docs";
        rows.push(get(&format!("style={style}")).bad(reason));
    }
    for interval in ["0", "-1", "x", ""] {
        rows.push(get(&format!("seq_interval={interval}")).bad("invalid_seq_interval"));
    }
    for limit in ["x", "1.5", ""] {
        let reason = format!("Invalid value for integer: {limit:?}");
        rows.push(get(&format!("limit={limit}")).gets(400, "query_parse_error", &reason));
    }
    let positive = "Invalid value for positive integer: \"-1\"";
    rows.push(get("limit=-1").gets(400, "query_parse_error", positive));
    rows.push(get("filter=nothing").bad("`filter` must be of the form `designname/filtername`"));
    rows.push(get("filter=_nothing").bad("unknown builtin filter name"));
    rows.push(get("filter=_selector").bad("Selector must be specified in POST payload"));
    rows.push(row(GET, "/none/_changes").gets(404, "not_found", "Database does not exist."));
    rows
}

fn doc_ids() -> Vec<Row> {
    let reason = "`doc_ids` filter parameter is not a list of doc ids.";
    let posted = |text: &str| row(POST, "/db/_changes?filter=_doc_ids").json(text).bad(reason);
    let got = |ids: &str| row(GET, &format!("/db/_changes?filter=_doc_ids&doc_ids={ids}"));
    vec![
        posted("{\"doc_ids\":5}"),
        posted("{\"doc_ids\":{}}"),
        posted("{\"doc_ids\":[5]}"),
        posted("{\"doc_ids\":[\"a\",null]}"),
        posted("{}"),
        got("5").bad(reason),
        got("[5]").bad(reason),
        got("[").bad("invalid UTF-8 JSON"),
        row(GET, "/db/_changes?filter=_doc_ids").bad(reason),
    ]
}

/// How a feed waits.
fn waiting(endpoint: &str, path: &str) -> Vec<Row> {
    let get = |query: &str| row(endpoint, &format!("{path}?{query}"));
    let mut rows = Vec::new();
    for beat in ["0", "-5"] {
        rows.push(
            get(&format!("feed=continuous&heartbeat={beat}"))
                .bad("The heartbeat value should be a positive integer (in milliseconds)."),
        );
    }
    for beat in ["x", "1.5", "", "TRUE"] {
        rows.push(
            get(&format!("feed=continuous&heartbeat={beat}")).bad(
                "Invalid heartbeat value. Expecting a positive integer value (in milliseconds).",
            ),
        );
    }
    for timeout in ["x", "1.5", ""] {
        let reason = format!("Invalid value for integer: {timeout:?}");
        let row = get(&format!("feed=longpoll&timeout={timeout}"));
        rows.push(row.gets(400, "query_parse_error", &reason));
    }
    rows
}
