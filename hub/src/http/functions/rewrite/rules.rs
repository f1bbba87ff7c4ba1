//! Rewrites that are a list of rules: patterns of paths, and what becomes of what they match.

use std::collections::{HashMap, HashSet};

use http::Method;
use serde_json::{Map, Value};

use super::path::Target;
use super::{failed, no_address};
use crate::http::path::Path;
use crate::http::{Call, HttpError, Query};

/// Options whose values are JSON.
const JSON_OPTIONS: [&str; 6] = ["key", "startkey", "start_key", "endkey", "end_key", "keys"];

/// Segments of the path before those that rules match: `/{db}/_design/{design}/_rewrite`.
const BEFORE: usize = 4;

/// What the variables of a rule may become, all uses together: no address is longer.
const FILLED_BYTES_MAX: usize = 64 << 10;

/// What is known by names when a rule is applied; the first of a name counts.
type Bindings = Vec<(String, Value)>;

/// The same, to look up in.
type Known<'b> = HashMap<&'b str, &'b Value>;

/// Bytes that variables may still become.
struct Room(usize);

impl Room {
    fn take(&mut self, value: &Value) -> Result<(), HttpError> {
        // What is empty takes a place too.
        let bytes = 1 + plain(value).len();
        self.0 = self.0.checked_sub(bytes).ok_or_else(no_address)?;
        Ok(())
    }
}

/// Finds the rule that a request matches, and where it leads.
pub(super) fn find(rules: &[Value], call: &Call) -> Result<Option<Target>, HttpError> {
    let path = Path::parse(call.uri.path())?;
    let segments = path.segments().iter().skip(BEFORE);
    let segments: Vec<&str> = segments.map(|segment| &**segment).collect();
    apply(rules, &call.method, &segments, &call.query)
}

fn apply(
    rules: &[Value],
    method: &Method,
    segments: &[&str],
    query: &Query,
) -> Result<Option<Target>, HttpError> {
    let asked = asked(query)?;
    let rules = rules.iter().filter_map(Value::as_object).map(Rule::parse);
    // One that is none spoils them all.
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let of_method = rules.iter().filter(|rule| rule.method == "*" || rule.method == method);
    let found = of_method.filter_map(|rule| Some((rule, rule.bind(segments)?))).next();
    let target = found.map(|(rule, (mut bound, rest))| {
        bound.extend(asked);
        rule.lead(bound, rest)
    });
    target.transpose()
}

/// A rule.
struct Rule<'r> {
    method: &'r str,
    from: Vec<Part<'r>>,
    to: Vec<Part<'r>>,
    query: Option<&'r Map<String, Value>>,
    formats: Option<&'r Map<String, Value>>,
}

