//! The answer to a question, written page by page: documents may be large.

use std::collections::{BTreeMap, BTreeSet};

use ::query::search::{Answer, Dialect, Hit, OrderValue, find};
use serde_json::{Map, Value, json};
use store::json::write_string;
use store::{Database, DocId, Output, Show};

use super::options::Options;
use crate::http::HttpError;
use crate::http::pages::{PAGE_BYTES, Pages, Progress};
use crate::indexer::WantedSearch;

/// A question, and how far its answer is written.
pub(super) struct SearchPages {
    wanted: WantedSearch,
    options: Options,
    answer: Option<Answer>,
    written: usize,
}

impl SearchPages {
    pub(super) fn new(wanted: WantedSearch, options: Options) -> Self {
        Self { wanted, options, answer: None, written: 0 }
    }

    fn begin(&self, answer: &Answer, text: &mut Vec<u8>) {
        let bookmark = Value::from(answer.bookmark.as_str());
        let total = answer.total;
        let head = match self.wanted.index.dialect {
            Dialect::Search => format!(r#"{{"total_rows":{total},"bookmark":{bookmark},"rows":["#),
            Dialect::Nouveau => format!(
                r#"{{"total_hits":{total},"total_hits_relation":"EQUAL_TO","bookmark":{bookmark},"hits":["#
            ),
        };
        text.extend_from_slice(head.as_bytes());
    }

    fn end(&self, answer: &Answer, text: &mut Vec<u8>) {
        let question = &self.options.question;
        text.push(b']');
        let mut member = |name: &str, value: Value| {
            text.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
        };
        if !question.counts.is_empty() {
            member("counts", json!(answer.counts));
        }
        if !question.ranges.is_empty() {
            let mut fields: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
            for (range, count) in question.ranges.iter().zip(&answer.ranges) {
                fields.entry(&range.field).or_default().insert(&range.label, *count);
            }
            member("ranges", json!(fields));
        }
        text.extend_from_slice(b"}\n");
    }

    fn write_hit(&self, database: &Database, hit: &Hit, out: &mut Output) -> Result<(), HttpError> {
        let text = out.text();
        text.extend_from_slice(b"{\"id\":");
        write_string(text, &hit.id);
        text.extend_from_slice(format!(",\"order\":{}", self.order(hit)).as_bytes());
        text.extend_from_slice(b",\"fields\":");
        match &self.options.fields {
            None => text.extend_from_slice(hit.fields.as_bytes()),
            Some(wanted) => text.extend_from_slice(only(&hit.fields, wanted).as_bytes()),
        }
        if self.options.include_docs {
            text.extend_from_slice(b",\"doc\":");
            write_document(database, &hit.id, out)?;
        }
        out.text().push(b'}');
        Ok(())
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
        while let Some(hit) = answer.hits.get(self.written) {
            if out.text().len() >= PAGE_BYTES {
                self.answer = Some(answer);
                return Ok(Progress::More);
            }
            if self.written > 0 {
                out.text().push(b',');
            }
            self.write_hit(database, hit, out)?;
            self.written += 1;
            out.count_row();
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
