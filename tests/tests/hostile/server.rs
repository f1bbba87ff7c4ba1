//! Endpoints of the server, and the hub's own.

use super::raw::Framing;
use super::row::{Row, no_json, no_json_type, row};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (endpoint, path) in [
        ("POST /_dbs_info", "/_dbs_info"),
        ("POST /_cluster_setup", "/_cluster_setup"),
        ("POST /_replicate", "/_replicate"),
        ("POST /_hub/apps", "/_hub/apps"),
        ("POST /_hub/acl/grant", "/_hub/acl/grant"),
        ("POST /_hub/acl/revoke", "/_hub/acl/revoke"),
        ("POST /_hub/codes", "/_hub/codes"),
        ("POST /_hub/enrolments", "/_hub/enrolments"),
        ("POST /_hub/enrolments/{doc}", "/_hub/enrolments/d"),
        ("POST /_hub/groups/{doc}", "/_hub/groups/g"),
        ("POST /_hub/onion/clients/allow", "/_hub/onion/clients/allow"),
        ("POST /_hub/onion/clients/remove", "/_hub/onion/clients/remove"),
        ("POST /_hub/dbs", "/_hub/dbs"),
        ("PUT /_hub/dbs/{doc}", "/_hub/dbs/d"),
        ("POST /_hub/dbs/{doc}/rename", "/_hub/dbs/d/rename"),
        ("POST /_hub/devices", "/_hub/devices"),
        ("POST /_hub/friends", "/_hub/friends"),
        ("POST /_hub/pairing", "/_hub/pairing"),
        ("POST /_hub/pairing/join", "/_hub/pairing/join"),
        ("POST /_hub/shares", "/_hub/shares"),
        ("POST /_hub/invitations/{doc}", "/_hub/invitations/i"),
        ("POST /_hub/pause", "/_hub/pause"),
        ("POST /_hub/conflicts", "/_hub/conflicts"),
        ("PUT /_hub/profile", "/_hub/profile"),
        ("PUT /_hub/quotas", "/_hub/quotas"),
        ("PUT /_hub/requests", "/_hub/requests"),
        ("PUT /_hub/rules", "/_hub/rules"),
        ("POST /_hub/requests", "/_hub/requests"),
        ("POST /_hub/requests/{doc}", "/_hub/requests/r"),
    ] {
        rows.extend(no_json(endpoint, path));
        rows.extend(no_json_type(endpoint, path));
        rows.push(row(endpoint, path).json("[]").bad("Request body must be a JSON object"));
    }
    for (endpoint, path) in [
        ("POST /_hub/dbs/{doc}/join", "/_hub/dbs/d/join"),
        ("POST /_hub/trash/{doc}/restore", "/_hub/trash/d/restore"),
    ] {
        rows.push(row(endpoint, path).json("[]").bad("Request body must be a JSON object"));
    }
    let reason = "there is no friend of that name or key";
    let accept = row("POST /_hub/friends/{doc}/accept", "/_hub/friends/nobody/accept");
    rows.push(accept.json("{}").gets(404, "not_found", reason));
    for (method, kind, verb) in [
        ("PUT", "device", ""),
        ("POST", "device", "/confirm-removal"),
        ("POST", "device", "/keep"),
        ("PUT", "friend", ""),
        ("POST", "friend", "/block"),
        ("POST", "friend", "/unblock"),
    ] {
        let reason = format!("there is no {kind} of that name or key");
        let endpoint = format!("{method} /_hub/{kind}s/{{doc}}{verb}");
        let path = format!("/_hub/{kind}s/nobody{verb}");
        rows.push(row(&endpoint, &path).json("{}").gets(404, "not_found", &reason));
    }
    // The owner is no hub of another's.
    for (endpoint, path) in [
        ("POST /_hub/reached", "/_hub/reached"),
        ("POST /_hub/sync/{doc}", "/_hub/sync/d"),
        ("POST /_hub/sync/{doc}/wanted", "/_hub/sync/d/wanted"),
        ("POST /_hub/pair/{doc}", "/_hub/pair/d"),
    ] {
        let reason = "This is for other devices, known by their keys.";
        rows.push(row(endpoint, path).json("{}").gets(403, "forbidden", reason));
    }
    let reason = "This is for other hubs, known by their keys.";
    let request = row("POST /_hub/request", "/_hub/request");
    rows.push(request.json("{}").gets(403, "forbidden", reason));
    rows.extend(lists());
    rows.extend(pairing());
    rows.extend(rights());
    rows.extend(onion());
    rows.extend(sessions());
    rows.extend(settings());
    rows.extend(imports());
    rows.extend(replications());
    rows
}

