//! `GET /_hub/feed`: tells another hub what has changed, of all databases that it may read, in one
//! request. Opens no database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use identity::PublicKey;
use store::{Database, DbUuid};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::boots;
use super::databases;
use super::line::Line;
use crate::access::{Action, Principal, Target};
use crate::app::App;
use crate::clock;
use crate::control::onion::known_device;
use crate::http::body::{self, BodySender, ReaderGone};
use crate::http::{Call, HttpError, Reply, blocking, reply};
use crate::pause::Paused;
use crate::updates::Kind;

/// Shortest and longest time between two signs of life, where some are asked for.
const HEARTBEAT_MIN: Duration = Duration::from_secs(1);
const HEARTBEAT_MAX: Duration = Duration::from_secs(3600);

/// Who follows says here which of its starts this is.
pub(super) const BOOT_HEADER: &str = "larder-boot";

/// Lines sent at a time.
const LINES_MAX: usize = 256;

/// `GET /_hub/feed?since=&heartbeat=`
pub(crate) async fn feed(call: Call) -> Result<Reply, HttpError> {
    let peer = known_device(&call)?;
    super::not_paused(&call.app)?;
    let counted = call.app.mesh.feeds.one_more(peer).ok_or(HttpError::Overloaded)?;
    let boot = call.headers.get(BOOT_HEADER).and_then(|boot| boot.to_str().ok());
    if let Some(boot) = boot.map(str::to_owned) {
        let app = Arc::clone(&call.app);
        blocking(move || {
            boots::heed(&app, peer, &boot);
            Ok(())
        })
        .await?;
        known_device(&call)?;
    }
    let heartbeat = call.query.unsigned("heartbeat")?.map(Duration::from_millis);
    let heartbeat = heartbeat.map(|every| every.clamp(HEARTBEAT_MIN, HEARTBEAT_MAX));
    let since = call.query.text("since").unwrap_or_default().to_owned();
    let Call { app, principal, .. } = call;
    // What was answered before this request came is in it.
    app.updates.look(&app.store);
    app.mesh.heard_of(peer);
    let (sender, body) = body::channel();
    let mut feeding = Feeding::new(app, principal, peer, sender);
    tokio::spawn(async move {
        if let Err(ReaderGone) = feeding.run(&since, heartbeat).await {
            tracing::debug!("a peer follows no longer");
        }
        drop(counted);
    });
    Ok(reply::json_stream(StatusCode::OK, body))
}

/// One peer that is told. Nothing is held while it waits but what it was told.
struct Feeding {
    app: Arc<App>,
    principal: Principal,
    peer: PublicKey,
    sender: BodySender,
    /// What it was told of each database, and what tells apart which those are.
    told: BTreeMap<DbUuid, Told>,
    databases: String,
    /// Up to where the log of updates was looked at.
    place: u64,
    updates: watch::Receiver<u64>,
    rights: watch::Receiver<u64>,
    records: watch::Receiver<u64>,
    profile: watch::Receiver<u64>,
    pauses: watch::Receiver<Paused>,
    shutdown: watch::Receiver<bool>,
}

/// What a peer was told of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    name: String,
    seq: String,
    conflicts: String,
    conflicts_version: u64,
    /// What a friend may do; a device of the owner's may do everything.
    right: Option<&'static str>,
}

impl Feeding {
    fn new(app: Arc<App>, principal: Principal, peer: PublicKey, sender: BodySender) -> Self {
        let (updates, shutdown) = (app.updates.last(), app.shutdown.clone());
        let rights = app.access.policies().changes();
        let records = app.registry.changes();
        let profile = app.mesh.profiles().changes();
        let pauses = app.pause.changes();
        let told = BTreeMap::new();
        let databases = fingerprint(&told);
        let place = 0;
        Self {
            app,
            principal,
            peer,
            sender,
            told,
            databases,
            place,
            updates,
            rights,
            records,
            profile,
            pauses,
            shutdown,
        }
    }

