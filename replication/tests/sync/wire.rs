//! A pull between two sites, step by step in an order that follows from a seed, over a connection that breaks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use replication::PeerError;
use replication::sync::{
    Action, Arrival, BatchSize, Checkpoint, Delivered, Event, Inflow, Pull, PullSpec, Question,
    QuestionId, Sent, Source, SourceOptions, SyncError, SyncFilter, SyncOutcome, SyncRequest,
    Target, WantedRequest,
};
use store::{Database, DocumentLimits};

use crate::random::Random;
use crate::site::Site;

/// Steps after which a run is taken to go round in circles.
const STEPS_MAX: usize = 2_000_000;

/// How often things go wrong, in ten thousand.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The connection breaks.
    pub(crate) cut: u64,
    /// A piece is lost, doubled, or changed in one byte.
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) changed: u64,
    /// The target's hub dies.
    pub(crate) crash: u64,
    pub(crate) edit_source: u64,
    pub(crate) edit_target: u64,
}

impl Faults {
    pub(crate) const NONE: Self =
        Self { cut: 0, lost: 0, doubled: 0, changed: 0, crash: 0, edit_source: 0, edit_target: 0 };
    pub(crate) const ALL: Self = Self {
        cut: 20,
        lost: 60,
        doubled: 60,
        changed: 60,
        crash: 10,
        edit_source: 40,
        edit_target: 40,
    };
}

/// What came of a run.
pub(crate) struct Run {
    /// Absent when the hub died.
    pub(crate) outcome: Option<SyncOutcome>,
    /// What the source sent in answer to the question for changes.
    pub(crate) feed: Sent,
    /// What it sent of what was asked for by name.
    pub(crate) named: Sent,
    pub(crate) questions: usize,
}

impl Run {
    /// That it caught up, and left nothing out.
    pub(crate) fn completed(self) -> Self {
        let outcome = self.outcome.as_ref().unwrap();
        assert!(outcome.ending.is_ok(), "{:?}", outcome.ending);
        assert_eq!(outcome.skipped, []);
        self
    }
}

/// A target that pulls from a source.
pub(crate) struct Wire<'a> {
    pub(crate) source: &'a Site,
    pub(crate) target: &'a Site,
    pub(crate) filter: SyncFilter,
    pub(crate) limits: DocumentLimits,
    pub(crate) options: SourceOptions,
    pub(crate) spec: PullSpec,
    pub(crate) judge: Option<Arc<dyn replication::Judge>>,
    pub(crate) delivered: Option<Arc<Delivered>>,
    /// The deliberate bug.
    #[cfg(feature = "deliberate-bugs")]
    pub(crate) remembers_early: bool,
}

struct Stream {
    source: Source,
    inflow: Inflow,
    /// Sent, and not here yet.
    sent: BytesMut,
    is_feed: bool,
}

impl<'a> Wire<'a> {
    pub(crate) fn new(source: &'a Site, target: &'a Site) -> Self {
        Self {
            source,
            target,
            filter: SyncFilter::default(),
            limits: DocumentLimits::default(),
            options: options(BatchSize::default()),
            spec: PullSpec::new(0),
            judge: None,
            delivered: None,
            #[cfg(feature = "deliberate-bugs")]
            remembers_early: false,
        }
    }

    pub(crate) fn batches_of(mut self, documents: usize) -> Self {
        self.options.batch.documents = documents;
        self
    }

    pub(crate) fn selecting(
        mut self,
        selector: &str,
        select: Arc<dyn replication::Select>,
    ) -> Self {
        self.filter.selector = Some(selector.into());
        self.options.select = Some(select);
        self
    }

    pub(crate) fn target(&self) -> Target {
        let database = Arc::clone(self.target.database());
        let mut target = Target::new(database, &self.source.name, &self.filter, self.limits);
        if let Some(judge) = &self.judge {
            target = target.judged_by(Arc::clone(judge));
        }
        if let Some(delivered) = &self.delivered {
            target = target.noting(Arc::clone(delivered));
        }
        target
    }

    pub(crate) fn checkpoint(&self) -> Option<Checkpoint> {
        self.target().checkpoint().unwrap()
    }

    pub(crate) fn run(&self, faults: Faults, random: &mut Random) -> Run {
        let target = self.target();
        let mut pull = Pull::new(self.spec.clone(), self.target.now());
        #[cfg(feature = "deliberate-bugs")]
        if self.remembers_early {
            pull = pull.remembering_early();
        }
        let mut streams: BTreeMap<QuestionId, Stream> = BTreeMap::new();
        let mut work: Vec<Action> = Vec::new();
        let mut run =
            Run { outcome: None, feed: Sent::default(), named: Sent::default(), questions: 0 };
        for _ in 0..STEPS_MAX {
            while let Some(action) = pull.poll() {
                match action {
                    Action::Ask(id, question) => {
                        run.questions += 1;
                        streams.insert(id, self.stream(&target, &question));
                    }
                    Action::Drop(id) => drop(streams.remove(&id)),
                    Action::Look | Action::Take(..) | Action::Remember(_) => work.push(action),
                }
            }
            run.outcome = pull.take_outcome();
            if run.outcome.is_some() || happens(faults.crash, random) {
                return run;
            }
            if happens(faults.edit_source, random) {
                self.source.edit_some(random);
            }
            if happens(faults.edit_target, random) {
                self.target.edit_some(random);
            }
            let chosen = random.below((work.len() + streams.len()) as u64) as usize;
            let event = if chosen < work.len() {
                Some(self.perform(work.swap_remove(chosen), &target))
            } else {
                let id = streams.keys().nth(chosen - work.len()).copied();
                let id = id.expect("a pull that is not over waits for something");
                self.step(id, &mut streams, &pull, &mut run, faults, random)
            };
            if let Some(event) = event {
                pull.handle(event, self.target.now());
            }
        }
        panic!("the pull goes round in circles: {:?}", pull.progress());
    }

