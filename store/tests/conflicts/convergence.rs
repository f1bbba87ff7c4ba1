//! Hubs that decide conflicts for themselves, in whatever order they learn of revisions.
//!
//! `LARDER_CONFLICT_RUNS` sets how many runs there are of each kind, `LARDER_CONFLICT_SEED` the first one's seed.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ops::Range;

use store::rev_tree::resolve::revival;
use store::rev_tree::{Derived, Node, NodeId, RevTree};
use store::stamp::{EditContent, Stamp, stamp_of, stamped};
use store::{Edit, Lineage, Millis, RevId};

use super::hub::{Hub, exchange, exchange_at, shuffle};
use super::support::{Random, fresh_seed, put};

const RUNS: u64 = 150;

fn seeds() -> Range<u64> {
    let setting = |name: &str| env::var(name).ok()?.parse().ok();
    let first = setting("LARDER_CONFLICT_SEED").unwrap_or_else(fresh_seed);
    first..first + setting("LARDER_CONFLICT_RUNS").unwrap_or(RUNS)
}

/// A revision as somebody made it, before any conflict was decided.
#[derive(Clone)]
struct Made {
    path: Vec<RevId>,
    deleted: bool,
    body: String,
}

impl Made {
    fn edit(&self) -> Edit {
        Edit {
            lineage: Lineage::Path(self.path.clone()),
            deleted: self.deleted,
            ..put("doc", None, &self.body)
        }
    }
}

/// Revisions of one document, each later than what it follows; many at the same time.
fn history(random: &mut Random) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    for number in 0..2 + random.below(8) {
        let parent = match random.below(4) {
            0 => None,
            _ if made.is_empty() => None,
            _ => Some(made[random.below(made.len() as u64) as usize].clone()),
        };
        let from = parent.as_ref().map(|parent| &parent.path[0]);
        let after = from.and_then(stamp_of).map(Stamp::next);
        let stamp = after.max(Some(Stamp::at(Millis(1 + random.below(4))))).unwrap();
        let body = format!("{{\"n\":{number}}}");
        let hash = *blake3::hash(body.as_bytes()).as_bytes();
        let device = [random.below(3) as u8; 32];
        let content = EditContent { parent: from, body: &hash, attachments: &[], device: &device };
        let older = parent.iter().flat_map(|parent| parent.path.iter().cloned());
        let path = std::iter::once(stamped(stamp, &content)).chain(older).collect();
        let deleted = parent.as_ref().is_some_and(|parent| !parent.deleted) && random.below(4) == 0;
        made.push(Made { path, deleted, body });
    }
    made
}

/// The rule said anew: of what nobody has followed, the last one; then the longest, then the greatest.
fn winner(made: &[Made]) -> &Made {
    let followed: BTreeSet<&RevId> = made.iter().filter_map(|made| made.path.get(1)).collect();
    let leaves = made.iter().filter(|made| !followed.contains(&made.path[0]));
    leaves.max_by_key(|made| (stamp_of(&made.path[0]), made.path[0].clone())).unwrap()
}

pub(crate) fn check_order(seed: u64) {
    let mut random = Random::new(seed);
    let made = history(&mut random);
    let hubs: Vec<Hub> = (0..3).map(|device| Hub::new(device, "newest")).collect();
    for hub in &hubs {
        let mut mine = made.clone();
        shuffle(&mut mine, &mut random);
        // Some learn of part of it from others only.
        let known = 1 + random.below(mine.len() as u64 + 1) as usize;
        for made in mine.iter().take(known) {
            hub.take(vec![made.edit()], 10, "elsewhere");
            hub.verify();
        }
    }
    for made in &made {
        hubs[0].take(vec![made.edit()], 10, "elsewhere");
    }
    exchange(&hubs, 10, &mut random);
    let winner = winner(&made);
    for hub in &hubs {
        assert_eq!(hub.leaves(), hubs[0].leaves(), "seed {seed}");
        let expected = Some(winner.body.clone()).filter(|_| !winner.deleted);
        assert_eq!(hub.shown("doc"), expected, "seed {seed}");
        let live =
            hub.tree("doc").leaves().into_iter().filter(|at| !hub.tree("doc").node(*at).deleted);
        assert!(live.count() <= 1, "seed {seed}: no conflict is left");
        hub.verify();
        let before = hub.database.update_seq();
        assert_eq!(hub.database.resolve_conflicts(Millis(20)).unwrap(), 0, "seed {seed}");
        assert_eq!(hub.database.update_seq(), before, "seed {seed}");
    }
}

