//! What an answer ends with.

use super::Find;
use crate::mango::bookmark;
use crate::mango::json::{number, object};
use crate::mango::plan::Index;
use crate::mango::scan::Scan;
use crate::mango::use_index::{UseIndex, without_prefix};
use crate::value::{Number, Value};

/// What follows the documents; CouchDB writes it in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    /// Where the next answer goes on.
    pub bookmark: Option<String>,
    /// How much was read, as JSON text, if that was asked.
    pub execution_stats: Option<String>,
    /// What could be better.
    pub warning: Option<String>,
}

/// How much was read.
///
/// Source: CouchDB's `mango_execution_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Rows of the index.
    pub total_keys_examined: u64,
    /// Documents.
    pub total_docs_examined: u64,
    /// Documents answered.
    pub results_returned: u64,
}

/// Documents read for each answered one, above which CouchDB suggests another index.
///
/// Source: its setting `mango/index_scan_warning_threshold`.
const SCAN_RATIO_MAX: u64 = 10;

impl Find {
    /// How much was read so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// What follows the documents, after the last step. Where nothing was read because nothing can
    /// match, it is nothing.
    #[must_use]
    pub fn ending(&self, execution_time_ms: f64) -> Ending {
        if self.plan.scan == Scan::Nothing {
            return Ending::default();
        }
        let bookmark = match &self.matched {
            Some(row) => bookmark::write(row),
            None => self.request.bookmark.clone().unwrap_or_else(|| "nil".into()),
        };
        let statistics =
            self.request.execution_stats.then(|| self.statistics.to_json(execution_time_ms));
        let warnings = [self.index_warning(), self.scan_warning(), self.ratio_warning()];
        let warnings: Vec<_> = warnings.into_iter().flatten().collect();
        Ending {
            bookmark: Some(bookmark),
            execution_stats: statistics,
            warning: (!warnings.is_empty()).then(|| warnings.join("\n")),
        }
    }

    fn index_warning(&self) -> Option<String> {
        let use_index = &self.request.use_index;
        if self.plan.index.as_ref().is_some_and(|index| index.is_meant_by(use_index)) {
            return None;
        }
        match use_index {
            UseIndex::Any => None,
            UseIndex::Design(design) => Some(format!(
                "_design/{} was not used because it does not contain a valid index for this query.",
                without_prefix(design)
            )),
            UseIndex::Named { design, name } => Some(format!(
                "_design/{}, {name} was not used because it is not a valid index for this query.",
                without_prefix(design)
            )),
        }
    }

    fn scan_warning(&self) -> Option<String> {
        matches!(self.plan.index, Some(Index::AllDocuments))
            .then(|| "No matching index found, create an index to optimize query time.".to_owned())
    }

    fn ratio_warning(&self) -> Option<String> {
        let Statistics { total_docs_examined, results_returned, .. } = self.statistics;
        (total_docs_examined > results_returned.max(1).saturating_mul(SCAN_RATIO_MAX)).then(|| {
            "The number of documents examined is high in proportion to the number of results \
             returned. Consider adding a more specific index to improve this."
                .to_owned()
        })
    }
}

impl Statistics {
    fn to_json(self, execution_time_ms: f64) -> String {
        // JSON has no word for what is no number.
        let time = if execution_time_ms.is_finite() { execution_time_ms } else { 0.0 };
        object([
            ("total_keys_examined", number(self.total_keys_examined)),
            ("total_docs_examined", number(self.total_docs_examined)),
            ("total_quorum_docs_examined", number(0)),
            ("results_returned", number(self.results_returned)),
            ("execution_time_ms", Value::Number(Number::Float(time))),
        ])
        .to_string()
    }
}
