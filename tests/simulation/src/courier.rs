//! A transfer by CouchDB's protocol: changes, `_revs_diff`, revisions, `_bulk_docs`, checkpoint.

use std::io::Read as _;

use acl::Action;
use replication::{Change, LocalDatabase, Revision, Wanted};
use store::{
    Content as Bytes, Direction, DocumentLimits, Edit, EditError, Error, Intake, Lineage, LocalId,
    NewAttachment, UpdateSeq,
};

use crate::content::stage;
use crate::device::Role;
use crate::event::Job;
use crate::transfer::Way;
use crate::world::World;

/// Changes asked for at a time.
const CHANGES: usize = 20;

/// A revision on its way, and the bytes of its attachments as they are stored.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) revision: Revision,
    pub(crate) bytes: Vec<Vec<u8>>,
}

/// Revisions on their way, and the position behind them.
#[derive(Clone, Debug)]
pub(crate) struct Parcels {
    pub(crate) parcels: Vec<Parcel>,
    pub(crate) through: UpdateSeq,
}

/// How far it is.
#[derive(Debug, Default)]
pub(crate) struct Courier {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    /// The target asks for changes.
    #[default]
    Begin,
    /// The question is at the source.
    Asked(String),
    /// The changes are at the target.
    Changed(Vec<Change>, UpdateSeq),
    /// What is wanted of them is known at the source.
    Wanted(Vec<Wanted>, UpdateSeq),
    /// The revisions are at the target.
    Fetched(Parcels),
    /// Its disk is at work.
    Writing,
}

/// What a step leaves: the transfer goes on, or has everything up to a position.
pub(crate) type Step = Result<Option<UpdateSeq>, &'static str>;

const DOWN: &str = "a database cannot be read";

impl World {
    pub(crate) fn courier_step(
        &mut self,
        number: u64,
        courier: &mut Courier,
        target: usize,
        source: usize,
        db: usize,
    ) -> Step {
        match std::mem::take(&mut courier.stage) {
            Stage::Begin => {
                let since = self.courier_since(target, source, db).ok_or(DOWN)?;
                courier.stage = Stage::Asked(since);
                self.send(number, target, source);
            }
            Stage::Asked(since) => {
                let caller = self.devices[target].caller;
                if !self.devices[source].allows(caller, Action::Read, db) {
                    return Err("the source refuses");
                }
                let (changes, through) = self.changes(source, db, &since).ok_or(DOWN)?;
                if changes.is_empty() {
                    return Ok(Some(through));
                }
                courier.stage = Stage::Changed(changes, through);
                self.send(number, source, target);
            }
            Stage::Changed(changes, through) => {
                let wanted =
                    self.local(target, db).and_then(|local| local.revs_diff(&changes).ok());
                courier.stage = Stage::Wanted(wanted.ok_or(DOWN)?, through);
                self.send(number, target, source);
            }
            Stage::Wanted(wanted, through) => {
                let parcels = self.fetch(source, db, &wanted).ok_or(DOWN)?;
                courier.stage = Stage::Fetched(Parcels { parcels, through });
                self.send(number, source, target);
            }
            Stage::Fetched(parcels) => {
                courier.stage = Stage::Writing;
                if self.random.chance(self.profile.doubled) {
                    let parcels = parcels.clone();
                    self.ask_disk(target, Job::Deliver { transfer: number, parcels });
                }
                self.ask_disk(target, Job::Deliver { transfer: number, parcels });
            }
            Stage::Writing => return Err("a message that nobody asked for"),
        }
        Ok(None)
    }

    fn local(&self, device: usize, db: usize) -> Option<LocalDatabase> {
        let database = self.devices[device].database(db)?;
        Some(LocalDatabase::new(database.clone(), DocumentLimits::default()))
    }

