//! A transfer by `larder-sync/1`: the target's state machine, and answers that stream to it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use acl::{Action, Caller, Resource};
use replication::sync::{
    self, BatchSize, Checkpoint, Delivered, Delivery, Event as Told, Inflow, ParseRequestError,
    Pull, PullSpec, Question, QuestionId, RefusalCode, Source, SourceOptions, SyncError,
    SyncFilter, SyncRefusal, SyncRequest, TakeId, Target, Visible, WantedRequest,
};
use store::{DbName, DbUuid, DocumentLimits};

use crate::bug::Bug;
use crate::courier::Step;
use crate::device::{DATABASES, Role, SharedPolicies, db_name};
use crate::event::{Event, Job, Signal};
use crate::network::{Fate, TIMEOUT_MS};
use crate::transfer::{Transfer, Way};
use crate::world::World;

/// Pieces of an answer that never ends after which even a liar is tired of it.
const ENDLESS_PIECES: u32 = 300;

/// Leaves that a device remembers of what a peer has brought.
const DELIVERED_MAX: usize = 64;

/// One of them.
pub(crate) struct Pulling {
    pull: Pull,
    target: Target,
    answers: BTreeMap<QuestionId, Answer>,
}

/// An answer on its way.
struct Answer {
    /// Where its pieces come from; `None` before the question is there.
    source: Option<Source>,
    inflow: Inflow,
    lie: Lie,
    /// What came last, for those who say it again and again.
    last: Vec<u8>,
    pieces: u32,
}

/// What a source that lies does to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    /// One bit is another.
    Bit,
    /// It never ends.
    Endless,
    /// It is anything.
    Noise,
}

/// What happens to an answer.
#[derive(Debug)]
pub(crate) enum Stream {
    /// The question is at the source.
    Asked(Question),
    /// The source sends the next piece.
    Piece,
    /// Bytes are at the target.
    Bytes(Vec<u8>),
    /// Its end is at the target.
    Over,
    /// The connection broke.
    Broken,
}

/// Whether the target may still read, asked before every piece.
struct Gate {
    policies: SharedPolicies,
    caller: Caller<'static>,
    name: DbName,
    uuid: DbUuid,
}

impl Visible for Gate {
    fn check(&self) -> Result<(), SyncRefusal> {
        let policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let resource = Resource::Database { name: &self.name, uuid: Some(self.uuid) };
        match policies.decide(self.caller, Action::Read, resource).is_allowed() {
            true => Ok(()),
            false => Err(SyncRefusal::new(RefusalCode::Forbidden, "not any more")),
        }
    }
}

impl World {
    /// Begins to pull; `None` while either side is down.
    pub(crate) fn pulling(&mut self, target: usize, source: usize, db: usize) -> Option<Pulling> {
        let database = Arc::clone(self.devices[target].database(db)?);
        let filter = SyncFilter::default();
        let peer = self.devices[source].key;
        let delivered = self.devices[target].delivered_by(source);
        let policy_version = self.policy_version(target, db)?;
        let now = self.devices[target].local(self.now);
        let target =
            Target::new(database, peer, &filter, DocumentLimits::default()).noting(delivered);
        let target = self.with_room(target, self.transfers_begun)?;
        let spec = PullSpec { policy_version, retry: Vec::new(), documents_max: 4096 };
        let pull = Pull::new(spec, now);
        #[cfg(feature = "deliberate-bugs")]
        let pull = match self.bug {
            Some(Bug::Checkpoint) => pull.remembering_early(),
            Some(_) | None => pull,
        };
        Some(Pulling { pull, target, answers: BTreeMap::new() })
    }

    /// Does what the state machine asks for, until it waits.
    pub(crate) fn pull_step(
        &mut self,
        number: u64,
        pulling: &mut Pulling,
        target: usize,
        source: usize,
    ) -> Step {
        let now = self.devices[target].local(self.now);
        loop {
            let arrived = pulling.take_arrivals(now);
            match pulling.pull.poll() {
                Some(sync::Action::Look) => {
                    let looked = pulling.target.look();
                    pulling.pull.handle(Told::Looked(looked), now);
                }
                Some(sync::Action::Ask(id, question)) => {
                    let lie = self.lie(source);
                    let inflow = pulling.target.inflow();
                    let answer = Answer { source: None, inflow, lie, last: Vec::new(), pieces: 0 };
                    pulling.answers.insert(id, answer);
                    self.send_question(number, id, target, source, question);
                }
                Some(sync::Action::Drop(id)) => drop(pulling.answers.remove(&id)),
                Some(sync::Action::Take(id, delivery)) => {
                    self.ask_disk(
                        target,
                        Job::Take { transfer: number, id, delivery: Box::new(delivery) },
                    );
                }
                Some(sync::Action::Remember(checkpoint)) => {
                    self.ask_disk(target, Job::Remember { transfer: number, checkpoint });
                }
                None if arrived => {}
                None => break,
            }
        }
        let Some(outcome) = pulling.pull.take_outcome() else { return Ok(None) };
        self.trace_line(|_| {
            let skipped: Vec<String> =
                outcome.skipped.iter().map(|one| format!("{one:?}")).collect();
            format!("transfer {number}: {:?} {}", outcome.ending, skipped.join(", "))
        });
        match outcome.ending {
            Ok(_) if outcome.postponed => Err("there was no room for some of it"),
            Ok(through) => Ok(Some(through)),
            Err(_) => Err("the sync did not get through"),
        }
    }

