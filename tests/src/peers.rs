//! Hubs that know each other.

use serde_json::{Value, json};

use crate::{Hub, eventually};

impl Hub {
    /// Its public key, as `hub.json` says it.
    ///
    /// # Panics
    /// When there is no such file.
    #[track_caller]
    pub fn key(&self) -> String {
        let text = std::fs::read(self.data_dir().join("run/hub.json")).expect("hub.json");
        let hub: Value = serde_json::from_slice(&text).expect("JSON");
        hub["key"].as_str().expect("a key").to_owned()
    }

    /// Its httpkey URL in this machine's network.
    #[track_caller]
    pub fn key_url(&self) -> String {
        let tls = self.tls_url();
        let host = tls.trim_start_matches("https://").trim_end_matches('/');
        format!("httpkey://{host}/ed25519publickey:{}/", self.key())
    }

    /// Names another hub as a device of the same owner.
    #[track_caller]
    pub fn add_device(&self, other: &Self, name: &str) {
        let device = json!({"url": other.key_url(), "name": name});
        self.post("/_hub/devices", device).expect(201);
    }

    /// Names a key as a device of the same owner, reached nowhere.
    #[track_caller]
    pub fn add_device_key(&self, key: &str, name: &str) {
        let url = format!("httpkey://127.0.0.1:9/ed25519publickey:{key}/");
        self.post("/_hub/devices", json!({"url": url, "name": name})).expect(201);
    }

    /// What `/_hub/devices` says of a device.
    #[track_caller]
    pub fn device(&self, name: &str) -> Value {
        let shown = self.get("/_hub/devices").expect(200).json();
        let mut devices = shown["devices"].as_array().into_iter().flatten();
        devices.find(|device| device["name"] == name).cloned().unwrap_or_default()
    }

    /// Waits until a device stands so.
    #[track_caller]
    pub fn await_standing(&self, name: &str, standing: &str) -> Value {
        eventually(&format!("{name} is {standing}"), || {
            let device = self.device(name);
            if device["standing"] == standing { Ok(device) } else { Err(device.to_string()) }
        })
    }

    /// The codes of the alarms that `/_hub/devices` shows.
    #[track_caller]
    pub fn alarms(&self) -> Vec<String> {
        let shown = self.get("/_hub/devices").expect(200).json();
        let alarms = shown["alarms"].as_array().into_iter().flatten();
        alarms.map(|alarm| alarm["code"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until there is an alarm with this code.
    #[track_caller]
    pub fn await_alarm(&self, code: &str) {
        eventually(code, || {
            let alarms = self.alarms();
            if alarms.iter().any(|known| known == code) {
                Ok(())
            } else {
                Err(format!("{alarms:?}"))
            }
        });
    }

    /// Names another hub as a friend.
    #[track_caller]
    pub fn add_friend(&self, other: &Self, name: &str) {
        let friend = json!({"url": other.key_url(), "name": name});
        self.post("/_hub/friends", friend).expect(201);
    }

    /// Takes what a friend offers, as soon as that is known, and calls it as the friend does.
    #[track_caller]
    pub fn take_offer(&self, friend: &str, database: &str) {
        let path = format!("/_hub/friends/{friend}/accept");
        eventually("the offer", || {
            let reply = self.post(&path, json!({"database": database, "as": database}));
            if reply.status == 201 { Ok(()) } else { Err(reply.to_string()) }
        });
    }

    /// What `/_hub/status` says of a peer.
    #[track_caller]
    pub fn peer(&self, name: &str) -> Value {
        let status = self.get("/_hub/status").expect(200).json();
        let mut peers = status["peers"].as_array().into_iter().flatten();
        peers.find(|peer| peer["name"] == name).cloned().unwrap_or_default()
    }

    /// The reasons that `/_hub/why` gives.
    #[track_caller]
    pub fn why(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/_hub/why?{query}")).expect(200).json();
        answer["reasons"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until a reason with this code is given, and hands it back.
    #[track_caller]
    pub fn await_reason(&self, query: &str, code: &str) -> Value {
        eventually(code, || {
            let reasons = self.why(query);
            let found = reasons.iter().find(|reason| reason["code"] == code).cloned();
            found.ok_or_else(|| format!("{reasons:?}"))
        })
    }

    /// A figure of the mesh, by its name.
    #[track_caller]
    pub fn mesh_figure(&self, name: &str) -> u64 {
        let path = format!("/_node/_local/_stats/larder/mesh_{name}");
        self.get(&path).expect(200).json()["value"].as_u64().expect("a number")
    }
}

/// Two hubs of one owner, each of which knows the other.
#[track_caller]
pub fn pair(first: &Hub, second: &Hub) {
    first.add_device(second, "second");
    second.add_device(first, "first");
}

/// The hubs of two people, Anna and Bert, who are friends.
#[track_caller]
pub fn friends() -> (Hub, Hub) {
    let (anna, bert) = (Hub::start(), Hub::start());
    anna.add_friend(&bert, "Bert");
    bert.add_friend(&anna, "Anna");
    (anna, bert)
}

/// Waits until a hub answers a document with this member.
#[track_caller]
pub fn await_member(hub: &Hub, path: &str, member: &str, value: impl Into<Value>) {
    let value = value.into();
    eventually(path, || {
        let reply = hub.get(path);
        let found = if reply.status == 200 { reply.json()[member].clone() } else { Value::Null };
        if found == value { Ok(()) } else { Err(format!("{} {found}", reply.status)) }
    });
}

/// Waits until a hub answers so.
#[track_caller]
pub fn await_status(hub: &Hub, path: &str, status: u16) {
    eventually(path, || {
        let reply = hub.get(path);
        if reply.status == status { Ok(()) } else { Err(reply.status.to_string()) }
    });
}
