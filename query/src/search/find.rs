//! Questions to a full-text index, answered.

use std::collections::{BTreeMap, BTreeSet};

use store::IndexFolder;
use tantivy::TantivyDocument;
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query};
use tantivy::schema::Value as _;

use super::compile::{Compiler, any_of};
use super::counts::{COUNTED_MAX, Counts};
use super::definition::SearchIndex;
use super::error::{QuestionError, SearchError};
use super::files::{Files, guarded};
use super::hits::{First, Hit, Place};
use super::question::{Question, SortField, SortType};
use super::ranges::{NumberRange, Ranges};
use super::syntax::{self, Node};
use super::term;

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
    pub counts: BTreeMap<String, BTreeMap<String, u64>>,
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
    /// Fields of which each value is counted, each once.
    counts: BTreeSet<&'a str>,
    ranges: Vec<NumberRange>,
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
        let ranges = ranges.iter().map(NumberRange::parse).collect::<Result<_, _>>()?;
        let counts = counts.iter().map(String::as_str).collect();
        Ok(Self { question, query: syntax::parse(&question.query)?, sort, after, counts, ranges })
    }

    fn answer(self, files: &Files, index: &SearchIndex) -> Result<Answer, SearchError> {
        let mut compiler = Compiler::new(index, files.fields.terms);
        let query = self.query(&mut compiler)?;
        let searcher = files.searcher()?;
        let bookmark = self.question.bookmark.clone().unwrap_or_default();
        let first = First { sort: &self.sort, after: self.after, limit: self.question.limit };
        let counted: Vec<&str> = self.counts.into_iter().collect();
        let collected = (first, Counts(&counted), Ranges(&self.ranges));
        let (found, counts, ranges) = searcher.search(&query, &collected)?;
        let counts = counts.ok_or_else(|| {
            let what = format!("There are more than {COUNTED_MAX} values; they are not counted.");
            QuestionError::Facets(what)
        })?;
        let counts = counted.into_iter().map(str::to_owned).zip(counts).collect();
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
