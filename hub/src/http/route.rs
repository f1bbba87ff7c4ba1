//! Which row of the table of routes a request means.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::call::Captures;
use super::path::Path;
use super::routes::{ROUTES, Route};
use super::{HttpError, Query};
use crate::access::{Action, Target};

/// Where a request goes.
pub(crate) enum Destination {
    /// To this route.
    Route(&'static Route, Captures),
    /// Nowhere; the database it speaks of, and what to answer whoever may read that.
    Nowhere(Option<String>, HttpError),
}

/// The table of routes, by what a path begins with: nothing is built and little compared for a
/// request.
struct Index {
    root: Vec<Pattern>,
    /// By their first segment, which begins with an underscore.
    server: HashMap<&'static str, Vec<Pattern>>,
    /// `/{db}/_…`, by their second segment.
    database: HashMap<&'static str, Vec<Pattern>>,
    /// `/{db}`, `/{db}/{doc}`, `/{db}/{doc}/{att}`.
    plain: Vec<Pattern>,
}

/// Rows of one path.
struct Pattern {
    path: &'static str,
    /// What follows the part that the index is by.
    rest: Vec<Part>,
    routes: Vec<&'static Route>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(&'static str),
    Doc,
    Design,
    Local,
    Partition,
    Node,
    Section,
    Key,
    Function,
    View,
    Other,
    /// The rest of the path, whatever its slashes.
    Att,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::of(ROUTES));

impl Route {
    /// What a request that means this row is about.
    pub(crate) fn target<'a>(&self, captures: &'a Captures) -> Target<'a> {
        let db = captures.db.as_str();
        match self.action {
            Action::ReadView => {
                let design = captures.doc.strip_prefix("_design/").unwrap_or(&captures.doc);
                Target::View { db, design, view: &captures.view }
            }
            _ if self.path.starts_with("/{db}") => Target::Database(db),
            _ => Target::Server,
        }
    }

    /// Lets a request of another device's key pass, if this row is for keys and has its options.
    pub(crate) fn admit_guest(&self, query: &Query) -> Result<(), HttpError> {
        let options = self.for_keys.ok_or(HttpError::Forbidden)?;
        match query.pairs().find(|(name, _)| !options.contains(name)) {
            None => Ok(()),
            Some(_) => Err(HttpError::ForbiddenBecause("Keys may not use this query option here.")),
        }
    }

    /// Lets a request pass that CouchDB's session cookie alone came with: browsers attach it whatever page
    /// of this machine asks, so nothing of the hub's own is changed by it. CouchDB's clients do not.
    pub(crate) fn admit_cookie(&self) -> Result<(), HttpError> {
        let own = self.path.starts_with("/_hub/") && self.action == Action::AdministerServer;
        match own && self.method != "GET" {
            false => Ok(()),
            true => Err(HttpError::ForbiddenBecause(
                "A session's cookie alone changes nothing here: `larder open` leads to the pages, \
                 programs send a token.",
            )),
        }
    }
}

/// Finds the route of a path and method.
pub(crate) fn find(path: &Path<'_>, method: &str) -> Destination {
    INDEX.find(path, method)
}

impl Index {
    fn of(routes: &'static [Route]) -> Self {
        let mut index =
            Self { root: vec![], server: HashMap::new(), database: HashMap::new(), plain: vec![] };
        for route in routes {
            let segments: Vec<&str> = route.path.split('/').skip(1).collect();
            let (patterns, rest) = match segments.as_slice() {
                [""] => (&mut index.root, &[][..]),
                ["{db}", second, rest @ ..] if second.starts_with('_') => {
                    (index.database.entry(second).or_default(), rest)
                }
                ["{db}", rest @ ..] => (&mut index.plain, rest),
                [first, rest @ ..] => (index.server.entry(first).or_default(), rest),
                [] => continue,
            };
            match patterns.iter_mut().find(|pattern| pattern.path == route.path) {
                Some(pattern) => pattern.routes.push(route),
                None => patterns.push(Pattern {
                    path: route.path,
                    rest: rest.iter().map(|part| Part::of(part)).collect(),
                    routes: vec![route],
                }),
            }
        }
        index
    }

    fn find(&self, path: &Path<'_>, method: &str) -> Destination {
        let mut captures = Captures::default();
        let (db, rest) = match path.segments() {
            [] => return choose(&self.root, &[], method, captures),
            [first, rest @ ..] => (first, rest),
        };
        if let Some(patterns) = self.server.get(&**db) {
            return choose(patterns, rest, method, captures);
        }
        captures.db = db.clone().into_owned();
        let Some((second, behind)) = rest.split_first() else {
            return choose(&self.plain, rest, method, captures);
        };
        if let Some(patterns) = self.database.get(&**second) {
            return match (&**second, behind) {
                ("_local", [] | [_, _, ..]) => bad_local(captures.db, behind),
                ("_design", []) => unknown(captures.db, second, method),
                ("_partition", []) => {
                    let error = HttpError::BadRequest("invalid_partition_req".into());
                    Destination::Nowhere(Some(captures.db), error)
                }
                _ => choose(patterns, behind, method, captures),
            };
        }
        if second.starts_with('_') {
            return unknown(captures.db, second, method);
        }
        choose(&self.plain, rest, method, captures)
    }
}

