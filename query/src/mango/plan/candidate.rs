//! What is said of the indexes that were not chosen.
//!
//! Source: CouchDB's `mango_cursor:extract_candidate_indexes/1`.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use super::{Ranked, Rounds};
use crate::mango::index_definition::all_documents;
use crate::mango::use_index::UseIndex;
use crate::mango::{FindRequest, IndexDefinition};
use crate::value::Value;

/// An index, or all documents by their ids.
#[derive(Clone, Debug)]
pub(in crate::mango) enum Index {
    AllDocuments,
    Json(Arc<IndexDefinition>),
}

/// An index that was not chosen.
#[derive(Clone, Debug)]
pub(in crate::mango) struct Candidate {
    pub(in crate::mango) index: Index,
    pub(in crate::mango) usable: bool,
    pub(in crate::mango) reason: Reason,
    pub(in crate::mango) ranking: usize,
    /// Nothing for what holds no values but ids.
    pub(in crate::mango) covering: Option<bool>,
}

/// Why an index was not chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mango) enum Reason {
    IsPartial,
    ScopeMismatch,
    FieldMismatch,
    SortOrderMismatch,
    ExcludedByUser,
    UnfavoredType,
    LessOverlap,
    TooManyFields,
    AlphabeticallyComesAfter,
}

impl Index {
    pub(super) fn fields(&self) -> &[String] {
        static ID: LazyLock<[String; 1]> = LazyLock::new(|| ["_id".to_owned()]);
        match self {
            Self::AllDocuments => &*ID,
            Self::Json(index) => index.fields(),
        }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::AllDocuments, Self::AllDocuments) => Ordering::Equal,
            (Self::AllDocuments, Self::Json(_)) => Ordering::Less,
            (Self::Json(_), Self::AllDocuments) => Ordering::Greater,
            (Self::Json(one), Self::Json(other)) => one.compare(other),
        }
    }

    pub(super) fn is_partial(&self) -> bool {
        matches!(self, Self::Json(index) if index.is_partial())
    }

    pub(super) fn is_in_scope(&self, in_partition: bool, partitioned_database: bool) -> bool {
        match self {
            Self::AllDocuments => true,
            Self::Json(index) => index.is_partitioned(partitioned_database) == in_partition,
        }
    }

    pub(in crate::mango) fn is_meant_by(&self, use_index: &UseIndex) -> bool {
        matches!(self, Self::Json(index) if use_index.means(index.design(), index.name()))
    }

    /// Whether it holds the values of all these fields.
    pub(super) fn covers(&self, fields: &[&str]) -> bool {
        let holds =
            |held: &[String], field: &str| field == "_id" || held.iter().any(|h| h == field);
        match self {
            Self::AllDocuments => false,
            Self::Json(index) => fields.iter().all(|field| holds(index.fields(), field)),
        }
    }

    pub(in crate::mango) fn to_value(&self, partitioned_database: bool) -> Value<'static> {
        match self {
            Self::AllDocuments => all_documents(),
            Self::Json(index) => index.to_value(partitioned_database),
        }
    }
}

impl Reason {
    /// CouchDB's word for it.
    pub(in crate::mango) fn word(self) -> &'static str {
        match self {
            Self::IsPartial => "is_partial",
            Self::ScopeMismatch => "scope_mismatch",
            Self::FieldMismatch => "field_mismatch",
            Self::SortOrderMismatch => "sort_order_mismatch",
            Self::ExcludedByUser => "excluded_by_user",
            Self::UnfavoredType => "unfavored_type",
            Self::LessOverlap => "less_overlap",
            Self::TooManyFields => "too_many_fields",
            Self::AlphabeticallyComesAfter => "alphabetically_comes_after",
        }
    }
}

/// All indexes but the chosen one, the last in order first.
pub(super) fn judge(
    request: &FindRequest,
    rounds: &Rounds,
    ranked: &[Ranked<'_>],
) -> Vec<Candidate> {
    let fields = request.fields.names();
    let chosen_width = ranked.first().map_or(0, |ranked| ranked.index.fields().len());
    let rank = Ranks::new(rounds, ranked.len());
    let candidate = |index: &Index| {
        let is = |other: &Index| index.compare(other).is_eq();
        let (usable, reason, ranking) = if !rounds.global.iter().any(is) {
            (false, Reason::IsPartial, rank.partial)
        } else if let Some(position) = rounds.in_scope.iter().position(is) {
            match rounds.verdicts[position] {
                Some(reason) => (false, reason, rank.not_usable),
                None if !rounds.wanted.iter().any(is) => {
                    (true, Reason::ExcludedByUser, rank.excluded)
                }
                None => match ranked.iter().position(|ranked| is(&ranked.index)) {
                    None => (true, Reason::UnfavoredType, rank.unfavored),
                    Some(0) => return None,
                    Some(position) => (true, reason(&ranked[position], chosen_width), position),
                },
            }
        } else {
            (false, Reason::ScopeMismatch, rank.out_of_scope)
        };
        let covering = match index {
            Index::AllDocuments => None,
            Index::Json(_) => Some(fields.as_ref().is_some_and(|fields| index.covers(fields))),
        };
        Some(Candidate { index: index.clone(), usable, reason, ranking, covering })
    };
    rounds.all.iter().rev().filter_map(candidate).collect()
}

fn reason(ranked: &Ranked<'_>, chosen_width: usize) -> Reason {
    if ranked.distance > 0 {
        Reason::LessOverlap
    } else if ranked.index.fields().len() > chosen_width {
        Reason::TooManyFields
    } else {
        Reason::AlphabeticallyComesAfter
    }
}

/// How far down indexes stand that went out in the same round.
struct Ranks {
    unfavored: usize,
    excluded: usize,
    not_usable: usize,
    out_of_scope: usize,
    partial: usize,
}

impl Ranks {
    fn new(rounds: &Rounds, ranked: usize) -> Self {
        let after = |rank: usize, more: &[Index], fewer: &[Index]| {
            rank + usize::from(more.len() > fewer.len())
        };
        let unfavored = ranked.max(1);
        let excluded = after(unfavored, &rounds.wanted, &rounds.of_type);
        let not_usable = after(excluded, &rounds.usable, &rounds.wanted);
        let out_of_scope = after(not_usable, &rounds.in_scope, &rounds.usable);
        let partial = after(out_of_scope, &rounds.global, &rounds.in_scope);
        Self { unfavored, excluded, not_usable, out_of_scope, partial }
    }
}
