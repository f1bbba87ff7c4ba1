//! The way to one peer: what is tried, what has been reached, and what went wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use identity::HttpKeyUrl;
use replication::{Backoff, Paths, Trouble};
use store::{DbUuid, Millis};
use tokio::sync::Notify;

use super::link::Link;
use super::reach::may_dial;
use super::record::{Record, is_onion};
use super::state::Nudge;

/// After a way in the same network failed, and one through Tor, where dialling costs more.
const LAN_BACKOFF: Backoff = Backoff { first_ms: 500, longest_ms: 60 * 1000 };
const ONION_BACKOFF: Backoff = Backoff { first_ms: 5000, longest_ms: 10 * 60 * 1000 };

/// The way to one peer.
pub(super) struct Way {
    /// The ways that there are, the first to be tried first.
    pub(super) urls: Vec<HttpKeyUrl>,
    /// Those of them that the owner has named.
    named: Vec<HttpKeyUrl>,
    pub(super) paths: Paths,
    /// The connection, while there is one.
    pub(super) link: Option<Link>,
    /// Which of the ways it takes, or is being dialled.
    pub(super) dialling: Option<usize>,
    /// Since when there is a connection.
    pub(super) connected: Option<Millis>,
    /// When the peer was last heard of.
    pub(super) last_seen: Option<Millis>,
    /// What went wrong with each way last, and when.
    pub(super) troubles: BTreeMap<usize, (Trouble, Millis)>,
    /// How far the peer's clock is ahead of ours, in milliseconds.
    pub(super) ahead_ms: Option<i64>,
    /// What the peer has not been told to have come here.
    pub(super) to_acknowledge: BTreeMap<DbUuid, String>,
    /// Told to try at once.
    pub(super) nudge: Nudge,
    /// Told that there is something to acknowledge.
    pub(super) said: Nudge,
}

impl Way {
    /// A peer that is to be reached as its record says; where this hub has opted in to that, also by the
    /// addresses of this network that it announces.
    pub(super) fn new(record: &Record, lan: bool) -> Self {
        let urls = record.ways(|announced| may_dial(announced, lan));
        let backoff = |url| if is_onion(url) { ONION_BACKOFF } else { LAN_BACKOFF };
        Self {
            paths: Paths::new(urls.iter().map(backoff)),
            urls,
            named: record.reach.clone(),
            link: None,
            dialling: None,
            connected: None,
            last_seen: None,
            troubles: BTreeMap::new(),
            ahead_ms: None,
            to_acknowledge: BTreeMap::new(),
            nudge: Arc::new(Notify::new()),
            said: Arc::new(Notify::new()),
        }
    }

    /// One of the ways, and whether nobody but the peer has named it.
    pub(super) fn url(&self, at: usize) -> Option<(HttpKeyUrl, bool)> {
        let url = self.urls.get(at)?;
        Some((url.clone(), !self.named.contains(url)))
    }

    /// One of the ways led nowhere, or leads there no longer.
    pub(super) fn failed(&mut self, at: usize, trouble: Trouble, now: Millis, chance: u64) {
        self.paths.failed(at, now, chance);
        self.troubles.insert(at, (trouble, now));
        self.lost();
    }

    /// There is no connection.
    pub(super) fn lost(&mut self) {
        self.link = None;
        self.dialling = None;
        self.connected = None;
    }

    /// What went wrong last, and with which way, while there is no connection.
    pub(super) fn trouble(&self) -> Option<(usize, &Trouble, Millis)> {
        if self.link.is_some() {
            return None;
        }
        let troubles = self.troubles.iter().map(|(at, (trouble, when))| (*at, trouble, *when));
        troubles.max_by_key(|(_, _, when)| *when)
    }
}
