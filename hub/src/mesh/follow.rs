//! Follows every peer: a connection to each, and over it the feed of what has changed there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use identity::PublicKey;
use replication::{Next, Offer, Trouble};
use serde_json::json;
use store::{DbName, DbUuid, UpdateSeq};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::acknowledge::{self, acknowledge};
use super::databases::{self, rank};
use super::line::{Line, Lines};
use super::link::{Link, Refused, trouble};
use super::peers::Peer;
use super::permit::Rights;
use super::reach::{leads_into_own_network, may_dial};
use super::record::Kind;
use super::state::{Rule, SharedRight};
use super::way::Way;
use super::{boots, count, id_of, permit, profile, pull, rule};
use crate::app::App;
use crate::clock;
use crate::http::PAUSED;

/// How long the feed's first line may take; through Tor a round trip takes a second or more.
const HELLO_MAX: Duration = Duration::from_secs(60);

/// How long a connection has to hold before its way counts as good.
const GOOD_AFTER: Duration = Duration::from_secs(20);

/// Most databases that are heeded of one of the owner's devices, and of a friend.
const OF_DEVICE_MAX: usize = 100_000;
const OF_FRIEND_MAX: usize = 10_000;

/// Longest text that says what decides the conflicts of a database, and longest place in a feed, in bytes.
const RULE_BYTES_MAX: usize = 1024;
const CURSOR_BYTES_MAX: usize = 256;

/// Follows those whom the owner has named, for as long as the hub runs.
pub(crate) async fn follow(app: Arc<App>) {
    let mut changes = app.mesh.peers.changes();
    let mut rights = app.access.policies().changes();
    let mut pauses = app.pause.changes();
    let mut followed: BTreeMap<PublicKey, (Arc<Peer>, AbortHandle)> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let peers = app.mesh.peers.now();
        let paused = pauses.borrow_and_update().sync;
        let wanted =
            |key: &PublicKey| peers.get(key).filter(|_| !paused && !is_blocked(&app, *key));
        let gone: Vec<_> = followed
            .iter()
            .filter(|(key, (peer, _))| {
                !wanted(key).is_some_and(|now| is_reached_so(now, peer, app.mesh.lan))
            })
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            if let Some((peer, task)) = followed.remove(&key) {
                task.abort();
                if !peer.is_noted() && !peers.contains_key(&key) {
                    forget_places(&app, key);
                }
                app.mesh.state().forget(key);
            }
        }
        for (key, peer) in peers.iter() {
            if !followed.contains_key(key) && wanted(key).is_some() {
                {
                    let mut state = app.mesh.state();
                    state.ways.insert(*key, Way::new(&peer.record, app.mesh.lan));
                    state.manager.know(id_of(*key));
                }
                let task = tasks.spawn(follow_one(Arc::clone(&app), *key));
                followed.insert(*key, (Arc::clone(peer), task));
            }
        }
        app.mesh.wake.notify_one();
        tokio::select! {
            _ = changes.changed() => {}
            _ = rights.changed() => {}
            _ = pauses.changed() => {}
            Some(_ended) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

/// Has it forgotten how far a device that a friend vouches for no longer was followed.
fn forget_places(app: &Arc<App>, key: PublicKey) {
    let offered: Vec<DbUuid> = {
        let state = app.mesh.state();
        let known = state.manager.peer(id_of(key)).into_iter();
        known.flat_map(|known| known.databases()).map(|(id, _)| id).collect()
    };
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || {
        for id in offered {
            let Some(database) = databases::find(&app, id) else { continue };
            // What is left takes some room, and no more.
            let _left = pull::target(&app, key, id, database).forget();
        }
    });
}

/// Whether one is followed as the other was: a new name needs no new connection, nor does a way that is not
/// dialled anyway.
fn is_reached_so(now: &Peer, before: &Peer, lan: bool) -> bool {
    let ways = |peer: &Peer| peer.record.ways(|url| may_dial(url, lan));
    now.kind == before.kind
        && now.person == before.person
        && now.record.reach == before.record.reach
        && ways(now) == ways(before)
}

fn is_blocked(app: &App, key: PublicKey) -> bool {
    app.access.policies().is_blocked(key)
}

/// Keeps a connection to one peer, and heeds what comes over it.
async fn follow_one(app: Arc<App>, key: PublicKey) {
    let mut cursor = String::new();
    let nudge = match app.mesh.state().ways.get(&key) {
        Some(way) => Arc::clone(&way.nudge),
        None => return,
    };
    loop {
        let now = clock::now();
        let next = app.mesh.state().ways.get(&key).map(|way| way.paths.next(now));
        match next {
            None => return,
            Some(Next::Nowhere) => return std::future::pending().await,
            Some(Next::At(due)) => {
                let wait = Duration::from_millis(due.0.saturating_sub(now.0));
                tokio::select! {
                    () = sleep(wait) => {}
                    () = nudge.notified() => {
                        if let Some(way) = app.mesh.state().ways.get_mut(&key) {
                            way.paths.try_again();
                        }
                    }
                }
            }
            Some(Next::Dial(at)) => {
                let trouble = over(&app, key, at, &mut cursor).await;
                tracing::debug!(code = trouble.code, "a peer is not reached");
                lost(&app, key, at, trouble);
            }
        }
    }
}

