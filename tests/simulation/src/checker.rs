//! Whether everything is as it must be, once the devices are at rest: by the ledger, not by the stores'
//! own rules.

use std::collections::{BTreeMap, BTreeSet};

use store::{Direction, DocId, Error, RevId, Seq};

use crate::content::Content;
use crate::device::{DATABASES, Role};
use crate::ledger::{Author, Written};
use crate::world::World;

/// A document as a device has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) winner: Option<RevId>,
    /// Leaves with what they hold.
    pub(crate) leaves: BTreeMap<RevId, Content>,
    /// Every revision, and what it followed: somebody may have planted it in several places.
    pub(crate) revisions: BTreeMap<RevId, BTreeSet<RevId>>,
    /// Those that somebody followed who had them, or what a hub brought back of them, before them.
    pub(crate) edited: BTreeSet<RevId>,
    /// What lost, and is kept apart.
    pub(crate) overwritten: BTreeMap<RevId, Content>,
}

/// What a device has of one database.
pub(crate) type Holding = BTreeMap<DocId, Found>;

impl World {
    /// Compares all stores with each other and with the ledger; what is wrong is the run's failure.
    pub(crate) fn check(&mut self) {
        let all = self.devices.len();
        (0..all).for_each(|device| self.verify(device));
        for (db, name) in DATABASES.iter().enumerate() {
            let mut holdings = Vec::with_capacity(all);
            for device in 0..all {
                let holding = self.holding(device, db);
                let Some(holding) = self.expect(holding, "a database cannot be read") else {
                    return;
                };
                holdings.push(holding);
            }
            let wrong = self
                .disagreement(db, &holdings)
                .or_else(|| self.unruly(db))
                .or_else(|| self.lost(db, &holdings))
                .or_else(|| self.misjudged(db, &holdings))
                .or_else(|| self.crossed(db, &holdings));
            if let Some(wrong) = wrong {
                self.show(db, &holdings);
                return self.fail(format!("{name}: {wrong}"));
            }
        }
    }

    fn holding(&self, device: usize, db: usize) -> Result<Holding, Error> {
        let Some(database) = self.devices[device].database(db) else { return Err(Error::Closing) };
        database.read(|snapshot| {
            let mut holding = Holding::new();
            for change in snapshot.changes(Seq(0), Direction::Ascending, usize::MAX)? {
                let Some(document) = snapshot.tree(&change.id)? else { continue };
                let tree = document.tree;
                let mut found = Found {
                    winner: tree.winner().map(|node| node.rev.clone()),
                    ..Found::default()
                };
                for node in tree.nodes() {
                    let parent = node.parent.map(|parent| tree.node(parent).rev.clone());
                    found.revisions.entry(node.rev.clone()).or_default().extend(parent);
                }
                for leaf in tree.leaves() {
                    let node = tree.node(leaf);
                    let body = node.stored.map(|stored| snapshot.body(stored.body)).transpose()?;
                    let lost = || Error::Damaged(format!("{} has no body", node.rev));
                    let body = body.flatten().ok_or_else(lost)?;
                    let content =
                        Content::read(snapshot, node.deleted, body.json, &body.attachments)?;
                    found.leaves.insert(node.rev.clone(), content);
                }
                found.edited = self.edited(db, &change.id, &found);
                holding.insert(change.id, found);
            }
            for row in snapshot.overwritten(0, usize::MAX)? {
                let Some((_, body)) = snapshot.overwritten_contents(row.id)? else { continue };
                let content = Content::read(snapshot, row.deleted, body.json, &body.attachments)?;
                let found: &mut Found = holding.entry(row.doc).or_default();
                found.overwritten.insert(row.rev, content);
            }
            Ok(holding)
        })
    }

