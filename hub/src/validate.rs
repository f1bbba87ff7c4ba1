//! What the design documents of a database, and quotas, say of an edit before the store has it.

mod design_right;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use identity::PublicKey;
use query::design::{Language, Views};
use query::{Functions, Limits, Mapper, Reducer, Refused, Sandbox, SandboxError};
use replication::{Judge, PeerError, RefusalReason};
use store::{Database, Edit, Preview};

use self::design_right::DesignRight;
use crate::access::{Action, Principal, Target};
use crate::app::App;
use crate::designs::DesignDoc;
use crate::http::HttpError;
use crate::http::functions::{security, user_context};
use crate::mesh::Kind;
use crate::quota::{Account, OverQuota, Payer};
use crate::registry::Scope;

/// How long a worker judges edits of one batch before it lets other databases have their turn.
const TURN: Duration = Duration::from_millis(100);

/// Text of documents that is shown at a time: of a large batch, not all is in memory once more.
const SHOWN_BYTES_MAX: usize = 4 << 20;

/// What whoever edits a published view is told.
const MADE_OF_A_VIEW: HttpError = HttpError::ForbiddenBecause(
    "This database is made of the rows of a view: it changes when they do, and nobody edits it.",
);

/// Whether an edit may be written.
type Verdict = Result<(), HttpError>;

/// An edit as a validation function sees it: the document that it makes, and the one before.
type Shown = (String, Option<String>);

/// What validation functions learn beside documents, as JSON.
#[derive(Clone)]
struct Terms {
    context: Arc<str>,
    security: Arc<str>,
}

/// Who writes, and where what design documents say is known.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    app: Arc<App>,
    principal: Principal,
    /// From whom it fetches what it writes, where that is a key, and what that is charged as.
    deliverer: Option<(PublicKey, Arc<str>)>,
    /// Bytes of the smallest edit for which there was no room; the most there can be for none.
    least_refused: Arc<AtomicU64>,
}

impl Author {
    /// This principal.
    pub(crate) fn new(app: &Arc<App>, principal: &Principal) -> Self {
        let least_refused = Arc::new(AtomicU64::new(u64::MAX));
        let (app, principal) = (Arc::clone(app), principal.clone());
        Self { app, principal, deliverer: None, least_refused }
    }

    /// The same, writing what it fetches from whoever holds this key, and is charged for it; a friend for all
    /// of the friend's devices.
    pub(crate) fn fetching_from(mut self, key: PublicKey) -> Self {
        let key = self.app.access.policies().person(key);
        self.deliverer = Some((key, key.to_string().into()));
        self
    }

