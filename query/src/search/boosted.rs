//! Queries whose scores are multiplied by what an index function said of the field.

use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SeekDangerResult, SegmentReader, Term};

use super::hits::boosts;

/// A query about one field.
#[derive(Debug)]
pub(super) struct Boosted {
    query: Box<dyn Query>,
    field: String,
}

struct BoostedWeight {
    weight: Box<dyn Weight>,
    field: String,
}

struct BoostedScorer {
    scorer: Box<dyn Scorer>,
    boosts: Column<f64>,
}

impl Boosted {
    pub(super) fn new(query: Box<dyn Query>, field: &str) -> Self {
        Self { query, field: field.into() }
    }
}

impl Clone for Boosted {
    fn clone(&self) -> Self {
        Self { query: self.query.box_clone(), field: self.field.clone() }
    }
}

impl Query for Boosted {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let weight = self.query.weight(scoring)?;
        Ok(match scoring.is_scoring_enabled() {
            true => Box::new(BoostedWeight { weight, field: self.field.clone() }),
            false => weight,
        })
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.query.query_terms(visitor);
    }
}

impl Weight for BoostedWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let scorer = self.weight.scorer(reader, boost)?;
        Ok(match boosts(&self.field, reader)? {
            Some(boosts) => Box::new(BoostedScorer { scorer, boosts }),
            None => scorer,
        })
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        self.weight.explain(reader, document)
    }
}

impl DocSet for BoostedScorer {
    fn advance(&mut self) -> DocId {
        self.scorer.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.scorer.seek(target)
    }

    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        self.scorer.seek_danger(target)
    }

    fn doc(&self) -> DocId {
        self.scorer.doc()
    }

    fn size_hint(&self) -> u32 {
        self.scorer.size_hint()
    }

    fn cost(&self) -> u64 {
        self.scorer.cost()
    }
}

impl Scorer for BoostedScorer {
    fn score(&mut self) -> Score {
        let boost = self.boosts.first(self.scorer.doc()).unwrap_or(1.0);
        self.scorer.score() * boost as Score
    }
}