/// A segment of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'r> {
    /// This text.
    Literal(&'r str),
    /// Any text, which gets this name: `:name`.
    Named(&'r str),
    /// All that is left: `*`.
    Rest,
}

impl<'r> Rule<'r> {
    fn parse(rule: &'r Map<String, Value>) -> Result<Self, HttpError> {
        let text = |name: &str| rule.get(name).map(|value| value.as_str().ok_or_else(bad_rule));
        let to = text("to").ok_or_else(|| failed("error", "invalid_rewrite_target"))??;
        let object = |name: &str| {
            let given = rule.get(name);
            given.map(|value| value.as_object().ok_or_else(bad_rule)).transpose()
        };
        Ok(Self {
            method: text("method").transpose()?.unwrap_or("*"),
            from: text("from").transpose()?.map_or(Ok(vec![Part::Rest]), parts)?,
            to: parts(to)?,
            query: object("query")?,
            formats: object("formats")?,
        })
    }

    /// What the pattern gives names to, the last first, and what is left for `*`.
    fn bind<'s>(&self, segments: &'s [&'s str]) -> Option<(Bindings, &'s [&'s str])> {
        let mut bound = Bindings::new();
        let mut left = segments;
        for (at, part) in self.from.iter().enumerate() {
            if *part == Part::Rest && at + 1 == self.from.len() {
                bound.reverse();
                return Some((bound, left));
            }
            let (segment, behind) = left.split_first()?;
            match part {
                Part::Literal(text) if text != segment => return None,
                Part::Literal(_) => {}
                Part::Named(name) => bound.push(((*name).to_owned(), (*segment).into())),
                Part::Rest => bound.push(("*".into(), (*segment).into())),
            }
            left = behind;
        }
        bound.reverse();
        left.is_empty().then_some((bound, left))
    }

    /// Where a request leads that the rule matches.
    fn lead(&self, bound: Bindings, rest: &[&str]) -> Result<Target, HttpError> {
        let mut room = Room(FILLED_BYTES_MAX);
        let known = known(&bound);
        let own = self.query.into_iter().flatten();
        let own = own.map(|(name, value)| {
            Ok::<_, HttpError>((name.clone(), self.filled(value, &known, &mut room)?))
        });
        let mut own: Bindings = own.collect::<Result<_, _>>()?;
        own.reverse();
        let names: HashSet<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        let mut all = bound;
        all.retain(|(name, _)| !names.contains(name.as_str()));
        all.extend(own);
        let segments = self.segments(&all, rest, &mut room)?;
        let query: Vec<(String, String)> = all
            .into_iter()
            .rev()
            .filter(|(name, _)| name != "*")
            .map(|(name, value)| {
                let json = JSON_OPTIONS.contains(&name.as_str());
                let value = if json { value.to_string() } else { plain(&value) };
                (name, value)
            })
            .collect();
        let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(Target::of_segments(segments.iter().map(String::as_str)).asking(query))
    }

    /// The segments of the path, variables replaced by what they stand for.
    fn segments(
        &self,
        all: &Bindings,
        rest: &[&str],
        room: &mut Room,
    ) -> Result<Vec<String>, HttpError> {
        let known = known(all);
        let mut segments: Vec<String> = Vec::new();
        for part in &self.to {
            match part {
                Part::Literal(text) => segments.push((*text).to_owned()),
                Part::Named(name) => segments.push(match known.get(name) {
                    None => "undefined".into(),
                    Some(value) => {
                        room.take(value)?;
                        plain(value)
                    }
                }),
                Part::Rest => {
                    segments.extend(rest.iter().map(|&segment| segment.to_owned()));
                    break;
                }
            }
        }
        Ok(segments)
    }

    /// A value of the rule's query, variables replaced by what they stand for.
    fn filled(
        &self,
        value: &Value,
        known: &Known<'_>,
        room: &mut Room,
    ) -> Result<Value, HttpError> {
        let mut named = |value: &Value| match value.as_str().and_then(|text| text.strip_prefix(':'))
        {
            Some(name) => self.variable(name, value, known, room),
            None => Ok(value.clone()),
        };
        match value {
            Value::String(text) if text == "*" => self.variable("*", value, known, room),
            Value::String(_) => named(value),
            Value::Array(values) => values.iter().map(named).collect(),
            _ => Ok(value.clone()),
        }
    }

    fn variable(
        &self,
        name: &str,
        otherwise: &Value,
        known: &Known<'_>,
        room: &mut Room,
    ) -> Result<Value, HttpError> {
        let value = known.get(name).copied().unwrap_or(otherwise);
        room.take(value)?;
        let format = self.formats.and_then(|formats| formats.get(name)).and_then(Value::as_str);
        Ok(match (format, value.as_str()) {
            (Some("int"), Some(text)) => {
                text.parse::<i64>().map_or_else(|_| value.clone(), Value::from)
            }
            (Some("bool"), Some(text)) if text.eq_ignore_ascii_case("true") => true.into(),
            (Some("bool"), Some(text)) if text.eq_ignore_ascii_case("false") => false.into(),
            _ => value.clone(),
        })
    }
}

/// The segments of a pattern. More than two steps up would leave the database: CouchDB's
/// `secure_rewrites`.
fn parts(pattern: &str) -> Result<Vec<Part<'_>>, HttpError> {
    const STEPS_UP_MAX: usize = 2;
    let segments = pattern.split('/').filter(|segment| !segment.is_empty());
    if segments.clone().filter(|segment| *segment == "..").count() > STEPS_UP_MAX {
        return Err(failed("insecure_rewrite_rule", "too many ../.. segments"));
    }
    Ok(segments.map(part).collect())
}

fn part(segment: &str) -> Part<'_> {
    match segment.strip_prefix(':') {
        _ if segment == "*" => Part::Rest,
        Some(name) => Part::Named(name),
        None => Part::Literal(segment),
    }
}

/// The options of the request, those that are JSON as such.
fn asked(query: &Query) -> Result<Bindings, HttpError> {
    let pairs = query.pairs().map(|(name, value)| {
        let value = match JSON_OPTIONS.contains(&name) {
            true => crate::http::query::json(value)?,
            false => value.into(),
        };
        Ok((name.to_owned(), value))
    });
    pairs.collect()
}

fn known(bindings: &Bindings) -> Known<'_> {
    // The first comes last, and stays.
    bindings.iter().rev().map(|(name, value)| (name.as_str(), value)).collect()
}

