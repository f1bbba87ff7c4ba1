//! One batch on its way into the target.

use std::collections::{HashMap, VecDeque};

use store::{DocId, RevId, Seq};

use super::QuestionId;
use crate::sync::{Batch, Delivery, LeafContent, SkipReason, Skipped, Wish};

/// Questions by name that one batch may lead to.
const ROUNDS_MAX: u32 = 100;

/// A batch, and what was asked for because of it. Done when the target lacks nothing of it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) number: u64,
    /// How far the target is when this is done and all before it.
    pub(super) through: Seq,
    /// What came and is not being written yet.
    pub(super) waiting: VecDeque<Delivery>,
    /// Deliveries being written.
    pub(super) takes: usize,
    /// The open question.
    pub(super) asking: Option<QuestionId>,
    /// Something of it will not come any more.
    pub(super) abandoned: bool,
    /// What is still to be asked for.
    wishes: VecDeque<Wish>,
    asked: HashMap<DocId, Vec<Asked>>,
    rounds: u32,
}

/// A revision that was asked for.
#[derive(Debug)]
struct Asked {
    rev: RevId,
    whole: bool,
    answered: bool,
}

impl Step {
    pub(super) fn new(number: u64, through: Seq) -> Self {
        Self {
            number,
            through,
            waiting: VecDeque::new(),
            takes: 0,
            asking: None,
            abandoned: false,
            wishes: VecDeque::new(),
            asked: HashMap::new(),
            rounds: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        !self.abandoned && self.is_quiet() && self.asking.is_none() && self.wishes.is_empty()
    }

    fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.takes == 0
    }

    /// Gives up what is not being written yet.
    pub(super) fn abandon(&mut self) {
        let left = !self.waiting.is_empty() || !self.wishes.is_empty() || self.asking.is_some();
        self.abandoned |= left;
        self.waiting.clear();
        self.wishes.clear();
        self.asking = None;
    }

    /// Wishes for revisions; returns those that were asked for in vain before.
    pub(super) fn wish(&mut self, wishes: Vec<Wish>) -> Vec<Skipped> {
        let mut in_vain = Vec::new();
        for Wish { id, revs, ancestors, whole } in wishes {
            let mut kept = Vec::with_capacity(revs.len());
            for rev in revs {
                let mut before = self.asked.get(&id).into_iter().flatten();
                let in_vain_before = |asked: &Asked| asked.rev == rev && (asked.whole || !whole);
                if self.rounds >= ROUNDS_MAX || before.any(in_vain_before) {
                    let reason = "the source did not send what belongs to it".into();
                    let reason = SkipReason::Unreadable(reason);
                    in_vain.push(Skipped { id: id.clone(), rev, reason });
                } else {
                    kept.push(rev);
                }
            }
            if !kept.is_empty() {
                self.wishes.push_back(Wish { id, revs: kept, ancestors, whole });
            }
        }
        in_vain
    }

    /// What to ask for now, within so many documents and bytes; nothing while an answer is awaited or
    /// written.
    pub(super) fn ask(&mut self, id: QuestionId, wishes_max: usize, bytes_max: usize) -> Vec<Wish> {
        let mut asked = Vec::new();
        if self.asking.is_some() || !self.is_quiet() {
            return asked;
        }
        let mut bytes = 0;
        while asked.len() < wishes_max && bytes < bytes_max {
            let Some(wish) = self.wishes.pop_front() else { break };
            bytes += wish.bytes();
            let state =
                |rev: &RevId| Asked { rev: rev.clone(), whole: wish.whole, answered: false };
            self.asked.entry(wish.id.clone()).or_default().extend(wish.revs.iter().map(state));
            asked.push(wish);
        }
        if !asked.is_empty() {
            self.asking = Some(id);
            self.rounds += 1;
        }
        asked
    }

    /// Notes what an answer tells of, be it of a revision or of one that followed it.
    pub(super) fn answered(&mut self, batch: &Batch) {
        for document in &batch.documents {
            let asked = self.asked.get_mut(&document.id).into_iter().flatten();
            for asked in asked.filter(|asked| !asked.answered) {
                asked.answered = document.leaves.iter().any(|leaf| match &leaf.content {
                    LeafContent::Sent(revision) => revision.path.contains(&asked.rev),
                    LeafContent::Listed | LeafContent::Withheld(_) => leaf.rev == asked.rev,
                });
            }
        }
    }

    /// What was asked for and not told of.
    pub(super) fn unanswered(&mut self) -> Vec<Skipped> {
        let mut left = Vec::new();
        for (id, asked) in &mut self.asked {
            for asked in asked.iter_mut().filter(|asked| !asked.answered) {
                asked.answered = true;
                let (id, rev) = (id.clone(), asked.rev.clone());
                left.push(Skipped { id, rev, reason: SkipReason::Gone });
            }
        }
        left.sort_by(|a, b| (&a.id, &a.rev).cmp(&(&b.id, &b.rev)));
        left
    }
}
