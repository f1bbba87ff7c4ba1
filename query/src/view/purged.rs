//! Documents that were purged, of which no change tells.

use store::{Database, Error};

use crate::index::Progress;

/// Purges looked at from one snapshot.
const PURGES_MAX: usize = 1000;

/// What was purged since an index was brought up to date, or some of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Purged {
    /// Nothing, or nothing more.
    Nothing,
    /// What the index has to forget.
    Some {
        /// Ids of documents that are gone as a whole.
        gone: Vec<String>,
        /// The last purge that was looked at; more may follow.
        last: u64,
    },
    /// The database has forgotten some of it: the index cannot be mended.
    Forgotten,
}

impl Purged {
    /// Looks behind the last purge that an index knows of.
    pub(crate) fn read(database: &Database, reached: Progress) -> Result<Self, Error> {
        database.read(|snapshot| {
            let purges = snapshot.purges(reached.purge_seq, PURGES_MAX)?;
            let (Some((first, _)), Some((last, _))) = (purges.first(), purges.last()) else {
                return Ok(Self::Nothing);
            };
            if reached.update_seq == 0 {
                // Nothing was indexed yet that could have been purged since.
                return Ok(Self::Some { gone: Vec::new(), last: *last });
            }
            if *first > reached.purge_seq + 1 {
                return Ok(Self::Forgotten);
            }
            let mut gone = Vec::new();
            for (_, purge) in &purges {
                if snapshot.head(&purge.id)?.is_none() {
                    gone.push(purge.id.as_str().to_owned());
                }
            }
            Ok(Self::Some { gone, last: *last })
        })
    }
}
