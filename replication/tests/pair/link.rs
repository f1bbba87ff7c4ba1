//! A replication between two sites, its messages travelling in virtual time.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use replication::{
    Answer, Call, Feed, Incoming, LocalDatabase, Outcome, PeerError, Progress, Replication,
    Request, RequestId, Revision, SessionId, Side, Spec, Transfer,
};
use store::{Intake, LocalId, Millis, Staged};

use crate::random::Random;
use crate::site::Site;

/// How long a lost message is waited for.
const TIMEOUT_MS: u64 = 1_000;

/// How long a longpoll waits.
const LONGPOLL_MS: u64 = 60_000;

/// Steps after which a run is taken to go round in circles.
const STEPS_MAX: usize = 200_000;

/// How often things go wrong, in a hundred.
pub(crate) struct Faults {
    lost: u64,
    doubled: u64,
    crash: u64,
    edit_source: u64,
    edit_target: u64,
}

impl Faults {
    pub(crate) const NONE: Self =
        Self { lost: 0, doubled: 0, crash: 0, edit_source: 0, edit_target: 0 };
    pub(crate) const ALL: Self =
        Self { lost: 8, doubled: 10, crash: 1, edit_source: 2, edit_target: 2 };
    /// Of the link and of one side only, so that one replication suffices for the two to agree.
    pub(crate) const ONE_WAY: Self = Self { lost: 10, crash: 0, edit_target: 0, ..Self::ALL };
}

/// How a run ended.
pub(crate) enum Ending {
    Over(Outcome),
    /// The hub that ran it died; what it had written stays.
    Crashed,
    /// The time given to it is up.
    TimeUp,
}

/// A replication and the messages it has under way.
pub(crate) struct Link<'a> {
    source: &'a Site,
    target: &'a Site,
    log_id: LocalId,
    replication: Replication,
    now: Millis,
    /// By time of arrival, then in the order of sending.
    messages: BTreeMap<(Millis, u64), Message>,
    sent: u64,
}

enum Message {
    Request { request: Request, waits_until: Millis },
    Answer(RequestId, Result<Answer, PeerError>),
}

impl<'a> Link<'a> {
    pub(crate) fn new(source: &'a Site, target: &'a Site, spec: Spec, random: &mut Random) -> Self {
        let log_id = spec.id.log_id();
        let now = source.now();
        let session_id = SessionId::from_random(u128::from(random.next()));
        let replication = Replication::new(spec, session_id, random.next(), now);
        Self { source, target, log_id, replication, now, messages: BTreeMap::new(), sent: 0 }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.replication.progress()
    }

    pub(crate) fn cancel(&mut self) {
        self.replication.cancel(self.now);
    }

    /// Runs to the end.
    pub(crate) fn run(mut self, faults: &Faults, random: &mut Random) -> Ending {
        self.run_for(u64::MAX / 2, faults, random)
    }

    /// Runs for some time.
    pub(crate) fn run_for(&mut self, ms: u64, faults: &Faults, random: &mut Random) -> Ending {
        let end = Millis(self.now.0 + ms);
        for _ in 0..STEPS_MAX {
            while let Some(request) = self.replication.poll() {
                self.send(&request, faults, random);
            }
            if let Some(outcome) = self.replication.take_outcome() {
                return Ending::Over(outcome);
            }
            if random.chance(faults.crash) {
                return Ending::Crashed;
            }
            if random.chance(faults.edit_source) {
                self.source.edit_some(random);
            }
            if random.chance(faults.edit_target) {
                self.target.edit_some(random);
            }
            if !self.step(end, faults, random) {
                self.now = end;
                return Ending::TimeUp;
            }
        }
        panic!("the replication goes round in circles: {:?}", self.progress());
    }