/// Pairings, and codes in pictures.
fn pairing() -> Vec<Row> {
    let open = |text: &str| row("POST /_hub/pairing", "/_hub/pairing").json(text);
    let join = |text: &str| row("POST /_hub/pairing/join", "/_hub/pairing/join").json(text);
    let picture = |text: &str| row("POST /_hub/qr", "/_hub/qr").json(text);
    let none = "there is no pairing with this id, or it is long over";
    let confirm = row("POST /_hub/pairing/{doc}/confirm", "/_hub/pairing/x/confirm");
    let refuse = row("POST /_hub/pairing/{doc}/refuse", "/_hub/pairing/x/refuse");
    let scheme = "the link does not begin with larder:; it is not for pairing";
    vec![
        open("{}").bad("missing field `kind`"),
        open("{\"kind\":\"device\",\"share\":[{\"database\":\"db\",\"right\":\"read\"}]}")
            .bad("a device of yours has every database; share with friends"),
        open("{\"kind\":\"friend\",\"share\":[{\"database\":\"_acl\",\"right\":\"read\"}]}")
            .bad("there is no database _acl that could be shared"),
        open("{\"kind\":\"device\",\"name\":\"a/b\"}")
            .bad("a name has 1 to 64 bytes, no control characters, and is no key and no URL"),
        join("{}").bad("either a link, or an address and perhaps a code"),
        join("{\"link\":\"javascript:alert(1)\"}").bad(scheme),
        join("{\"address\":\"h:1\",\"code\":\"12\"}")
            .bad("a spoken code is 8 digits; spaces and hyphens between them do not count"),
        join("{\"address\":\"h:0\"}")
            .bad("the address leads nowhere: the URL's port is no number from 1 to 65535"),
        confirm.json("{}").gets(404, "not_found", none),
        refuse.json("{}").gets(404, "not_found", none),
        picture("{}").bad("the picture is neither a PNG nor a JPEG"),
    ]
}

/// What says who may do what.
fn rights() -> Vec<Row> {
    let post = |endpoint: &str, path: &str, text: &str| row(endpoint, path).json(text);
    let grant = |text: &str| post("POST /_hub/acl/grant", "/_hub/acl/grant", text);
    let code = |text: &str| post("POST /_hub/codes", "/_hub/codes", text);
    let ask = |text: &str| post("POST /_hub/enrolments", "/_hub/enrolments", text);
    let system = "_acl is a system database: only the owner and admin apps reach it";
    let system_grant = "\"databases\":[{\"name\":\"_acl\",\"write\":true}]";
    let group = "`_admin` cannot name a group: at most 128 bytes without `/`, `:`, `?`, `#`, `%` and \
                 control characters, no space at either end, and the first is no underscore";
    vec![
        row("POST /_hub/session", "/_hub/session").json("{}").bad("missing field `code`"),
        row("POST /_hub/session", "/_hub/session").json("{\"code\":\"x\"}").gets(
            401,
            "unauthorized",
            "This link has been used or has run out; `larder open` makes another.",
        ),
        row("POST /_hub/enrol", "/_hub/enrol")
            .json("{}")
            .bad("An app enrols by the key that it proves over TLS."),
        row("PUT /_hub/groups/{doc}", "/_hub/groups/_admin").bad(group),
        grant("{}").bad("missing field `place`"),
        grant("{\"place\":\"db\",\"who\":\"nobody\",\"right\":\"read\"}")
            .bad("`nobody` is no key, no httpkey URL, no petname, no app and no group:NAME"),
        code("{}").bad("missing field `name`"),
        code(&format!("{{\"name\":\"a\",{system_grant}}}")).bad(system),
        ask("{\"name\":\"a\"}").bad("missing field `key`"),
        ask("{\"name\":\"a\",\"key\":\"x\"}")
            .bad("a key is 52 lower-case base32 characters (a to z, 2 to 7)"),
    ]
}

