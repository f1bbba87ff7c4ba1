//! The answer to a question, written page by page: documents may be large.

use std::collections::{BTreeMap, BTreeSet};

use ::query::search::{Answer, Dialect, Group, Hit, OrderValue, Shown, find};
use serde_json::{Map, Value, json};
use store::json::write_string;
use store::{Database, DocId, Output, Show};

use super::options::{GroupStyle, Options};
use crate::http::HttpError;
use crate::http::pages::{PAGE_BYTES, Pages, Progress};
use crate::indexer::WantedSearch;

/// A question, and how far its answer is written.
pub(super) struct SearchPages {
    wanted: WantedSearch,
    options: Options,
    answer: Option<Answer>,
    /// Groups that are written, and hits of the next, or of those that are in none.
    written: (usize, usize),
}

impl SearchPages {
    pub(super) fn new(wanted: WantedSearch, options: Options) -> Self {
        Self { wanted, options, answer: None, written: (0, 0) }
    }

    fn begin(&self, answer: &Answer, text: &mut Vec<u8>) {
        let bookmark = Value::from(answer.bookmark.as_str());
        let total = answer.total;
        let head = match (&self.options.question.grouping, self.wanted.index.dialect) {
            (Some(_), _) => self.begin_groups(answer),
            (None, Dialect::Search) => {
                format!(r#"{{"total_rows":{total},"bookmark":{bookmark},"rows":["#)
            }
            (None, Dialect::Nouveau) => format!(
                r#"{{"total_hits":{total},"total_hits_relation":"EQUAL_TO","bookmark":{bookmark},"hits":["#
            ),
        };
        text.extend_from_slice(head.as_bytes());
    }

    fn begin_groups(&self, answer: &Answer) -> String {
        let total = answer.total;
        match self.options.group_style {
            GroupStyle::Rows => format!(r#"{{"total_rows":{total},"groups":["#),
            GroupStyle::Hits => {
                let grouped: u64 = answer.groups.iter().map(|group| group.total).sum();
                format!(r#"{{"total_hits":{total},"total_grouped_hits":{grouped},"groups":["#)
            }
        }
    }

    fn begin_group(&self, group: &Group, text: &mut Vec<u8>) {
        let (total_name, rows_name) = match self.options.group_style {
            GroupStyle::Rows => ("total_rows", "rows"),
            GroupStyle::Hits => ("total_hits", "hits"),
        };
        let (by, total) = (json!(group.by), group.total);
        let head = format!(r#"{{"by":{by},"{total_name}":{total},"{rows_name}":["#);
        text.extend_from_slice(head.as_bytes());
    }

    fn end(&self, answer: &Answer, text: &mut Vec<u8>) {
        let question = &self.options.question;
        text.push(b']');
        let mut member = |name: &str, value: Value| {
            text.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
        };
        if !question.counts.is_empty() && question.grouping.is_none() {
            member("counts", json!(answer.counts));
        }
        if !question.ranges.is_empty() && question.grouping.is_none() {
            let mut fields: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
            for (range, count) in question.ranges.iter().zip(&answer.ranges) {
                fields.entry(&range.field).or_default().insert(&range.label, *count);
            }
            member("ranges", json!(fields));
        }
        text.extend_from_slice(b"}\n");
    }

    fn write_hit(
        &self,
        (database, answer): (&Database, &Answer),
        hit: &Hit,
        out: &mut Output,
    ) -> Result<(), HttpError> {
        let Shown { fields, highlights } = answer.show(hit)?;
        let text = out.text();
        text.extend_from_slice(b"{\"id\":");
        write_string(text, &hit.id);
        text.extend_from_slice(format!(",\"order\":{}", self.order(hit)).as_bytes());
        text.extend_from_slice(b",\"fields\":");
        match &self.options.fields {
            None => text.extend_from_slice(fields.as_bytes()),
            Some(wanted) => text.extend_from_slice(only(&fields, wanted).as_bytes()),
        }
        if let Some(highlights) = highlights {
            text.extend_from_slice(format!(",\"highlights\":{}", json!(highlights)).as_bytes());
        }
        if self.options.include_docs {
            text.extend_from_slice(b",\"doc\":");
            write_document(database, &hit.id, out)?;
        }
        out.text().push(b'}');
        Ok(())
    }

    /// Writes hits from where it was left; whether that was all of them.
    fn write_hits(
        &mut self,
        from: (&Database, &Answer),
        hits: &[Hit],
        out: &mut Output,
    ) -> Result<bool, HttpError> {
        while let Some(hit) = hits.get(self.written.1) {
            if self.written.1 > 0 {
                if out.text().len() >= PAGE_BYTES {
                    return Ok(false);
                }
                out.text().push(b',');
            }
            self.write_hit(from, hit, out)?;
            self.written.1 += 1;
            out.count_row();
        }
        Ok(true)
    }

    /// The same with groups.
    fn write_groups(
        &mut self,
        (database, answer): (&Database, &Answer),
        out: &mut Output,
    ) -> Result<bool, HttpError> {
        while let Some(group) = answer.groups.get(self.written.0) {
            if self.written.1 == 0 {
                if self.written.0 > 0 {
                    if out.text().len() >= PAGE_BYTES {
                        return Ok(false);
                    }
                    out.text().push(b',');
                }
                self.begin_group(group, out.text());
            }
            if !self.write_hits((database, answer), &group.hits, out)? {
                return Ok(false);
            }
            out.text().extend_from_slice(b"]}");
            self.written = (self.written.0 + 1, 0);
        }
        Ok(true)
    }

    /// What a hit is sorted by; the last element breaks ties.
    fn order(&self, hit: &Hit) -> Value {
        match self.wanted.index.dialect {
            Dialect::Search => {
                let mut order = json!(hit.order);
                if let Some(order) = order.as_array_mut() {
                    order.push(0.into());
                }
                order
            }
            Dialect::Nouveau => {
                let value = |value: &OrderValue| {
                    let kind = match value {
                        OrderValue::Missing => return Value::Null,
                        OrderValue::Number(_) if self.options.question.sort.is_empty() => "float",
                        OrderValue::Number(_) => "double",
                        OrderValue::Text(_) => "string",
                    };
                    json!({"@type": kind, "value": value})
                };
                let id = json!({"@type": "string", "value": hit.id});
                hit.order.iter().map(value).chain([id]).collect()
            }
        }
    }
}

impl Pages for SearchPages {
    fn takes_its_time(&self) -> bool {
        true
    }

    fn read(&mut self, database: &Database, out: &mut Output) -> Result<Progress, HttpError> {
        let answer = match self.answer.take() {
            Some(answer) => answer,
            None => {
                let folder = self.wanted.folder()?;
                let answer = find(&folder, &self.wanted.index, &self.options.question)?;
                self.begin(&answer, out.text());
                answer
            }
        };
        let from = (database, &answer);
        let is_all = self.write_groups(from, out)? && self.write_hits(from, &answer.hits, out)?;
        if !is_all {
            self.answer = Some(answer);
            return Ok(Progress::More);
        }
        self.end(&answer, out.text());
        Ok(Progress::Done)
    }
}

/// The document as it is now; null where it is gone.
fn write_document(database: &Database, id: &str, out: &mut Output) -> Result<(), HttpError> {
    let id: DocId = id.parse()?;
    database.read::<_, HttpError>(|snapshot| {
        match snapshot.head(&id)?.filter(|head| !head.deleted) {
            Some(head) => snapshot.render_winner(&head, &Show::default(), out)?,
            None => out.text().extend_from_slice(b"null"),
        }
        Ok(())
    })
}

/// An object with no other members than these.
fn only(fields: &str, wanted: &BTreeSet<String>) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(fields).unwrap_or_default();
    fields.retain(|name, _| wanted.contains(name));
    Value::Object(fields).to_string()
}