/// Dials one of the ways, and follows the feed until it ends.
async fn over(app: &Arc<App>, key: PublicKey, at: usize, cursor: &mut String) -> Trouble {
    let way = app.mesh.state().ways.get_mut(&key).and_then(|way| {
        way.dialling = Some(at);
        way.url(at)
    });
    let Some((url, is_announced)) = way else { return trouble("unreachable", "") };
    let looked_at = url.clone();
    let look = move || !is_announced || leads_into_own_network(&looked_at);
    if !tokio::task::spawn_blocking(look).await.unwrap_or_default() {
        return trouble(
            "unreachable",
            "it says that it is in a network that this device is not in",
        );
    }
    count(&app.mesh.counts.dials, 1);
    let link = match Link::dial(app, &url).await {
        Ok(link) => link,
        Err(trouble) => return trouble,
    };
    let path = format!("/_hub/feed?since={cursor}");
    let asked = timeout(HELLO_MAX, link.ask(Method::GET, &path, None)).await;
    let mut feed = match asked {
        Ok(Ok(feed)) => feed.into_body(),
        Ok(Err(refused)) => return feed_trouble(refused),
        Err(_late) => return trouble("cut", "it does not answer"),
    };
    connected(app, key, at, &link);
    let said = match app.mesh.state().ways.get(&key) {
        Some(way) => Arc::clone(&way.said),
        None => return trouble("cut", ""),
    };
    let good = sleep(GOOD_AFTER);
    let mut good = std::pin::pin!(good);
    let mut is_good = false;
    let mut lines = Lines::default();
    loop {
        tokio::select! {
            frame = feed.frame() => match frame {
                None => return trouble("cut", "it has ended the connection"),
                Some(Err(error)) => return trouble("cut", &error),
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    let Ok(came) = lines.push(&bytes) else {
                        return trouble("peer_misbehaved", "its feed makes no sense");
                    };
                    heed(app, key, came, cursor);
                }
            },
            () = said.notified() => {
                tokio::spawn(acknowledge(Arc::clone(app), key, link.clone()));
            }
            () = link.ended() => return trouble("cut", "the connection broke"),
            () = &mut good, if !is_good => {
                is_good = true;
                if let Some(way) = app.mesh.state().ways.get_mut(&key) {
                    way.paths.succeeded(at);
                }
            }
        }
    }
}

/// Why a peer does not tell what has changed.
fn feed_trouble(refused: Refused) -> Trouble {
    match refused {
        Refused::Unasked(why) if why.code == PAUSED => why,
        // Whoever shuts the door does so right after the handshake.
        Refused::Unasked(why) => Trouble { code: "refused", ..why },
        Refused::Removed(why) => trouble("removed_there", &why),
        Refused::Answered(StatusCode::NOT_FOUND, _) => {
            trouble("not_spoken", "it is of a release that does not know larder-sync/1")
        }
        Refused::Answered(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, reason) => {
            trouble("unknown_there", &reason)
        }
        Refused::Answered(status, reason) => trouble("refused", &format!("{status}: {reason}")),
    }
}

fn connected(app: &App, key: PublicKey, at: usize, link: &Link) {
    let now = clock::now();
    {
        let mut state = app.mesh.state();
        let Some(way) = state.ways.get_mut(&key) else { return };
        way.link = Some(link.clone());
        way.connected = Some(now);
        way.last_seen = Some(now);
        way.troubles.remove(&at);
        let peer = id_of(key);
        state.manager.connected(peer);
        state.manager.retry(|of, _, trouble| of == peer && trouble.code == "cut");
    }
    app.mesh
        .events
        .tell(now, || json!({"event": "connected", "peer": key, "onion": link.is_onion()}));
    app.mesh.wake.notify_one();
}

fn lost(app: &App, key: PublicKey, at: usize, trouble: Trouble) {
    let now = clock::now();
    let was_connected = {
        let mut state = app.mesh.state();
        let Some(way) = state.ways.get_mut(&key) else { return };
        let was_connected = way.connected.is_some();
        if was_connected {
            way.last_seen = Some(now);
        }
        way.failed(at, trouble.clone(), now, chance());
        state.manager.disconnected(id_of(key));
        was_connected
    };
    if was_connected {
        let Trouble { code, text } = trouble;
        app.mesh.events.tell(
            now,
            || json!({"event": "disconnected", "peer": key, "code": code, "reason": text}),
        );
    }
}

/// Any number, another one each time.
pub(crate) fn chance() -> u64 {
    // Without chance, peers that failed together come back together, which harms nobody.
    getrandom::u64().unwrap_or_default()
}

