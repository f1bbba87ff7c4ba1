//! How large a database is.

use crate::engine::Counters;

/// What a database takes that holds nothing: a page for each table and index, and some.
const EMPTY_BYTES: u64 = 15 * 4096;

/// What a superseded row of the changes feed takes, in both of its tables.
const STALE_ROW_BYTES: u64 = 70;

/// Sizes of a database in bytes, as CouchDB counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// On disk, attachments, indexes and the write-ahead log included.
    pub file: u64,
    /// Of all leaves with their attachments, uncompressed; an attachment counts for each that has it.
    pub external: u64,
    /// Of what compaction would keep, never more than `file`. Estimated until it runs: it is known
    /// what lies in the pages, not how full each of them is. Indexes are left as they are.
    pub active: u64,
}

impl Sizes {
    /// Of a database whose own files take `on_disk` bytes, and whose pages that hold something take
    /// `used`.
    pub(super) fn of(on_disk: u64, used: u64, counters: &Counters) -> Self {
        let Counters { leaf_bytes, superseded_bytes, blob_bytes, live, pins, .. } = *counters;
        let (decoded, stored) = match counters.live_unknown {
            true => (blob_bytes, blob_bytes),
            false => {
                let stored = live.stored_attachment_bytes + pins.attachment_bytes;
                (live.attachment_bytes, stored)
            }
        };
        let in_files = counters.blob_file_bytes;
        let file = on_disk + in_files;
        let stale = counters.stale * STALE_ROW_BYTES;
        let others = live.row_bytes + stale + blob_bytes.saturating_sub(in_files) + EMPTY_BYTES;
        let bodies = used.saturating_sub(others);
        let kept_bytes = leaf_bytes + pins.bytes;
        let superseded = share(bodies, superseded_bytes, kept_bytes + superseded_bytes);
        let dropped = superseded + stale + blob_bytes.saturating_sub(stored);
        Self {
            file,
            external: leaf_bytes + decoded,
            active: (used + in_files).saturating_sub(dropped).min(file),
        }
    }

    /// The same with what all indexes take.
    pub(super) fn with_indexes(self, bytes: u64) -> Self {
        Self { file: self.file + bytes, active: self.active + bytes, ..self }
    }
}

/// `part` of `whole`, in terms of `bytes`.
fn share(bytes: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::Live;

    proptest! {
        #[test]
        fn no_numbers_make_more_active_than_there_is(numbers: [u32; 9], live_unknown: bool) {
            let [on_disk, used, leaf_bytes, superseded_bytes, blob_bytes, in_files, stale, rows, att] =
                numbers.map(u64::from);
            let live = Live {
                row_bytes: rows,
                attachment_bytes: att,
                stored_attachment_bytes: att / 2,
            };
            let counters = Counters {
                leaf_bytes,
                superseded_bytes,
                blob_bytes,
                blob_file_bytes: in_files.min(blob_bytes),
                stale,
                live,
                live_unknown,
                ..Counters::default()
            };
            let sizes = Sizes::of(on_disk, used, &counters);
            prop_assert!(sizes.active <= sizes.file);
            prop_assert!(sizes.external >= leaf_bytes);
        }
    }
}
