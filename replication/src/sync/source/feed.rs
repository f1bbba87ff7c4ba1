//! A database's changes, with what belongs to them.

use std::sync::Arc;

use store::{Change, Database, Direction, DocId, Error, RevId, Seq, Snapshot};

use super::page::{Absent, Attachments, Extent, Page, RECENT_REVS};
use super::{BatchSize, Read, SourceOptions};
use crate::peer::revision_text;
use crate::sync::request::Terms;
use crate::sync::{Begin, Hints, Mode, SyncRequest};
use crate::{PeerError, Select};

/// Documents that are only listed weigh so much less than others.
const LISTED_FACTOR: usize = 8;

/// Changes that a selector is asked about at a time, and the bytes of their texts.
const SELECTED_AT_ONCE: usize = 200;
const SELECTED_BYTES: usize = 4 << 20;

/// Changes looked at before the target is told how far the source is.
const LOOKED_AT_MAX: usize = 20_000;

/// The changes that are still to be sent.
pub(super) struct Feed {
    /// Everything up to here was sent.
    through: Seq,
    /// It is over when this was reached.
    end: Seq,
    mode: Mode,
    hints: Hints,
    select: Option<Arc<dyn Select>>,
}

impl Feed {
    /// Finds out what there is to send, and what to say of it.
    pub(super) fn begin(
        database: &Database,
        request: SyncRequest,
        select: Option<Arc<dyn Select>>,
    ) -> Result<(Self, Begin), PeerError> {
        let (since, mode) = match request.since {
            None => (Seq(0), request.mode),
            Some(since) => match database.parse_since(&since.to_string()) {
                Ok(known) if known == since.seq => (known, request.mode),
                // A position in another history: the target may have much of this one.
                _ => (Seq(0), Mode::Offer),
            },
        };
        let (update_seq, documents, total) = database.read::<_, Error>(|snapshot| {
            let (live, deleted) = snapshot.counts()?;
            Ok((snapshot.update_seq()?, snapshot.changes_after(since)?, live + deleted))
        })?;
        let bytes = match documents {
            0 => 0,
            _ => share(database.info()?.sizes.external, documents, total),
        };
        let update_seq = database.seq(update_seq);
        let begin = Begin { since, mode, update_seq, documents, bytes };
        let feed = Self { through: since, end: update_seq.seq, mode, hints: request.have, select };
        Ok((feed, begin))
    }

    pub(super) fn read(
        &mut self,
        database: &Database,
        terms: &Terms,
        options: &SourceOptions,
        page: &mut Page,
    ) -> Result<Read, PeerError> {
        let before = self.through;
        let mut pending = 0;
        if self.through < self.end {
            let size = match self.mode {
                Mode::Offer => {
                    let documents = options.batch.documents.saturating_mul(LISTED_FACTOR);
                    BatchSize { documents, ..options.batch }
                }
                Mode::Copy | Mode::Send => options.batch,
            };
            pending = match self.select.clone() {
                None => self.read_all(database, terms, options, size, page)?,
                Some(select) => self.read_some(database, terms, options, size, &*select, page)?,
            };
        }
        let over = self.through >= self.end;
        let moved = page.writer.documents() > 0 || (self.through > before && !over);
        Ok(Read { through: self.through, batch: moved.then_some(pending), over })
    }

    /// Reads changes as they come; how many come behind them.
    fn read_all(
        &mut self,
        database: &Database,
        terms: &Terms,
        options: &SourceOptions,
        size: BatchSize,
        page: &mut Page,
    ) -> Result<u64, PeerError> {
        let known = Known { feed: self, database, options };
        let (through, pending) = database.read::<_, Error>(|snapshot| {
            let changes =
                snapshot.changes(known.feed.through, Direction::Ascending, size.documents)?;
            let mut through = known.feed.through;
            let mut last = changes.len() < size.documents;
            for change in &changes {
                if page.is_full(size) || !known.write(snapshot, change, terms, page)? {
                    last = false;
                    break;
                }
                through = change.seq;
            }
            if last {
                // Behind the last change there may be purges.
                through = through.max(snapshot.update_seq()?);
            }
            Ok((through, snapshot.changes_after(through)?))
        })?;
        self.through = through;
        Ok(pending)
    }

