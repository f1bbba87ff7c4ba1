//! `GET /_hub/why`: why something is not in step, as a chain of reasons that people understand.

mod absence;
mod sentence;

use std::sync::Arc;

use http::StatusCode;
use identity::{DeviceStanding, PublicKey};
use replication::{Permit, Rank, Run, Standing};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Database, DbName, DbUuid, DocId, Millis};

use self::absence::{absence, leave_out_absent, way_reason};
use self::sentence::{ago, until};
use super::alarms::alarms;
use super::peers::{Peer, devices_of};
use super::permit::Rights;
use super::record::{Kind, is_onion};
use super::state::{Acknowledged, SharedRight, Skipped, State};
use super::status::{describe_progress, name_of};
use super::{databases, id_of, pull};
use crate::app::App;
use crate::clock;
use crate::http::{Call, HttpError, Reply, blocking, reply};
use crate::registry::{Record, SourceView};
use crate::support::Pseudonyms;

/// What programs tell by that a rule of the owner's leaves something out: on this device, on a peer.
const RULE: &str = "rule";
const RULE_THERE: &str = "rule_there";

/// What programs tell by that a friend may not write here what it offers.
pub(super) const RIGHT_HERE: &str = "right_missing_here";

/// The same of a peer that is off: of a friend that is no fault where nothing is known to wait for it.
const AWAY: [&str; 4] = ["cut", "dialling", "paused", "unreachable"];

/// One reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Reason {
    /// What programs tell it by; never another one for the same thing.
    code: &'static str,
    /// What people read.
    sentence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    db: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
}

/// `GET /_hub/why?peer=&db=&doc=`
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let text = |name: &str| call.query.text(name).map(str::to_owned);
    let (peer, db, doc) = (text("peer"), text("db"), text("doc"));
    let app = Arc::clone(&call.app);
    let reasons = blocking(move || {
        let asked = Asked::new(&app, peer.as_deref(), db.as_deref(), doc.as_deref())?;
        asked.reasons()
    });
    let reasons = reasons.await?;
    // What the owner leaves out, or does not let a friend write, does not come in the way of being in step.
    let is_by_right =
        |reason: &Reason| matches!(reason.code, RULE | RULE_THERE | RIGHT_HERE | pull::DESIGN);
    let in_step = reasons.iter().all(is_by_right);
    let answer = json!({"in_step": in_step, "reasons": reasons});
    Ok(reply::json(StatusCode::OK, &answer))
}

/// What is asked about.
struct Asked<'a> {
    app: &'a App,
    now: Millis,
    peers: Vec<(PublicKey, Arc<Peer>)>,
    /// Whether it was said which peer.
    is_named: bool,
    /// Whether somebody who helps is told, who is to know also of friends who are off.
    is_for_help: bool,
    /// One database only: what it is called, and the one that is here.
    db: Option<(String, Option<DbUuid>)>,
    doc: Option<String>,
}

impl<'a> Asked<'a> {
    fn new(
        app: &'a App,
        peer: Option<&str>,
        db: Option<&str>,
        doc: Option<&str>,
    ) -> Result<Self, HttpError> {
        let all = app.mesh.peers.now();
        let mut peers: Vec<_> = all.iter().map(|(key, peer)| (*key, Arc::clone(peer))).collect();
        let devices = app.access.policies().devices();
        if peer.is_none() {
            let waiting = devices.listings().iter();
            let waiting =
                waiting.filter(|(_, listing)| listing.standing == DeviceStanding::Suspended);
            let device = |key| (key, Arc::new(Peer::device(devices.record(key))));
            peers.extend(waiting.map(|(key, _)| device(*key)));
        }
        if let Some(word) = peer {
            peers.retain(|(_, peer)| peer.record.is_meant_by(word));
            // Of devices that are refused here there is just that to say.
            let refused = devices.find(app.device.public(), word);
            let refused = refused.filter(|key| devices.refused(*key).is_some());
            peers.extend(refused.map(|key| (key, Arc::new(Peer::device(devices.record(key))))));
            if peers.is_empty() {
                return Err(HttpError::NotFound(
                    "there is no device and no friend of that name or key",
                ));
            }
        }
        leave_out_absent(app, &mut peers);
        let db = db.map(|name| (name.to_owned(), id_by_name(app, name)));
        let (now, is_named, doc) = (clock::now(), peer.is_some(), doc.map(str::to_owned));
        Ok(Self { app, now, peers, is_named, is_for_help: false, db, doc })
    }

