//! An index brought up to date with its database.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use store::{Database, IndexFile, Seq};

use super::maps::Maps;
use super::purged::Purged;
use super::source::{self, Changed};
use super::{Reducers, ViewError};
use crate::design::Views;
use crate::index::{
    Builder, Collation, DocRows, IndexError, Progress, View, apply_batch, progress,
};
use crate::sandbox::Limits;

/// Changes after which reading and mapping them gets a thread of its own.
const CHANGES_FOR_THREAD: u64 = 200;

/// Batches of rows that wait to be written.
const BATCHES_AHEAD: usize = 2;

/// Stack of the thread that maps: the engine's own, and room for what calls it.
const STACK_BYTES: usize = 4 << 20;

/// What an update needs.
pub struct Update<'a> {
    /// Whose documents are mapped.
    pub database: &'a Database,
    /// Where the rows are kept.
    pub file: &'a IndexFile,
    /// What maps and reduces them.
    pub views: &'a Views,
    /// What functions may use.
    pub limits: &'a Limits,
    /// Told what functions log.
    pub log: fn(&str),
    /// Asked from time to time whether to go on.
    pub wanted: &'a (dyn Fn() -> bool + Sync),
    /// Told how many changes were looked at, and how many there are.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// Documents mapped, on their way into the index.
struct Mapped {
    rows: Vec<DocRows>,
    position: Seq,
}

impl Update<'_> {
    /// Reads up to where the index goes; one that cannot be right starts anew.
    ///
    /// # Errors
    /// Any of [`ViewError`].
    pub fn reached(file: &IndexFile) -> Result<Progress, ViewError> {
        match file.read(progress) {
            Ok(reached) => Ok(reached.unwrap_or_default()),
            Err(IndexError::Damaged(what)) => {
                tracing_damage(what);
                file.distrust();
                Ok(file.read(progress)?.unwrap_or_default())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Brings the index up to date with everything that was written before this was called.
    ///
    /// # Errors
    /// Any of [`ViewError`]; what was written to the index until then stays, and is right.
    pub fn run(&self) -> Result<(), ViewError> {
        let until = self.database.read::<_, store::Error>(|snapshot| snapshot.update_seq())?;
        let mut reached = Self::reached(self.file)?;
        if reached.update_seq > until.0 {
            // It tells of what is not there: an older file was put back in the database's place.
            self.file.distrust();
            reached = Progress::default();
        }
        let reducers = Reducers::new(self.views, self.limits, self.log)?;
        let functions: Vec<_> =
            (0..self.views.trees.len()).map(|tree| reducers.of_tree(tree)).collect();
        let trees = self.views.trees.iter().zip(&functions);
        let views: Vec<View<'_>> = trees
            .map(|(tree, reducers)| View {
                collation: if tree.raw { Collation::Raw } else { Collation::Standard },
                reducers,
            })
            .collect();
        reached = self.forget_purged(&views, reached)?;
        if reached.update_seq >= until.0 {
            return Ok(());
        }
        let is_new = reached.update_seq == 0;
        let writer = Writer { update: self, views: &views, reached, until };
        match until.0 - reached.update_seq > CHANGES_FOR_THREAD {
            true => self.on_two_threads(writer, is_new),
            false => {
                let mut maps = Maps::new(self.views, self.limits, self.log)?;
                let mut position = Seq(reached.update_seq);
                let mapped = std::iter::from_fn(|| {
                    (position < until).then(|| self.next(&mut maps, &mut position, until))
                });
                writer.write_all(mapped, is_new)
            }
        }
    }

    /// Maps on a thread of its own what is written on this one.
    fn on_two_threads(&self, writer: Writer<'_, '_>, is_new: bool) -> Result<(), ViewError> {
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        let (mut position, until) = (Seq(writer.reached.update_seq), writer.until);
        let mut map = move |sender: SyncSender<Result<Mapped, ViewError>>| {
            let mut maps = match Maps::new(self.views, self.limits, self.log) {
                Ok(maps) => maps,
                Err(error) => {
                    // Whoever writes has gone only where it failed itself.
                    let _gone = sender.send(Err(error));
                    return;
                }
            };
            while position < until {
                let mapped = self.next(&mut maps, &mut position, until);
                let failed = mapped.is_err();
                if sender.send(mapped).is_err() || failed {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("map".into()).stack_size(STACK_BYTES);
            let mapping = thread.spawn_scoped(scope, move || map(sender));
            mapping.map_err(|source| store::Error::Io { action: "start a thread", source })?;
            // Taken along, so that the other thread ends when this one fails.
            let receiver: Receiver<_> = receiver;
            writer.write_all(receiver.into_iter(), is_new)
        })
    }

    /// Reads and maps what comes behind a position.
    fn next(&self, maps: &mut Maps, position: &mut Seq, until: Seq) -> Result<Mapped, ViewError> {
        if !(self.wanted)() {
            return Err(ViewError::Stopped);
        }
        let Changed { documents, position: read, last } =
            source::read(self.database, *position, until, self.views.options)?;
        let rows = documents.into_iter().map(|(id, text)| maps.rows(id, text.as_deref()));
        let rows = rows.collect::<Result<_, _>>()?;
        *position = if last { until } else { read };
        Ok(Mapped { rows, position: *position })
    }

    /// Takes the rows of documents out that were purged as a whole: no change tells of them.
    fn forget_purged(
        &self,
        views: &[View<'_>],
        mut reached: Progress,
    ) -> Result<Progress, ViewError> {
        loop {
            match Purged::read(self.database, reached)? {
                Purged::Nothing => return Ok(reached),
                Purged::Forgotten => {
                    self.file.distrust();
                    reached = Progress::default();
                }
                Purged::Some { gone, last } => {
                    reached.purge_seq = last;
                    if reached.update_seq > 0 {
                        let without_rows = |id| DocRows { id, rows: Vec::new() };
                        let gone: Vec<DocRows> = gone.into_iter().map(without_rows).collect();
                        self.file.write(|pages| apply_batch(pages, views, &gone, reached))?;
                    }
                }
            }
        }
    }
}

/// Writes what is mapped.
struct Writer<'u, 'v> {
    update: &'u Update<'u>,
    views: &'v [View<'v>],
    reached: Progress,
    until: Seq,
}

impl Writer<'_, '_> {
    fn write_all(
        self,
        mapped: impl Iterator<Item = Result<Mapped, ViewError>>,
        is_new: bool,
    ) -> Result<(), ViewError> {
        let Self { update, views, mut reached, until } = self;
        let began = reached.update_seq;
        let mut builder = is_new.then(|| Builder::new(update.file, views)).transpose()?;
        for mapped in mapped {
            let Mapped { rows, position } = mapped?;
            reached.update_seq = position.0;
            match &mut builder {
                Some(builder) => rows.iter().try_for_each(|document| builder.add(document))?,
                None => update.file.write(|pages| apply_batch(pages, views, &rows, reached))?,
            }
            (update.progress)(position.0.saturating_sub(began), until.0 - began);
        }
        if let Some(builder) = builder {
            update.file.write(|pages| builder.finish(pages, reached))?;
        }
        Ok(())
    }
}

fn tracing_damage(what: &str) {
    tracing::warn!(what, "an index is damaged and starts anew");
}