    /// A hub adds revisions of its own: a tombstone where a leaf lost, and above that the same contents
    /// again where it had to bring them back. Whoever edits those edits the leaf; whoever writes above a
    /// tombstone has not seen it.
    fn edited(&self, db: usize, doc: &DocId, found: &Found) -> BTreeSet<RevId> {
        let by_somebody = |rev: &RevId| self.ledger.is_by_somebody(db, doc, rev);
        let mut edited = BTreeSet::new();
        for rev in found.revisions.keys().filter(|rev| by_somebody(rev)) {
            let mut below = vec![(rev, 0)];
            while let Some((rev, by_hubs)) = below.pop() {
                for parent in found.revisions.get(rev).into_iter().flatten() {
                    match by_somebody(parent) {
                        true if by_hubs % 2 == 0 => drop(edited.insert(parent.clone())),
                        true => {}
                        false => below.push((parent, by_hubs + 1)),
                    }
                }
            }
        }
        edited
    }

    /// Writes down what everybody has, for whoever looks for the fault.
    fn show(&mut self, db: usize, holdings: &[Holding]) {
        for (device, holding) in holdings.iter().enumerate() {
            for (doc, found) in holding {
                self.trace_line(|world| {
                    let line = |(rev, parents): (&RevId, &BTreeSet<RevId>)| {
                        let by_hub = !world.ledger.is_by_somebody(db, doc, rev);
                        let leaf = found.leaves.get(rev);
                        let leaf =
                            leaf.map(|content| if content.deleted { " dead" } else { " live" });
                        let kept = if found.overwritten.contains_key(rev) { " kept" } else { "" };
                        let below: String =
                            parents.iter().map(|rev| format!(" on {rev}")).collect();
                        let by_hub = if by_hub { " by a hub" } else { "" };
                        let leaf = leaf.unwrap_or_default();
                        format!("\n  {rev}{below}{leaf}{kept}{by_hub}")
                    };
                    let lines: String = found.revisions.iter().map(line).collect();
                    format!("{device} has {}/{doc}:{lines}", DATABASES[db])
                });
            }
        }
    }

    /// Devices between which a database passes both ways, directly or through others, have the same; and
    /// what passes one way has arrived.
    fn disagreement(&self, db: usize, holdings: &[Holding]) -> Option<String> {
        let all = self.devices.len();
        let honest = |device: &usize| self.devices[*device].role != Role::Liar;
        for one in (0..all).filter(honest) {
            let beyond = self.reached(one, db);
            for other in (0..all).filter(honest).filter(|other| beyond.contains(other)) {
                if let Some(wrong) = missing(&holdings[one], &holdings[other]) {
                    return Some(format!("what {one} has, {other} lacks: {wrong}"));
                }
                if self.reached(other, db).contains(&one)
                    && let Some(wrong) = self.difference(db, &holdings[one], &holdings[other])
                {
                    return Some(format!("{one} and {other} disagree: {wrong}"));
                }
            }
        }
        None
    }

    /// Hubs between which a database passes both ways follow the same rule.
    fn unruly(&self, db: usize) -> Option<String> {
        let hubs: Vec<usize> =
            (0..self.devices.len()).filter(|one| self.devices[*one].is_hub()).collect();
        let pairs = hubs.iter().flat_map(|one| hubs.iter().map(move |other| (*one, *other)));
        let mut pairs = pairs.filter(|(one, other)| {
            self.lists.is_open(*one, *other, db) && self.lists.is_open(*other, *one, db)
        });
        let (one, other) =
            pairs.find(|(one, other)| self.rule(*one, db) != self.rule(*other, db))?;
        Some(format!("{one} and {other} follow different rules"))
    }

    /// The honest devices that a database passes to, directly or through others.
    fn reached(&self, from: usize, db: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([from]);
        let mut new = vec![from];
        while let Some(one) = new.pop() {
            for other in 0..self.devices.len() {
                let honest = self.devices[other].role != Role::Liar;
                if honest && self.lists.is_open(one, other, db) && reached.insert(other) {
                    new.push(other);
                }
            }
        }
        reached.remove(&from);
        reached
    }

    /// Every acknowledged write is current at its writer's device, an ancestor of what somebody wrote
    /// next, or where its writer can find it.
    fn lost(&self, db: usize, holdings: &[Holding]) -> Option<String> {
        let of_people = |written: &&Written| {
            written.db == db && written.acknowledged && !matches!(written.author, Author::Liar)
        };
        let mut written = self.ledger.all().iter().filter(of_people);
        let lost = written.find(|written| !self.is_kept(written, holdings))?;
        let Written { device, doc, rev, content, .. } = lost;
        Some(format!("device {device} acknowledged {doc} {rev}, and lost it: {content:?}"))
    }