    /// Who is charged for what it writes, where that is bounded.
    fn payer(&self) -> Option<Payer<'_>> {
        let payer = match &self.deliverer {
            Some((key, name)) => Some(Payer::key(&self.app, *key, name)),
            None => Payer::of(&self.principal),
        };
        payer.filter(|payer| payer.is_bounded(&self.app))
    }

    /// Whether it speaks for somebody who is charged for what it writes.
    pub(crate) fn is_charged(&self) -> bool {
        matches!(self.principal, Principal::App(_) | Principal::Key(_))
    }

    /// Bytes of the smallest edit for which there was no room.
    pub(crate) fn least_refused(&self) -> Option<u64> {
        Some(self.least_refused.load(Ordering::Relaxed)).filter(|bytes| *bytes < u64::MAX)
    }

    /// What it is called where revisions are held that it brought.
    pub(crate) fn name(&self) -> &str {
        self.principal.name().unwrap_or_default()
    }

    /// Whether edits need not even be shown to anybody: nothing has to be read for this.
    pub(crate) fn asks_nobody(&self, database: &Database, edits: &[Edit]) -> bool {
        if self.payer().is_some() {
            return false;
        }
        if self.is_of_view(database) || self.is_news_of_theirs(database) {
            return false;
        }
        let known = self.app.designs.known(database);
        known.is_some_and(|designs| !designs.iter().any(|design| design.validates()))
            && !edits.iter().any(|edit| edit.id.is_design())
    }

    /// For each edit whether it may be written. May block.
    pub(crate) fn judge(
        &self,
        database: &Arc<Database>,
        edits: &[Edit],
    ) -> Result<Vec<Verdict>, store::Error> {
        if self.is_of_view(database) {
            return Ok(edits.iter().map(|_| Err(MADE_OF_A_VIEW)).collect());
        }
        if self.is_news_of_theirs(database) {
            self.app.sharing.own_edits.note(database);
        }
        if self.asks_nobody(database, edits) {
            return Ok(edits.iter().map(|_| Ok(())).collect());
        }
        let right = self.design_right(database, edits);
        let designs = self.app.designs_of(database)?;
        let validating: Vec<_> = designs.iter().filter(|design| design.validates()).collect();
        let partitioned = database.is_partitioned()?;
        let check = |edit: &Edit| {
            if edit.id.is_design() {
                right.admit(database, edit)?;
            }
            match edit.id.is_design() && !edit.deleted {
                true => check_design(&edit.body, partitioned),
                false => Ok(()),
            }
        };
        let mut verdicts: Vec<Verdict> = edits.iter().map(check).collect();
        if !validating.is_empty() {
            self.validate(database, edits, &validating, &mut verdicts)?;
            acquit_resolutions(database, edits, &mut verdicts)?;
        }
        self.find_room(database, edits, &mut verdicts)?;
        Ok(verdicts)
    }

    /// Refuses edits that may be written but for the room that they take.
    fn find_room(
        &self,
        database: &Database,
        edits: &[Edit],
        verdicts: &mut [Verdict],
    ) -> Result<(), store::Error> {
        let Some(payer) = self.payer() else { return Ok(()) };
        let mut account = Account::of(&self.app, payer, database)?;
        let (edits, verdicts): (Vec<&Edit>, Vec<&mut Verdict>) =
            edits.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_ok()).unzip();
        for (admitted, verdict) in account.admit(database, &edits)?.into_iter().zip(verdicts) {
            if let Err(OverQuota { bytes, reason }) = admitted {
                self.least_refused.fetch_min(bytes, Ordering::Relaxed);
                *verdict = Err(HttpError::OverQuota(reason));
            }
        }
        Ok(())
    }

    /// Whether the database is made of a view: but for the device that makes it, and those that have it of
    /// that one, nobody writes there.
    fn is_of_view(&self, database: &Database) -> bool {
        let record = self.app.registry.record(database.uuid());
        record.is_some_and(|record| record.view.is_some())
            && !(self.principal.is_elsewhere() && self.principal.is_admin())
    }

    /// Whether somebody here edits a friend's database, for the first time.
    fn is_news_of_theirs(&self, database: &Database) -> bool {
        let is_friend = |device: PublicKey| {
            let peers = self.app.mesh.peers().now();
            peers.get(&device).is_some_and(|peer| peer.kind == Kind::Friend)
        };
        !self.principal.is_elsewhere()
            && self.app.registry.record(database.uuid()).is_some_and(|record| {
                record.scope == Scope::Shared
                    && record.device.is_some_and(is_friend)
                    && !self.app.sharing.own_edits.are_known(record.uuid)
            })
    }

    /// Which design documents it may write, where there are any among the edits.
    fn design_right(&self, database: &Database, edits: &[Edit]) -> DesignRight {
        if !edits.iter().any(|edit| edit.id.is_design()) {
            return DesignRight::None;
        }
        let name = database.name();
        let target = Target::Database(name.as_str());
        let may = |action| self.app.decide(&self.principal, action, target).is_allowed();
        if may(Action::WriteDesign) {
            DesignRight::All
        } else if may(Action::WriteViews) {
            DesignRight::Views
        } else {
            DesignRight::None
        }
    }

    /// Shows the edits that may still be written to validation functions, some at a time. Design
    /// documents are written by whoever has the right to, as in CouchDB.
    fn validate(
        &self,
        database: &Database,
        edits: &[Edit],
        validating: &[&Arc<DesignDoc>],
        verdicts: &mut [Verdict],
    ) -> Result<(), store::Error> {
        let terms = self.terms(database);
        let mut waiting: Vec<(usize, Shown)> = Vec::new();
        let mut bytes = 0;
        for (at, edit) in edits.iter().enumerate() {
            if verdicts[at].is_err() || edit.id.is_design() {
                continue;
            }
            let shown = match database.read(|snapshot| snapshot.preview(edit))? {
                Preview::Known | Preview::Resolution => continue,
                // Not left to the commit: it could find the edit right by then, and nobody was asked.
                Preview::Refused(error) => {
                    verdicts[at] = Err(error.into());
                    continue;
                }
                Preview::Document { new, old } => (new, old),
            };
            let more = shown.0.len() + shown.1.as_ref().map_or(0, String::len);
            if !waiting.is_empty() && bytes + more > SHOWN_BYTES_MAX {
                self.ask((database, &terms), validating, std::mem::take(&mut waiting), verdicts);
                bytes = 0;
            }
            bytes += more;
            waiting.push((at, shown));
        }
        self.ask((database, &terms), validating, waiting, verdicts);
        Ok(())
    }

    fn terms(&self, database: &Database) -> Terms {
        let security = security(&self.app, database).to_string().into();
        let context = user_context(&self.app, &self.principal, database).to_string().into();
        Terms { context, security }
    }

    /// Shows edits to one design document after the other, as long as nobody refuses them.
    fn ask(
        &self,
        (database, terms): (&Database, &Terms),
        validating: &[&Arc<DesignDoc>],
        mut waiting: Vec<(usize, Shown)>,
        verdicts: &mut [Verdict],
    ) {
        for design in validating {
            let mut judged = Vec::with_capacity(waiting.len());
            let mut left = std::mem::take(&mut waiting);
            let places: Vec<usize> = left.iter().map(|(at, _)| *at).collect();
            while !left.is_empty() {
                let terms = terms.clone();
                let turn = move |functions: &mut Functions| judge_some(functions, left, &terms);
                match self.app.functions.run(database, design, turn) {
                    Ok((some, rest)) => {
                        judged.extend(some);
                        left = rest;
                    }
                    // Nothing is let in unseen.
                    Err(error) => return refuse_rest(verdicts, &places, &judged, &error),
                }
            }
            for (at, shown, outcome) in judged {
                match outcome {
                    Ok(()) => waiting.push((at, shown)),
                    Err(refused) => verdicts[at] = Err(refused.into()),
                }
            }
        }
    }
}

