//! What was left out for want of room comes when there is room again.

use std::sync::Arc;
use std::time::Duration;

use identity::PublicKey;
use serde_json::{Value, json};
use store::DbUuid;
use tokio::time::sleep;

use super::status::name_of;
use super::{databases, pull, schedule};
use crate::app::App;
use crate::clock;
use crate::quota::{Account, Payer};

/// How often it is looked for room, while something waits for it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks for room, for as long as the hub runs.
pub(super) async fn keep(app: Arc<App>) {
    let mut quotas = app.quotas.changes();
    let mut looked = clock::instant();
    loop {
        let waiting = !app.mesh.state().postponed.is_empty();
        // However often there is no room for something more.
        let left = LOOK_EVERY.saturating_sub(looked.elapsed());
        let wait = async {
            match waiting {
                true => sleep(left).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            changed = quotas.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = app.mesh.no_room.notified() => continue,
        }
        looked = clock::instant();
        let looking = Arc::clone(&app);
        // What panics is looked at again.
        let _looked = tokio::task::spawn_blocking(move || look(&looking)).await;
    }
}

/// Has everything compared anew of which something was left out that now finds room. May block.
fn look(app: &Arc<App>) {
    let postponed: Vec<_> =
        app.mesh.state().postponed.iter().map(|(of, bytes)| (*of, *bytes)).collect();
    for ((key, id), bytes) in postponed {
        let Some(database) = databases::find(app, id) else { continue };
        match has_room(app, key, id, bytes) {
            Ok(true) => schedule::begin_anew(app, key, id, database),
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(error = error.unnamed(), "could not see what room there is");
            }
        }
    }
}

/// Whether a peer may bring so many bytes more into a database; not where it is not connected. May block.
pub(super) fn has_room(
    app: &App,
    key: PublicKey,
    id: DbUuid,
    bytes: u64,
) -> Result<bool, store::Error> {
    let link = app.mesh.state().ways.get(&key).and_then(|way| way.link.clone());
    let (Some(link), Some(database)) = (link, databases::find(app, id)) else { return Ok(false) };
    let principal = pull::author(app, &link);
    let Some(payer) = Payer::of(&principal) else { return Ok(true) };
    Ok(Account::of(app, payer, &database)?.has_room(bytes))
}

/// Databases of which something was left out for want of room, and of whom.
pub(crate) fn postponed(app: &App) -> Vec<Value> {
    let state = app.mesh.state();
    let peers = app.mesh.peers.now();
    let shown = state.postponed.keys().map(|(key, id)| {
        let skipped = state.skipped.get(&(*key, *id)).into_iter().flatten();
        let docs: Vec<&str> = skipped
            .filter(|skipped| skipped.code == pull::NO_ROOM)
            .map(|skipped| skipped.doc.as_str())
            .collect();
        let name = peers.get(key).map(|peer| peer.record.name.as_str());
        json!({
            "peer": key, "name": name, "db": id.to_string(), "database": name_of(app, *id, ""),
            "documents": docs,
        })
    });
    shown.collect()
}