    async fn run(&mut self, since: &str, heartbeat: Option<Duration>) -> Result<(), ReaderGone> {
        let boot = Some(self.app.boot.to_string());
        let profile = Some(*self.profile.borrow_and_update());
        let hello = Line { now: Some(clock::now().0), boot, profile, ..Line::default() };
        self.sender.send(hello.text()).await?;
        self.begin(since).await?;
        let mut spoken = Instant::now();
        loop {
            if *self.shutdown.borrow() || self.pauses.borrow_and_update().sync || !self.is_known() {
                return Ok(());
            }
            let deadline = heartbeat.map(|every| spoken + every);
            let told = tokio::select! {
                changed = self.updates.changed() => match changed {
                    Ok(()) => self.tell_updates().await?,
                    // The hub is gone.
                    Err(_) => return Ok(()),
                },
                _ = self.rights.changed() => self.tell_all().await?,
                _ = self.records.changed() => self.tell_all().await?,
                _ = self.profile.changed() => {
                    let profile = Some(*self.profile.borrow_and_update());
                    self.sender.send(Line { profile, ..Line::default() }.text()).await?;
                    true
                }
                _ = self.shutdown.changed() => continue,
                _ = self.pauses.changed() => continue,
                () = self.sender.closed() => return Err(ReaderGone),
                () = until(deadline) => {
                    self.sender.send("\n").await?;
                    true
                }
            };
            if told {
                spoken = Instant::now();
            }
        }
    }

    /// Tells what has changed since the cursor; everything where that is of another run of the hub, or
    /// where the peer may read other databases than it could then.
    async fn begin(&mut self, since: &str) -> Result<(), ReaderGone> {
        self.place = *self.updates.borrow_and_update();
        let now = self.look();
        let known = Cursor::parse(since).filter(|cursor| cursor.databases == fingerprint(&now));
        match known.and_then(|cursor| self.app.updates.place_of(&cursor.place)) {
            Some(after) => {
                let changed = self.app.updates.read(after, usize::MAX, |_| true).rows;
                let changed: BTreeSet<_> =
                    changed.iter().map(|(_, update)| update.db_name.as_str()).collect();
                self.told = now.clone();
                self.told.retain(|_, told| !changed.contains(told.name.as_str()));
            }
            None => self.sender.send(Line { anew: true, ..Line::default() }.text()).await?,
        }
        self.databases = fingerprint(&self.told);
        self.tell_difference(now, true).await?;
        Ok(())
    }

    /// Tells what was written; whether there was anything to tell.
    async fn tell_updates(&mut self) -> Result<bool, ReaderGone> {
        let page = self.app.updates.read(self.place, usize::MAX, |_| true);
        if page.rows.iter().any(|(_, update)| update.kind != Kind::Updated) {
            return self.tell_all().await;
        }
        self.place = page.reached;
        let mut changed = BTreeMap::new();
        for (_, update) in page.rows {
            let Some(database) = self.app.store.database(&update.db_name) else { continue };
            let Some(id) = self.app.registry.sync_id(&database) else { continue };
            if self.may_read(&database) {
                changed.insert(id, self.told_of(id, &database));
            }
        }
        self.send(changed, &[], false).await
    }

    /// Looks at everything, and tells what is not as it was told.
    async fn tell_all(&mut self) -> Result<bool, ReaderGone> {
        self.place = *self.updates.borrow_and_update();
        self.tell_difference(self.look(), false).await
    }

    /// Tells what is not as it was told, where this is everything.
    async fn tell_difference(
        &mut self,
        now: BTreeMap<DbUuid, Told>,
        always: bool,
    ) -> Result<bool, ReaderGone> {
        let gone = self.told.keys().filter(|id| !now.contains_key(id));
        let gone: Vec<DbUuid> = gone.copied().collect();
        self.send(now, &gone, always).await
    }