/// Heeds what a peer says.
fn heed(app: &Arc<App>, key: PublicKey, lines: Vec<Line>, cursor: &mut String) {
    let now = clock::now();
    let peer = id_of(key);
    let kind = app.mesh.peers.now().get(&key).map(|peer| peer.kind);
    let databases_max = if kind == Some(Kind::Device) { OF_DEVICE_MAX } else { OF_FRIEND_MAX };
    let mut profile_seq = None;
    let mut state = app.mesh.state();
    for line in lines {
        count(&app.mesh.counts.lines, 1);
        if let (Some(theirs), Some(way)) = (line.now, state.ways.get_mut(&key)) {
            let ahead = i128::from(theirs) - i128::from(now.0);
            way.ahead_ms = Some(i64::try_from(ahead).unwrap_or(i64::MAX));
        }
        if let Some(boot) = line.boot.clone().filter(|_| line.now.is_some()) {
            let app = Arc::clone(app);
            tokio::task::spawn_blocking(move || boots::heed(&app, key, &boot));
        }
        profile_seq = line.profile.or(profile_seq);
        if line.anew {
            state.manager.offers_anew(peer);
        }
        let id = line.db.as_deref().and_then(DbUuid::parse);
        if let (Some(id), true) = (id, line.gone) {
            state.manager.withdraw(peer, id);
            state.withdrawn((key, id));
        }
        if let (Some(id), Some((offer, theirs))) = (id, offer_of(&line)) {
            let is_new = state.manager.standing(peer, id).is_none();
            let known = state.manager.peer(peer).map_or(0, |known| known.database_count());
            if is_new && known >= databases_max {
                continue;
            }
            let permit = permit::permit(app, key, id, &offer.name);
            let here = databases::find(app, id);
            rule::heed(app, key, id, &theirs);
            state.rules.insert((key, id), theirs);
            match line.right.as_deref().and_then(SharedRight::parse) {
                Some(right) => _ = state.shared.insert((key, id), right),
                None => _ = state.shared.remove(&(key, id)),
            }
            if let Some(here) = &here {
                state.rights.entry((key, id)).or_insert_with(|| Rights::of(app, key, here));
            }
            state.manager.offer(peer, id, offer);
            state.manager.permit(peer, id, permit);
            permit::select(app, &mut state, key, id);
            let tag = app.mesh.rules.tag(id);
            let reached = here.and_then(|here| state.remembered.reached(key, id, &here, &tag));
            if let Some(seq) = reached {
                state.manager.know_reached(peer, id, seq);
            }
            acknowledge::say_if_in_step(&mut state, key, id);
        }
        if let Some(next) = line.cursor {
            for id in state.manager.offered_all(peer) {
                state.withdrawn((key, id));
            }
            // A place that is none is the beginning.
            *cursor = Some(next).filter(|next| is_place(next)).unwrap_or_default();
        }
    }
    if let Some(way) = state.ways.get_mut(&key) {
        way.last_seen = Some(now);
    }
    drop(state);
    app.mesh.wake.notify_one();
    if let Some(seq) = profile_seq {
        profile::heed(app, key, seq);
    }
}

/// Whether a text can be a place in a feed, which goes into a URL.
fn is_place(text: &str) -> bool {
    text.len() <= CURSOR_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What a line offers, and the rule for conflicts there; none where it names no database.
fn offer_of(line: &Line) -> Option<(Offer, Rule)> {
    let (name, seq) = (line.name.clone()?, line.seq.clone()?);
    DbName::of_existing(&name).ok()?;
    if line.conflicts.as_ref().is_some_and(|text| text.len() > RULE_BYTES_MAX) {
        return None;
    }
    let parsed: UpdateSeq = seq.parse().ok()?;
    let offer = Offer { rank: rank(&name), name, size: parsed.seq.0, seq };
    let rule = Rule {
        policy: line.conflicts.clone().unwrap_or_default(),
        version: line.conflicts_version.unwrap_or_default(),
    };
    Some((offer, rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, seq: &str, conflicts: &str) -> Line {
        Line {
            name: Some(name.into()),
            seq: Some(seq.into()),
            conflicts: Some(conflicts.into()),
            ..Line::default()
        }
    }

    #[test]
    fn what_names_no_database_offers_none() {
        let seq = UpdateSeq { seq: store::Seq(7), epoch: store::Epoch([1; 8]) }.to_string();
        for name in ["notes", "notes~phone", "_dbs"] {
            assert_eq!(offer_of(&line(name, &seq, "keep")).unwrap().0.size, 7, "{name}");
        }
        let long = "x".repeat(300);
        for (name, seq, conflicts) in [
            ("Notes", &*seq, "keep"),
            ("a\u{1b}[2J", &*seq, "keep"),
            (&*long, &*seq, "keep"),
            ("notes", "seven", "keep"),
            ("notes", &*seq, &*"x".repeat(RULE_BYTES_MAX + 1)),
        ] {
            assert_eq!(offer_of(&line(name, seq, conflicts)), None, "{name}");
        }
    }

    #[test]
    fn only_places_go_into_urls() {
        assert!(is_place("12-abababababababab-0123456789abcdef") && is_place(""));
        for bad in ["1 2", "1&heartbeat=1", "\u{e9}", &"1".repeat(CURSOR_BYTES_MAX + 1)] {
            assert!(!is_place(bad), "{bad}");
        }
    }
}