    /// Goes on to whatever happens next; whether that is before the end.
    fn step(&mut self, end: Millis, faults: &Faults, random: &mut Random) -> bool {
        let arrival = self.messages.first_key_value().map(|((at, _), _)| *at);
        let timeout = self.replication.next_timeout();
        let next = arrival.into_iter().chain(timeout).min();
        let next = next.expect("a replication that is not over waits for something");
        if next > end {
            return false;
        }
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, message) = self.messages.pop_first().unwrap();
            self.arrive(message, faults, random);
        } else {
            self.replication.handle_timeout(self.now);
        }
        true
    }

    fn send(&mut self, request: &Request, faults: &Faults, random: &mut Random) {
        if random.chance(faults.lost) {
            return self.lose(request.id);
        }
        let copies = 1 + u64::from(random.chance(faults.doubled));
        for _ in 0..copies {
            let waits_until = Millis(self.now.0 + LONGPOLL_MS);
            let message = Message::Request { request: request.clone(), waits_until };
            self.post(message, 1 + random.below(300));
        }
    }

    fn lose(&mut self, id: RequestId) {
        let lost = PeerError::Unreachable("the link lost a message".into());
        self.post(Message::Answer(id, Err(lost)), TIMEOUT_MS);
    }

    fn post(&mut self, message: Message, ms: u64) {
        self.sent += 1;
        self.messages.insert((Millis(self.now.0 + ms), self.sent), message);
    }

    fn arrive(&mut self, message: Message, faults: &Faults, random: &mut Random) {
        match message {
            Message::Answer(id, result) => self.replication.handle(id, result, self.now),
            Message::Request { request, waits_until } => {
                let id = request.id;
                let longpoll =
                    matches!(&request.call, Call::Changes(query) if query.feed == Feed::Longpoll);
                let result = self.perform(&request);
                let nothing =
                    matches!(&result, Ok(Answer::Changes(batch)) if batch.changes.is_empty());
                if longpoll && nothing && self.now < waits_until {
                    return self.post(Message::Request { request, waits_until }, 50);
                }
                if random.chance(faults.lost) {
                    return self.lose(id);
                }
                self.post(Message::Answer(id, result), 1 + random.below(300));
            }
        }
    }

    /// What the site asked does and answers.
    fn perform(&self, request: &Request) -> Result<Answer, PeerError> {
        let site = match request.side {
            Side::Source => self.source,
            Side::Target => self.target,
        };
        let database = site.local();
        let log_id = || self.log_id.clone();
        Ok(match request.call.clone() {
            Call::Info => Answer::Info(database.info()?),
            Call::Create => unreachable!("the sites are there"),
            Call::ReadLog => Answer::Log(database.local(&log_id())?),
            Call::WriteLog(log) => Answer::LogWritten(database.write_local(log_id(), log)?),
            Call::Commit => Answer::Committed(database.info()?.instance),
            Call::Changes(query) => Answer::Changes(database.changes(&query)?),
            Call::Diff(changes) => Answer::Diff(database.revs_diff(&changes)?),
            Call::Fetch { wanted, .. } => Answer::Fetched(database.revisions(&wanted, 60)?),
            Call::Write(revisions) => {
                let source = self.source.local();
                let incoming = revisions.into_iter().map(|one| stage(one, &source, &database));
                let incoming = incoming.collect::<Result<_, PeerError>>()?;
                Answer::Written(database.write(incoming, None, None, site.now())?)
            }
        })
    }
}

/// Brings over the bytes of the attachments that a revision adds.
fn stage(
    revision: Revision,
    source: &LocalDatabase,
    target: &LocalDatabase,
) -> Result<Incoming, PeerError> {
    let rev = revision.rev().unwrap().clone();
    let bring = |name: &str| -> Result<Staged, PeerError> {
        let (mut reader, described) = source.attachment(&revision.id, &rev, name)?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        let intake = described.encoding.map_or(Intake::Plain, |_| Intake::Gzip);
        let mut writer = target.database().stage(u64::MAX, intake)?;
        writer.write_all(&bytes).unwrap();
        Ok(writer.finish()?)
    };
    let staged = revision.attachments.iter().map(|attachment| match attachment.transfer {
        Transfer::Stub => Ok(None),
        Transfer::Bytes => bring(&attachment.name).map(Some),
    });
    let staged = staged.collect::<Result<_, PeerError>>()?;
    Ok(Incoming { revision, staged })
}
