//! Heads of requests, and paths that mean nothing.

use super::row::{Row, row};

pub(crate) fn rows() -> Vec<Row> {
    let get = |path: &str| row("GET /", path);
    let as_somebody =
        |authorization: &str| get("/_all_dbs").anonymous().header("Authorization", authorization);
    let wrong = "Name or password is incorrect.";
    let log_in = "You are not authorized to access this db.";
    vec![
        get("/%2e").bad("Path with a dot segment"),
        get("/_unknown").gets(404, "not_found", "Database does not exist."),
        get("/_node").gets(404, "not_found", "missing"),
        get("/%00").gets(404, "not_found", "Database does not exist."),
        get("/%zz").bad("invalid_url_encoding"),
        get("/a%2f..%2fb").gets(404, "not_found", "Database does not exist."),
        get("*").bad("Invalid path"),
        as_somebody("").gets(401, "unauthorized", log_in),
        as_somebody("Negotiate x").gets(401, "unauthorized", log_in),
        as_somebody("Basic").gets(401, "unauthorized", log_in),
        as_somebody("Basic bm9ib2R5").gets(401, "unauthorized", log_in),
        as_somebody("Basic bm9ib2R5Ong=").gets(401, "unauthorized", wrong),
        as_somebody("Basic //86eA==").gets(401, "unauthorized", wrong),
        as_somebody("Bearer nobody").gets(401, "unauthorized", wrong),
        get("/_all_dbs").anonymous().header("Cookie", "AuthSession=garbage").gets(
            401,
            "unauthorized",
            log_in,
        ),
    ]
}
