//! One batch of changes on its way: what the target lacks, part by part fetched and written.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use store::{DocId, RevId};

use super::exchange::{Answer, Call, Side, Task};
use super::{Phase, Replication, Running};
use crate::{Change, Fetched, PeerError, PeerSeq, Refusal, RefusalReason, Stats, Wanted};

/// Bytes of documents fetched at a time.
const FETCH_BYTES_MAX: usize = 8 << 20;

/// Leaves of one document written at a time: as many new branches as a hub takes in one request.
const LEAVES_MAX: usize = 50;

/// Changes on their way to the target.
#[derive(Debug)]
pub(super) struct Batch {
    number: u64,
    pub(super) last_seq: PeerSeq,
    pub(super) changes: usize,
    stage: Stage,
    /// Documents per part, where the target refused more.
    part_docs_max: usize,
}

#[derive(Debug)]
enum Stage {
    /// The target is asked what it lacks of these.
    Diff(Arc<[Change]>),
    /// The rest of what the target lacks, and the part that is fetched now, or written, as so many
    /// revisions.
    Moving { rest: VecDeque<Wanted>, part: Arc<[Wanted]>, writing: Option<usize> },
    /// The target has acknowledged everything.
    Done,
}

impl Batch {
    pub(super) fn new(number: u64, changes: Vec<Change>, last_seq: PeerSeq) -> Self {
        Self {
            number,
            last_seq,
            changes: changes.len(),
            stage: if changes.is_empty() { Stage::Done } else { Stage::Diff(changes.into()) },
            part_docs_max: usize::MAX,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// The next request, and for whom.
    fn next_call(&mut self, docs_max: usize) -> Option<(Side, Call)> {
        match &mut self.stage {
            Stage::Diff(changes) => Some((Side::Target, Call::Diff(Arc::clone(changes)))),
            Stage::Moving { rest, part, writing } => {
                *writing = None;
                if part.is_empty() {
                    *part = next_part(rest, docs_max.min(self.part_docs_max));
                }
                if part.is_empty() {
                    self.stage = Stage::Done;
                    return None;
                }
                let wanted = Arc::clone(part);
                Some((Side::Source, Call::Fetch { wanted, bytes_max: FETCH_BYTES_MAX }))
            }
            Stage::Done => None,
        }
    }

    /// Notes what the target lacks of what it was asked about.
    fn note_missing(&mut self, missing: Vec<Wanted>, stats: &mut Stats) {
        let Stage::Diff(changes) = &self.stage else { return };
        stats.missing_checked += changes.iter().map(|c| c.leaves.len() as u64).sum::<u64>();
        stats.missing_found += missing.iter().map(|wanted| wanted.revs.len() as u64).sum::<u64>();
        let rest = missing.into_iter().flat_map(few_leaves).collect();
        self.stage = Stage::Moving { rest, part: Arc::default(), writing: None };
    }

    /// Puts back what was not reached; returns how many documents were.
    fn put_back(&mut self, unanswered: Vec<Wanted>) -> usize {
        let Stage::Moving { rest, part, .. } = &mut self.stage else { return 0 };
        if !unanswered.is_empty() {
            let ids: HashSet<&DocId> = unanswered.iter().map(|wanted| &wanted.id).collect();
            *part = part.iter().filter(|wanted| !ids.contains(&wanted.id)).cloned().collect();
            unanswered.into_iter().rev().for_each(|wanted| rest.push_front(wanted));
        }
        part.len()
    }

    /// Ends the part that was written; what lacked attachments is fetched again with all of them.
    fn note_written(&mut self, refusals: Vec<Refusal>, stats: &mut Stats) {
        let Stage::Moving { rest, part, writing } = &mut self.stage else { return };
        let sent = writing.take().unwrap_or_default() as u64;
        stats.docs_written += sent.saturating_sub(refusals.len() as u64);
        let was_whole = |id: &DocId| part.iter().any(|wanted| wanted.id == *id && wanted.whole);
        for refusal in refusals {
            let Refusal { id, rev, reason } = refusal;
            match reason {
                RefusalReason::MissingStub if !was_whole(&id) => {
                    rest.push_front(Wanted { id, revs: vec![rev], ancestors: vec![], whole: true });
                }
                reason => {
                    tracing::debug!(%id, %rev, ?reason, "the target refused a revision");
                    stats.doc_write_failures += 1;
                }
            }
        }
        *part = Arc::default();
    }

    /// Makes the part smaller, down to one revision, which is then given up; whether that helped.
    fn shrink(&mut self, error: &PeerError, stats: &mut Stats) -> bool {
        let Stage::Moving { rest, part, writing } = &mut self.stage else { return false };
        let about_contents = match error {
            PeerError::TooLarge(_) => true,
            PeerError::Refused { status, .. } => {
                writing.is_some() && matches!(status, 400 | 412 | 422)
            }
            _ => false,
        };
        match &part[..] {
            _ if !about_contents => return false,
            [] => return false,
            [one] if one.revs.len() == 1 => {
                tracing::debug!(id = %one.id, error = %error.chain(), "a revision was given up");
                stats.doc_write_failures += 1;
            }
            [one] => {
                let single = |rev: &RevId| Wanted { revs: vec![rev.clone()], ..one.clone() };
                one.revs.iter().rev().for_each(|rev| rest.push_front(single(rev)));
                self.part_docs_max = 1;
            }
            several => {
                self.part_docs_max = several.len() / 2;
                several.iter().rev().for_each(|wanted| rest.push_front(wanted.clone()));
            }
        }
        *part = Arc::default();
        true
    }
}

/// Takes the next documents, no document twice.
fn next_part(rest: &mut VecDeque<Wanted>, docs_max: usize) -> Arc<[Wanted]> {
    let mut ids = HashSet::new();
    let docs = rest.iter().take(docs_max).take_while(|wanted| ids.insert(&wanted.id)).count();
    rest.drain(..docs).collect()
}

/// The same, at most [`LEAVES_MAX`] revisions each.
fn few_leaves(wanted: Wanted) -> Vec<Wanted> {
    if wanted.revs.len() <= LEAVES_MAX {
        return vec![wanted];
    }
    let chunk = |revs: &[RevId]| Wanted { revs: revs.to_vec(), ..wanted.clone() };
    wanted.revs.chunks(LEAVES_MAX).map(chunk).collect()
}

impl Running {
    fn batch(&mut self, number: u64) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|batch| batch.number == number)
    }

