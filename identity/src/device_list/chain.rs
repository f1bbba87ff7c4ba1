//! What one device has said, one statement after the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::{PublicKey, Statement, StatementHash, StatementKind};

/// What a device has said of another one last.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) kind: StatementKind,
    pub(super) at: u64,
    pub(super) hash: StatementHash,
    pub(super) answers: Vec<StatementHash>,
    seq: u64,
}

/// What one device has said.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    latest: BTreeMap<PublicKey, Said>,
    /// Whom it has ever added: a removal is another matter.
    pub(super) added: BTreeSet<PublicKey>,
    /// Every genuine statement.
    pub(super) hashes: BTreeSet<StatementHash>,
    /// The number and hash of its last statement.
    pub(super) last: Option<(u64, StatementHash)>,
    /// Whether it has said two things at one place.
    pub(super) is_forked: bool,
    /// Whether it has said more than it may.
    pub(super) is_flooded: bool,
}

impl Chain {
    /// Of a device that has said nothing.
    pub(super) const fn nothing() -> Self {
        Self {
            latest: BTreeMap::new(),
            added: BTreeSet::new(),
            hashes: BTreeSet::new(),
            last: None,
            is_forked: false,
            is_flooded: false,
        }
    }

    /// Of what is said to be of this device; what it has not signed is left out.
    pub(super) fn read(signer: PublicKey, statements: &[&Statement], most: usize) -> Self {
        let mut chain = Self::nothing();
        let mut by_place: BTreeMap<(u64, StatementHash), &Statement> = BTreeMap::new();
        for statement in statements.iter().filter(|statement| statement.signer() == signer) {
            let place = (statement.seq(), statement.hash());
            if by_place.contains_key(&place) || !statement.is_genuine() {
                continue;
            }
            by_place.insert(place, statement);
            // What is to be verified is bounded as well: whoever signs more has done it on purpose.
            if by_place.len() > most {
                return Self { is_flooded: true, ..Self::nothing() };
            }
        }
        let mut before: Option<(u64, Vec<StatementHash>)> = None;
        for ((seq, hash), statement) in &by_place {
            let here = match &mut before {
                Some((place, hashes)) if place == seq => {
                    chain.is_forked = true;
                    hashes.push(*hash);
                    None
                }
                Some((place, hashes)) if place.checked_add(1) == Some(*seq) => {
                    chain.is_forked |= !statement.prev().is_some_and(|prev| hashes.contains(&prev));
                    Some((*seq, vec![*hash]))
                }
                // What is between has yet to come.
                _ => Some((*seq, vec![*hash])),
            };
            before = here.or(before);
            chain.hashes.insert(*hash);
            chain.last = Some((*seq, *hash));
            chain.heed(statement, *hash);
        }
        chain
    }

    /// What it has said of a device last.
    pub(super) fn latest(&self, subject: PublicKey) -> Option<&Said> {
        self.latest.get(&subject)
    }

    /// Those of whom it has said this last.
    pub(super) fn subjects_of(&self, kind: StatementKind) -> BTreeSet<PublicKey> {
        let of_kind = self.latest.iter().filter(|(_, said)| said.kind == kind);
        of_kind.map(|(subject, _)| *subject).collect()
    }

    fn heed(&mut self, statement: &Statement, hash: StatementHash) {
        let (subject, seq) = (statement.subject(), statement.seq());
        let Some(kind) = statement.kind().filter(|_| subject != statement.signer()) else { return };
        if kind != StatementKind::Remove {
            self.added.insert(subject);
        }
        // Of two things said at once the careful one counts.
        let stands = self.latest.get(&subject).is_some_and(|before| {
            before.seq == seq && before.kind == StatementKind::Remove && kind != before.kind
        });
        if !stands {
            let answers = statement.answers().to_vec();
            self.latest.insert(subject, Said { kind, at: statement.at(), hash, answers, seq });
        }
    }
}
