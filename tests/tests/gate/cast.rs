//! Everybody who may ask, and a hub that knows them.

use serde_json::{Value, json};
use tests::exchange::app;
use tests::{Client, Hub, Key, encode, eventually};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A device of the owner's.
    Device,
    /// An app that may read.
    AppReader,
    /// An app that may write.
    AppWriter,
    /// A friend who may read.
    Reader,
    /// A friend who may write.
    Writer,
    /// A friend in a group in a group that may read.
    Member,
    /// A friend who may read one view.
    Viewer,
    /// A key that nobody knows.
    Stranger,
    /// Nobody at all.
    Anonymous,
    /// A key that was blocked.
    Blocked,
}

pub(crate) const KINDS: [Kind; 10] = [
    Kind::Device,
    Kind::AppReader,
    Kind::AppWriter,
    Kind::Reader,
    Kind::Writer,
    Kind::Member,
    Kind::Viewer,
    Kind::Stranger,
    Kind::Anonymous,
    Kind::Blocked,
];

/// A hub with the databases `notes`, which some may use, and `other`, which is the owner's.
pub(crate) struct Cast {
    pub(crate) hub: Hub,
    keys: Vec<(Kind, Key)>,
    apps: Vec<(Kind, Client)>,
}

impl Cast {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let hub = Hub::start();
        hub.put("/notes", "").expect(201);
        hub.put("/other", "").expect(201);
        hub.put("/notes/a", json!({ "kind": "shown", "n": 1 })).expect(201);
        hub.put("/notes/b", json!({ "kind": "hidden", "secret": "kestrel" })).expect(201);
        hub.put("/other/o", json!({ "secret": "kestrel" })).expect(201);
        let design = json!({
            "views": {
                "shown": { "map": "function (d) { if (d.kind === 'shown') { emit(d.n, d.kind); } }" },
                "all": { "map": "function (d) { emit(d._id, 1); }", "reduce": "_sum" },
            },
            "filters": { "none": "function () { return false; }" },
        });
        hub.put("/notes/_design/d", design).expect(201);
        let keys: Vec<_> = [
            Kind::Device,
            Kind::Reader,
            Kind::Writer,
            Kind::Member,
            Kind::Viewer,
            Kind::Stranger,
            Kind::Blocked,
        ]
        .map(|kind| (kind, Key::new()))
        .into();
        let apps = vec![
            (Kind::AppReader, app(&hub, "reader", &["--db", "notes:r"]).0),
            (Kind::AppWriter, app(&hub, "writer", &["--db", "notes:rw"]).0),
        ];
        let cast = Self { hub, keys, apps };
        cast.introduce();
        cast
    }

    /// Tells the hub who they are.
    #[track_caller]
    fn introduce(&self) {
        let text = |kind| self.key(kind).text();
        self.hub.add_device_key(&text(Kind::Device), "device");
        self.remember(&format!("principal/{}", text(Kind::Blocked)), json!({ "blocked": true }));
        self.remember("group/inner", json!({ "members": [text(Kind::Member)] }));
        self.remember("group/circle", json!({ "members": ["group:inner"] }));
        self.grant(self.policy());
    }

    /// What the database's policy says at first.
    pub(crate) fn policy(&self) -> Value {
        let text = |kind| self.key(kind).text();
        json!({
            "members": { "names": [text(Kind::Writer), text(Kind::Blocked)], "roles": [] },
            "readers": { "names": [text(Kind::Reader)], "roles": ["circle"] },
            "views": { "d/shown": { "names": [text(Kind::Viewer)], "roles": [] } },
        })
    }

    #[track_caller]
    pub(crate) fn grant(&self, policy: Value) {
        self.hub.put("/notes/_security", policy).expect(200);
    }

    #[track_caller]
    fn remember(&self, id: &str, document: Value) {
        self.hub.put(&format!("/_acl/{}", encode(id)), document).expect(201);
    }

    /// The key of one who has one.
    #[track_caller]
    pub(crate) fn key(&self, kind: Kind) -> &Key {
        match self.keys.iter().find(|(known, _)| *known == kind) {
            Some((_, key)) => key,
            None => panic!("{kind:?} has no key"),
        }
    }

    /// How one asks.
    #[track_caller]
    pub(crate) fn client(&self, kind: Kind) -> Client {
        if let Some((_, client)) = self.apps.iter().find(|(known, _)| *known == kind) {
            return client.clone();
        }
        let key = (kind != Kind::Anonymous).then(|| self.key(kind));
        self.hub.as_key(key)
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()).ok_or_else(|| "not yet".into()));
}
