//! Partitioned databases.

use std::ops::ControlFlow;

use super::commit::{decode_tree, weigh};
use super::snapshot::Snapshot;
use super::{Database, setting};
use crate::{EditError, Error, Partition};

/// What a partition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Documents whose winner is live.
    pub doc_count: u64,
    /// Documents whose winner is deleted.
    pub doc_del_count: u64,
    /// Bytes of the documents, uncompressed.
    pub bytes: u64,
}

impl Database {
    /// Whether it was created to keep its documents in partitions.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn is_partitioned(&self) -> Result<bool, Error> {
        if let Some(known) = self.partitioned.get() {
            return Ok(*known);
        }
        let found = self.setting(setting::PARTITIONED)?.is_some();
        Ok(*self.partitioned.get_or_init(|| found))
    }
}

impl Snapshot<'_> {
    /// What a partition holds; looks at every document of it.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn partition(&self, partition: &Partition) -> Result<PartitionInfo, Error> {
        let mut info = PartitionInfo::default();
        let mut failed = Ok(());
        self.rows.docs_after(&partition.bounds().0, &mut |row| {
            if !partition.holds(&row.head.id) {
                return ControlFlow::Break(());
            }
            match decode_tree(&row.head.id, &row.tree) {
                Ok(tree) => info.bytes += weigh(&tree).0,
                Err(error) => {
                    failed = Err(error);
                    return ControlFlow::Break(());
                }
            }
            let count =
                if row.head.deleted { &mut info.doc_del_count } else { &mut info.doc_count };
            *count += 1;
            ControlFlow::Continue(())
        })?;
        failed.map(|()| info)
    }
}

/// Why a partitioned database does not take a document of this id.
pub(super) fn refusal(partitioned: bool, id: &crate::DocId) -> Option<EditError> {
    let error = partitioned.then(|| Partition::check_id(id).err()).flatten()?;
    Some(EditError::Partition(error))
}