#[test]
fn no_order_of_arrival_makes_a_difference() {
    seeds().for_each(check_order);
}

/// What was acknowledged: by document and revision, which hub did so and what the body is.
type Acknowledged = BTreeMap<(String, RevId), (usize, String)>;

/// Hubs at work, now and then in touch; foreign servers write too where `foreign` says so.
fn work(hubs: &[Hub], foreign: bool, random: &mut Random) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for step in 0..60 {
        let at = random.below(hubs.len() as u64) as usize;
        let hub = &hubs[at];
        let id = format!("doc-{}", random.below(2));
        // Clocks that stand still, and differ.
        let now = 1000 + step / 10 + random.below(5);
        let body = format!("{{\"step\":{step}}}");
        match random.below(20) {
            0..8 => {
                let rev = hub.edit(&id, &body, now);
                acknowledged.insert((id, rev), (at, body));
            }
            8..10 => {
                hub.delete(&id, now);
            }
            10 => hub.database.compact(&mut |_, _| {}).unwrap(),
            11 if foreign => {
                let tree = hub.tree(&id);
                let from = tree.winner_id();
                let path: Vec<RevId> = from
                    .iter()
                    .flat_map(|at| tree.ancestry(*at).map(|node| node.rev.clone()))
                    .collect();
                let generation = path.first().map_or(1, |rev| rev.generation + 1);
                let rev: RevId = format!("{generation}-foreign{step}").parse().unwrap();
                let path = std::iter::once(rev).chain(path).collect();
                let deleted = from.is_some() && random.below(3) == 0;
                let edit = Edit { lineage: Lineage::Path(path), deleted, ..put(&id, None, &body) };
                let rev = hub.write(edit, now).unwrap();
                acknowledged.insert((id, rev), (at, body));
            }
            _ => {
                let other = &hubs[random.below(hubs.len() as u64) as usize];
                match random.below(3) {
                    0 => hub.push_in_pieces(other, now, random),
                    _ => hub.push(other, now),
                };
            }
        }
    }
    acknowledged
}

/// Whether what was written is still to be had where it was, or somebody wanted it gone: current, the ancestor
/// of what followed, or kept. So any other hub may be lost for ever.
fn is_kept(hub: &Hub, id: &str, rev: &RevId, body: &str) -> bool {
    if hub.shown(id).as_deref() == Some(body) || hub.lost().iter().any(|lost| lost == body) {
        return true;
    }
    let tree = hub.tree(id);
    is_followed(&tree, tree.find(rev).unwrap_or_else(|| panic!("{rev} is in no tree")))
}

/// Whether a revision is a leaf, or somebody went on from it, or from what revived it.
fn is_followed(tree: &RevTree, at: NodeId) -> bool {
    let rev = &tree.node(at).rev;
    let follows = |child: &Node| {
        let stamp = stamp_of(rev);
        match Derived::of(&child.rev, rev) {
            Some(Derived::Overwritten) => tree
                .find(&revival(&child.rev, stamp))
                .is_some_and(|revived| is_followed(tree, revived)),
            _ => true,
        }
    };
    let is_child = |node: &&Node| node.parent.is_some_and(|parent| tree.node(parent).rev == *rev);
    tree.is_leaf(at) || tree.nodes().filter(is_child).any(follows)
}

pub(crate) fn check_work(seed: u64, policy: &str, foreign: bool) {
    let mut random = Random::new(seed);
    let hubs: Vec<Hub> = (0..3).map(|device| Hub::new(device, policy)).collect();
    let acknowledged = work(&hubs, foreign, &mut random);
    exchange(&hubs, 2000, &mut random);
    for hub in &hubs {
        assert_eq!(hub.leaves(), hubs[0].leaves(), "seed {seed}");
        assert_eq!(hub.shown("doc-0"), hubs[0].shown("doc-0"), "seed {seed}");
        hub.verify();
        hub.database.compact(&mut |_, _| {}).unwrap();
        hub.verify();
    }
    for ((id, rev), (at, body)) in &acknowledged {
        assert!(is_kept(&hubs[*at], id, rev, body), "seed {seed}: {id} {rev} {body} is lost");
    }
}