/// Who may find the onion service.
fn onion() -> Vec<Row> {
    let allow =
        |text: &str| row("POST /_hub/onion/clients/allow", "/_hub/onion/clients/allow").json(text);
    let remove = |text: &str| {
        row("POST /_hub/onion/clients/remove", "/_hub/onion/clients/remove").json(text)
    };
    let nobody = "`nobody` is no key, no httpkey URL, no petname, no app and no group:NAME";
    let key = format!("descriptor:x25519:{}", "A".repeat(52));
    vec![
        allow("{}").bad("missing field `who`"),
        allow("{\"who\":\"nobody\",\"key\":\"x\"}")
            .bad("a discovery key is descriptor:x25519: and 52 base32 characters"),
        allow(&format!("{{\"who\":\"nobody\",\"key\":\"{key}\"}}")).bad(nobody),
        remove("{}").bad("missing field `who`"),
        remove("{\"who\":\"nobody\"}").bad(nobody),
        row("PUT /_hub/onion/client-key", "/_hub/onion/client-key").json("{}").gets(
            403,
            "forbidden",
            "This is for other devices, known by their keys.",
        ),
    ]
}

fn lists() -> Vec<Row> {
    let infos = |text: &str| row("POST /_dbs_info", "/_dbs_info").json(text);
    let set_up = |text: &str| row("POST /_cluster_setup", "/_cluster_setup").json(text);
    let uuids = |count: &str| row("GET /_uuids", &format!("/_uuids?count={count}"));
    let app = |name: &str| row("DELETE /_hub/apps/{doc}", &format!("/_hub/apps/{name}"));
    let names = "`ensure_dbs_exist` must be an array of names.";
    let many = format!("{{\"keys\":[{}\"a\"]}}", "\"a\",".repeat(100));
    let mut rows = vec![
        infos("{}").bad("`keys` member must exist."),
        infos("{\"keys\":5}").bad("`keys` member must be an array."),
        infos(&many).bad("too_many_keys"),
        set_up("{}").bad("Invalid Action"),
        set_up("{\"action\":5}").bad("Invalid Action"),
        set_up("{\"action\":\"explode\"}").bad("Invalid Action"),
        set_up("{\"action\":\"enable_single_node\",\"ensure_dbs_exist\":5}").bad(names),
        set_up("{\"action\":\"enable_single_node\",\"ensure_dbs_exist\":[5]}").bad(names),
        uuids("1001").bad("count parameter too large"),
        uuids("-1").bad("count must be a positive integer"),
        uuids("x").bad("count must be a positive integer"),
        uuids("1.5").bad("count must be a positive integer"),
        app("none").gets(404, "not_found", "there is no app of that name"),
        app("No%20Name").gets(404, "not_found", "there is no app of that name"),
        row("GET /_node/{node}", "/_node/other").gets(404, "not_found", "no such node: other"),
    ];
    for path in ["/_all_dbs", "/_dbs_info"] {
        let get = |query: &str| row(&format!("GET {path}"), &format!("{path}?{query}"));
        rows.push(get("startkey=a").bad("invalid UTF-8 JSON"));
        rows.push(get("limit=x").gets(
            400,
            "query_parse_error",
            "Invalid value for integer: \"x\"",
        ));
        rows.push(get("descending=1").gets(
            400,
            "query_parse_error",
            "Invalid boolean parameter: \"1\"",
        ));
    }
    for path in ["/", "/_up", "/_all_dbs", "/_uuids", "/_active_tasks", "/_membership"] {
        rows.push(row(&format!("GET {path}"), path).method("PUT").gets(
            405,
            "method_not_allowed",
            "Only GET,HEAD allowed",
        ));
    }
    rows
}

fn sessions() -> Vec<Row> {
    let log_in = |body: &str, content_type: &str| {
        row("POST /_session", "/_session").body(body, content_type).anonymous()
    };
    let json = |body: &str| log_in(body, "application/json");
    let form = |body: &str| log_in(body, "application/x-www-form-urlencoded");
    let no_name = "request body must contain a username";
    vec![
        json("{").bad("invalid UTF-8 JSON"),
        json("[]").bad("invalid UTF-8 JSON"),
        json("{\"name\":\"\\ud800\"}").bad("invalid UTF-8 JSON"),
        json(&"[".repeat(600)).bad("invalid UTF-8 JSON"),
        json("{}").bad(no_name),
        json("{\"name\":5,\"password\":\"x\"}").bad(no_name),
        form("").bad(no_name),
        form("name=%zz").bad("invalid_url_encoding"),
        form("name=%ff").bad("The URL is not UTF-8"),
        form("name=a&username=b&password=c").bad("request body contains different usernames"),
        log_in("name=a&password=b", "").bad(no_name),
        form(&"a=b&".repeat(100_000)).gets(413, "too_large", "the request entity is too large"),
        form("name=a").framed(Framing::Short(50)).bad("the request body could not be read"),
        form("name=nobody&password=x").gets(401, "unauthorized", "Name or password is incorrect."),
        json("{\"name\":\"owner\",\"password\":5}").gets(
            401,
            "unauthorized",
            "Name or password is incorrect.",
        ),
    ]
}