    pub(super) fn batch_side(&self, number: u64) -> Side {
        let batch = self.batches.iter().find(|batch| batch.number == number);
        match batch.map(|batch| &batch.stage) {
            Some(Stage::Moving { writing: None, .. }) => Side::Source,
            _ => Side::Target,
        }
    }
}

impl Replication {
    /// Sends the batch's next request, if it has one.
    pub(super) fn advance(&mut self, number: u64) {
        let Phase::Running(running) = &mut self.phase else { return };
        let docs_max = running.fetch_docs_max;
        let Some(batch) = running.batch(number) else { return };
        match batch.next_call(docs_max) {
            Some((side, call)) => self.exchange.send(Task::Batch(number), side, call),
            None => self.exchange.succeeded(Task::Batch(number)),
        }
    }

    pub(super) fn batch_answered(&mut self, number: u64, answer: Answer) -> Result<(), PeerError> {
        let Phase::Running(running) = &mut self.phase else { return Ok(()) };
        let Some(batch) = running.batch(number) else { return Ok(()) };
        match (answer, &mut batch.stage) {
            (Answer::Diff(missing), Stage::Diff(_)) => {
                batch.note_missing(missing, &mut self.stats);
            }
            (Answer::Fetched(fetched), Stage::Moving { writing: None, .. }) => {
                return self.fetched(number, fetched);
            }
            (Answer::Written(refusals), Stage::Moving { writing: Some(_), .. }) => {
                batch.note_written(refusals, &mut self.stats);
                self.exchange.succeeded(Task::Batch(number));
            }
            (_, _) => return Err(PeerError::Answer("to another question".into())),
        }
        self.advance(number);
        Ok(())
    }

    /// Hands what was fetched to the target.
    fn fetched(&mut self, number: u64, fetched: Fetched) -> Result<(), PeerError> {
        let Phase::Running(running) = &mut self.phase else { return Ok(()) };
        let Fetched { mut revisions, missing, refused, unanswered, bulk } = fetched;
        let complete = unanswered.is_empty();
        let Some(batch) = running.batch(number) else { return Ok(()) };
        let answered = batch.put_back(unanswered);
        if answered == 0 {
            return Err(PeerError::Answer("none of the documents asked for".into()));
        }
        let Stage::Moving { part, writing, .. } = &mut batch.stage else { return Ok(()) };
        for revision in revisions.iter_mut().filter(|revision| !revision.attachments.is_empty()) {
            let wanted = part.iter().find(|wanted| wanted.id == revision.id && !wanted.whole);
            if let Some(wanted) = wanted {
                revision.spare_attachments(&wanted.ancestors);
            }
        }
        let nothing = revisions.is_empty();
        if nothing {
            *part = Arc::default();
        }
        *writing = (!nothing).then_some(revisions.len());
        running.fetch_docs_max = match complete {
            true => (running.fetch_docs_max * 2).min(self.spec.batch_changes_max),
            false => answered,
        };
        if missing > 0 {
            tracing::debug!(missing, "the source no longer has revisions that it lists");
        }
        self.stats.docs_read += revisions.len() as u64;
        self.stats.doc_write_failures += refused;
        self.stats.bulk.attempts += bulk.attempts;
        self.stats.bulk.docs += bulk.docs;
        if nothing {
            self.exchange.succeeded(Task::Batch(number));
            self.advance(number);
        } else {
            self.exchange.send(Task::Batch(number), Side::Target, Call::Write(revisions));
        }
        Ok(())
    }

    /// After an error that a smaller request may avoid.
    pub(super) fn ask_for_less(&mut self, number: u64, error: &PeerError) -> bool {
        let Phase::Running(running) = &mut self.phase else { return false };
        let Some(batch) = running.batch(number) else { return false };
        let helped = batch.shrink(error, &mut self.stats);
        if helped {
            self.advance(number);
        }
        helped
    }

    /// After any other error: the revisions went with the request, so they are fetched anew.
    pub(super) fn begin_part_again(&mut self, number: u64) {
        let Phase::Running(running) = &mut self.phase else { return };
        if let Some(batch) = running.batch(number)
            && let Stage::Moving { writing, .. } = &mut batch.stage
        {
            *writing = None;
        }
    }
}