#[test]
fn hubs_agree_and_nothing_is_lost() {
    for seed in seeds() {
        check_work(seed, "newest", false);
        check_work(seed, "newest", true);
    }
}

#[test]
fn hubs_agree_where_time_runs_backwards() {
    // A later edit has an earlier time, so that what lost to its parent may have to come back.
    for seed in seeds() {
        let mut random = Random::new(seed);
        let hubs: Vec<Hub> = (0..3).map(|device| Hub::new(device, "newest_by:/t")).collect();
        for step in 0..40 {
            let hub = &hubs[random.below(3) as usize];
            match random.below(3) {
                0 => {
                    let body = format!("{{\"step\":{step},\"t\":{}}}", random.below(50));
                    hub.edit("doc", &body, 1000 + step);
                }
                1 => {
                    hub.push(&hubs[random.below(3) as usize], 1000 + step);
                }
                _ => {
                    let to = &hubs[random.below(3) as usize];
                    hub.push_in_pieces(to, 1000 + step, &mut random);
                }
            }
        }
        exchange(&hubs, 2000, &mut random);
        for hub in &hubs {
            assert_eq!(hub.leaves(), hubs[0].leaves(), "seed {seed}");
            assert_eq!(hub.shown("doc"), hubs[0].shown("doc"), "seed {seed}");
            assert!(hub.shown("doc").is_some() || hub.leaves().is_empty(), "seed {seed}");
            hub.verify();
        }
    }
}

/// Milliseconds that a clock may be ahead.
const AHEAD_MAX: u64 = 365 * 24 * 3600 * 1000;

#[test]
fn hubs_with_wrong_clocks_agree_once_every_hold_has_passed() {
    for seed in seeds() {
        let mut random = Random::new(seed);
        let hubs: Vec<Hub> = (0..4).map(|device| Hub::new(device, "newest")).collect();
        let ahead = [0, 0, random.below(2 * 600_000), random.below(AHEAD_MAX)];
        let mut acknowledged = Acknowledged::new();
        let mut now = 1_000_000_000;
        for step in 0..60 {
            now += random.below(400_000);
            let at = random.below(4) as usize;
            let (hub, time) = (&hubs[at], now + ahead[at]);
            let id = format!("doc-{}", random.below(2));
            match random.below(12) {
                0..4 => {
                    let body = format!("{{\"step\":{step}}}");
                    acknowledged.insert((id.clone(), hub.edit(&id, &body, time)), (at, body));
                }
                4 => {
                    hub.delete(&id, time);
                }
                5 => {
                    hub.database.release_due(Millis(time)).unwrap();
                }
                6 => hub.database.compact(&mut |_, _| {}).unwrap(),
                7 if random.below(4) == 0 => {
                    if let Some(held) = hub.database.held().unwrap().first() {
                        assert!(hub.database.release(held.id, Millis(time)).unwrap());
                    }
                }
                kind => {
                    let to = random.below(4) as usize;
                    let time = now + ahead[to];
                    match kind % 2 {
                        0 => hub.push_in_pieces(&hubs[to], time, &mut random),
                        _ => hub.push(&hubs[to], time),
                    };
                }
            }
            hub.verify();
        }
        // While clocks differ, hubs come to rest with what each of them sees.
        for round in [0, AHEAD_MAX, 2 * AHEAD_MAX] {
            for (hub, ahead) in hubs.iter().zip(ahead) {
                hub.database.release_due(Millis(now + round + ahead)).unwrap();
            }
            exchange_at(&hubs, |to| now + round + ahead[to], &mut random);
        }
        for hub in &hubs {
            assert!(hub.database.held().unwrap().is_empty(), "seed {seed}");
            assert_eq!(hub.leaves(), hubs[0].leaves(), "seed {seed}");
            hub.verify();
        }
        for ((id, rev), (at, body)) in &acknowledged {
            assert!(is_kept(&hubs[*at], id, rev, body), "seed {seed}: {id} {rev} {body} is lost");
        }
    }
}