fn settings() -> Vec<Row> {
    let endpoint = "PUT /_node/{node}/_config/{section}/{key}";
    let put =
        |path: &str, text: &str| row(endpoint, &format!("/_node/_local/_config/{path}")).json(text);
    let mut rows = no_json(endpoint, "/_node/_local/_config/a/b");
    let text = "A setting's value must be a JSON string.";
    for value in ["5", "true", "null", "{}", "[\"a\"]"] {
        rows.push(put("a/b", value).bad(text));
    }
    let unknown = "unknown_config_value";
    rows.extend([
        row("GET /_node/{node}/_config/{section}/{key}", "/_node/_local/_config/a/b").gets(
            404,
            "not_found",
            unknown,
        ),
        row("DELETE /_node/{node}/_config/{section}/{key}", "/_node/_local/_config/a/b").gets(
            404,
            "not_found",
            unknown,
        ),
        row(endpoint, "/_node/other/_config/a/b").json("\"x\"").gets(
            404,
            "not_found",
            "no such node: other",
        ),
    ]);
    rows
}

fn imports() -> Vec<Row> {
    let ask = |text: &str| row("POST /_hub/import", "/_hub/import").json(text);
    vec![
        ask("{}").bad("missing field `url`"),
        ask("[]").bad("Request body must be a JSON object"),
        ask("{\"url\":5}").bad("invalid type: integer `5`, expected a string"),
        ask("{\"url\":\"ftp://a/b\"}").gets(
            501,
            "not_implemented",
            "replication over anything but http, https and httpkey is not in this release",
        ),
        ask("{\"url\":\"http://127.0.0.1:1/\",\"databases\":5}").bad("invalid type: integer `5`, expected a sequence"),
        ask("{\"url\":\"http://127.0.0.1:1/\",\"unknown\":5}").bad("unknown field `unknown`, expected one of `url`, `databases`, `exclude`, `into_existing`"),
    ]
}

fn replications() -> Vec<Row> {
    let ask = |text: &str| row("POST /_replicate", "/_replicate").json(text);
    let with = |members: &str| {
        ask(&format!("{{\"source\":\"db\",\"target\":\"db2\",\"create_target\":false,{members}}}"))
    };
    vec![
        ask("{}").bad("Missing `source`"),
        ask("{\"source\":\"db\"}").bad("Missing `target`"),
        ask("{\"source\":5,\"target\":\"db\"}")
            .bad("Invalid `source`: neither a string nor an object"),
        ask("{\"source\":{},\"target\":\"db\"}").bad("Invalid `source`: an object needs a `url`"),
        ask("{\"source\":\"No Name\",\"target\":\"db\"}").gets(
            400,
            "illegal_database_name",
            "Name: 'No Name'. Only lowercase characters (a-z), digits (0-9), and any of the \
             characters _, $, (, ), +, -, and / are allowed. Must begin with a letter.",
        ),
        with("\"continuous\":1").bad("parameter `continuous` must be a boolean"),
        with("\"cancel\":\"yes\"").bad("parameter `cancel` must be a boolean"),
        with("\"doc_ids\":5").bad("parameter `doc_ids` must be an array"),
        with("\"doc_ids\":[5]").bad("parameter `doc_ids` must be an array"),
        with("\"selector\":5").bad("parameter `selector` must be a JSON object"),
        with("\"doc_ids\":[],\"selector\":{}")
            .bad("`doc_ids`,`filter`,`selector` are mutually exclusive"),
        with("\"worker_batch_size\":\"x\"").bad("parameter `worker_batch_size` must be an integer"),
        ask("{\"cancel\":true,\"replication_id\":\"none\"}").gets(404, "not_found", "missing"),
    ]
}
