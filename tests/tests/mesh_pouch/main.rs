//! Devices of two people that never meet: what they share goes through pouchdb-server, which knows CouchDB's
//! protocol alone. One of them has an app of PouchDB's beside it, too. All are edited at random, hubs are
//! killed at random, and one is lost for ever: in the end all others have the same.
//!
//! ```text
//! anna's laptop ── pouchdb-server ── ben's desktop
//!      ║                                  ║           ══ larder-sync/1
//! anna's phone                       ben's tablet     ── CouchDB's protocol
//!                                         │
//!                                    PouchDB in Node
//! ```
#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]
#![allow(clippy::print_stdout, reason = "shown with the failure, or when asked for")]

mod contents;
mod device;
mod edits;
mod ledger;
mod lost;
mod middle;
mod trace;

/// Its scripts are Node's.
mod needs_node {
    use std::time::{Duration, Instant};

    use serde_json::json;
    use tests::{Chance, Client, await_status, eventually, now_ms, stamp_ms};

    use crate::contents::{Contents, await_same};
    use crate::device::Device;
    use crate::edits::{self, burst};
    use crate::ledger::Ledger;
    use crate::lost;
    use crate::middle::Middle;
    use crate::trace::Trace;

    /// The databases: of the first the newest edit wins, of the second CouchDB's conflicts stay.
    pub(crate) const DATABASES: [&str; 2] = ["notes", "board"];

    /// How long they are edited.
    const EDITED: Duration = Duration::from_secs(25);

    /// The places of the hubs, and who is lost in the end.
    const LAPTOP: usize = 0;
    const PHONE: usize = 1;
    const DESKTOP: usize = 2;
    const TABLET: usize = 3;

    #[test]
    fn hubs_and_pouchdb_come_to_the_same_whatever_happens() {
        let (mut chance, seed) = Chance::of_environment("MESH_SEED");
        println!("MESH_SEED={seed}");
        let middle = Middle::start();
        let mut hubs = ["laptop", "phone", "desktop", "tablet"].map(Device::start);
        two_people(&hubs);
        let mut ledger = Ledger::default();
        let torn = edited_before_anybody_met(&hubs, &middle, &mut ledger);
        for at in [LAPTOP, DESKTOP] {
            hubs[at].replicate_with(&middle);
        }
        middle.sync_app(hubs[TABLET].hub());

        let began = Instant::now();
        while began.elapsed() < EDITED {
            burst(&peers(&hubs, &middle), &mut chance, &mut ledger);
            if chance.once_in(12) {
                let at = chance.below(4) as usize;
                kill(&mut hubs[at], &mut chance, &mut ledger);
                if at == TABLET {
                    middle.sync_app(hubs[TABLET].hub());
                }
            }
            if chance.once_in(10) {
                let at = [LAPTOP, DESKTOP][chance.below(2) as usize];
                hubs[at].change_mind(&middle);
            }
            if chance.once_in(10) {
                let at = chance.below(4) as usize;
                let database = DATABASES[chance.below(2) as usize];
                middle.replicate_once(hubs[at].hub(), database, chance.once_in(2));
            }
        }
        for at in [LAPTOP, DESKTOP] {
            hubs[at].replicate_with(&middle);
        }

        // One is lost, with whatever it has not handed on.
        let mut trace = Trace::of(&hubs);
        let [laptop, phone, desktop, tablet] = hubs;
        let forgotten = phone.name;
        drop(phone);
        ledger.forget(forgotten);
        let hubs = [laptop, desktop, tablet];
        let peers = peers(&hubs, &middle);
        let markers: Vec<String> = peers.iter().map(|(name, _)| format!("last-{name}")).collect();
        for (name, peer) in &peers {
            for database in DATABASES {
                edits::write(peer, name, database, &format!("last-{name}"), &mut ledger);
            }
        }
        trace.add(&hubs, &middle);

        for database in DATABASES {
            let same = await_same(&peers, database, &markers, seed);
            let overwritten = lost::overwritten(&hubs, database);
            println!(
                "{database}: {} documents, {} leaves, {} overwritten, {} edits",
                same.winners.len(),
                same.leaves.len(),
                overwritten.len(),
                ledger.of(database).count()
            );
            lost::assert_nothing_is(&same, &overwritten, &ledger, database);
            match database {
                "notes" => {
                    assert_newest(&same, &ledger, &torn);
                    assert!(overwritten.contains(&torn.beaten), "{}", torn.beaten);
                }
                _ => {
                    assert!(overwritten.is_empty(), "nobody decides {database} but apps");
                    assert_eq!(same.live_leaves("torn").count(), 3, "two hubs' and PouchDB's");
                }
            }
        }
        trace.assert_both_protocols();
        for hub in &hubs {
            hub.hub().larder(&["verify"]).expect_success();
        }
    }

    /// Each person's two devices know each other, and both people have the databases.
    fn two_people(hubs: &[Device; 4]) {
        for (one, other) in [(LAPTOP, PHONE), (DESKTOP, TABLET)] {
            hubs[one].hub().add_device(hubs[other].hub(), hubs[other].name);
            hubs[other].hub().add_device(hubs[one].hub(), hubs[one].name);
            for (database, conflicts) in DATABASES.iter().zip(["newest", "keep"]) {
                let made = json!({"name": database, "conflicts": conflicts});
                hubs[one].hub().post("/_hub/dbs", made).expect(201);
                await_status(hubs[other].hub(), &format!("/{database}"), 200);
            }
        }
    }

