//! The side that comes: a task for each session, which talks to the host and heeds the owner.

use std::sync::Arc;
use std::time::Duration;

use identity::pairing::{
    Card, Channel, FindSecret, Greeting, GuestSays, GuestSession, HostSays, LinkSecret,
    PairingError, SpokenCode, Standing, WindowName,
};
use identity::{Authority, Host, PublicKey};
use store::Millis;
use tokio::time::{sleep, timeout};

use super::dial::{Connection, Refused};
use super::session::{Decision, Other, Session, State, Trouble, trouble_of};
use super::{chance, finding, finish};
use crate::app::App;
use crate::clock;
use crate::http::blocking;

/// How often the host is asked how things stand; through Tor a round trip takes a second or more.
const ASK_EVERY: Duration = Duration::from_millis(400);
const ONION_ASK_EVERY: Duration = Duration::from_secs(2);

/// How long to wait before a broken connection is made again, or a busy host is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often a host is dialled through Tor, and how long to wait in between.
const ONION_DIALS_MAX: u32 = 4;
const ONION_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The same for a link that finds a hub which few find otherwise: a descriptor is published once a minute, and
/// the one that goes with the link may be the next.
const FINDING_DIALS_MAX: u32 = 12;

/// How often a busy host is asked again before anything was agreed on.
const TRIES_MAX: u32 = 5;

/// Where the guest goes, and with what.
pub(super) struct Errand {
    pub(super) ways: Vec<Authority>,
    /// Who has to answer, where that is known.
    pub(super) expected: Option<PublicKey>,
    pub(super) token: Token,
    /// What finds the onion service among the ways, where not everybody does.
    pub(super) find: Option<FindSecret>,
}

/// By what the guest proves itself.
pub(super) enum Token {
    Link(LinkSecret),
    Nothing,
    Code(SpokenCode),
}

impl Token {
    fn window(&self) -> WindowName {
        match self {
            Self::Link(secret) => WindowName::of_link(secret),
            Self::Nothing => WindowName::compare(),
            Self::Code(_) => WindowName::spoken(),
        }
    }
}

/// Goes through a pairing; how it ends shows in the session.
pub(super) async fn run(app: Arc<App>, session: Arc<Session>, errand: Errand, asked_kind: Asked) {
    let mut shutdown = app.shutdown.clone();
    tokio::select! {
        outcome = go(&app, &session, errand, asked_kind) => {
            if let Err((state, trouble)) = outcome {
                let mut inner = session.at(clock::now());
                if !inner.state.is_over() {
                    inner.end(state, Some(trouble));
                }
            }
        }
        // That time is over the session says by itself.
        () = over(&session) => drop(session.at(clock::now())),
        _stopped = shutdown.wait_for(|&stop| stop) => {}
    }
}

/// Ends when the session's time is over; what is being written down is seen through.
async fn over(session: &Session) {
    loop {
        let now = clock::now();
        let left_ms = session.until.0.saturating_sub(now.0);
        if left_ms == 0 && !session.at(now).writing {
            return;
        }
        sleep(Duration::from_millis(left_ms).max(AGAIN_AFTER)).await;
    }
}

/// Which kind the guest's owner asks for, where that was said.
pub(super) type Asked = Option<identity::pairing::Kind>;

/// How it ends where it does not end well.
type End = (State, Trouble);

fn failed(trouble: Trouble) -> End {
    (State::Failed, trouble)
}

fn broken(error: PairingError) -> End {
    failed(trouble_of(error))
}

