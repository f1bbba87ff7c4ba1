//! Questions to a full-text index, answered.

use std::collections::BTreeMap;

use store::IndexFolder;
use tantivy::TantivyDocument;
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query};
use tantivy::schema::Value as _;

use super::compile::{Compiler, any_of};
use super::counts::Counts;
use super::definition::SearchIndex;
use super::error::{QuestionError, SearchError};
use super::files::{Files, guarded};
use super::hits::{First, Hit, Place};
use super::question::{CountedRange, Question, SortField, SortType};
use super::syntax::{self, Node};
use super::term;

/// Texts of a field that are counted.
const COUNTED_MAX: usize = 10_000;

/// What a question may have of each thing.
const PARTS_MAX: usize = 100;

/// The answer to a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Documents that match.
    pub total: u64,
    /// The first of them.
    pub hits: Vec<Hit>,
    /// Where the next ones begin.
    pub bookmark: String,
    /// For each field that was asked for, how many documents have each text in it.
    pub counts: Vec<BTreeMap<String, u64>>,
    /// For each range, how many documents are in it.
    pub ranges: Vec<u64>,
}

/// Answers a question from an index as it is.
///
/// # Errors
/// Any of [`SearchError`].
pub fn find(
    folder: &IndexFolder,
    index: &SearchIndex,
    question: &Question,
) -> Result<Answer, SearchError> {
    // Questions that make no sense are refused whatever is in the index.
    let asked = Asked::parse(question)?;
    folder.read(|path| {
        guarded(folder, || {
            let files = Files::open(path)?;
            asked.answer(&files, index)
        })
    })
}

/// A question, understood.
struct Asked<'a> {
    question: &'a Question,
    query: Node,
    sort: Vec<SortField>,
    after: Option<Place>,
    ranges: Vec<Node>,
}

impl<'a> Asked<'a> {
    fn parse(question: &'a Question) -> Result<Self, QuestionError> {
        let Question { sort, counts, ranges, drilldown, bookmark, .. } = question;
        let most = sort.len().max(counts.len()).max(ranges.len()).max(drilldown.len());
        if most > PARTS_MAX {
            return Err(QuestionError::TooMany("parts"));
        }
        let sort = match sort.is_empty() {
            true => vec![SortField { by: SortType::Score, descending: true }],
            false => sort.clone(),
        };
        let bookmark = bookmark.as_deref().filter(|bookmark| !bookmark.is_empty());
        let after = bookmark.map(|text| Place::of_bookmark(text, &sort)).transpose()?;
        let ranges = ranges.iter().map(range).collect::<Result<_, _>>()?;
        Ok(Self { question, query: syntax::parse(&question.query)?, sort, after, ranges })
    }

    fn answer(self, files: &Files, index: &SearchIndex) -> Result<Answer, SearchError> {
        let mut compiler = Compiler::new(index, files.fields.terms);
        let query = self.query(&mut compiler)?;
        let searcher = files.searcher()?;
        let bookmark = self.question.bookmark.clone().unwrap_or_default();
        let first = First { sort: &self.sort, after: self.after, limit: self.question.limit };
        let (found, counts) = searcher.search(&query, &(first, Counts(&self.question.counts)))?;
        if counts.iter().any(|counts| counts.len() > COUNTED_MAX) {
            let reason = format!("A field has more than {COUNTED_MAX} values; it is not counted.");
            return Err(QuestionError::Facets(reason).into());
        }
        let mut ranges = Vec::with_capacity(self.ranges.len());
        for range in &self.ranges {
            let range = compiler.query(range)?;
            let both = BooleanQuery::intersection(vec![query.box_clone(), range]);
            ranges.push(both.count(&searcher)? as u64);
        }
        let last = found.first.last();
        let bookmark = last.map_or(bookmark, |(place, _)| place.bookmark());
        let hits = found.first.into_iter().map(|(Place { order, id }, address)| {
            let document: TantivyDocument = searcher.doc(address)?;
            let fields = document.get_first(files.fields.stored);
            let fields = fields.and_then(|fields| fields.as_str()).unwrap_or("{}").to_owned();
            Ok(Hit { id, order, fields })
        });
        let hits = hits.collect::<Result<_, SearchError>>()?;
        Ok(Answer { total: found.total, hits, bookmark, counts, ranges })
    }

    /// The query, with all else that documents have to be.
    fn query(&self, compiler: &mut Compiler<'_>) -> Result<Box<dyn Query>, QuestionError> {
        let mut parts = vec![(Occur::Must, compiler.query(&self.query)?)];
        let mut require = |part: Option<Box<dyn Query>>| {
            let unscored = |part| Box::new(ConstScoreQuery::new(part, 0.0)) as Box<dyn Query>;
            parts.extend(part.map(|part| (Occur::Must, unscored(part))));
        };
        if let Some(partition) = &self.question.partition {
            require(Some(compiler.lookup(&term::partition(partition))?));
        }
        for (field, texts) in &self.question.drilldown {
            let texts = texts.iter().map(|text| compiler.lookup(&term::exact(field, text)));
            require(any_of(texts.collect::<Result<_, _>>()?));
        }
        match parts.len() {
            1 => Ok(parts.remove(0).1),
            _ => Ok(Box::new(BooleanQuery::new(parts))),
        }
    }
}

fn range(counted: &CountedRange) -> Result<Node, QuestionError> {
    match syntax::parse(&format!("x:{}", counted.range))? {
        Node::Range { low, high, .. } => {
            Ok(Node::Range { field: counted.field.clone(), low, high })
        }
        _ => Err(QuestionError::Facets(format!("`{}` is no range.", counted.label))),
    }
}