    fn reasons(&self) -> Result<Vec<Reason>, HttpError> {
        let mut reasons = Vec::new();
        if self.peers.is_empty() {
            reasons.push(Reason {
                code: "no_peers",
                sentence: "No device and no friend has been added: `larder pair` does that.".into(),
                ..Reason::default()
            });
        }
        if self.app.store.is_full() {
            reasons.push(Reason {
                code: "disk_full",
                sentence: "The disk of this device is full: nothing more can come here.".into(),
                ..Reason::default()
            });
        }
        for alarm in alarms(self.app).into_iter().filter(|_| !self.is_named) {
            reasons.push(reason(alarm.code, alarm.sentence));
        }
        if self.app.pause.now().sync {
            reasons.push(Reason {
                code: "paused_here",
                sentence: "You have paused this device: nothing is fetched and nobody is answered \
                           until `larder resume`."
                    .into(),
                ..Reason::default()
            });
        }
        reasons.extend(self.of_published_views());
        self.of_document(&mut reasons)?;
        for (key, peer) in &self.peers {
            self.of_peer(*key, peer, &mut reasons)?;
        }
        Ok(reasons)
    }

    /// Views whose rows others do not get as they are.
    fn of_published_views(&self) -> Vec<Reason> {
        let records = self.app.registry.records();
        let troubled = records.values().filter_map(|record| {
            let standing = self.app.sharing.standing(record.uuid)?;
            let (code, text) = standing.trouble?;
            let view = record.view.as_ref()?;
            let asked = self.db.as_ref().is_none_or(|(_, here)| {
                *here == Some(record.uuid) || here.is_some() && *here == view.of()
            });
            let SourceView { design, view, .. } = view;
            let name = &record.name;
            let sentence = match code {
                "view_missing" => format!(
                    "There is no view {view} in _design/{design} any more, so {name}, as which it is shared, is empty."
                ),
                _ => format!(
                    "What is shared of the view {view} in _design/{design} as {name} stays as it was: {text}."
                ),
            };
            let db = Some(name.to_string());
            asked.then(|| Reason { db, ..reason(code, sentence) })
        });
        troubled.collect()
    }

    /// What concerns the database and the document here, whoever the peer is.
    fn of_document(&self, reasons: &mut Vec<Reason>) -> Result<(), HttpError> {
        let Some((name, id)) = &self.db else { return Ok(()) };
        let db = Some(name.clone());
        let Some(database) = id.and_then(|id| databases::find(self.app, id)) else {
            let here = name.parse::<DbName>().ok().and_then(|name| self.app.store.database(&name));
            if here.is_some() {
                let sentence = format!("{name} stays on this device: its scope is local.");
                reasons.push(Reason { code: "local_only", sentence, db, ..Reason::default() });
            }
            return Ok(());
        };
        if let Some(doc) = &self.doc {
            let id =
                doc.parse::<DocId>().map_err(|error| HttpError::BadRequest(error.to_string()))?;
            if database.read(|snapshot| snapshot.head(&id))?.is_none() {
                let rule = self.app.mesh.rules.own(database.uuid());
                if let Some(rule) = rule.filter(|rule| !rule.skip) {
                    let sentence = sentence::of_rule(name, doc, &rule.words());
                    let doc = Some(doc.clone());
                    reasons.push(Reason { code: RULE, sentence, db, doc, ..Reason::default() });
                    return Ok(());
                }
                let sentence = format!("There is no document {doc} in {name} on this device.");
                let doc = Some(doc.clone());
                reasons.push(Reason {
                    code: "no_document",
                    sentence,
                    db,
                    doc,
                    ..Reason::default()
                });
            }
        }
        Ok(())
    }