    fn lie(&mut self, source: usize) -> Lie {
        if self.calm || self.devices[source].role != Role::Liar {
            return Lie::None;
        }
        let lies = [Lie::None, Lie::None, Lie::Bit, Lie::Endless, Lie::Noise];
        self.random.pick(&lies).copied().unwrap_or(Lie::None)
    }

    fn send_question(
        &mut self,
        number: u64,
        id: QuestionId,
        target: usize,
        source: usize,
        question: Question,
    ) {
        match self.network.send(target, source, &self.profile, &mut self.random) {
            Fate::Arrives(after) => {
                self.signal_later(after, number, Signal::Stream(id, Stream::Asked(question)));
            }
            Fate::Lost => {
                self.signal_later(TIMEOUT_MS, number, Signal::Stream(id, Stream::Broken));
            }
        }
    }

    /// Something happened to an answer.
    pub(crate) fn stream(
        &mut self,
        number: u64,
        pulling: &mut Pulling,
        (target, source, db): (usize, usize, usize),
        id: QuestionId,
        stream: Stream,
    ) -> Step {
        let now = self.devices[target].local(self.now);
        let Some(answer) = pulling.answers.get_mut(&id) else { return Ok(None) };
        match stream {
            Stream::Asked(question) => {
                let Ok(question) = as_read(&question) else {
                    return Err("the source cannot read the question");
                };
                let Some(made) = self.source(target, source, db, &question) else {
                    return Err("the source is down");
                };
                if self.random.chance(self.profile.doubled)
                    && let Some(mut again) = self.source(target, source, db, &question)
                {
                    // Nobody listens to the second answer.
                    while again.next_piece().is_some() {}
                }
                answer.source = Some(made);
                self.send_piece(number, id, answer, target, source);
            }
            Stream::Piece => self.send_piece(number, id, answer, target, source),
            Stream::Bytes(bytes) => answer.inflow.push(&bytes),
            Stream::Over => {
                // What is ready is handed in first.
                while pulling.take_arrivals(now) {}
                if let Some(answer) = pulling.answers.remove(&id)
                    && let Err(error) = answer.inflow.end()
                {
                    pulling.pull.handle(Told::Broken(id, error), now);
                }
            }
            Stream::Broken => {
                pulling.answers.remove(&id);
                pulling.pull.handle(Told::Broken(id, SyncError::Cut), now);
            }
        }
        self.pull_step(number, pulling, target, source)
    }

    fn source(
        &mut self,
        target: usize,
        source: usize,
        db: usize,
        question: &Question,
    ) -> Option<Source> {
        let database = Arc::clone(self.devices[source].database(db)?);
        let version_of = if self.devices[source].role == Role::Liar { target } else { source };
        let policy_version = self.policy_version(version_of, db)?;
        let device = &self.devices[source];
        let gate = Gate {
            policies: Arc::clone(&device.policies),
            caller: self.devices[target].caller,
            name: db_name(DATABASES[db]),
            uuid: device.uuids[db],
        };
        let documents = self.random.between(1, 12) as usize;
        let options = SourceOptions {
            policy_version,
            select: None,
            visible: Some(Arc::new(gate)),
            delivered: Some(self.devices[source].delivered_by(target)),
            batch: BatchSize { documents, bytes: 4096 },
        };
        Some(Source::new(database, question.clone(), options))
    }