    fn is_kept(&self, written: &Written, holdings: &[Holding]) -> bool {
        // A peer that knows nothing of rules keeps nothing apart; a hub that it is in step with does.
        let keepers: Vec<usize> = match self.devices[written.device].role {
            Role::Own | Role::Friend | Role::Liar => vec![written.device],
            Role::Dumb => (0..self.devices.len()).collect(),
        };
        keepers.iter().filter_map(|keeper| holdings[*keeper].get(&written.doc)).any(|found| {
            is_there(written, found)
                || self.ledger.is_dismissed(written)
                || self.is_kept_by_an_equal(written, found)
        })
    }

    /// Of two equal contents one is enough.
    fn is_kept_by_an_equal(&self, written: &Written, found: &Found) -> bool {
        let equal = |other: &&Written| {
            other.db == written.db
                && other.doc == written.doc
                && other.rev != written.rev
                && other.content == written.content
        };
        self.ledger.all().iter().filter(equal).any(|other| is_there(other, found))
    }

    /// Nothing came to a device by no way that was ever open.
    fn crossed(&self, db: usize, holdings: &[Holding]) -> Option<String> {
        for written in self.ledger.all().iter().filter(|written| written.db == db) {
            let arrivals = self.lists.arrivals(db, written.device, written.when);
            for (device, holding) in holdings.iter().enumerate() {
                let there = holding
                    .get(&written.doc)
                    .is_some_and(|found| found.revisions.contains_key(&written.rev));
                if there && arrivals[device] == u64::MAX && !self.came_from_another(written, device)
                {
                    let Written { device: writer, doc, rev, .. } = written;
                    return Some(format!("{device} has {doc} {rev} of {writer}, by no open way"));
                }
            }
        }
        None
    }
}

impl World {
    fn difference(&self, db: usize, one: &Holding, other: &Holding) -> Option<String> {
        one.iter().find_map(|(doc, found)| {
            let there = other.get(doc).cloned().unwrap_or_default();
            if found.winner != there.winner {
                let text = |rev: &Option<RevId>| rev.as_ref().map(ToString::to_string);
                let (one, other) = (text(&found.winner), text(&there.winner));
                return Some(format!("{doc}: {one:?} or {other:?}"));
            }
            if self.ledger.is_made_up(db, doc) {
                // Who was told of a revision in two places has it in both, or in the one that it knew
                // before: as in CouchDB.
                return None;
            }
            let differs =
                |(rev, content): &(&RevId, &Content)| there.leaves.get(rev) != Some(content);
            let leaf = found.leaves.iter().find(differs).map(|(rev, _)| rev);
            let other = || there.leaves.keys().find(|rev| !found.leaves.contains_key(rev));
            let rev = leaf.or_else(other)?;
            Some(format!("{doc}: leaf {rev}"))
        })
    }

    /// Whether a device can have a revision from somebody else who wrote the same.
    fn came_from_another(&self, written: &Written, device: usize) -> bool {
        let mut writers = self.ledger.writers(written.db, &written.doc, &written.rev);
        writers.any(|other| {
            self.lists.arrivals(other.db, other.device, other.when)[device] != u64::MAX
        })
    }
}

fn is_there(written: &Written, found: &Found) -> bool {
    found.edited.contains(&written.rev)
        || found.leaves.contains_key(&written.rev)
        || found.leaves.values().any(|content| *content == written.content)
        || found.overwritten.values().any(|content| *content == written.content)
}

/// A leaf that the other does not know at all.
fn missing(one: &Holding, other: &Holding) -> Option<String> {
    one.iter().find_map(|(doc, found)| {
        let there = other.get(doc);
        let lacking = found
            .leaves
            .keys()
            .find(|rev| there.is_none_or(|there| !there.revisions.contains_key(rev)))?;
        Some(format!("{doc} {lacking}"))
    })
}