    fn of_peer(
        &self,
        key: PublicKey,
        peer: &Peer,
        reasons: &mut Vec<Reason>,
    ) -> Result<(), HttpError> {
        let name = &peer.record.name;
        let mut found = Vec::new();
        let read_only;
        {
            let state = self.app.mesh.state();
            match state.ways.get(&key) {
                Some(way) => {
                    found.extend(way_reason(name, way, self.now));
                    let is_by_onion = way.link.is_none() && way.urls.iter().any(is_onion);
                    if is_by_onion && self.app.pause.now().onion {
                        let text = format!(
                            "You have paused Tor, so {name} is not reached by it until `larder resume`."
                        );
                        found.push(reason("onion_paused", text));
                    }
                }
                None if self.app.pause.now().sync => {}
                None => found.push(absence(self.app, key, name)),
            }
            let known =
                state.manager.peer(id_of(key)).into_iter().flat_map(|known| known.databases());
            let mut offered = false;
            for (id, standing) in known.filter(|(id, standing)| self.is_meant(*id, standing)) {
                offered |= standing.offered().is_some();
                self.of_database((key, name), id, standing, &state, &mut found);
            }
            offered |= self.others_offer(key, peer, &state);
            let connected = state.ways.get(&key).is_some_and(|way| way.link.is_some());
            // That a friend does not have everything is no news.
            let expected = connected && (self.is_named || peer.kind == Kind::Device);
            if let (Some((db, _)), false, true) = (&self.db, offered, expected) {
                let sentence = match self.is_from(key) {
                    true => format!(
                        "{name} does not share {db} with this device any more: the copy here stays, and is no longer followed."
                    ),
                    false => {
                        format!("{name} does not share {db} with this device, or does not have it.")
                    }
                };
                found.push(Reason {
                    db: Some(db.clone()),
                    ..reason("right_missing_there", sentence)
                });
            }
            read_only = self.of_acknowledgement((key, name), &state, &mut found);
        }
        for database in read_only {
            if self.app.sharing.own_edits.are_in(&database) {
                let db = database.name().to_string();
                let text = format!(
                    "You may only read {db}: your edits stay here, {name} does not get them."
                );
                found.push(Reason { db: Some(db), ..reason("read_only", text) });
            }
        }
        // Whoever it is may have brought it, whether it offers anything or not.
        for (id, database) in databases::all(self.app) {
            if self.db.as_ref().is_some_and(|(_, here)| *here != Some(id)) {
                continue;
            }
            self.of_held((key, name), &database, &mut found)?;
        }
        // A friend who is off, and for whom and of whom nothing is known to wait, is no fault.
        let is_away = |reason: &Reason| AWAY.contains(&reason.code);
        let is_asked = self.is_named || self.is_for_help;
        if peer.kind == Kind::Friend && !is_asked && found.iter().all(is_away) {
            return Ok(());
        }
        for found in found {
            let found = Reason { peer: Some(name.clone()), ..found };
            // Several hubs of a friend's may be behind alike.
            if !reasons.contains(&found) {
                reasons.push(found);
            }
        }
        Ok(())
    }

    /// Whether another hub of the same friend offers what is asked about.
    fn others_offer(&self, key: PublicKey, peer: &Peer, state: &State) -> bool {
        let others = devices_of(&self.app.mesh.peers.now(), peer.person).into_iter();
        others.filter(|(other, _)| *other != key).any(|(other, _)| {
            let known = state.manager.peer(id_of(other)).into_iter();
            known
                .flat_map(|known| known.databases())
                .any(|(id, standing)| standing.offered().is_some() && self.is_meant(id, standing))
        })
    }

    fn is_meant(&self, id: DbUuid, standing: &Standing) -> bool {
        let Some((name, here)) = &self.db else { return true };
        let there = standing.offered().is_some_and(|offer| offer.name == *name);
        *here == Some(id) || here.is_none() && (there || id.to_string() == *name)
    }