    fn courier_since(&self, target: usize, source: usize, db: usize) -> Option<String> {
        let database = self.devices[target].database(db)?;
        let log = database.read(|snapshot| snapshot.local(&log_id(source))).ok()?;
        let since = log.map(|log| log.json.trim_matches(|c| c == '{' || c == '}').to_owned());
        let since = since.as_deref().and_then(|text| text.strip_prefix(r#""since":"#));
        Some(since.map_or_else(|| "0".into(), |text| text.trim_matches('"').to_owned()))
    }

    fn changes(&self, source: usize, db: usize, since: &str) -> Option<(Vec<Change>, UpdateSeq)> {
        let database = self.devices[source].database(db)?;
        let since = database.parse_since(since).ok()?;
        let changes = database
            .read(|snapshot| {
                let changes = snapshot.changes(since, Direction::Ascending, CHANGES)?;
                let last = changes.last().map(|change| change.seq);
                Ok::<_, Error>((changes, last.map_or_else(|| snapshot.update_seq(), Ok)?))
            })
            .ok()?;
        let leaves = |change: store::Change| Change {
            id: change.id,
            leaves: change.leaves.into_iter().map(|(rev, _)| rev).collect(),
        };
        Some((changes.0.into_iter().map(leaves).collect(), database.seq(changes.1)))
    }

    fn fetch(&self, source: usize, db: usize, wanted: &[Wanted]) -> Option<Vec<Parcel>> {
        let local = self.local(source, db)?;
        let fetched = local.revisions(wanted, usize::MAX).ok()?;
        let mut parcels = Vec::with_capacity(fetched.revisions.len());
        for revision in fetched.revisions {
            let mut all = Vec::with_capacity(revision.attachments.len());
            for attachment in &revision.attachments {
                let (mut reader, _) =
                    local.attachment(&revision.id, revision.rev()?, &attachment.name).ok()?;
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).ok()?;
                all.push(bytes);
            }
            parcels.push(Parcel { revision, bytes: all });
        }
        Some(parcels)
    }

    /// The target's disk writes what has come.
    pub(crate) fn deliver(&mut self, number: u64, parcels: Parcels) {
        let Some(transfer) = self.transfers.get(&number) else { return };
        let (target, source, db) = (transfer.target, transfer.source, transfer.db);
        if !self.devices[target].allows(self.devices[source].caller, Action::Write, db) {
            return self.end(number, Err("the target refuses"));
        }
        let through = parcels.through;
        let written = self.write_parcels(target, source, db, parcels.parcels);
        match written {
            Ok(true) => {
                let through = through.to_string();
                self.ask_disk(target, Job::Note { transfer: number, through });
            }
            Ok(false) => self.end(number, Err("the target holds too much back")),
            Err(_) => self.end(number, Err("the target cannot write")),
        }
    }

    /// Whether everything was taken that a further attempt could bring.
    fn write_parcels(
        &self,
        target: usize,
        source: usize,
        db: usize,
        parcels: Vec<Parcel>,
    ) -> Result<bool, Error> {
        let device = &self.devices[target];
        let Some(database) = device.database(db) else { return Err(Error::Closing) };
        let edits = parcels.into_iter().map(|parcel| edit(database, parcel));
        let edits = edits.collect::<Result<Vec<_>, Error>>()?;
        let now = device.local(self.now);
        let written = match device.role {
            Role::Own | Role::Friend => database.deliver(edits, now, self.devices[source].key)?,
            Role::Dumb | Role::Liar => database.write(edits, now)?,
        };
        Ok(!written.iter().any(|written| matches!(written, Err(EditError::TooManyHeld))))
    }

    /// The target's disk remembers how far it is, and the transfer goes on.
    pub(crate) fn note_courier(&mut self, number: u64, through: &str) {
        let Some(transfer) = self.transfers.get_mut(&number) else { return };
        let Way::Courier(courier) = &mut transfer.way else { return };
        courier.stage = Stage::Begin;
        let (target, source, db) = (transfer.target, transfer.source, transfer.db);
        let Some(database) = self.devices[target].database(db) else { return };
        let log = format!(r#"{{"since":"{through}"}}"#);
        match database.write_local(log_id(source), 0, Some(log)) {
            Ok(_) => self.signal_later(0, number, crate::event::Signal::Step),
            Err(_) => self.end(number, Err("the target cannot remember how far it is")),
        }
    }
}

fn edit(database: &store::Database, parcel: Parcel) -> Result<Edit, Error> {
    let Parcel { revision, bytes } = parcel;
    let mut attachments = Vec::with_capacity(bytes.len());
    for (described, bytes) in revision.attachments.into_iter().zip(bytes) {
        let intake = described.encoding.map_or(Intake::Plain, |_| Intake::Gzip);
        attachments.push(NewAttachment {
            name: described.name,
            content_type: Some(described.content_type),
            revpos: Some(described.revpos),
            content: Bytes::Staged(stage(database, &bytes, intake)?),
        });
    }
    Ok(Edit {
        id: revision.id,
        lineage: Lineage::Path(revision.path),
        deleted: revision.deleted,
        body: revision.body.into(),
        attachments,
    })
}

#[expect(clippy::expect_used, reason = "a number makes an id")]
fn log_id(source: usize) -> LocalId {
    format!("_local/courier-{source}").parse().expect("a local document's id")
}