/// Text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn bad_rule() -> HttpError {
    failed("rewrite_error", "bad rule")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Where `method path` goes by these rules.
    #[allow(clippy::needless_pass_by_value, reason = "the tables read better so")]
    fn check(rules: Value, request: &str, expected: &str) {
        let (method, path) = request.split_once(' ').unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let query = Query::parse(Some(query)).unwrap();
        let method = method.parse().unwrap();
        let found = match apply(rules.as_array().unwrap(), &method, &segments, &query) {
            Ok(Some(target)) => target.under("/db/_design/d").to_string(),
            Ok(None) => "none".into(),
            Err(error) => {
                let (status, word, reason) = error.parts();
                format!("{} {word}: {reason}", status.as_u16())
            }
        };
        assert_eq!(found, expected, "{rules} {request}");
    }

    #[test]
    fn the_documentation_s_examples() {
        let at = |from: &str, to: &str| json!([{"from": from, "to": to}]);
        check(at("/a", "/some"), "GET /a", "/db/_design/d/some");
        check(at("/a/*", "/some/*"), "GET /a/b/c", "/db/_design/d/some/b/c");
        check(at("/a/b", "/some"), "GET /a/b?k=v", "/db/_design/d/some?k=v");
        check(at("/a/:var", "/some/:var"), "GET /a/b", "/db/_design/d/some/b?var=b");
        check(at("/a", "/some/:foo"), "GET /a?foo=b", "/db/_design/d/some/b?foo=b");
        let rule = json!([{"from": "/a/:foo", "to": "/some", "query": {"k": ":foo"}}]);
        check(rule, "GET /a/b", "/db/_design/d/some?k=b&foo=b");
    }

    #[test]
    fn rules_are_tried_in_order() {
        let rules = json!([
            {"from": "/a", "to": "put", "method": "PUT"},
            5,
            {"from": "/a", "to": "first"},
            {"from": "/a", "to": "second"},
            {"from": "", "to": "index.html"},
            {"from": "/db/*", "to": "../../*"},
            {"from": "*/x", "to": "starred/*"},
        ]);
        check(rules.clone(), "PUT /a", "/db/_design/d/put");
        check(rules.clone(), "GET /a", "/db/_design/d/first");
        check(rules.clone(), "GET /", "/db/_design/d/index.html");
        check(rules.clone(), "DELETE /db/doc", "/db/doc");
        check(rules.clone(), "GET /db", "/db");
        check(rules.clone(), "GET /y/x", "/db/_design/d/starred");
        check(rules, "GET /y/z", "none");
        check(json!([{"to": "all/*"}]), "GET /y/z", "/db/_design/d/all/y/z");
        check(json!([{"from": "a", "to": "b", "method": "GET"}]), "HEAD /a", "/db/_design/d/b");
        check(json!([]), "GET /", "none");
    }

    #[test]
    fn variables_fill_queries() {
        let rule = json!([{
            "from": "/:type/:n", "to": "_view/v", "formats": {"n": "int", "flag": "bool"},
            "query": {
                "startkey": [":type", ":n"], "endkey": [":type", {}], "limit": ":n",
                "descending": ":flag", "other": ":nothing", "object": {"a": ":n"},
            },
        }]);
        check(
            rule,
            "GET /post/5?flag=TRUE&n=7",
            "/db/_design/d/_view/v?descending=true&endkey=%5B%22post%22%2C%7B%7D%5D&limit=5&\
             object=%7B%22a%22%3A%22%3An%22%7D&other=%3Anothing&startkey=%5B%22post%22%2C5%5D&\
             n=7&flag=TRUE&type=post&n=5",
        );
        let rule = json!([{"from": "/k", "to": "v"}]);
        check(rule.clone(), "GET /k?key=%22a%22", "/db/_design/d/v?key=%22a%22");
        check(rule, "GET /k?key=a", "400 bad_request: invalid UTF-8 JSON");
    }

    #[test]
    fn rules_that_are_none() {
        check(json!([{"from": "a"}]), "GET /b", "500 error: invalid_rewrite_target");
        let up = json!([{"from": "a", "to": "../../../other"}]);
        check(up, "GET /a", "500 insecure_rewrite_rule: too many ../.. segments");
        let up = json!([{"from": "a", "to": "../x/../y/../z"}]);
        check(up, "GET /b", "500 insecure_rewrite_rule: too many ../.. segments");
        check(json!([{"from": 5, "to": "a"}]), "GET /b", "500 rewrite_error: bad rule");
        check(json!([{"to": "a", "query": []}]), "GET /b", "500 rewrite_error: bad rule");
    }
    #[test]
    fn a_variable_named_often_is_no_address() {
        let long = "x".repeat(1024);
        let to = |times: usize| json!([{"from": "/:a", "to": vec![":a"; times].join("/")}]);
        let path = [long.as_str(); 10].join("/");
        let expected = format!("/db/_design/d/{path}?a={long}");
        check(to(10), &format!("GET /{long}"), &expected);
        let refused = "400 bad_request: Invalid path";
        check(to(100), &format!("GET /{long}"), refused);
        let query = |value: Value| json!([{"from": "/:a", "to": "v", "query": {"key": value}}]);
        check(query(json!(vec![":a"; 100])), &format!("GET /{long}"), refused);
        check(query(json!(vec![":b"; 100_000])), "GET /x?b=", refused);
        let own = json!([{"from": "/:a", "to": vec![":k"; 40].join("/"),
            "query": {"k": vec![":a"; 20]}}]);
        check(own, &format!("GET /{long}"), refused);
    }
}
