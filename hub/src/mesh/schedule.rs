//! Begins and stops pulls as the plan says, for as long as the hub runs.

use std::sync::Arc;
use std::time::Duration;

use identity::PublicKey;
use replication::Step;
use store::{Database, DbUuid};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::permit::{self, Gained};
use super::{count, holds, id_of, pull, remembered, room};
use crate::app::App;
use crate::clock;

/// How long pulls may take to stop.
const STOP_GRACE: Duration = Duration::from_secs(4);

/// Begins and stops pulls.
pub(crate) async fn schedule(app: Arc<App>) {
    begin(&app).await;
    let remembering = tokio::spawn(remembered::keep(Arc::clone(&app)));
    let holding = tokio::spawn(holds::keep(Arc::clone(&app)));
    let finding_room = tokio::spawn(room::keep(Arc::clone(&app)));
    let mut rights = app.access.policies().changes();
    let mut records = app.registry.changes();
    let mut rules = app.mesh.rules.changes();
    let mut shutdown = app.shutdown.clone();
    let mut pulls = JoinSet::new();
    loop {
        // Listening begins before looking, so that nothing falls between.
        let changed = app.store.changed();
        count(&app.mesh.counts.looks, 1);
        let now = clock::now();
        let (steps, next) = {
            let mut state = app.mesh.state();
            (state.manager.poll(now), state.manager.next_due(now))
        };
        for step in steps {
            follow_step(&app, step, &mut pulls);
        }
        let wait = async {
            match next {
                Some(due) => sleep(Duration::from_millis(due.0.saturating_sub(now.0))).await,
                None => std::future::pending().await,
            }
        };
        let looks = tokio::select! {
            () = app.mesh.wake.notified() => false,
            () = wait => false,
            Some(_ended) = pulls.join_next(), if !pulls.is_empty() => false,
            _ = rights.changed() => true,
            _ = rules.changed() => true,
            _ = records.changed() => {
                let mut state = app.mesh.state();
                state.manager.retry(|_, _, trouble| matches!(trouble.code, "policy" | "registry"));
                true
            }
            () = changed => true,
            _ = shutdown.wait_for(|&stop| stop) => break,
        };
        if looks {
            let gained = permit::look(&app, &mut app.mesh.state());
            rescan(&app, gained);
        }
    }
    remembering.abort();
    holding.abort();
    finding_room.abort();
    stop(&app, pulls).await;
}

/// Reads what was reached before this run.
async fn begin(app: &Arc<App>) {
    let reading = Arc::clone(app);
    let read = tokio::task::spawn_blocking(move || {
        reading.mesh.state().remembered = remembered::read(&reading.store)?;
        Ok::<_, store::Error>(())
    });
    if let Ok(Err(error)) = read.await {
        tracing::error!(error = error.unnamed(), "could not read how far other hubs were followed");
    }
}

fn follow_step(app: &Arc<App>, step: Step, pulls: &mut JoinSet<()>) {
    let mut state = app.mesh.state();
    match step {
        Step::Stop(peer, id) => {
            let pulls =
                state.pulls.iter().filter(|((key, of), _)| id_of(*key) == peer && *of == id);
            pulls.for_each(|(_, pull)| {
                pull.stop.send_replace(true);
            });
        }
        Step::Start(peer, id) => {
            let Some(key) = state.key_of(peer) else { return };
            let turn = state.begin_pull((key, id));
            drop(state);
            count(&app.mesh.counts.pulls, 1);
            pulls.spawn(pull::run(Arc::clone(app), key, id, turn));
        }
    }
}

/// Has what was refused before looked at anew.
fn rescan(app: &Arc<App>, gained: Gained) {
    for (key, id, database) in gained {
        let app = Arc::clone(app);
        tokio::task::spawn_blocking(move || begin_anew(&app, key, id, database));
    }
}

/// Has everything that a peer has of a database compared anew. May block.
pub(super) fn begin_anew(app: &App, key: PublicKey, id: DbUuid, database: Arc<Database>) {
    if let Err(error) = pull::target(app, key, id, database).forget() {
        tracing::debug!(%error, "could not forget what was reached");
    }
    let mut state = app.mesh.state();
    state.remembered.forget(key, id);
    state.skipped.remove(&(key, id));
    state.postponed.remove(&(key, id));
    state.manager.rescan(id_of(key), id);
    drop(state);
    app.mesh.wake.notify_one();
}

/// Lets every pull come to its end, and writes down how far it is.
async fn stop(app: &Arc<App>, mut pulls: JoinSet<()>) {
    {
        let state = app.mesh.state();
        state.pulls.values().for_each(|pull| {
            pull.stop.send_replace(true);
        });
    }
    let all = async { while pulls.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_GRACE, all).await.is_err() {
        tracing::warn!("some pulls did not end in time; they repeat a little next time");
    }
    let writing = Arc::clone(app);
    let written = tokio::task::spawn_blocking(move || remembered::write(&writing));
    if let Ok(Err(error)) = written.await {
        tracing::debug!(error = error.unnamed(), "could not note what was reached");
    }
}
