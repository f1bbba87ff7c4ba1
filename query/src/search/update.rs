//! A full-text index brought up to date with its database.

use store::{Database, IndexFolder, Seq};
use tantivy::IndexWriter;
use tantivy::indexer::IndexWriterOptions;

use super::definition::{Dialect, SearchIndex};
use super::document::DocumentBuilder;
use super::error::SearchError;
use super::files::{Files, guarded, payload};
use super::term;
use crate::design::ViewOptions;
use crate::index::Progress;
use crate::sandbox::{Indexer, Limits, Sandbox};
use crate::view::purged::Purged;
use crate::view::source::{self, Changed};

/// Memory of the writer, which lives as long as an update.
const WRITER_BYTES: usize = 20_000_000;

/// Changes after which what was indexed is kept, whatever follows.
const CHANGES_PER_COMMIT: u64 = 20_000;

/// Why an index starts anew that is as it was written.
const FORGOTTEN: &str = "purges are forgotten that it does not know of";

/// What an update needs.
pub struct SearchUpdate<'a> {
    /// Whose documents are indexed.
    pub database: &'a Database,
    /// Where the index is.
    pub folder: &'a IndexFolder,
    /// What makes it.
    pub index: &'a SearchIndex,
    /// What its function may use.
    pub limits: &'a Limits,
    /// Told what the function logs.
    pub log: fn(&str),
    /// Asked from time to time whether to go on.
    pub wanted: &'a (dyn Fn() -> bool + Sync),
    /// Told how many changes were looked at, and how many there are.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// How much an index has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchCounts {
    /// Up to where it goes.
    pub reached: Progress,
    /// Documents that can be found.
    pub documents: u64,
    /// Documents that were taken out, and still take room.
    pub deleted: u64,
}

impl SearchUpdate<'_> {
    /// Reads up to where an index goes; one that cannot be right starts anew.
    ///
    /// # Errors
    /// Any of [`SearchError`].
    pub fn reached(folder: &IndexFolder) -> Result<Progress, SearchError> {
        again_if_damaged(|| folder.read(|path| guarded(folder, || Files::open(path)?.progress())))
    }

    /// How much an index has.
    ///
    /// # Errors
    /// Any of [`SearchError`].
    pub fn counts(folder: &IndexFolder) -> Result<SearchCounts, SearchError> {
        let count = |files: Files| {
            let searcher = files.searcher()?;
            let deleted =
                searcher.segment_readers().iter().map(|s| u64::from(s.num_deleted_docs()));
            Ok(SearchCounts {
                reached: files.progress()?,
                documents: searcher.num_docs(),
                deleted: deleted.sum(),
            })
        };
        again_if_damaged(|| folder.read(|path| guarded(folder, || count(Files::open(path)?))))
    }

    /// Brings the index up to date with everything that was written before this was called.
    ///
    /// # Errors
    /// Any of [`SearchError`]; what was kept until then stays, and is right.
    pub fn run(&self) -> Result<(), SearchError> {
        let until = self.database.read::<_, store::Error>(|snapshot| snapshot.update_seq())?;
        let mut reached = Self::reached(self.folder)?;
        if reached.update_seq > until.0 {
            // It tells of what is not there: an older file was put back in the database's place.
            self.folder.distrust();
            reached = Progress::default();
        }
        let purged = Purged::read(self.database, reached)?;
        if purged == Purged::Forgotten {
            self.folder.distrust();
            reached = Progress::default();
        }
        if reached.update_seq >= until.0 && purged == Purged::Nothing {
            return Ok(());
        }
        again_if_damaged(|| {
            self.folder
                .write(|path| guarded(self.folder, || self.write(&Files::open(path)?, until)))
        })
    }

    fn write(&self, files: &Files, until: Seq) -> Result<(), SearchError> {
        let mut reached = files.progress()?;
        let sandbox = Sandbox::new(self.limits.clone(), self.log);
        let typed = self.index.dialect == Dialect::Nouveau;
        let mut indexer = Indexer::new(&sandbox, &self.index.function, typed)?;
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let mut writer: IndexWriter = files.index.writer_with_options(options)?;
        self.forget_purged(files, &mut writer, &mut reached)?;
        let outcome = self.add_changed(files, &mut writer, &mut indexer, &mut reached, until);
        if matches!(outcome, Ok(()) | Err(SearchError::Stopped | SearchError::Function(_))) {
            // What is there is right as far as it goes.
            commit(&mut writer, reached)?;
        }
        outcome?;
        Ok(writer.wait_merging_threads()?)
    }

    /// Takes documents out that were purged as a whole.
    fn forget_purged(
        &self,
        files: &Files,
        writer: &mut IndexWriter,
        reached: &mut Progress,
    ) -> Result<(), SearchError> {
        loop {
            match Purged::read(self.database, *reached)? {
                Purged::Nothing => return Ok(()),
                Purged::Forgotten => return Err(SearchError::Damaged(FORGOTTEN.into())),
                Purged::Some { gone, last } => {
                    for id in &gone {
                        writer.delete_term(term::of(files.fields.id, id));
                    }
                    reached.purge_seq = last;
                }
            }
        }
    }

    /// Indexes what changed after `reached`, which moves on, and not after `until`.
    fn add_changed(
        &self,
        files: &Files,
        writer: &mut IndexWriter,
        indexer: &mut Indexer,
        reached: &mut Progress,
        until: Seq,
    ) -> Result<(), SearchError> {
        let (began, mut kept) = (reached.update_seq, reached.update_seq);
        let options = ViewOptions::default();
        while reached.update_seq < until.0 {
            if !(self.wanted)() {
                return Err(SearchError::Stopped);
            }
            let Changed { documents, position, last } =
                source::read(self.database, Seq(reached.update_seq), until, options)?;
            for (id, text) in documents {
                writer.delete_term(term::of(files.fields.id, &id));
                let indexed = text.map(|text| indexer.index(&text)).transpose()?;
                if let Some(indexed) = indexed.filter(|indexed| !indexed.is_empty()) {
                    let mut document = DocumentBuilder::new(self.index, files.fields, &id);
                    indexed.into_iter().for_each(|field| document.add(field));
                    writer.add_document(document.finish())?;
                }
            }
            reached.update_seq = if last { until.0 } else { position.0 };
            if reached.update_seq - kept >= CHANGES_PER_COMMIT {
                commit(writer, *reached)?;
                kept = reached.update_seq;
            }
            (self.progress)(reached.update_seq.saturating_sub(began), until.0 - began);
        }
        Ok(())
    }
}

fn commit(writer: &mut IndexWriter, reached: Progress) -> Result<(), SearchError> {
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&payload(reached));
    commit.commit()?;
    Ok(())
}

/// A damaged index starts anew when it is used next, which is now.
fn again_if_damaged<T>(mut work: impl FnMut() -> Result<T, SearchError>) -> Result<T, SearchError> {
    match work() {
        Err(SearchError::Damaged(what)) => {
            tracing::warn!(what, "a full-text index is damaged and starts anew");
            work()
        }
        outcome => outcome,
    }
}
