//! What a full-text index is asked, in the query of the URL or in a body.
//!
//! Source: CouchDB's `dreyfus_httpd` and `nouveau_httpd`.

use std::collections::BTreeSet;

use ::query::search::{
    CountedRange, Dialect, Grouping, Highlighting, Question, QuestionError, SortField,
};
use serde_json::{Map, Value};

use crate::http::given::{Given, bad, refused};
use crate::http::{HttpError, Query};

/// Hits given unless told otherwise, and at most.
const LIMIT: usize = 25;
const LIMIT_MAX: u64 = 200;
const PARTITION_LIMIT_MAX: u64 = 2000;

/// Groups given unless told otherwise, and at most.
const GROUP_LIMIT: usize = 10;
const GROUP_LIMIT_MAX: u64 = 200;

/// What words are marked with unless told otherwise.
const PRE_TAG: &str = "<em>";
const POST_TAG: &str = "</em>";

/// A question, and how it is answered.
#[derive(Debug)]
pub(super) struct Options {
    /// The question.
    pub(super) question: Question,
    /// Whether the index has to have what is written by now.
    pub(super) update: bool,
    /// Whether documents are shown.
    pub(super) include_docs: bool,
    /// Fields that are shown, where not all that were stored are.
    pub(super) fields: Option<BTreeSet<String>>,
    /// How groups are written.
    pub(super) group_style: GroupStyle,
    grouping: Grouping,
    highlighting: Highlighting,
    asked: bool,
    limit: Option<u64>,
    dialect: Dialect,
}

/// The two ways of writing groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupStyle {
    /// As `group_field` does.
    Rows,
    /// As `group_by` does.
    Hits,
}

impl Options {
    /// Reads the body of a `POST`, then the query.
    pub(super) fn parse(
        dialect: Dialect,
        query: &Query,
        body: &Map<String, Value>,
    ) -> Result<Self, HttpError> {
        let question = Question { limit: LIMIT, ..Question::default() };
        let mut options = Self {
            question,
            update: true,
            include_docs: false,
            fields: None,
            group_style: GroupStyle::Rows,
            grouping: Grouping { field: String::new(), limit: GROUP_LIMIT, sort: Vec::new() },
            highlighting: Highlighting {
                fields: Vec::new(),
                pre_tag: PRE_TAG.into(),
                post_tag: POST_TAG.into(),
                number: 1,
                size: 0,
            },
            asked: false,
            limit: None,
            dialect,
        };
        for (name, value) in body {
            options.set(name, Given::Json(value))?;
        }
        for (name, value) in query.pairs() {
            options.set(name, Given::Text(value))?;
        }
        let Self { grouping, highlighting, question, .. } = &mut options;
        question.grouping = (!grouping.field.is_empty()).then(|| grouping.clone());
        question.highlighting = (!highlighting.fields.is_empty()).then(|| highlighting.clone());
        Ok(options)
    }

    /// Refuses what makes no sense for a whole index, or for a partition of it.
    pub(super) fn check(&mut self, in_partition: bool) -> Result<(), HttpError> {
        if !self.asked {
            return Err(refused("Query must include a 'q' or 'query' argument"));
        }
        let limit_max = if in_partition { PARTITION_LIMIT_MAX } else { LIMIT_MAX };
        if let Some(limit) = self.limit {
            if limit > limit_max {
                let reason = format!("Value for limit is too large, must not exceed {limit_max}");
                return Err(HttpError::Query(reason));
            }
            self.question.limit = usize::try_from(limit).unwrap_or(LIMIT);
        }
        let Question { counts, ranges, drilldown, grouping, .. } = &self.question;
        let whole = !(counts.is_empty() && ranges.is_empty() && drilldown.is_empty());
        if in_partition && (whole || grouping.is_some()) {
            return Err(bad(
                "`partition` and any of `drilldown`, `ranges`, `group_field`, `group_sort`, \
                 `group_limit` or `group_by` are incompatible",
            ));
        }
        Ok(())
    }

