//! How things stand with every peer: what `/_hub/status` says of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use identity::PublicKey;
use replication::sync::SyncProgress;
use replication::{Next, Permit, Rank, Run, Standing};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Database, DbUuid, Millis};

use super::peers::Peer;
use super::record::Kind;
use super::record::is_onion;
use super::state::{SharedRight, State};
use super::why::RIGHT_HERE;
use super::{databases, id_of};
use crate::app::App;

/// Databases that are not in step that are listed of each peer; `larder why` lists all.
const BEHIND_MAX: usize = 20;

/// Databases of one peer.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counted {
    /// That it has, and that are taken here.
    offered: u64,
    /// Of those, which are here as they are there.
    in_step: u64,
}

/// Every peer.
pub(crate) fn describe(app: &App, now: Millis) -> Value {
    let peers = app.mesh.peers.now();
    let mut read_only = Vec::new();
    let mut people: BTreeMap<PublicKey, Devices<'_>> = BTreeMap::new();
    for (key, peer) in peers.iter() {
        people.entry(peer.person).or_default().push((*key, peer));
    }
    let mut shown: Vec<Value> = {
        let state = app.mesh.state();
        let described = people.iter().map(|(key, devices)| {
            let all = devices.iter().flat_map(|(key, _)| read_only_of(app, &state, *key));
            read_only.push(all.collect::<Vec<_>>());
            describe_person(app, &state, *key, devices, now)
        });
        described.collect()
    };
    for (peer, databases) in shown.iter_mut().zip(read_only) {
        let edited = databases.iter().filter(|database| app.sharing.own_edits.are_in(database));
        let mut names: Vec<_> = edited.map(|database| database.name().to_string()).collect();
        names.sort();
        names.dedup();
        if !names.is_empty() {
            peer["kept_here"] = names.into();
        }
    }
    shown.into()
}

/// What a friend shares to be read alone, and was taken.
fn read_only_of(app: &App, state: &State, key: PublicKey) -> Vec<Arc<Database>> {
    let all = (key, DbUuid([0; 16]))..=(key, DbUuid([0xff; 16]));
    let shared = state.shared.range(all);
    let read_only = shared.filter(|(_, right)| **right == SharedRight::Read);
    read_only.filter_map(|((_, id), _)| databases::find(app, *id)).collect()
}

/// The hubs of one person.
type Devices<'a> = Vec<(PublicKey, &'a Arc<Peer>)>;

/// A peer; of a friend with several hubs the one that is connected, or else the noted one, and beneath it how all
/// of them are reached.
fn describe_person(
    app: &App,
    state: &State,
    person: PublicKey,
    devices: &Devices<'_>,
    now: Millis,
) -> Value {
    let is_connected = |key: &PublicKey| state.ways.get(key).is_some_and(|way| way.link.is_some());
    let one =
        |(key, peer): &(PublicKey, &Arc<Peer>)| (*key, describe_one(app, state, *key, peer, now));
    let mut all: Vec<_> = devices.iter().map(one).collect();
    all.sort_by_key(|(key, _)| (!is_connected(key), *key != person));
    let mut shown = all.first().map(|(_, shown)| shown.clone()).unwrap_or_default();
    shown["key"] = json!(person);
    if all.len() > 1 {
        all.sort_by_key(|(key, _)| *key != person);
        let devices = all.into_iter().map(|(key, one)| {
            let label = devices.iter().find(|(other, _)| *other == key);
            let label = label.map_or("", |(_, peer)| peer.label.as_str());
            let mut members = vec!["key", "state", "way", "connected_since", "trouble"];
            // That of one that is connected changes all the time.
            members.extend((one["state"] != "connected").then_some("last_seen"));
            let kept = members.into_iter().map(|member| (member.to_owned(), one[member].clone()));
            let label = ("label".to_owned(), Value::from(label));
            Value::Object(kept.chain([label]).collect())
        });
        shown["devices"] = devices.collect();
    }
    shown
}

fn describe_one(app: &App, state: &State, key: PublicKey, peer: &Peer, now: Millis) -> Value {
    let mut shown = json!({
        "key": key,
        "name": peer.record.name,
        "kind": peer.kind.noun(),
        "state": "refused_here",
    });
    if app.pause.now().sync {
        shown["state"] = "paused".into();
        return shown;
    }
    // Who is not followed is blocked.
    let Some(way) = state.ways.get(&key) else { return shown };
    let way_word = |at: usize| way.urls.get(at).map(|url| way_word(is_onion(url)));
    let (standing, next_try) = match (&way.link, way.dialling, way.paths.next(now)) {
        (Some(_), ..) => ("connected", None),
        (None, Some(_), _) => ("dialling", None),
        (None, None, Next::At(due)) => ("waiting", Some(due.0)),
        (None, None, Next::Dial(_)) => ("dialling", None),
        (None, None, Next::Nowhere) => ("nowhere", None),
    };
    shown["state"] = standing.into();
    shown["way"] = way.dialling.and_then(way_word).into();
    shown["connected_since"] = way.connected.map(|since| since.0).into();
    shown["last_seen"] = match way.link {
        Some(_) => now.0.into(),
        None => way.last_seen.map(|seen| seen.0).into(),
    };
    shown["next_try"] = next_try.into();
    shown["ahead_ms"] = way.ahead_ms.into();
    shown["trouble"] = way.trouble().map_or(Value::Null, |(at, trouble, when)| {
        json!({"code": trouble.code, "text": trouble.text, "way": way_word(at), "at": when.0})
    });
    let (mut people, mut system, mut left_out) = (Counted::default(), Counted::default(), 0);
    let mut behind = Vec::new();
    let known = state.manager.peer(id_of(key)).into_iter().flat_map(|known| known.databases());
    for (id, standing) in known {
        let Some(offer) = standing.offered() else { continue };
        if matches!(standing.permitted(), Permit::Withheld(trouble) if trouble.code == "rule") {
            left_out += 1;
            continue;
        }
        // Somebody else's edits of what they may only read are nothing to wait for.
        if matches!(standing.permitted(), Permit::Withheld(trouble) if trouble.code == RIGHT_HERE) {
            continue;
        }
        let counted = if offer.rank == Rank::Person { &mut people } else { &mut system };
        counted.offered += 1;
        if standing.is_in_step() {
            counted.in_step += 1;
        } else if behind.len() < BEHIND_MAX {
            let code = code_of(state, standing, now);
            behind.push(
                json!({"db": name_of(app, id, &offer.name), "id": id.to_string(), "code": code}),
            );
        }
    }
    let Counted { offered, in_step } = people;
    shown["databases"] = json!({
        "offered": offered, "in_step": in_step, "left_out": left_out, "system": system,
    });
    shown["behind"] = behind.into();
    let pulls = state.pulls.iter().filter(|((of, _), _)| *of == key);
    let pulls = pulls.filter_map(|((_, id), pull)| {
        let progress = pull.progress.as_ref()?.borrow().clone();
        let mut shown = describe_progress(&progress, now);
        shown["db"] = name_of(app, *id, "").into();
        Some(shown)
    });
    shown["pulls"] = pulls.collect();
    shown
}