    /// What was written before anybody met, so that there are conflicts of every kind whatever happens then.
    struct Torn {
        /// Of `both`, which hubs wrote: the later edit, and the earlier one.
        newest: String,
        beaten: String,
        /// The revision of `torn` that PouchDB wrote.
        unstamped: String,
    }

    fn edited_before_anybody_met(hubs: &[Device; 4], middle: &Middle, ledger: &mut Ledger) -> Torn {
        let (laptop, desktop) = (hubs[LAPTOP].hub().client(), hubs[DESKTOP].hub().client());
        let mut write = |peer: &Client, name, database, id| {
            edits::write(peer, name, database, id, ledger).expect("an edit")
        };
        for database in DATABASES {
            middle.server.put(&format!("/{database}"), "").expect(201);
            write(laptop, "laptop", database, "torn");
            write(desktop, "desktop", database, "torn");
        }
        write(&middle.server, "server", "board", "torn");
        let unstamped = write(&middle.server, "server", "notes", "torn");
        let beaten = write(laptop, "laptop", "notes", "both");
        // By the clock that both have the second one is later.
        eventually("a later time", || match now_ms() > stamp_ms(&beaten) {
            true => Ok(()),
            false => Err("the same".into()),
        });
        let newest = write(desktop, "desktop", "notes", "both");
        Torn { newest, beaten, unstamped }
    }

    /// Everybody who can be edited, hubs first.
    fn peers<'a>(hubs: &'a [Device], middle: &'a Middle) -> Vec<(&'static str, &'a Client)> {
        let hubs = hubs.iter().map(|device| (device.name, device.hub().client()));
        hubs.chain([("server", &middle.server), ("app", &middle.app)]).collect()
    }

    /// Kills a hub with an edit under way, which may or may not be acknowledged.
    fn kill(device: &mut Device, chance: &mut Chance, ledger: &mut Ledger) {
        let (client, name) = (Client::new(device.hub().owner_url()), device.name);
        let database = DATABASES[chance.below(2) as usize];
        let id = edits::document(chance);
        let edit = std::thread::spawn(move || edits::try_write(&client, name, database, &id));
        device.kill_and_start();
        if let Some(edit) = edit.join().unwrap() {
            ledger.note(edit);
        }
    }

    /// What has to hold where the newest edit wins. Whatever hubs wrote is decided, and the same everywhere.
    /// What PouchDB wrote has no time by which to decide: where a leaf of its is live, the conflict stays as it
    /// does in CouchDB, until somebody decides it.
    fn assert_newest(same: &Contents, ledger: &Ledger, torn: &Torn) {
        for id in same.winners.keys() {
            let live: Vec<&str> = same.live_leaves(id).collect();
            let decided = live.iter().all(|rev| !ledger.is_pouchdbs("notes", id, rev));
            assert!(live.len() <= 1 || !decided, "{id}: {live:?}");
        }
        assert_eq!(same.live_leaves("both").collect::<Vec<_>>(), [torn.newest.as_str()]);
        let live: Vec<&str> = same.live_leaves("torn").collect();
        assert!(live.contains(&torn.unstamped.as_str()), "{live:?}");
        assert_eq!(live.len(), 3, "nothing is decided while it is live: {live:?}");
    }

    #[test]
    fn an_app_of_pouchdb_and_a_hub_agree_on_who_decides() {
        let middle = Middle::start();
        let hub = Device::start("hub");
        hub.hub().post("/_hub/dbs", json!({"name": "notes", "conflicts": "newest"})).expect(201);
        hub.hub().post("/_hub/dbs", json!({"name": "board", "conflicts": "keep"})).expect(201);
        let mut ledger = Ledger::default();
        for (name, peer) in [("hub", hub.hub().client()), ("app", &middle.app)] {
            if name == "app" {
                for database in DATABASES {
                    peer.put(&format!("/{database}"), "").expect(201);
                }
            }
            edits::write(peer, name, "notes", "torn", &mut ledger).unwrap();
        }
        middle.sync_app(hub.hub());
        let peers = [("hub", hub.hub().client()), ("app", &middle.app)];
        let conflict = eventually("a conflict at both", || {
            let docs = peers.map(|(_, peer)| peer.get("/notes/torn?conflicts=true").json());
            match docs.iter().all(|doc| doc["_conflicts"].as_array().is_some()) {
                true if docs[0] == docs[1] => Ok(docs[0].clone()),
                _ => Err(format!("{docs:?}")),
            }
        });
        // Whoever decides deletes what loses, as CouchDB's apps do: a hub then has the last word of nobody.
        let loser = conflict["_conflicts"][0].as_str().unwrap();
        middle.app.delete(&format!("/notes/torn?rev={loser}")).expect(200);
        for (name, peer) in peers {
            eventually(name, || {
                let doc = peer.get("/notes/torn?conflicts=true").json();
                let decided = doc["_rev"] == conflict["_rev"] && doc["_conflicts"].is_null();
                if decided { Ok(()) } else { Err(doc.to_string()) }
            });
        }
    }
}