async fn go(
    app: &Arc<App>,
    session: &Arc<Session>,
    errand: Errand,
    kind: Asked,
) -> Result<(), End> {
    let connection = reach(app, &errand).await.map_err(failed)?;
    let host = connection.proven().key();
    let window = errand.token.window();
    let (ways, find) = (errand.ways, errand.find);
    let mut talk = Talk { app, connection, window, host, ways, find, until: session.until };
    let mut guest = talk.meet(&errand.token, kind).await?;
    let me = {
        let mut inner = session.at(clock::now());
        inner.kind = guest.kind();
        inner.digits = Some(guest.digits().to_string());
        inner.share.clone()
    };
    finish::shares(app, guest.kind(), &me)
        .map_err(|error| failed(Trouble::new("share", format!("{error}."))))?;
    // Who waits there is not known before digits were compared, so it learns a name and no more.
    let mut card = finding::own_card(app, session.finds, &session.at(clock::now()));
    if matches!(errand.token, Token::Nothing) {
        card = Card { name: card.name, ..Card::default() };
    }
    match talk.say(&mut guest, &GuestSays::Card { card }).await? {
        HostSays::Card { card } => {
            let other = Other { key: host, card };
            session.at(clock::now()).introduce(session.proof, other);
        }
        HostSays::Status { .. } => return Err(broken(PairingError::OutOfTurn)),
    }
    talk.agree(session, &mut guest).await
}

/// Dials the host: again and again where it is reached through Tor, which may not have heard of a service
/// that has only begun.
async fn reach(app: &App, errand: &Errand) -> Result<Connection, Trouble> {
    let onion = errand.ways.iter().any(|at| matches!(at.host, Host::Onion(_)));
    let mut tries = match (onion, &errand.find) {
        (false, _) => 1,
        (true, None) => ONION_DIALS_MAX,
        (true, Some(_)) => FINDING_DIALS_MAX,
    };
    loop {
        let find = errand.find.as_ref();
        match Connection::dial(app, &errand.ways, errand.expected, find).await {
            Err(trouble) if trouble.code == "unreachable" && tries > 1 => {
                tries -= 1;
                sleep(ONION_AGAIN_AFTER).await;
            }
            outcome => return outcome,
        }
    }
}

/// A conversation with the host.
struct Talk<'a> {
    app: &'a Arc<App>,
    connection: Connection,
    window: WindowName,
    host: PublicKey,
    ways: Vec<Authority>,
    find: Option<FindSecret>,
    until: Millis,
}