/// Lets in what was refused though it settles a conflict in favour of what comes in the same batch and is let
/// in: this database would do the same by itself.
fn acquit_resolutions(
    database: &Database,
    edits: &[Edit],
    verdicts: &mut [Verdict],
) -> Result<(), store::Error> {
    for at in 0..edits.len() {
        if verdicts[at].is_ok() || !edits[at].deleted {
            continue;
        }
        let is_beside = |(other, edit): &(usize, &Edit)| {
            *other != at && edit.id == edits[at].id && verdicts[*other].is_ok()
        };
        let beside: Vec<&Edit> =
            edits.iter().enumerate().filter(is_beside).map(|(_, edit)| edit).collect();
        if !beside.is_empty()
            && database.read(|snapshot| snapshot.resolves_beside(&edits[at], &beside))?
        {
            verdicts[at] = Ok(());
        }
    }
    Ok(())
}

/// An edit by its place in the batch, what was shown of it, and what a function said.
type Judged = (usize, Shown, Result<(), Refused>);

/// Judges edits until the turn is over; what is left comes back.
fn judge_some(
    functions: &mut Functions,
    edits: Vec<(usize, Shown)>,
    terms: &Terms,
) -> (Vec<Judged>, Vec<(usize, Shown)>) {
    let Terms { context, security } = terms;
    let began = crate::clock::instant();
    let mut judged = Vec::with_capacity(edits.len());
    let mut edits = edits.into_iter();
    for (at, shown) in edits.by_ref() {
        let outcome = functions.validate(&shown.0, shown.1.as_deref(), context, security);
        judged.push((at, shown, outcome));
        if began.elapsed() >= TURN {
            break;
        }
    }
    (judged, edits.collect())
}

