//! pouchdb-server, and an app of PouchDB's in the same process: `tests/node/middle.mjs`.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Client, Hub, Process, node};

use crate::needs_node::DATABASES;

const START_LIMIT: Duration = Duration::from_secs(60);

/// Both of them; dropping it ends them.
pub(crate) struct Middle {
    _process: Process,
    /// pouchdb-server.
    pub(crate) server: Client,
    server_url: String,
    /// A look at the app's databases, and its control.
    pub(crate) app: Client,
    /// Dropped after the process.
    _folder: TempDir,
}

impl Middle {
    /// Starts both, empty.
    pub(crate) fn start() -> Self {
        let folder = TempDir::with_prefix("larder-test-").unwrap();
        let process = Process::start(node().arg("middle.mjs").arg(folder.path()));
        let urls = process.await_line("serving ", START_LIMIT).unwrap();
        let (server, app) = urls.split_once(' ').unwrap();
        Self {
            _process: process,
            server: Client::new(server),
            server_url: server.to_owned(),
            app: Client::new(app),
            _folder: folder,
        }
    }

    /// Where pouchdb-server has a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}{database}", self.server_url)
    }

    /// Lets the app sync its databases with a hub's, instead of whatever it did before.
    pub(crate) fn sync_app(&self, hub: &Hub) {
        for database in DATABASES {
            let url = format!("{}{database}", hub.owner_url());
            self.app.put("/-sync", json!({"database": database, "url": url})).expect(200);
        }
    }

    /// A replication with a hub that ends by itself. Whoever has the documents is asked for it: PouchDB that
    /// fetches a revision from elsewhere takes the attachments of whatever wins there, if it has the document.
    pub(crate) fn replicate_once(&self, hub: &Hub, database: &str, to_hub: bool) {
        let reply = if to_hub {
            let there = format!("{}{database}", hub.owner_url());
            self.server.post("/_replicate", json!({"source": database, "target": there}))
        } else {
            hub.post("/_replicate", json!({"source": database, "target": self.url(database)}))
        };
        reply.expect(200);
    }

    /// How often hubs have asked pouchdb-server for a part of the protocol.
    pub(crate) fn asked(&self) -> Value {
        self.app.get("/-asked").expect(200).json()
    }
}
