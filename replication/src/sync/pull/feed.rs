//! The answer to the question for changes.

use store::{Seq, UpdateSeq};

use super::QuestionId;
use crate::sync::{Arrival, Begin, Delivery, Misbehaviour};

/// How far the answer has come.
#[derive(Debug)]
pub(super) struct FeedAnswer {
    pub(super) id: QuestionId,
    since: Option<UpdateSeq>,
    pub(super) begin: Option<Begin>,
    /// Where the next batch has to begin.
    next: Seq,
    documents: u64,
    /// Where it ended.
    pub(super) end: Option<Seq>,
}

impl FeedAnswer {
    pub(super) fn new(id: QuestionId, since: Option<UpdateSeq>) -> Self {
        Self { id, since, begin: None, next: Seq(0), documents: 0, end: None }
    }

    /// Checks that what came goes on where the last ended, and ends somewhere.
    pub(super) fn take(
        &mut self,
        arrival: Arrival,
        documents_max: u64,
    ) -> Result<Option<Delivery>, Misbehaviour> {
        if self.end.is_some() {
            return Err(Misbehaviour::Endless);
        }
        match (arrival, self.begin) {
            (Arrival::Begin(begin), None) => {
                let asked = self.since.filter(|since| since.epoch == begin.update_seq.epoch);
                let goes_on = asked.is_some_and(|since| since.seq == begin.since);
                if !(goes_on || begin.since == Seq(0)) || begin.update_seq.seq < begin.since {
                    return Err(Misbehaviour::Order);
                }
                self.next = begin.since;
                self.begin = Some(begin);
                Ok(None)
            }
            (Arrival::Batch(delivery), Some(begin)) => {
                let batch = &delivery.batch;
                if batch.from >= begin.update_seq.seq {
                    return Err(Misbehaviour::Endless);
                }
                let mut last = batch.from;
                let ascending = batch
                    .documents
                    .iter()
                    .all(|document| document.seq > std::mem::replace(&mut last, document.seq));
                let forward = batch.from == self.next && batch.through > batch.from;
                if !forward || !ascending || last > batch.through {
                    return Err(Misbehaviour::Order);
                }
                self.next = batch.through;
                self.documents += batch.documents.len() as u64;
                match self.documents > documents_max {
                    true => Err(Misbehaviour::Endless),
                    false => Ok(Some(delivery)),
                }
            }
            (Arrival::End(through), Some(begin)) => {
                if through < self.next.max(begin.update_seq.seq) {
                    return Err(Misbehaviour::Order);
                }
                self.end = Some(through);
                Ok(None)
            }
            _ => Err(Misbehaviour::Unexpected("first")),
        }
    }
}
