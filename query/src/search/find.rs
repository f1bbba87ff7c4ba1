//! Questions to a full-text index, answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use store::IndexFolder;
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query};

use super::compile::{Compiler, any_of};
use super::counts::{COUNTED_MAX, Counts};
use super::definition::SearchIndex;
use super::error::{QuestionError, SearchError};
use super::files::{Files, guarded};
use super::highlight::Highlighter;
use super::hits::{First, FirstGroups, Hit, Members, Place};
use super::question::{Grouping, Question, SortField, SortType};
use super::ranges::{NumberRange, Ranges};
use super::shown::{Shelf, Shown};
use super::syntax::{self, Node};
use super::term;

/// What a question may have of each thing.
const PARTS_MAX: usize = 100;

/// Things that hits are sorted by.
const SORTS_MAX: usize = 16;

/// Hits of all groups together.
const GROUPED_HITS_MAX: usize = 10_000;

/// The answer to a question.
#[derive(Debug)]
pub struct Answer {
    /// Documents that match.
    pub total: u64,
    /// The first of them, unless they are asked for in groups.
    pub hits: Vec<Hit>,
    /// The first groups of them, where they are.
    pub groups: Vec<Group>,
    /// Where the next ones begin.
    pub bookmark: String,
    /// For each field that was asked for, how many documents have each text in it.
    pub counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// For each range, how many documents are in it.
    pub ranges: Vec<u64>,
    shelf: Shelf,
}

/// Documents with the same text in a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The text; those of one group have none.
    pub by: Option<String>,
    /// Documents that match.
    pub total: u64,
    /// The first of them.
    pub hits: Vec<Hit>,
}

impl Answer {
    /// What a hit shows, as it was when the question was answered.
    ///
    /// # Errors
    /// Any of [`SearchError`].
    pub fn show(&self, hit: &Hit) -> Result<Shown, SearchError> {
        self.shelf.show(hit)
    }
}

/// Answers a question from an index as it is.
///
/// # Errors
/// Any of [`SearchError`].
pub fn find(
    folder: &Arc<IndexFolder>,
    index: &SearchIndex,
    question: &Question,
) -> Result<Answer, SearchError> {
    // Questions that make no sense are refused whatever is in the index.
    let asked = Asked::parse(question)?;
    let highlighting = question.highlighting.as_ref();
    let highlighter = highlighting.map(|options| Highlighter::new(options, &asked.query, index));
    let highlighter = highlighter.transpose()?;
    folder.read(|path| {
        guarded(folder, || {
            let files = Files::open(path)?;
            let mut compiler = Compiler::new(index, files.fields.terms);
            let query = asked.query(&mut compiler)?;
            let shelf = Shelf {
                folder: Arc::clone(folder),
                searcher: files.searcher()?,
                stored: files.fields.stored,
                highlighter,
            };
            match &question.grouping {
                None => asked.hits(&*query, shelf),
                Some(grouping) => asked.groups(&*query, grouping, shelf),
            }
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
        let Question { counts, ranges, drilldown, bookmark, grouping, highlighting, .. } = question;
        let highlighted = highlighting.as_ref().map_or(0, |options| options.fields.len());
        let most = counts.len().max(ranges.len()).max(drilldown.len()).max(highlighted);
        if most > PARTS_MAX {
            return Err(QuestionError::TooMany("parts"));
        }
        if let Some(grouping) = grouping {
            grouping.field_name()?;
            if grouping.limit.saturating_mul(question.limit) > GROUPED_HITS_MAX {
                return Err(QuestionError::TooMany("hits in groups"));
            }
        }
        let sort = order(&question.sort)?;
        let bookmark = bookmark.as_deref().filter(|bookmark| !bookmark.is_empty());
        let after = bookmark.map(|text| Place::of_bookmark(text, &sort)).transpose()?;
        let ranges = ranges.iter().map(NumberRange::parse).collect::<Result<_, _>>()?;
        let counts = counts.iter().map(String::as_str).collect();
        Ok(Self { question, query: syntax::parse(&question.query)?, sort, after, counts, ranges })
    }

    fn hits(self, query: &dyn Query, shelf: Shelf) -> Result<Answer, SearchError> {
        let bookmark = self.question.bookmark.clone().unwrap_or_default();
        let first = First { sort: &self.sort, after: self.after, limit: self.question.limit };
        let counted: Vec<&str> = self.counts.into_iter().collect();
        let collected = (first, Counts(&counted), Ranges(&self.ranges));
        let (found, counts, ranges) = shelf.searcher.search(query, &collected)?;
        let counts = counts.ok_or_else(|| {
            let what = format!("There are more than {COUNTED_MAX} values; they are not counted.");
            QuestionError::Facets(what)
        })?;
        let counts = counted.into_iter().map(str::to_owned).zip(counts).collect();
        let last = found.first.last();
        let bookmark = last.map_or(bookmark, |(place, _)| place.bookmark());
        let hits = found.first.into_iter().map(Hit::new).collect();
        let (total, groups) = (found.total, Vec::new());
        Ok(Answer { total, hits, groups, bookmark, counts, ranges, shelf })
    }

    /// The same in groups: which come first has to be known before their documents are collected.
    fn groups(
        self,
        query: &dyn Query,
        grouping: &Grouping,
        shelf: Shelf,
    ) -> Result<Answer, SearchError> {
        let (field, sort) = (grouping.field_name()?, order(&grouping.sort)?);
        let first = FirstGroups { field, sort: &sort, limit: grouping.limit };
        let names = shelf.searcher.search(query, &first)?;
        let (sort, limit) = (&self.sort, self.question.limit);
        let members = Members { field, groups: &names, sort, limit };
        let found = shelf.searcher.search(query, &members)?;
        let groups = names.into_iter().zip(found.groups).map(|(by, found)| Group {
            by,
            total: found.total,
            hits: found.first.into_iter().map(Hit::new).collect(),
        });
        Ok(Answer {
            total: found.total,
            hits: Vec::new(),
            groups: groups.collect(),
            bookmark: String::new(),
            counts: BTreeMap::new(),
            ranges: Vec::new(),
            shelf,
        })
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

/// What hits are sorted by; where nothing is given, by how well they match.
fn order(given: &[SortField]) -> Result<Vec<SortField>, QuestionError> {
    match given.len() {
        0 => Ok(vec![SortField { by: SortType::Score, descending: true }]),
        1..=SORTS_MAX => Ok(given.to_vec()),
        _ => Err(QuestionError::TooMany("things to sort by")),
    }
}
