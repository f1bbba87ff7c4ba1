//! By which index a question is answered.
//!
//! Source: CouchDB's `mango_cursor:create/4`, `mango_idx:get_usable_indexes/4` and
//! `mango_cursor_view:choose_best_index/1`.

mod candidate;
mod usable;

use std::sync::Arc;

use super::range::{Range, field_ranges};
use super::scan::Scan;
use super::use_index::{UseIndex, without_prefix};
use super::{FindRequest, IndexDefinition, PlanError};

pub(super) use self::candidate::{Candidate, Index, Reason};

/// How a question is answered.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The index; none if none is usable, which only `_explain` may see.
    pub(super) index: Option<Index>,
    pub(super) scan: Scan,
    pub(super) covering: bool,
    /// What is said of the other indexes; nothing where the plan is to be followed.
    pub(super) candidates: Vec<Candidate>,
    pub(super) partitioned_database: bool,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be followed.
    Find,
    /// To be looked at.
    Explain,
}

impl Plan {
    /// Chooses one of a database's indexes, or that of all documents.
    ///
    /// # Errors
    /// [`PlanError`] when none is usable and the plan is to be followed, or none of those that the
    /// request allows.
    pub fn choose(
        request: &FindRequest,
        indexes: &[Arc<IndexDefinition>],
        partitioned_database: bool,
        purpose: Purpose,
    ) -> Result<Self, PlanError> {
        let rounds = Rounds::play(request, indexes, partitioned_database);
        if rounds.usable.is_empty() && purpose == Purpose::Find {
            return Err(sort_error(request, partitioned_database));
        }
        if !request.allow_fallback && !rounds.is_as_wanted(request) {
            return Err(unsuitable(&request.use_index));
        }
        let ranges = field_ranges(&request.normal);
        let ranked = rank(&rounds.of_type, &ranges);
        let index = ranked.first().map(|ranked| ranked.index.clone());
        let scan = match ranked.first() {
            _ if request.normal.is_nothing() => Scan::Nothing,
            None => Scan::Nothing,
            Some(Ranked { index: Index::AllDocuments, prefix, .. }) => {
                Scan::documents(prefix.first().copied())
            }
            Some(Ranked { index: Index::Json(_), prefix, .. }) => Scan::keys(prefix),
        };
        let covering = index.as_ref().is_some_and(|index| {
            request.fields.names().is_some_and(|mut fields| {
                fields.extend(request.normal.fields());
                index.covers(&fields)
            })
        });
        let candidates = match purpose {
            Purpose::Find => Vec::new(),
            Purpose::Explain => candidate::judge(request, &rounds, &ranked),
        };
        Ok(Self { index, scan, covering, candidates, partitioned_database })
    }

    /// The index that is read; none is that of all documents.
    #[must_use]
    pub fn index(&self) -> Option<&Arc<IndexDefinition>> {
        match &self.index {
            Some(Index::Json(index)) => Some(index),
            Some(Index::AllDocuments) | None => None,
        }
    }

    /// Whether the index alone answers: no document is read.
    #[must_use]
    pub fn is_covering(&self) -> bool {
        self.covering
    }
}

/// Which indexes were left after each round of the choice, in the order of their names.
#[derive(Debug)]
struct Rounds {
    all: Vec<Index>,
    /// Without partial ones that nobody named.
    global: Vec<Index>,
    /// Of the right scope.
    in_scope: Vec<Index>,
    /// Why those of the right scope are not usable; nothing if they are.
    verdicts: Vec<Option<Reason>>,
    usable: Vec<Index>,
    /// Those that the request names, if any is usable.
    wanted: Vec<Index>,
    /// Those of the best type.
    of_type: Vec<Index>,
}

impl Rounds {
    fn play(
        request: &FindRequest,
        indexes: &[Arc<IndexDefinition>],
        partitioned_database: bool,
    ) -> Self {
        let mut all = vec![Index::AllDocuments];
        all.extend(indexes.iter().cloned().map(Index::Json));
        all.sort_by(Index::compare);
        let keep = |from: &[Index], test: &dyn Fn(&Index) -> bool| -> Vec<Index> {
            from.iter().filter(|index| test(index)).cloned().collect()
        };
        let is_wanted = |index: &Index| index.is_meant_by(&request.use_index);
        let global = keep(&all, &|index| !index.is_partial() || is_wanted(index));
        let in_partition = request.partition.is_some();
        let in_scope =
            keep(&global, &|index| index.is_in_scope(in_partition, partitioned_database));
        let needs = usable::Needs::of(request);
        let verdicts: Vec<_> = in_scope.iter().map(|index| needs.verdict(index)).collect();
        let usable: Vec<_> = in_scope.iter().zip(&verdicts).collect();
        let usable = usable.into_iter().filter(|(_, verdict)| verdict.is_none());
        let usable: Vec<_> = usable.map(|(index, _)| index.clone()).collect();
        let mut wanted = keep(&usable, &is_wanted);
        if wanted.is_empty() {
            wanted.clone_from(&usable);
        }
        let mut of_type = keep(&wanted, &|index| matches!(index, Index::Json(_)));
        if of_type.is_empty() {
            of_type.clone_from(&wanted);
        }
        Self { all, global, in_scope, verdicts, usable, wanted, of_type }
    }

    /// Whether what is left was named, or nothing was and it is better than all documents.
    fn is_as_wanted(&self, request: &FindRequest) -> bool {
        match (&request.use_index, self.of_type.first()) {
            (_, None) => false,
            (UseIndex::Any, Some(index)) => matches!(index, Index::Json(_)),
            (named, Some(index)) => index.is_meant_by(named),
        }
    }
}

/// An index, and how well it fits.
#[derive(Debug)]
struct Ranked<'r> {
    index: Index,
    /// The ranges of its first fields.
    prefix: Vec<&'r Range>,
    /// Ranges that it has no use for.
    distance: usize,
}

/// The best first: of the most ranges, of the fewest fields, of the first name. The ranges are in the
/// order of their fields.
fn rank<'r>(indexes: &[Index], ranges: &'r [(&str, Range)]) -> Vec<Ranked<'r>> {
    let range_of = |field: &String| {
        let at = ranges.binary_search_by(|(name, _)| (*name).cmp(field.as_str())).ok()?;
        Some(&ranges[at].1)
    };
    let mut ranked: Vec<_> = indexes
        .iter()
        .map(|index| {
            let prefix: Vec<_> = index.fields().iter().map_while(range_of).collect();
            let distance = ranges.len() - prefix.len();
            Ranked { index: index.clone(), prefix, distance }
        })
        .collect();
    ranked.sort_by(|one, other| {
        let size = |ranked: &Ranked<'_>| (ranked.distance, ranked.index.fields().len());
        size(one).cmp(&size(other)).then_with(|| one.index.compare(&other.index))
    });
    ranked
}

fn sort_error(request: &FindRequest, partitioned_database: bool) -> PlanError {
    match (partitioned_database, &request.partition) {
        (false, _) => PlanError::NoSortIndex,
        (true, Some(_)) => PlanError::NoPartitionedSortIndex,
        (true, None) => PlanError::NoGlobalSortIndex,
    }
}

fn unsuitable(use_index: &UseIndex) -> PlanError {
    match use_index {
        UseIndex::Any => PlanError::NoIndex,
        UseIndex::Design(design) => {
            PlanError::DesignUnsuitable { design: without_prefix(design).to_owned() }
        }
        UseIndex::Named { design, name } => PlanError::IndexUnsuitable {
            design: without_prefix(design).to_owned(),
            name: name.clone(),
        },
    }
}

#[cfg(test)]
mod tests;