    /// Reads changes of documents that the selector matches, until there are some; how many changes
    /// come behind them.
    fn read_some(
        &mut self,
        database: &Database,
        terms: &Terms,
        options: &SourceOptions,
        size: BatchSize,
        select: &dyn Select,
        page: &mut Page,
    ) -> Result<u64, PeerError> {
        let mut looked_at = 0;
        loop {
            let looked =
                database.read::<_, Error>(|snapshot| Looked::read(snapshot, self.through))?;
            looked_at += looked.changes.len();
            let Looked { changes, texts, end } = looked;
            let matches = if texts.is_empty() { vec![] } else { select.select(texts)? };
            let changes = meant(changes, matches);
            let known = Known { feed: self, database, options };
            let (through, pending) = database.read::<_, Error>(|snapshot| {
                let mut through = known.feed.through;
                let mut whole = true;
                for change in &changes {
                    let fits = change.leaves.is_empty()
                        || (!page.is_full(size) && known.write(snapshot, change, terms, page)?);
                    if !fits {
                        whole = false;
                        break;
                    }
                    through = change.seq;
                }
                let through = end.filter(|_| whole).map_or(through, |end| through.max(end));
                Ok((through, snapshot.changes_after(through)?))
            })?;
            self.through = through;
            let enough = page.writer.documents() > 0 || looked_at >= LOOKED_AT_MAX;
            if enough || self.through >= self.end {
                return Ok(pending);
            }
        }
    }
}

/// Changes, and the texts of their winners, where those are live.
struct Looked {
    changes: Vec<Change>,
    texts: Vec<String>,
    /// Where the feed ends, when nothing comes behind them.
    end: Option<Seq>,
}

impl Looked {
    fn read(snapshot: &Snapshot<'_>, after: Seq) -> Result<Self, Error> {
        let found = snapshot.changes(after, Direction::Ascending, SELECTED_AT_ONCE)?;
        let mut whole = found.len() < SELECTED_AT_ONCE;
        let (mut changes, mut texts) = (Vec::with_capacity(found.len()), Vec::new());
        let mut bytes = 0;
        for mut change in found {
            if bytes >= SELECTED_BYTES {
                whole = false;
                break;
            }
            if let Some((winner, false)) = change.leaves.first() {
                let text = match snapshot.tree(&change.id)? {
                    Some(tree) => revision_text(snapshot, &change.id, &tree, winner)?,
                    None => None,
                };
                match text {
                    Some(text) => {
                        bytes += text.len();
                        texts.push(text);
                    }
                    // Nothing matches what is not there.
                    None => change.leaves.clear(),
                }
            }
            changes.push(change);
        }
        let end = if whole { Some(snapshot.update_seq()?) } else { None };
        Ok(Self { changes, texts, end })
    }
}

/// Takes the leaves away of documents that the selector does not mean. Deleted ones it always does.
fn meant(mut changes: Vec<Change>, matches: Vec<bool>) -> Vec<Change> {
    let mut matches = matches.into_iter();
    let is_live = |change: &&mut Change| change.leaves.first().is_some_and(|(_, deleted)| !deleted);
    for change in changes.iter_mut().filter(is_live) {
        if !matches.next().unwrap_or(false) {
            change.leaves.clear();
        }
    }
    changes
}

/// What is known of the target.
struct Known<'a> {
    feed: &'a Feed,
    database: &'a Database,
    options: &'a SourceOptions,
}

impl Known<'_> {
    /// Writes one change; `false` when it is for another batch.
    fn write(
        &self,
        snapshot: &Snapshot<'_>,
        change: &Change,
        terms: &Terms,
        page: &mut Page,
    ) -> Result<bool, Error> {
        let Change { seq, id, leaves } = change;
        let all_known = leaves.iter().all(|(rev, _)| self.has(id, rev));
        let document = if all_known { None } else { snapshot.tree(id)? };
        let Some(document) = document else {
            page.writer.document(*seq, id, leaves.len());
            leaves.iter().for_each(|(rev, deleted)| page.writer.listed(rev, *deleted));
            return Ok(true);
        };
        let tree = &document.tree;
        let found = leaves.iter().map(|(rev, _)| tree.find(rev).filter(|_| !self.has(id, rev)));
        let found: Vec<_> = found.collect();
        let stored = found.iter().flatten().filter_map(|at| tree.node(*at).stored);
        if !page.has_room(stored.map(|stored| stored.bytes).sum()) {
            return Ok(false);
        }
        let extent = match self.feed.mode {
            Mode::Copy | Mode::Offer => Extent {
                revs_max: usize::MAX,
                attachments: Attachments::All,
                absent: Absent::Listed,
            },
            Mode::Send => Extent {
                revs_max: RECENT_REVS,
                attachments: Attachments::Own,
                absent: Absent::Listed,
            },
        };
        page.writer.document(*seq, id, leaves.len());
        for ((rev, deleted), at) in leaves.iter().zip(found) {
            match at {
                Some(at) => page.leaf(snapshot, tree, at, terms, &extent)?,
                None => page.writer.listed(rev, *deleted),
            }
        }
        Ok(true)
    }

    /// Whether the target is likely to have this leaf.
    fn has(&self, id: &DocId, rev: &RevId) -> bool {
        let delivered = self.options.delivered.as_ref();
        self.feed.mode == Mode::Offer
            || self.feed.hints.names(id, rev)
            || delivered.is_some_and(|known| known.has(self.database.uuid(), id, rev))
    }
}

/// `part` of `whole`, in terms of `bytes`.
fn share(bytes: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}