    /// What keeps a database from being as the peer has it.
    fn of_database(
        &self,
        (key, peer): (PublicKey, &str),
        id: DbUuid,
        standing: &Standing,
        state: &State,
        found: &mut Vec<Reason>,
    ) {
        let Some(offer) = standing.offered() else { return };
        let db = name_of(self.app, id, &offer.name);
        let of_db = |found: Reason| Reason { db: Some(db.clone()), ..found };
        let about = |code, text: &str| sentence::of_trouble(code, text, peer, &db);
        match (standing.permitted(), standing.run()) {
            _ if standing.is_in_step() => {}
            // What others offer is ours to leave, and so are their edits where they only read.
            (Permit::Withheld(trouble), _)
                if matches!(trouble.code, "not_accepted" | RULE | RIGHT_HERE)
                    && self.db.is_none() => {}
            (Permit::Withheld(trouble), _) => {
                found.push(of_db(reason(trouble.code, about(trouble.code, &trouble.text))));
            }
            (_, Run::Running { since }) => {
                let progress = state.pulls.get(&(key, id)).and_then(|pull| pull.progress.as_ref());
                let progress =
                    progress.map(|progress| describe_progress(&progress.borrow(), self.now));
                let far =
                    progress.map(|progress| sentence::progress(&progress)).unwrap_or_default();
                let ago = ago(self.now, *since);
                let text = format!("{db} is being fetched from {peer}, begun {ago}{far}.");
                found.push(of_db(reason("running", text)));
            }
            (_, Run::Waiting { until: due, trouble, failures }) => {
                let again = until(self.now, *due);
                let times = sentence::times(*failures);
                let text = about(trouble.code, &trouble.text);
                let text = format!("{text} Failed {times}; tried again {again}.");
                found.push(of_db(reason(trouble.code, text)));
            }
            (_, Run::Idle) => {
                found.push(of_db(self.of_idle((key, peer), &db, offer.rank, state)));
            }
        }
        let skipped = state.skipped.get(&(key, id)).into_iter().flatten();
        let skipped =
            skipped.filter(|skipped| self.doc.as_ref().is_none_or(|doc| *doc == skipped.doc));
        // What the owner wants to be left out is no news.
        let is_news = |skipped: &&Skipped| !matches!(skipped.code, RULE | pull::DESIGN);
        let skipped = skipped.filter(|skipped| is_news(skipped) || self.db.is_some());
        let mut no_room = state.postponed.contains_key(&(key, id));
        for skipped in skipped {
            no_room &= skipped.code != pull::NO_ROOM;
            let text = sentence::of_skipped(skipped.code, &skipped.text, peer, &db, &skipped.doc);
            let doc = Some(skipped.doc.clone());
            found.push(Reason { doc, ..of_db(reason(skipped.code, text)) });
        }
        // Of what, is forgotten with a restart.
        if no_room && self.doc.is_none() {
            found.push(of_db(reason(pull::NO_ROOM, sentence::no_room(peer, &db))));
        }
    }

    /// Why nothing is being done about a database that is not in step.
    fn of_idle(
        &self,
        (key, peer): (PublicKey, &str),
        db: &str,
        rank: Rank,
        state: &State,
    ) -> Reason {
        let held = state.manager.held(self.now).filter(|_| rank == Rank::Person);
        if let Some((code, hold)) = held {
            let when = hold.until.map(|due| until(self.now, due));
            return reason(code, sentence::of_hold(&hold.text, db, when.as_deref()));
        }
        match state.ways.get(&key).is_some_and(|way| way.link.is_some()) {
            true => reason("turn", format!("{db} waits for its turn to be fetched from {peer}.")),
            false => {
                reason("behind", format!("{peer} has news in {db} that were not fetched yet."))
            }
        }
    }

    /// Whether the database that is asked about is one of this peer's, which was taken here.
    fn is_from(&self, key: PublicKey) -> bool {
        let here = self.db.as_ref().and_then(|(_, here)| *here);
        let record = here.and_then(|here| self.app.registry.record(here));
        record.is_some_and(|record| self.is_of(&record, key))
    }

    /// Whether a database is from whoever has this key.
    fn is_of(&self, record: &Record, key: PublicKey) -> bool {
        let policies = self.app.access.policies();
        record.device.map(|device| policies.person(device)) == Some(policies.person(key))
    }