    /// Sends the next piece of an answer, in one part or several, or a part of it and no more.
    fn send_piece(
        &mut self,
        number: u64,
        id: QuestionId,
        answer: &mut Answer,
        target: usize,
        source: usize,
    ) {
        let after = match self.network.send(source, target, &self.profile, &mut self.random) {
            Fate::Arrives(after) => after,
            Fate::Lost => {
                return self.signal_later(TIMEOUT_MS, number, Signal::Stream(id, Stream::Broken));
            }
        };
        let Some(mut bytes) = answer.next_piece(&mut self.random) else {
            return self.signal_later(after, number, Signal::Stream(id, Stream::Over));
        };
        if !self.calm && self.random.chance(self.profile.cut) {
            bytes.truncate(self.random.below(bytes.len() as u64) as usize);
            self.signal_later(after, number, Signal::Stream(id, Stream::Bytes(bytes)));
            return self.signal_later(after + 1, number, Signal::Stream(id, Stream::Broken));
        }
        let rest = match self.random.chance(20) {
            true => bytes.split_off(self.random.below(bytes.len() as u64) as usize),
            false => Vec::new(),
        };
        self.signal_later(after, number, Signal::Stream(id, Stream::Bytes(bytes)));
        if !rest.is_empty() {
            self.signal_later(after + 1, number, Signal::Stream(id, Stream::Bytes(rest)));
        }
        // Pieces of one answer keep their order; those of others overtake them.
        self.signal_later(after + 1, number, Signal::Stream(id, Stream::Piece));
    }

    /// The target's disk compares and writes what has come.
    pub(crate) fn take(&mut self, number: u64, id: TakeId, delivery: Delivery) {
        let Some(Transfer { target, source, db, .. }) = self.transfers.get(&number) else { return };
        let (target, source, db) = (*target, *source, *db);
        if !self.devices[target].allows(self.devices[source].caller, Action::Write, db) {
            return self.end(number, Err("the target refuses"));
        }
        let now = self.devices[target].local(self.now);
        self.tell(number, |pulling| Told::Taken(id, pulling.target.take(delivery, now)));
    }

    /// The target's disk remembers how far the transfer is.
    pub(crate) fn remember(&mut self, number: u64, checkpoint: &Checkpoint) {
        self.tell(number, |pulling| Told::Remembered(pulling.target.remember(checkpoint)));
    }

    /// Does something for a transfer, and tells it what came of that.
    fn tell(&mut self, number: u64, work: impl FnOnce(&Pulling) -> Told) {
        let Some(transfer) = self.transfers.get_mut(&number) else { return };
        let now = self.devices[transfer.target].local(self.now);
        let Way::Pull(pulling) = &mut transfer.way else { return };
        let told = work(pulling);
        pulling.pull.handle(told, now);
        self.agenda.add(self.now, Event::Signal(number, Signal::Step));
    }

    fn policy_version(&self, device: usize, db: usize) -> Option<u64> {
        match self.bug {
            Some(Bug::Policies) => Some(0),
            Some(_) | None => self.rule(device, db).map(|rule| rule.version),
        }
    }
}

/// A question as the source reads it from its text.
fn as_read(question: &Question) -> Result<Question, ParseRequestError> {
    let json = question.to_json();
    match question {
        Question::Sync(_) => SyncRequest::parse(json.as_bytes()).map(Question::Sync),
        Question::Wanted(_) => WantedRequest::parse(json.as_bytes()).map(Question::Wanted),
    }
}

impl Pulling {
    /// Hands in what has arrived; whether there was anything.
    fn take_arrivals(&mut self, now: store::Millis) -> bool {
        let mut any = false;
        let ids: Vec<QuestionId> = self.answers.keys().copied().collect();
        for id in ids {
            while self.pull.is_ready(id)
                && let Some(answer) = self.answers.get_mut(&id)
            {
                match answer.inflow.next() {
                    Ok(None) => break,
                    Ok(Some(arrival)) => self.pull.handle(Told::Arrived(id, arrival), now),
                    Err(error) => {
                        self.answers.remove(&id);
                        self.pull.handle(Told::Broken(id, error), now);
                    }
                }
                any = true;
            }
        }
        any
    }
}

impl Answer {
    fn next_piece(&mut self, random: &mut crate::random::Random) -> Option<Vec<u8>> {
        let piece = self.source.as_mut()?.next_piece().map(|bytes| bytes.to_vec());
        self.pieces += 1;
        match self.lie {
            Lie::None => piece,
            Lie::Bit => piece.map(|mut bytes| {
                let bit = random.below(8 * bytes.len() as u64) as usize;
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
                bytes
            }),
            Lie::Endless => match piece {
                Some(bytes) => {
                    self.last.clone_from(&bytes);
                    Some(bytes)
                }
                None => (self.pieces < ENDLESS_PIECES).then(|| self.last.clone()),
            },
            Lie::Noise => piece.map(|bytes| bytes.iter().map(|_| random.next() as u8).collect()),
        }
    }
}

impl crate::device::Device {
    /// What a peer has brought here, as far as it is remembered.
    fn delivered_by(&mut self, peer: usize) -> Arc<Delivered> {
        let made = || Arc::new(Delivered::new(DELIVERED_MAX));
        Arc::clone(self.delivered.entry(peer).or_insert_with(made))
    }
}