    /// Tells what of this it was not told, and what is gone; whether there was anything.
    async fn send(
        &mut self,
        mut changed: BTreeMap<DbUuid, Told>,
        gone: &[DbUuid],
        always: bool,
    ) -> Result<bool, ReaderGone> {
        changed.retain(|id, told| self.told.get(id) != Some(told));
        let mut lines: Vec<Line> = changed.iter().map(|(id, told)| told.line(*id)).collect();
        let line = |id: &DbUuid| Line { db: Some(id.to_string()), gone: true, ..Line::default() };
        lines.extend(gone.iter().map(line));
        if lines.is_empty() && !always {
            return Ok(false);
        }
        let before = self.told.len();
        self.told.extend(changed);
        let has_more = self.told.len() > before;
        gone.iter().for_each(|id| _ = self.told.remove(id));
        if has_more || !gone.is_empty() {
            self.databases = fingerprint(&self.told);
        }
        let cursor = format!("{}-{}", self.app.updates.seq(self.place), self.databases);
        lines.push(Line { cursor: Some(cursor), ..Line::default() });
        for some in lines.chunks(LINES_MAX) {
            self.sender.send(some.iter().map(Line::text).collect::<String>()).await?;
        }
        Ok(true)
    }

    /// What the peer may be told now.
    fn look(&self) -> BTreeMap<DbUuid, Told> {
        let all = databases::all(&self.app).into_iter();
        let readable = all.filter(|(_, database)| self.may_read(database));
        readable.map(|(id, database)| (id, self.told_of(id, &database))).collect()
    }

    fn told_of(&self, id: DbUuid, database: &Database) -> Told {
        let rule = self.app.registry.record(id).map(|record| record.rule());
        Told {
            name: database.name().to_string(),
            seq: database.update_seq().to_string(),
            conflicts: rule.as_ref().map(|rule| rule.policy.to_string()).unwrap_or_default(),
            conflicts_version: self.app.registry.rule_version(id),
            right: self.principal.is_guest().then(|| self.right(database)),
        }
    }

    fn right(&self, database: &Database) -> &'static str {
        let name = database.name();
        let target = Target::Database(name.as_str());
        match self.app.decide(&self.principal, Action::Write, target).is_allowed() {
            true => "write",
            false => "read",
        }
    }

    fn may_read(&self, database: &Database) -> bool {
        !database.is_deleted() && self.app.reads(&self.principal, database.name().as_str())
    }

    /// Whether the owner still has to do with whoever follows.
    fn is_known(&self) -> bool {
        let policies = self.app.access.policies();
        policies.now().knows(self.peer) && !policies.is_blocked(self.peer)
    }
}

impl Told {
    fn line(&self, id: DbUuid) -> Line {
        Line {
            db: Some(id.to_string()),
            name: Some(self.name.clone()),
            seq: Some(self.seq.clone()),
            conflicts: Some(self.conflicts.clone()),
            conflicts_version: Some(self.conflicts_version),
            right: self.right.map(str::to_owned),
            ..Line::default()
        }
    }
}

/// Where a feed goes on from.
#[derive(Debug, PartialEq, Eq)]
struct Cursor {
    /// How far in the log of updates, of which run of the hub.
    place: String,
    /// Which databases there were to tell of.
    databases: String,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let (place, databases) = text.rsplit_once('-')?;
        Some(Self { place: place.into(), databases: databases.into() })
    }
}

/// Tells apart which databases there are to tell of.
fn fingerprint(databases: &BTreeMap<DbUuid, Told>) -> String {
    let mut hasher = blake3::Hasher::new();
    databases.keys().for_each(|id| {
        hasher.update(&id.0);
    });
    hasher.finalize().to_hex().chars().take(16).collect()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors() {
        let cursor = Cursor::parse("12-abababababababab-0123456789abcdef").unwrap();
        assert_eq!(
            (&*cursor.place, &*cursor.databases),
            ("12-abababababababab", "0123456789abcdef")
        );
        assert_eq!(Cursor::parse(""), None);
    }

    #[test]
    fn fingerprints_tell_sets_of_databases_apart() {
        let told = |seq: &str| Told {
            name: "a".into(),
            seq: seq.into(),
            conflicts: String::new(),
            conflicts_version: 0,
            right: None,
        };
        let one = BTreeMap::from([(DbUuid([1; 16]), told("1"))]);
        let later = BTreeMap::from([(DbUuid([1; 16]), told("2"))]);
        let two = BTreeMap::from([(DbUuid([1; 16]), told("1")), (DbUuid([2; 16]), told("1"))]);
        assert_eq!(fingerprint(&one), fingerprint(&later));
        assert_ne!(fingerprint(&one), fingerprint(&two));
    }
}
