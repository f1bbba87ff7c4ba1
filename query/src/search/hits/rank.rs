//! What documents are sorted by, as numbers that compare as it does within a segment.

use tantivy::columnar::{Column, DynamicColumn, NumericalType, StrColumn, TermOrdHit};
use tantivy::{DocId, Score, SegmentReader, f64_to_u64, u64_to_f64};

use super::OrderValue;
use crate::search::files::{BOOST, ID, SORT};
use crate::search::question::SortType;

/// What one of the things that documents are sorted by is read from.
pub(super) enum RankColumn {
    Score,
    Number(Option<Column<f64>>),
    Text(Option<StrColumn>),
}

/// What stands for nothing, and comes first.
const MISSING: u64 = 0;

impl RankColumn {
    pub(super) fn open(by: &SortType, reader: &SegmentReader) -> tantivy::Result<Self> {
        Ok(match by {
            SortType::Score => Self::Score,
            SortType::Number(name) => Self::Number(numbers(name, reader)?),
            SortType::Text(name) => Self::Text(texts(name, reader)?),
        })
    }

    pub(super) fn of_ids(reader: &SegmentReader) -> tantivy::Result<Self> {
        Ok(Self::Text(reader.fast_fields().str(ID)?))
    }

    /// Where a document is.
    pub(super) fn rank(&self, document: DocId, score: Score) -> u64 {
        match self {
            Self::Score => of_number(f64::from(score)),
            Self::Number(column) => {
                let number = column.as_ref().and_then(|column| column.first(document));
                number.map_or(MISSING, of_number)
            }
            Self::Text(column) => {
                let ordinal = column.as_ref().and_then(|column| column.ords().first(document));
                ordinal.map_or(MISSING, of_ordinal)
            }
        }
    }

    /// Where a value is, which need not be in the segment.
    pub(super) fn rank_of(&self, value: &OrderValue) -> tantivy::Result<u64> {
        Ok(match (self, value) {
            (_, OrderValue::Missing) => MISSING,
            (_, OrderValue::Number(number)) => of_number(*number),
            (Self::Text(Some(column)), OrderValue::Text(text)) => {
                match column.dictionary().term_ord_or_next(text)? {
                    TermOrdHit::Exact(ordinal) => of_ordinal(ordinal),
                    TermOrdHit::Next(ordinal) => of_ordinal(ordinal) - 1,
                }
            }
            (_, OrderValue::Text(_)) => MISSING + 1,
        })
    }

    /// What is there.
    pub(super) fn value(&self, rank: u64) -> tantivy::Result<OrderValue> {
        Ok(match self {
            _ if rank == MISSING => OrderValue::Missing,
            Self::Score | Self::Number(_) => OrderValue::Number(u64_to_f64(rank - 1)),
            Self::Text(None) => OrderValue::Missing,
            Self::Text(Some(column)) => {
                let mut text = String::new();
                column.ord_to_str(rank / 2 - 1, &mut text)?;
                OrderValue::Text(text)
            }
        })
    }
}

fn of_number(number: f64) -> u64 {
    f64_to_u64(number).saturating_add(1)
}

/// Even, so that there is a place between any two.
fn of_ordinal(ordinal: u64) -> u64 {
    ordinal.saturating_add(1).saturating_mul(2)
}

/// The texts of a field that are counted and sorted by.
pub(in crate::search) fn texts(
    name: &str,
    reader: &SegmentReader,
) -> tantivy::Result<Option<StrColumn>> {
    for handle in reader.fast_fields().dynamic_column_handles(&path(SORT, name))? {
        if let DynamicColumn::Str(column) = handle.open()? {
            return Ok(Some(column));
        }
    }
    Ok(None)
}

/// The numbers of a field.
pub(in crate::search) fn numbers(
    name: &str,
    reader: &SegmentReader,
) -> tantivy::Result<Option<Column<f64>>> {
    numbers_under(SORT, name, reader)
}

/// How much the words of a field count, where some count more or less than others.
pub(in crate::search) fn boosts(
    name: &str,
    reader: &SegmentReader,
) -> tantivy::Result<Option<Column<f64>>> {
    numbers_under(BOOST, name, reader)
}

fn numbers_under(
    columns: &str,
    name: &str,
    reader: &SegmentReader,
) -> tantivy::Result<Option<Column<f64>>> {
    for handle in reader.fast_fields().dynamic_column_handles(&path(columns, name))? {
        if let Some(DynamicColumn::F64(column)) =
            handle.open()?.coerce_numerical(NumericalType::F64)
        {
            return Ok(Some(column));
        }
    }
    Ok(None)
}

/// Where Tantivy has a field's columns.
fn path(columns: &str, name: &str) -> String {
    format!("{columns}.{}", name.replace('\\', "\\\\").replace('.', "\\."))
}