    /// Asks, as JSON.
    fn stream(&self, target: &Target, question: &Question) -> Stream {
        let json = question.to_json();
        let read = match question {
            Question::Sync(_) => SyncRequest::parse(json.as_bytes()).map(Question::Sync),
            Question::Wanted(_) => WantedRequest::parse(json.as_bytes()).map(Question::Wanted),
        };
        assert_eq!(read.as_ref(), Ok(question));
        let database = Arc::clone(self.source.database());
        Stream {
            source: Source::new(database, read.unwrap(), self.options.clone()),
            inflow: target.inflow(),
            sent: BytesMut::new(),
            is_feed: matches!(question, Question::Sync(_)),
        }
    }

    fn perform(&self, action: Action, target: &Target) -> Event {
        match action {
            Action::Look => Event::Looked(target.look()),
            Action::Take(id, delivery) => {
                Event::Taken(id, target.take(delivery, self.target.now()))
            }
            Action::Remember(checkpoint) => Event::Remembered(target.remember(&checkpoint)),
            Action::Ask(..) | Action::Drop(_) => unreachable!("no work for the store"),
        }
    }

    /// Moves some bytes of an answer, or takes in what they say.
    fn step(
        &self,
        id: QuestionId,
        streams: &mut BTreeMap<QuestionId, Stream>,
        pull: &Pull,
        run: &mut Run,
        faults: Faults,
        random: &mut Random,
    ) -> Option<Event> {
        let stream = streams.get_mut(&id)?;
        if happens(faults.cut, random) {
            streams.remove(&id);
            let error = PeerError::Unreachable("the connection broke".into());
            return Some(Event::Broken(id, SyncError::Ask(error)));
        }
        if stream.inflow.is_ready() {
            if !pull.is_ready(id) {
                return None;
            }
            let event = match stream.inflow.next() {
                Ok(None) => return None,
                Ok(Some(arrival)) => {
                    if matches!(arrival, Arrival::End(_) | Arrival::Refused(_)) {
                        streams.remove(&id);
                    }
                    Event::Arrived(id, arrival)
                }
                Err(error) => {
                    streams.remove(&id);
                    Event::Broken(id, error)
                }
            };
            return Some(event);
        }
        if stream.sent.is_empty() {
            let before = stream.source.sent();
            let piece = stream.source.next_piece();
            let sent = if stream.is_feed { &mut run.feed } else { &mut run.named };
            add(sent, before, stream.source.sent());
            let Some(piece) = piece else {
                let over = stream.inflow.end();
                streams.remove(&id);
                return over.err().map(|error| Event::Broken(id, error));
            };
            stream.sent = spoilt(&piece, faults, random);
        }
        let most = [1, 50, 5_000, 500_000][random.below(4) as usize];
        let bytes = stream.sent.len().min(random.below(most) as usize + 1);
        stream.inflow.push(&stream.sent.split_to(bytes));
        None
    }
}

/// A piece as it arrives.
fn spoilt(piece: &Bytes, faults: Faults, random: &mut Random) -> BytesMut {
    let mut bytes = BytesMut::from(&piece[..]);
    if happens(faults.lost, random) {
        bytes.clear();
    }
    if happens(faults.doubled, random) {
        bytes.extend_from_slice(piece);
    }
    if happens(faults.changed, random) && !bytes.is_empty() {
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
    }
    bytes
}

fn add(sum: &mut Sent, before: Sent, after: Sent) {
    sum.documents += after.documents - before.documents;
    sum.revisions += after.revisions - before.revisions;
    sum.parcel_bytes += after.parcel_bytes - before.parcel_bytes;
    sum.bytes += after.bytes - before.bytes;
}

fn happens(in_ten_thousand: u64, random: &mut Random) -> bool {
    random.below(10_000) < in_ten_thousand
}

/// A source without rights to check.
pub(crate) fn options(batch: BatchSize) -> SourceOptions {
    SourceOptions { policy_version: 0, select: None, visible: None, delivered: None, batch }
}

/// Every revision of every tree, for whoever wants more than equal leaves.
pub(crate) fn trees(database: &Database) -> BTreeMap<String, Vec<String>> {
    let read = |snapshot: &store::Snapshot<'_>| {
        let changes = snapshot.changes(store::Seq(0), store::Direction::Ascending, usize::MAX)?;
        let tree = |change: store::Change| {
            let document = snapshot.tree(&change.id)?.unwrap();
            let revs = document.tree.nodes().map(|node| node.rev.to_string()).collect();
            Ok((change.id.to_string(), revs))
        };
        changes.into_iter().map(tree).collect()
    };
    database.read::<_, store::Error>(read).unwrap()
}