/// A function could not be called at all: of what it was to judge, whatever was not refused by then is
/// refused for that.
fn refuse_rest(
    verdicts: &mut [Verdict],
    places: &[usize],
    judged: &[Judged],
    error: &SandboxError,
) {
    for at in places {
        verdicts[*at] = Err(error.clone().into());
    }
    for (at, _, outcome) in judged {
        if let Err(refused) = outcome {
            verdicts[*at] = Err(refused.clone().into());
        }
    }
}

impl Judge for Author {
    fn judge(
        &self,
        database: &Arc<Database>,
        edits: &[Edit],
    ) -> Result<Vec<Result<(), RefusalReason>>, PeerError> {
        let verdicts = Self::judge(self, database, edits)?;
        let told = verdicts.into_iter().map(|verdict| match verdict {
            Ok(()) => Ok(Ok(())),
            Err(error) => refusal(&error).map(Err),
        });
        told.collect()
    }
}

/// What a replication is told of an edit that may not be written.
///
/// # Errors
/// [`PeerError::Unavailable`] when the edit could only not be judged now.
fn refusal(error: &HttpError) -> Result<RefusalReason, PeerError> {
    if matches!(error, HttpError::MissingStub(_)) {
        return Ok(RefusalReason::MissingStub);
    }
    if let HttpError::OverQuota(reason) = error {
        return Ok(RefusalReason::NoRoom(reason.clone()));
    }
    let (status, word, reason) = error.parts();
    let reason = format!("{word}: {reason}");
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            Err(PeerError::Unavailable { status: status.as_u16(), reason })
        }
        _ => Ok(RefusalReason::Final(reason)),
    }
}

/// Whether a replication is told this of an edit for which whoever writes it has no right, as opposed to one
/// that is no good.
pub(crate) fn says_right_is_missing(told: &str) -> bool {
    let (_, word, reason) = HttpError::Forbidden.parts();
    told.strip_prefix(word).and_then(|rest| rest.strip_prefix(": ")) == Some(&*reason)
}

/// Refuses a design document that cannot be one, or whose functions are none.
fn check_design(body: &str, partitioned: bool) -> Verdict {
    let views = Views::parse(body, partitioned)?;
    if views.language != Language::JavaScript || views.is_empty() {
        return Ok(());
    }
    let sandbox = Sandbox::new(Limits::default(), |_| {});
    for tree in &views.trees {
        let reduces = tree.reduces.iter().map(|(name, _)| name);
        let name = tree.names.iter().chain(reduces).next().map_or("", String::as_str);
        Mapper::new(&sandbox, &[&tree.map], views.library.as_deref())
            .map_err(|error| broken("map", name, error))?;
        for (name, source) in &tree.reduces {
            if !source.trim_start().starts_with('_') {
                Reducer::new(&sandbox, source).map_err(|error| broken("reduce", name, error))?;
            }
        }
    }
    Ok(())
}

fn broken(kind: &str, view: &str, error: SandboxError) -> HttpError {
    match error {
        SandboxError::Compilation(reason) => SandboxError::Compilation(format!(
            "Compilation of the {kind} function in the '{view}' view failed: {reason}"
        ))
        .into(),
        other => other.into(),
    }
}
