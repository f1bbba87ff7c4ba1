//! What a peer has of what is here, as it has said last.

use identity::PublicKey;
use serde::Serialize;

use super::databases;
use crate::app::App;

/// A database that a peer has, or had at some time.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Holding {
    /// What it is called here.
    database: String,
    /// How many documents are in it here, of which the peer may lack the newest.
    documents: u64,
}

/// The databases of which a peer has said in this run of the hub that it has them, up to somewhere. May
/// block.
pub(crate) fn holdings(app: &App, key: PublicKey) -> Vec<Holding> {
    let acknowledged: Vec<_> = {
        let state = app.mesh.state();
        state.acknowledged.keys().filter(|(of, _)| *of == key).map(|(_, id)| *id).collect()
    };
    let holding = |id| {
        let database = databases::find(app, id)?;
        let name = database.name();
        let documents = database.info().map_or(0, |info| info.doc_count);
        (!name.is_system()).then(|| Holding { database: name.to_string(), documents })
    };
    let mut holdings: Vec<_> = acknowledged.into_iter().filter_map(holding).collect();
    holdings.sort_by(|a, b| a.database.cmp(&b.database));
    holdings
}