impl Talk<'_> {
    /// Up to where both have shown that they see the same session: over one connection, once.
    async fn meet(&mut self, token: &Token, kind: Asked) -> Result<GuestSession, End> {
        let proven = self.connection.proven();
        let channel = Channel {
            host: proven.key(),
            guest: self.app.device.public(),
            binding: proven.binding(),
        };
        let drawn =
            chance().map_err(|error| failed(Trouble::new("internal", error.to_string())))?;
        let (greeting, hello) = match token {
            Token::Link(secret) => {
                let kind = kind.ok_or_else(|| broken(PairingError::KindDiffers))?;
                Greeting::with_link(secret, kind, channel, &drawn)
            }
            Token::Nothing => Greeting::to_compare(kind, channel, &drawn),
            Token::Code(code) => {
                Greeting::with_code(code, kind, channel, &drawn).map_err(broken)?
            }
        };
        let answer = self.ask_first(hello).await?;
        let (revealed, reveal) = greeting.hello(&answer).map_err(broken)?;
        let answer = self.ask_first(reveal).await?;
        revealed.proof(&answer).map_err(broken)
    }

    /// Sends one of the first messages: again where the host is busy, but not over another connection.
    async fn ask_first(&mut self, message: Vec<u8>) -> Result<Vec<u8>, End> {
        for _ in 0..TRIES_MAX {
            match self.connection.ask(self.window.as_str(), message.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Refused::ForNow(trouble)) if trouble.code == "busy" => {
                    sleep(AGAIN_AFTER).await;
                }
                Err(Refused::ForNow(trouble) | Refused::ForGood(trouble)) => {
                    return Err(failed(trouble));
                }
            }
        }
        Err(failed(Trouble::new("busy", "The other hub is busy; try again later.")))
    }

    /// Says something until it is answered, over another connection where one broke.
    async fn say(&mut self, guest: &mut GuestSession, says: &GuestSays) -> Result<HostSays, End> {
        let mut knows_us = false;
        loop {
            let (number, message) = guest.say(says);
            match self.connection.ask(self.window.as_str(), message).await {
                Ok(answer) => return guest.hear(number, &answer).map_err(broken),
                Err(Refused::ForGood(trouble)) => return Err(failed(trouble)),
                Err(Refused::ForNow(trouble)) if clock::now() >= self.until => {
                    return Err((State::Expired, trouble));
                }
                Err(Refused::ForNow(trouble)) if trouble.code == "busy" => {
                    sleep(AGAIN_AFTER).await;
                }
                Err(Refused::ForNow(_)) => {
                    sleep(AGAIN_AFTER).await;
                    // Once the host has noted this hub, what the link holds may find it no longer, and the hub's own
                    // key does.
                    let find = self.find.as_ref().filter(|_| !knows_us);
                    let again = Connection::dial(self.app, &self.ways, Some(self.host), find).await;
                    knows_us = !knows_us;
                    // The session's time ends this, if nothing else does.
                    if let Ok(again) = again {
                        self.connection = again;
                    }
                }
            }
        }
    }

    /// Asks how things stand, and tells what the owner has decided, until it is over.
    async fn agree(&mut self, session: &Arc<Session>, guest: &mut GuestSession) -> Result<(), End> {
        let onion = matches!(self.connection.at().host, Host::Onion(_));
        let every = if onion { ONION_ASK_EVERY } else { ASK_EVERY };
        let mut told = false;
        loop {
            let decision = session.at(clock::now()).decision;
            let says = match decision {
                Some(Decision::No) => {
                    // Whether it is heard or not: nothing is written down here.
                    let _heard = timeout(AGAIN_AFTER, self.say(guest, &GuestSays::Refuse {})).await;
                    return Ok(());
                }
                Some(Decision::Yes) if !told => {
                    let inner = session.at(clock::now());
                    GuestSays::Confirm { card: finding::own_card(self.app, session.finds, &inner) }
                }
                Some(Decision::Yes) | None => GuestSays::Ask {},
            };
            told |= decision == Some(Decision::Yes);
            let HostSays::Status { standing, card } = self.say(guest, &says).await? else {
                return Err(broken(PairingError::OutOfTurn));
            };
            match standing {
                Standing::Refused => {
                    let trouble = Trouble::new("refused", "The other side has said no.");
                    return Err((State::Refused, trouble));
                }
                Standing::Confirmed | Standing::Committed => {
                    let card = card.ok_or_else(|| broken(PairingError::Malformed))?;
                    let other = Other { key: self.host, card: card.clone() };
                    session.at(clock::now()).introduce(session.proof, other);
                    if told && self.may_write(session) {
                        return self.commit(session, guest, card).await;
                    }
                }
                Standing::Open => {}
            }
            let _decided = timeout(every, session.decided.notified()).await;
        }
    }

    /// From here on the owner cannot say no any more.
    fn may_write(&self, session: &Session) -> bool {
        let mut inner = session.at(clock::now());
        let agreed = inner.decision == Some(Decision::Yes) && !inner.state.is_over();
        inner.writing = agreed;
        agreed
    }

    /// Has the host write down what both agreed to, and then does so here.
    async fn commit(
        &mut self,
        session: &Arc<Session>,
        guest: &mut GuestSession,
        card: Card,
    ) -> Result<(), End> {
        let outcome = self.committed(session, guest, card).await;
        session.at(clock::now()).writing = false;
        outcome?;
        session.at(clock::now()).end(State::Done, None);
        Ok(())
    }

    async fn committed(
        &mut self,
        session: &Arc<Session>,
        guest: &mut GuestSession,
        card: Card,
    ) -> Result<(), End> {
        let HostSays::Status { standing, .. } = self.say(guest, &GuestSays::Commit {}).await?
        else {
            return Err(broken(PairingError::OutOfTurn));
        };
        if standing != Standing::Committed {
            let trouble = Trouble::new("refused", "The other side has said no.");
            return Err((State::Refused, trouble));
        }
        let (app, of) = (Arc::clone(self.app), Arc::clone(session));
        let now: Millis = clock::now();
        let written = blocking(move || finish::write(&app, &of, card, now)).await;
        written.map_err(|error| {
            tracing::warn!(error = error.unnamed(), "what a pairing agreed to was not written");
            let sentence = format!(
                "It could not be written down: {error} The other side has noted this hub; pair once more, \
                 or take it away there."
            );
            failed(Trouble::new("not_written", sentence))
        })
    }
}