    /// Whether the peer has what is here; the databases of its own that may only be read here.
    fn of_acknowledgement(
        &self,
        (key, peer): (PublicKey, &str),
        state: &State,
        found: &mut Vec<Reason>,
    ) -> Vec<Arc<Database>> {
        let mut read_only = Vec::new();
        let peers = self.app.mesh.peers.now();
        let is_friend = peers.get(&key).is_some_and(|peer| peer.kind == Kind::Friend);
        let person = self.app.access.policies().person(key);
        let hubs = devices_of(&peers, person).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        for (id, database) in databases::all(self.app) {
            let asked = self.db.as_ref().is_none_or(|(_, here)| *here == Some(id));
            let principal = databases::may_read(self.app, key, &database);
            let writes = Rights::of(self.app, key, &database).writes();
            // Databases that are not shared with a friend are no matter, unless asked for.
            let in_question = self.is_named && self.db.is_some();
            if !asked || !(principal || writes || in_question) {
                continue;
            }
            let is_theirs = self
                .app
                .registry
                .record(id)
                .is_some_and(|record| self.is_of(&record, key) && is_friend);
            if is_theirs {
                match state.shared.get(&(key, id)) {
                    Some(SharedRight::Write) => {}
                    // What is not fetched from here is never acknowledged.
                    Some(SharedRight::Read) => {
                        read_only.push(database);
                        continue;
                    }
                    None => continue,
                }
            }
            let db = database.name().to_string();
            // What one hub of a friend's has, the friend has.
            let of_one = |key: &PublicKey| state.acknowledged.get(&(*key, id));
            let here = database.update_seq();
            let newest = |known: &&Acknowledged| known.seq == here.to_string();
            let of_any = hubs.iter().filter_map(of_one).find(newest);
            let known = of_any.or_else(|| of_one(&key));
            let has_all = known.is_some_and(|known| known.seq == here.to_string());
            // That a right is missing is worth a word to whoever asks, though the peer had everything before.
            if (has_all && (principal || !in_question)) || here.seq.0 == 0 {
                continue;
            }
            let of_db = |found: Reason| Reason { db: Some(db.clone()), ..found };
            if !principal {
                let text =
                    format!("{peer} may not read {db}: `larder acl grant` gives that right.");
                found.push(of_db(reason("right_missing_for_peer", text)));
                continue;
            }
            let rule = self.app.mesh.rules.now().get(&(key, id)).cloned();
            if rule.is_some_and(|rule| rule.skip) {
                if self.db.is_some() {
                    let text =
                        format!("{peer} takes nothing of {db}, by your rule for that device.");
                    found.push(of_db(reason(RULE_THERE, text)));
                }
                continue;
            }
            let way = state.ways.get(&key);
            let is_unheard = way.is_some_and(|way| way.link.is_none() && way.last_seen.is_none());
            if is_friend && known.is_none() && is_unheard && !self.is_named {
                // What a friend has who was not reached since this hub was started is not known.
                continue;
            }
            let text = match known {
                Some(known) => {
                    let ago = ago(self.now, known.at);
                    format!("{peer} has not fetched the newest of {db}; it was last in step {ago}.")
                }
                None => format!("{peer} has not said yet that it has {db} as it is here."),
            };
            found.push(of_db(reason("not_fetched", text)));
        }
        read_only
    }

    /// What was written by a clock that is ahead.
    fn of_held(
        &self,
        (key, peer): (PublicKey, &str),
        database: &Database,
        found: &mut Vec<Reason>,
    ) -> Result<(), HttpError> {
        // Nothing is opened to learn that nothing is held.
        if database.held_count() == 0 {
            return Ok(());
        }
        let by = self.app.access.policies().person(key).to_string();
        let held = database.held()?;
        let held = held.iter().filter(|held| {
            held.by == by && self.doc.as_ref().is_none_or(|doc| held.doc.as_str() == doc)
        });
        let (count, due) = held.fold((0u64, None), |(count, due), held| {
            (count + 1, Some(due.map_or(held.due, |due: Millis| due.min(held.due))))
        });
        if let Some(due) = due {
            let db = database.name().to_string();
            let when = until(self.now, due);
            let text = format!(
                "{count} of {peer}'s edits in {db} are dated in the future: its clock is or was ahead. \
                 The first of them counts {when}."
            );
            found.push(Reason { db: Some(db), ..reason("clock_held", text) });
        }
        Ok(())
    }
}

fn reason(code: &'static str, sentence: String) -> Reason {
    Reason { code, sentence, ..Reason::default() }
}

/// The id of the database that is called so here.
fn id_by_name(app: &App, name: &str) -> Option<DbUuid> {
    let all = databases::all(app).into_iter();
    let mut named =
        all.filter(|(id, database)| database.name().as_str() == name || id.to_string() == name);
    named.next().map(|(id, _)| id)
}

/// The reasons that concern anybody, at most so many, in words that tell nothing about whom or what they
/// are: for whoever helps.
pub(crate) fn outline(
    app: &App,
    pseudonyms: &mut Pseudonyms,
    reasons_max: usize,
) -> Result<Vec<Value>, HttpError> {
    let asked = Asked { is_for_help: true, ..Asked::new(app, None, None, None)? };
    let reasons = asked.reasons()?;
    let shown = reasons.into_iter().take(reasons_max).map(|reason| {
        let peer = reason.peer.map(|name| pseudonyms.peer(&name));
        let db = reason.db.map(|name| pseudonyms.database(&name));
        let sentence =
            peer.as_ref().and_then(|peer| sentence::in_general(reason.code, peer, db.as_deref()));
        json!({"code": reason.code, "peer": peer, "db": db, "sentence": sentence})
    });
    Ok(shown.collect())
}