/// The row of this method among patterns; `HEAD` is answered by the row of `GET`.
fn choose(
    patterns: &[Pattern],
    rest: &[Cow<'_, str>],
    method: &str,
    mut captures: Captures,
) -> Destination {
    let Some(pattern) = patterns.iter().find(|pattern| pattern.matches(rest)) else {
        return Destination::Nowhere(database_of(captures), HttpError::NotFound("missing"));
    };
    let row = if method == "HEAD" { "GET" } else { method };
    let Some(route) = pattern.routes.iter().find(|route| route.method == row) else {
        let error = HttpError::MethodNotAllowed(pattern.allow());
        return Destination::Nowhere(database_of(captures), error);
    };
    pattern.capture(rest, &mut captures);
    Destination::Route(route, captures)
}

impl Pattern {
    fn matches(&self, rest: &[Cow<'_, str>]) -> bool {
        let open = self.rest.last() == Some(&Part::Att);
        let fits = if open { rest.len() >= self.rest.len() } else { rest.len() == self.rest.len() };
        fits && self.rest.iter().zip(rest).all(|(part, segment)| match part {
            Part::Literal(literal) => literal == segment,
            Part::Doc | Part::Design | Part::Local | Part::Att => true,
            Part::Partition | Part::Node | Part::Section | Part::Key => true,
            Part::Function | Part::View | Part::Other => true,
        })
    }

    fn capture(&self, rest: &[Cow<'_, str>], captures: &mut Captures) {
        for (position, (part, segment)) in self.rest.iter().zip(rest).enumerate() {
            match part {
                Part::Literal(_) => {}
                Part::Doc => captures.doc = segment.clone().into_owned(),
                Part::Design => captures.doc = format!("_design/{segment}"),
                Part::Local => captures.doc = format!("_local/{segment}"),
                Part::Partition => captures.partition = segment.clone().into_owned(),
                Part::Node => captures.node = segment.clone().into_owned(),
                Part::Section => captures.section = segment.clone().into_owned(),
                Part::Key => captures.key = segment.clone().into_owned(),
                Part::Function => captures.function = segment.clone().into_owned(),
                Part::View => captures.view = segment.clone().into_owned(),
                Part::Other => captures.other = segment.clone().into_owned(),
                Part::Att => captures.att = rest[position..].join("/"),
            }
        }
    }

    /// The methods of this path, in CouchDB's order.
    fn allow(&self) -> String {
        let mut methods: Vec<&str> = self.routes.iter().map(|route| route.method).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        // CouchDB lists them by the alphabet, save that COPY comes last.
        methods.sort_unstable_by_key(|&method| (method == "COPY", method));
        methods.join(",")
    }
}

impl Part {
    fn of(segment: &'static str) -> Self {
        match segment {
            "{doc}" | "{job}" | "{replicator}" => Self::Doc,
            "{design}" => Self::Design,
            "{local}" => Self::Local,
            "{partition}" => Self::Partition,
            "{node}" => Self::Node,
            "{section}" => Self::Section,
            "{key}" => Self::Key,
            "{function}" => Self::Function,
            "{view}" | "{index}" => Self::View,
            "{other}" => Self::Other,
            "{att}" | "{rest}" => Self::Att,
            literal => Self::Literal(literal),
        }
    }
}

fn database_of(captures: Captures) -> Option<String> {
    Some(captures.db).filter(|db| !db.is_empty())
}

fn bad_local(db: String, behind: &[Cow<'_, str>]) -> Destination {
    let reason = if behind.is_empty() {
        "Invalid _local document id."
    } else {
        "_local documents do not accept attachments."
    };
    Destination::Nowhere(Some(db), HttpError::BadRequest(reason.into()))
}

/// A path behind a database that begins with an underscore and means nothing: no document can have
/// such an id.
fn unknown(db: String, id: &str, method: &str) -> Destination {
    let error = match (method, id.parse::<store::DocId>()) {
        ("PUT", Err(error)) => error.into(),
        ("GET" | "HEAD" | "DELETE" | "COPY", _) | ("PUT", Ok(_)) => HttpError::NotFound("missing"),
        _ => HttpError::MethodNotAllowed("DELETE,GET,HEAD,POST,PUT,COPY".into()),
    };
    Destination::Nowhere(Some(db), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(request: &str) -> Destination {
        let (method, path) = request.split_once(' ').unwrap();
        find(&Path::parse(path).unwrap(), method)
    }

    /// `request` goes to the row of this path, with these captures.
    fn check(request: &str, row: &str, captured: (&str, &str, &str)) {
        match destination(request) {
            Destination::Route(route, captures) => {
                assert_eq!(format!("{} {}", route.method, route.path), row, "{request}");
                let Captures { db, doc, att, .. } = &captures;
                assert_eq!((db.as_str(), doc.as_str(), att.as_str()), captured, "{request}");
            }
            Destination::Nowhere(_, error) => panic!("{request}: {error}"),
        }
    }

    fn check_refused(request: &str, status: u16, reason: &str) {
        match destination(request) {
            Destination::Route(route, _) => panic!("{request}: {} {}", route.method, route.path),
            Destination::Nowhere(_, error) => {
                let parts = error.parts();
                assert_eq!((parts.0.as_u16(), parts.2.as_str()), (status, reason), "{request}");
            }
        }
    }

    #[test]
    fn finds_rows() {
        check("GET /", "GET /", ("", "", ""));
        check("HEAD /", "GET /", ("", "", ""));
        check("GET /_all_dbs", "GET /_all_dbs", ("", "", ""));
        check("GET /%5Fall_dbs/", "GET /_all_dbs", ("", "", ""));
        check("GET /db", "GET /{db}", ("db", "", ""));
        check("GET /db/", "GET /{db}", ("db", "", ""));
        check("HEAD /a%2Fb", "GET /{db}", ("a/b", "", ""));
        check("PUT /_users", "PUT /{db}", ("_users", "", ""));
        check("GET /_users/x", "GET /{db}/{doc}", ("_users", "x", ""));
        check("GET /db/_all_docs", "GET /{db}/_all_docs", ("db", "", ""));
        check("POST /db/%5Fall%5Fdocs", "POST /{db}/_all_docs", ("db", "", ""));
        check("GET /db/a%2Fb", "GET /{db}/{doc}", ("db", "a/b", ""));
        check("PUT /db/a/b/c%2Fd", "PUT /{db}/{doc}/{att}", ("db", "a", "b/c/d"));
        check("GET /db/a/_b", "GET /{db}/{doc}/{att}", ("db", "a", "_b"));
        check("POST /db/_compact", "POST /{db}/_compact", ("db", "", ""));
        check("POST /db/_compact/x", "POST /{db}/_compact/{design}", ("db", "_design/x", ""));
    }

    #[test]
    fn finds_reserved_ids() {
        let design = "PUT /{db}/_design/{design}";
        check("PUT /db/_design/x", design, ("db", "_design/x", ""));
        check("PUT /db/%5Fdesign%2Fx", design, ("db", "_design/x", ""));
        check("PUT /db/_design%2Fx%2Fy", design, ("db", "_design/x/y", ""));
        let att = "GET /{db}/_design/{design}/{att}";
        check("GET /db/_design/x/a/b", att, ("db", "_design/x", "a/b"));
        check("GET /db/_design%2Fx/a", att, ("db", "_design/x", "a"));
        let local = "GET /{db}/_local/{local}";
        check("GET /db/_local/x", local, ("db", "_local/x", ""));
        check("GET /db/_local%2Fx%2Fy", local, ("db", "_local/x/y", ""));
    }

    #[test]
    fn refuses_other_methods() {
        check_refused("POST /", 405, "Only GET,HEAD allowed");
        check_refused("get /db", 405, "Only DELETE,GET,HEAD,POST,PUT allowed");
        check_refused("PATCH /db", 405, "Only DELETE,GET,HEAD,POST,PUT allowed");
        check_refused("copy /db/doc", 405, "Only DELETE,GET,HEAD,POST,PUT,COPY allowed");
        check_refused("PUT /db/_all_docs", 405, "Only GET,HEAD,POST allowed");
        check_refused("GET /db/_bulk_docs", 405, "Only POST allowed");
        check_refused("HEAD /db/_bulk_docs", 405, "Only POST allowed");
        check_refused("POST /db/_security", 405, "Only GET,HEAD,PUT allowed");
    }

    #[test]
    fn refuses_what_it_cannot_name() {
        check_refused("GET /_all_dbs/x", 404, "missing");
        check_refused("GET /_hub", 404, "missing");
        check_refused("GET /_hub/other", 404, "missing");
        check_refused("GET /db/_other", 404, "missing");
        check_refused("DELETE /db/_other/att", 404, "missing");
        check_refused("GET /db/_design", 404, "missing");
        check_refused("GET /db/_all_docs/x", 404, "missing");
        check_refused(
            "PUT /db/_other",
            400,
            "Only reserved document ids may start with underscore.",
        );
        check_refused("POST /db/_other", 405, "Only DELETE,GET,HEAD,POST,PUT,COPY allowed");
        check_refused("GET /db/_partition", 400, "invalid_partition_req");
        check_refused("GET /db/_partition/p/_find", 405, "Only POST allowed");
        check_refused("POST /db/_partition/p", 405, "Only GET,HEAD allowed");
        check_refused("GET /db/_local", 400, "Invalid _local document id.");
        check_refused("GET /db/_local%2F", 400, "Invalid _local document id.");
        check_refused("PUT /db/_local/x/att", 400, "_local documents do not accept attachments.");
    }

    #[test]
    fn every_row_finds_itself() {
        for route in ROUTES {
            let path =
                route.path.replace("{db}", "db").replace("{att}", "a/b").replace(['{', '}'], "");
            match destination(&format!("{} {path}", route.method)) {
                Destination::Route(found, _) => assert!(std::ptr::eq(found, route), "{path}"),
                Destination::Nowhere(_, error) => panic!("{} {path}: {error}", route.method),
            }
        }
    }
}
