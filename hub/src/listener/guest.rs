//! Which connections wait for a request: those can be sent away when others want in.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::Notify;

use crate::http::Reply;
use crate::http::body::Body;

/// What [`Guest::state`] is while a request is answered.
const ANSWERING: u64 = 0;

/// What it is once the connection is to end.
const SENT_AWAY: u64 = u64::MAX;

/// Every connection of a listener.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// Counts up whenever a connection begins to wait, so that the least number waits the longest.
    turns: AtomicU64,
    all: Mutex<HashMap<u64, Arc<Guest>>>,
    /// Told when a connection begins to wait.
    waiting: Notify,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Guest {
    /// [`ANSWERING`], [`SENT_AWAY`], or the turn at which it began to wait for a request.
    state: AtomicU64,
    /// Whether its handshake has yet to end.
    shaking: AtomicBool,
    /// Whether its client has yet to take in what was written.
    stalled: AtomicBool,
    leave: Notify,
}

/// A connection as long as it is open.
#[derive(Debug)]
pub(super) struct Entered {
    guests: Arc<Guests>,
    number: u64,
    guest: Arc<Guest>,
}

impl Guests {
    /// Counts a connection in.
    pub(super) fn enter(self: &Arc<Self>) -> Entered {
        let entered = self.enter_shaking();
        entered.has_shaken_hands();
        entered
    }

    /// Counts a connection in whose handshake is to come.
    pub(super) fn enter_shaking(self: &Arc<Self>) -> Entered {
        let turn = self.turn();
        let guest = Arc::new(Guest {
            state: AtomicU64::new(turn),
            shaking: AtomicBool::new(true),
            stalled: AtomicBool::new(false),
            leave: Notify::new(),
        });
        self.all().insert(turn, Arc::clone(&guest));
        self.waiting.notify_one();
        Entered { guests: Arc::clone(self), number: turn, guest }
    }

    /// Sends away the connection that has waited longest for its handshake; where all have shaken
    /// hands, the one that has waited longest for a request, or for the rest of one's head. Whether
    /// there was one: what is being answered is never cut off.
    pub(super) fn send_longest_waiting_away(&self) -> bool {
        let all = self.all();
        let waiting = all.values().filter_map(|guest| {
            let state = guest.state.load(Ordering::Acquire);
            let waits = !matches!(state, ANSWERING | SENT_AWAY);
            (waits && !guest.stalled.load(Ordering::Acquire)).then_some((state, guest))
        });
        // Whoever floods the hub with connections that come to nothing takes nobody's place.
        let order = |(state, guest): &(u64, &Arc<Guest>)| (!guest.is_shaking(), *state);
        let Some((state, guest)) = waiting.min_by_key(order) else { return false };
        let sent =
            guest.state.compare_exchange(state, SENT_AWAY, Ordering::AcqRel, Ordering::Acquire);
        guest.leave.notify_one();
        sent.is_ok()
    }

    /// Ends when a connection begins to wait.
    pub(super) async fn one_waits(&self) {
        self.waiting.notified().await;
    }

    fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Guest>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    fn is_shaking(&self) -> bool {
        self.shaking.load(Ordering::Acquire)
    }

    /// Notes whether writing to the client waits for it.
    pub(super) fn set_stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Release);
    }
}

impl Entered {
    /// The connection.
    pub(super) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Its handshake has ended.
    pub(super) fn has_shaken_hands(&self) {
        self.guest.shaking.store(false, Ordering::Release);
    }

    /// A request has come in full; it is answered until what this returns is dropped.
    pub(super) fn answer(&self) -> Answering {
        // One that was just sent away has come in time after all.
        self.guest.state.store(ANSWERING, Ordering::Release);
        Answering { guests: Arc::clone(&self.guests), guest: Arc::clone(&self.guest) }
    }

    /// Ends when the connection is to end.
    pub(super) async fn sent_away(&self) {
        loop {
            self.guest.leave.notified().await;
            if self.guest.state.load(Ordering::Acquire) == SENT_AWAY {
                return;
            }
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.guests.all().remove(&self.number);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering {
    guests: Arc<Guests>,
    guest: Arc<Guest>,
}

impl Answering {
    /// Keeps it so until all of the answer has been handed on.
    pub(super) fn until_sent(self, reply: Reply) -> http::Response<Sent<Self>> {
        until_sent(reply, self)
    }
}

/// Keeps something until all of the answer has been handed on.
pub(super) fn until_sent<A>(reply: Reply, answering: A) -> http::Response<Sent<A>> {
    reply.map(|body| Sent { body, _answering: answering })
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.guest.state.store(self.guests.turn(), Ordering::Release);
        self.guests.waiting.notify_one();
    }
}

/// The body of an answer, and what lives until it is sent.
pub(super) struct Sent<A> {
    body: Body,
    _answering: A,
}

impl<A: Unpin> http_body::Body for Sent<A> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn gone(guest: &Entered) -> bool {
        guest.sent_away().now_or_never().is_some()
    }

    #[test]
    fn the_longest_waiting_leaves_first() {
        let guests = Arc::new(Guests::default());
        let [first, second, third] = [guests.enter(), guests.enter(), guests.enter()];
        // The first was asked something, so the second has waited longer.
        drop(first.answer());
        assert!(guests.send_longest_waiting_away());
        assert!(gone(&second) && !gone(&first) && !gone(&third));
        drop(second);
        assert!(guests.send_longest_waiting_away());
        assert!(gone(&third) && !gone(&first));
    }

    #[test]
    fn whoever_has_not_shaken_hands_leaves_before_all_others() {
        let guests = Arc::new(Guests::default());
        let early = guests.enter();
        let [first, second, third] = [(); 3].map(|()| guests.enter_shaking());
        second.has_shaken_hands();
        assert!(guests.send_longest_waiting_away());
        assert!(gone(&first) && !gone(&early) && !gone(&third));
        drop(first);
        assert!(guests.send_longest_waiting_away());
        assert!(gone(&third) && !gone(&early) && !gone(&second));
        drop(third);
        assert!(guests.send_longest_waiting_away());
        assert!(gone(&early) && !gone(&second));
    }

    #[test]
    fn whoever_is_answered_stays() {
        let guests = Arc::new(Guests::default());
        let guest = guests.enter();
        let answering = guest.answer();
        assert!(!guests.send_longest_waiting_away());
        drop(answering);
        guest.guest().set_stalled(true);
        assert!(!guests.send_longest_waiting_away(), "it has not taken its answer in");
        guest.guest().set_stalled(false);
        assert!(guests.send_longest_waiting_away());
        // A request that comes at that very moment is answered.
        let _answering = guest.answer();
        assert!(!gone(&guest));
    }
}