    fn set(&mut self, name: &str, given: Given<'_>) -> Result<(), HttpError> {
        match name {
            "q" | "query" => {
                self.question.query = given.text(name)?;
                self.asked = true;
            }
            "bookmark" if matches!(given, Given::Json(Value::Null)) => {}
            "bookmark" => self.question.bookmark = Some(given.text(name)?),
            "limit" => self.limit = Some(given.unsigned()?),
            "sort" => self.question.sort = order("sort", &given.json()?)?,
            "include_docs" => self.include_docs = given.boolean()?,
            "include_fields" => match given.json()? {
                Value::Null => {}
                fields => self.fields = Some(texts(name, &fields)?.into_iter().collect()),
            },
            "counts" => match given.json()? {
                Value::Null => {}
                counts => self.question.counts = texts(name, &counts)?,
            },
            "ranges" => self.set_ranges(&given.json()?)?,
            "drilldown" => self.add_drilldown(&given.json()?)?,
            "stale" if self.dialect == Dialect::Search => {
                if given.text(name)? != "ok" {
                    return Err(refused("stale only available as stale=ok"));
                }
                self.update = false;
            }
            "update" if self.dialect == Dialect::Nouveau => self.update = given.boolean()?,
            _ if self.dialect == Dialect::Search && name.starts_with("group_") => {
                self.set_grouping(name, given)?;
            }
            _ if self.dialect == Dialect::Search && name.starts_with("highlight_") => {
                self.set_highlighting(name, given)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn set_grouping(&mut self, name: &str, given: Given<'_>) -> Result<(), HttpError> {
        match name {
            "group_field" => {
                self.grouping.field = given.text(name)?;
                self.group_style = GroupStyle::Rows;
            }
            "group_by" => {
                self.grouping.field = given.text(name)?;
                self.group_style = GroupStyle::Hits;
            }
            "group_limit" => self.grouping.limit = positive(name, given, GROUP_LIMIT_MAX)?,
            "group_sort" => self.grouping.sort = order(name, &given.json()?)?,
            _ => {}
        }
        Ok(())
    }

    fn set_highlighting(&mut self, name: &str, given: Given<'_>) -> Result<(), HttpError> {
        match name {
            "highlight_fields" => match given.json()? {
                Value::Null => {}
                fields => self.highlighting.fields = texts(name, &fields)?,
            },
            "highlight_pre_tag" => self.highlighting.pre_tag = tag(name, &given.json()?)?,
            "highlight_post_tag" => self.highlighting.post_tag = tag(name, &given.json()?)?,
            "highlight_number" => self.highlighting.number = positive(name, given, u64::MAX)?,
            "highlight_size" => self.highlighting.size = positive(name, given, u64::MAX)?,
            _ => {}
        }
        Ok(())
    }

    /// `{field: {label: "[low TO high]"}}`, or in nouveau `{field: [{label, min, max, …}]}`.
    fn set_ranges(&mut self, given: &Value) -> Result<(), HttpError> {
        let wrong = || bad("`ranges` must be an object of ranges by label.");
        if given.is_null() {
            return Ok(());
        }
        let mut ranges = Vec::new();
        for (field, given) in given.as_object().ok_or_else(wrong)? {
            let mut add = |label: &str, range: String| {
                ranges.push(CountedRange { field: field.clone(), label: label.into(), range });
            };
            match given {
                Value::Object(labels) => {
                    for (label, range) in labels {
                        add(label, range.as_str().ok_or_else(wrong)?.to_owned());
                    }
                }
                Value::Array(labels) => {
                    for range in labels {
                        let label = range.get("label").and_then(Value::as_str).ok_or_else(wrong)?;
                        add(label, numeric(range).ok_or_else(wrong)?);
                    }
                }
                _ => return Err(wrong()),
            }
        }
        self.question.ranges = ranges;
        Ok(())
    }

    /// `[field, text, …]`, or several of those.
    fn add_drilldown(&mut self, given: &Value) -> Result<(), HttpError> {
        let several = given.as_array().map(Vec::as_slice).unwrap_or_default();
        let each = match several.first() {
            Some(Value::Array(_)) => several,
            _ => std::slice::from_ref(given),
        };
        for one in each {
            let mut texts = texts("drilldown", one)?;
            if texts.len() < 2 {
                return Err(bad("`drilldown` must be an array of a field and a text."));
            }
            let field = texts.remove(0);
            self.question.drilldown.push((field, texts));
        }
        Ok(())
    }
}

/// A range as nouveau has it, in Lucene's syntax.
fn numeric(range: &Value) -> Option<String> {
    let end = |name| match range.get(name) {
        None => Some("*".to_owned()),
        Some(number) => number.as_f64().map(|number| number.to_string()),
    };
    let inclusive = |name| range.get(name).and_then(Value::as_bool).unwrap_or(true);
    let open = if inclusive("min_inclusive") { '[' } else { '{' };
    let close = if inclusive("max_inclusive") { ']' } else { '}' };
    Some(format!("{open}{} TO {}{close}", end("min")?, end("max")?))
}

/// What is sorted by: one field, or several.
fn order(name: &str, given: &Value) -> Result<Vec<SortField>, HttpError> {
    let fields = match given {
        Value::Null => return Ok(Vec::new()),
        Value::String(field) => vec![field.clone()],
        several => texts(name, several)?,
    };
    let fields = fields.iter().map(|field| field.parse());
    let order: Result<_, QuestionError> = fields.collect();
    order.map_err(|error| HttpError::BadRequest(error.to_string()))
}

/// A number from 1 on.
fn positive(name: &str, given: Given<'_>, max: u64) -> Result<usize, HttpError> {
    match given.unsigned()? {
        0 => Err(HttpError::Query(format!("{name} must be greater than zero"))),
        number if number > max => {
            let reason = format!("Value for {name} is too large, must not exceed {max}");
            Err(HttpError::Query(reason))
        }
        number => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
    }
}

fn tag(name: &str, given: &Value) -> Result<String, HttpError> {
    let wrong = || bad(&format!("`{name}` must be a string."));
    given.as_str().map(str::to_owned).ok_or_else(wrong)
}

fn texts(name: &str, given: &Value) -> Result<Vec<String>, HttpError> {
    let wrong = || bad(&format!("`{name}` must be an array of strings."));
    let texts = given.as_array().ok_or_else(wrong)?.iter();
    texts.map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(query: &str, body: &Value) -> Result<Options, HttpError> {
        let body = body.as_object().unwrap();
        let query = Query::parse(Some(query)).unwrap();
        let mut options = Options::parse(Dialect::Search, &query, body)?;
        options.check(false)?;
        Ok(options)
    }

    fn refused(query: &str, body: &Value, reason: &str) {
        let error = parse(query, body).unwrap_err();
        assert_eq!(error.parts().2, reason, "{query}");
    }

    #[test]
    fn options_are_read() {
        let options = parse("q=a&limit=3&sort=%22-b%3Cstring%3E%22&stale=ok", &json!({})).unwrap();
        assert_eq!((options.question.limit, options.update), (3, false));
        assert_eq!(options.question.sort.len(), 1);
        let body = json!({"query": "a", "ranges": {"n": {"low": "[0 TO 1]"}, "m": [
            {"label": "high", "min": 1, "max_inclusive": false, "max": 2.5},
        ]}, "drilldown": [["a", "b", "c"], ["d", "e"]], "counts": ["x"]});
        let question = parse("", &body).unwrap().question;
        let ranges: Vec<&str> = question.ranges.iter().map(|range| range.range.as_str()).collect();
        assert_eq!(ranges, ["[1 TO 2.5}", "[0 TO 1]"]);
        assert_eq!(question.drilldown.len(), 2);
        assert_eq!((question.grouping, question.highlighting), (None, None));
        let body = json!({"q": "a", "group_by": "f", "group_sort": ["-n<number>"], "group_limit": 3,
            "highlight_fields": ["a"], "highlight_pre_tag": "*"});
        let options = parse("", &body).unwrap();
        assert_eq!(options.group_style, GroupStyle::Hits);
        let grouping = options.question.grouping.unwrap();
        assert_eq!((grouping.field.as_str(), grouping.limit, grouping.sort.len()), ("f", 3, 1));
        let highlighting = options.question.highlighting.unwrap();
        assert_eq!((highlighting.pre_tag.as_str(), highlighting.post_tag.as_str()), ("*", "</em>"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        refused("", &json!({}), "Query must include a 'q' or 'query' argument");
        refused("q=a&limit=201", &json!({}), "Value for limit is too large, must not exceed 200");
        refused("q=a&stale=yes", &json!({}), "stale only available as stale=ok");
        refused("q=a&group_limit=0", &json!({}), "group_limit must be greater than zero");
        let many = "Value for group_limit is too large, must not exceed 200";
        refused("q=a&group_limit=201", &json!({}), many);
        refused("q=a&highlight_size=0", &json!({}), "highlight_size must be greater than zero");
        refused("q=a&highlight_pre_tag=5", &json!({}), "`highlight_pre_tag` must be a string.");
        refused("q=a&group_sort=5", &json!({}), "`group_sort` must be an array of strings.");
        refused("", &json!({"q": 5}), "`q` must be a string.");
        refused("q=a", &json!({"counts": "x"}), "`counts` must be an array of strings.");
        let ranges = "`ranges` must be an object of ranges by label.";
        refused("q=a", &json!({"ranges": []}), ranges);
        refused("q=a", &json!({"ranges": {"a": [{"label": "b", "min": "c"}]}}), ranges);
        let pair = "`drilldown` must be an array of a field and a text.";
        refused("q=a", &json!({"drilldown": ["a"]}), pair);
        refused("q=a", &json!({"sort": "a<date>"}), "Unrecognized sort parameter: a<date>");
    }
}
