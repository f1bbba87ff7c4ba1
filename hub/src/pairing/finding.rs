//! Links of a hub whose discovery is restricted: what they hold finds its onion service, and whoever comes so is
//! let in for the messages to a window, and nothing else. Both sides say in their cards by which key each looks
//! for the other from then on.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use identity::pairing::{Card, FindKey};
use identity::{Host, HttpKeyUrl, OnionAddress, PublicKey};
use onion::DiscoveryKey;
use tokio::time::sleep;

use super::returning::window_of;
use super::session::{Inner, Session};
use crate::app::App;
use crate::clock;
use crate::http::blocking;
use crate::mesh;
use crate::onion::Loan;

/// How long to wait at least before it is looked again whether a link's time is over.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Whether whoever has this key may have come by a link that finds this hub, to a window that is open to it.
pub(crate) fn may_come(app: &App, key: PublicKey) -> bool {
    app.pairings.waits_for(key, |session| session.finds, clock::now())
}

/// Whether this is a message to such a window.
pub(crate) fn comes_by<B>(app: &App, key: PublicKey, request: &Request<B>) -> bool {
    let Some(window) = window_of(request) else { return false };
    let waits = |session: &Session| session.finds && session.is_behind(window);
    app.pairings.waits_for(key, waits, clock::now())
}

/// The onion service among ways to a hub.
pub(super) fn service(reach: &[HttpKeyUrl]) -> Option<OnionAddress> {
    reach.iter().find_map(|url| match &url.authority().host {
        Host::Onion(address) => Some(address.clone()),
        _ => None,
    })
}

/// What this hub says of itself, in a session that finds or does not.
pub(super) fn own_card(app: &App, finds: bool, inner: &Inner) -> Card {
    let of_other = || service(&inner.other.as_ref()?.card.reach);
    let looks_for = inner.looks_for.clone().or_else(of_other).filter(|_| finds);
    Card {
        name: inner.me.clone(),
        reach: mesh::own_reach(app),
        share: inner.share.clone(),
        find: looks_for.map(|service| FindKey(*app.onion.key_for(&service).bytes())),
    }
}

/// Lets the other side, which is known by now, find this hub by the key that its card says. May block.
pub(super) fn let_find(app: &App, other: PublicKey, find: Option<FindKey>) {
    let Some(FindKey(key)) = find else { return };
    let allowed = app.onion.allow_client(app, other, DiscoveryKey::from_bytes(key));
    if let Err(error) = allowed {
        // They are paired all the same, and reach each other otherwise, or once there is room.
        tracing::warn!(%error, "a hub that was paired with cannot find the onion service");
    }
}

/// Waits until a link is over, used or not, and has what it held find nothing any more.
pub(super) async fn end_with(app: Arc<App>, session: Arc<Session>, loan: Loan) {
    let mut shutdown = app.shutdown.clone();
    tokio::select! {
        () = is_over(&session) => {}
        // What is held in memory is gone then.
        _stopped = shutdown.wait_for(|&stop| stop) => return,
    }
    let given_back = blocking(move || {
        app.onion.give_spare_back(&app, loan);
        Ok(())
    });
    // It fails only where the hub stops.
    let _stopping = given_back.await;
}

async fn is_over(session: &Session) {
    let ended = session.ended();
    loop {
        let now = clock::now();
        if session.is_over(now) {
            return;
        }
        let left = Duration::from_millis(session.until.0.saturating_sub(now.0));
        tokio::select! {
            () = ended.notified() => {}
            () = sleep(left.max(LOOK_AGAIN_AFTER)) => {}
        }
    }
}