pub(super) fn way_word(onion: bool) -> &'static str {
    if onion { "onion" } else { "lan" }
}

/// What programs tell by why a database is not in step.
fn code_of(state: &State, standing: &Standing, now: Millis) -> &'static str {
    let is_a_persons = standing.offered().is_some_and(|offer| offer.rank == Rank::Person);
    match (standing.permitted(), standing.run()) {
        (Permit::Withheld(trouble), _) => trouble.code,
        (_, Run::Running { .. }) => "running",
        (_, Run::Waiting { trouble, .. }) => trouble.code,
        (_, Run::Idle) => {
            let held = state.manager.held(now).filter(|_| is_a_persons);
            held.map_or("turn", |(code, _)| code)
        }
    }
}

/// Whether there is a connection to a peer.
pub(crate) fn is_connected(app: &App, key: PublicKey) -> bool {
    app.mesh.state().ways.get(&key).is_some_and(|way| way.link.is_some())
}

/// Why people's databases are not fetched now, where they are not.
pub(crate) fn describe_hold(app: &App, now: Millis) -> Value {
    let state = app.mesh.state();
    state.manager.held(now).map_or(Value::Null, |(code, hold)| {
        json!({"code": code, "text": hold.text, "until": hold.until.map(|until| until.0)})
    })
}

/// Whether this device has all that it takes by its rule of a database that the owner's other devices have;
/// `None` where none of them has said that it has it.
pub(crate) fn is_complete(app: &App, id: DbUuid) -> Option<bool> {
    if app.mesh.rules.own(id).is_some_and(|rule| rule.skip) {
        return Some(true);
    }
    let peers = app.mesh.peers.now();
    let state = app.mesh.state();
    let devices = peers.iter().filter(|(_, peer)| peer.kind == Kind::Device);
    let mut complete = None;
    for (key, _) in devices {
        let standing = state.manager.standing(id_of(*key), id);
        let Some(standing) = standing.filter(|standing| standing.offered().is_some()) else {
            continue;
        };
        let mut skipped = state.skipped.get(&(*key, id)).into_iter().flatten();
        let lacks = state.postponed.contains_key(&(*key, id))
            || skipped.any(|skipped| skipped.code != "rule");
        complete = Some(complete.unwrap_or(true) && standing.is_in_step() && !lacks);
    }
    complete
}

/// What a database is called here, or by the peer where it is not here.
pub(super) fn name_of(app: &App, id: DbUuid, offered: &str) -> String {
    match databases::find(app, id) {
        Some(database) => database.name().to_string(),
        None => offered.to_owned(),
    }
}

/// How far a pull is, and how long it may take yet.
pub(super) fn describe_progress(progress: &SyncProgress, now: Millis) -> Value {
    let SyncProgress { documents, bytes, started, .. } = *progress;
    let passed_ms = now.0.saturating_sub(started.0);
    // Before the source has said so it is not known.
    let known = |total: u64| (total > 0).then_some(total);
    let total = known(progress.documents_total);
    let left = total.and_then(|total| seconds_left(documents, total, passed_ms));
    json!({
        "documents": documents, "documents_total": total,
        "bytes": bytes, "bytes_total": known(progress.bytes_total),
        "started": started.0, "seconds_left": left,
    })
}

/// How long what is left takes where it goes on as it has.
fn seconds_left(done: u64, total: u64, passed_ms: u64) -> Option<u64> {
    let left = total.checked_sub(done)?;
    let ms = u128::from(left) * u128::from(passed_ms) / u128::from(done.max(1));
    (done > 0 && passed_ms > 1000).then(|| u64::try_from(ms / 1000).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates() {
        assert_eq!(seconds_left(100, 1000, 10_000), Some(90));
        assert_eq!(seconds_left(1000, 1000, 10_000), Some(0));
        assert_eq!(seconds_left(0, 1000, 10_000), None, "nothing has come");
        assert_eq!(seconds_left(5, 1000, 900), None, "too early to tell");
        assert_eq!(seconds_left(7, 5, 10_000), None, "more than was said");
    }
}
