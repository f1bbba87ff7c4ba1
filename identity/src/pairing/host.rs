//! The side that waits.

use std::fmt;

use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use super::message::{
    self, Bytes, Exchanged, FromGuest, FromHost, GuestHello, GuestSays, HostHello, HostSays,
    ProofOfHost, Reveal, Sealed, Standing,
};
use super::sealed::Direction;
use super::transcript::{Channel, Keys, Seen, same};
use super::{
    Card, Chance, Digits, Kind, LinkSecret, PairingError, Proof, SpokenCode, VERSION, WindowName,
};
use crate::PublicKey;

/// What a guest has to show.
#[derive(Clone)]
pub(super) enum Wanted {
    Link(LinkSecret),
    Compare,
    Spoken(SpokenCode),
}

/// One window that its owner has opened, and the one guest that comes to it.
///
/// What goes wrong once a guest was let in ends it: whoever wants to try again opens another one.
pub struct Host {
    wanted: Wanted,
    kind: Kind,
    card: Card,
    until_ms: u64,
    state: State,
}

enum State {
    /// Nobody has come.
    Waiting,
    /// A guest has committed itself to a nonce.
    Greeted(Box<Greeted>),
    /// Both have shown that they see the same session.
    Agreeing(Box<Agreeing>),
    /// It is over.
    Over,
}

struct Greeted {
    channel: Channel,
    commitment: [u8; 32],
    guest_hello: Vec<u8>,
    host_hello: Vec<u8>,
    shared: Zeroizing<Vec<u8>>,
}

struct Agreeing {
    channel: Channel,
    digits: Digits,
    from_guest: Direction,
    to_guest: Direction,
    /// What each side's person has said.
    here: Option<Card>,
    refused_here: bool,
    there: Option<Card>,
    refused_there: bool,
    committed: bool,
    /// The number of a message that is yet to be answered.
    unanswered: Option<u64>,
}

/// A message was taken.
#[derive(Debug)]
pub struct Reception {
    /// What to answer; none where that depends on what the caller does next.
    pub answer: Option<Vec<u8>>,
    /// What has happened.
    pub effect: Effect,
}

/// What a message has brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that anybody has to know.
    Nothing,
    /// A guest has come.
    Greeted,
    /// It has proven itself, or there are digits to compare.
    Proven,
    /// It has said who it is.
    Introduced(Card),
    /// Its person has said yes, and this is what it says for good.
    Confirmed(Card),
    /// Its person has said no.
    Refused,
    /// Both people have said yes: write down what the guest said, and say whether it was done by
    /// [`Host::written`], which has the answer.
    Write(Card),
}

impl Host {
    /// Waits for whoever has the link with this secret, until then, in Unix milliseconds.
    pub fn for_link(secret: LinkSecret, kind: Kind, card: Card, until_ms: u64) -> Self {
        Self::new(Wanted::Link(secret), kind, card, until_ms)
    }

    /// Waits for somebody with whom digits are compared.
    pub fn for_comparing(kind: Kind, card: Card, until_ms: u64) -> Self {
        Self::new(Wanted::Compare, kind, card, until_ms)
    }

    /// Waits for whoever was told this code.
    pub fn for_code(code: SpokenCode, kind: Kind, card: Card, until_ms: u64) -> Self {
        Self::new(Wanted::Spoken(code), kind, card, until_ms)
    }

    fn new(wanted: Wanted, kind: Kind, card: Card, until_ms: u64) -> Self {
        Self { wanted, kind, card, until_ms, state: State::Waiting }
    }

    /// The name of the window.
    pub fn window(&self) -> WindowName {
        match &self.wanted {
            Wanted::Link(secret) => WindowName::of_link(secret),
            Wanted::Compare => WindowName::compare(),
            Wanted::Spoken(_) => WindowName::spoken(),
        }
    }

    /// By what a guest proves itself.
    pub fn proof(&self) -> Proof {
        match &self.wanted {
            Wanted::Link(_) => Proof::Link,
            Wanted::Compare => Proof::Compare,
            Wanted::Spoken(_) => Proof::Spoken,
        }
    }

    /// The digits that both people see, once there are some.
    pub fn digits(&self) -> Option<Digits> {
        match &self.state {
            State::Agreeing(agreeing) => Some(agreeing.digits),
            State::Waiting | State::Greeted(_) | State::Over => None,
        }
    }

    /// The guest, once one was let in.
    pub fn guest(&self) -> Option<PublicKey> {
        match &self.state {
            State::Greeted(greeted) => Some(greeted.channel.guest),
            State::Agreeing(agreeing) => Some(agreeing.channel.guest),
            State::Waiting | State::Over => None,
        }
    }

    /// Whether it has come to a bad end, so that nobody is heard any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// What is said of oneself from now on; it is what both people agree to once it was confirmed.
    pub fn set_card(&mut self, card: Card) {
        self.card = card;
    }

    /// The owner says yes.
    ///
    /// # Errors
    /// Where there is nothing to say yes to.
    pub fn confirm(&mut self, now_ms: u64) -> Result<(), PairingError> {
        self.check_time(now_ms)?;
        let State::Agreeing(agreeing) = &mut self.state else {
            return Err(PairingError::OutOfTurn);
        };
        if agreeing.refused_here || agreeing.refused_there {
            return Err(PairingError::Over);
        }
        agreeing.here = Some(self.card.clone());
        Ok(())
    }

    /// The owner says no. Whoever has come is told when it asks; nothing can be done against what was
    /// written down already.
    ///
    /// # Errors
    /// [`PairingError::Over`] where it was written down.
    pub fn refuse(&mut self) -> Result<(), PairingError> {
        match &mut self.state {
            State::Agreeing(agreeing) if agreeing.committed => Err(PairingError::Over),
            State::Agreeing(agreeing) => {
                agreeing.refused_here = true;
                Ok(())
            }
            State::Waiting | State::Greeted(_) | State::Over => {
                self.state = State::Over;
                Ok(())
            }
        }
    }

    /// Takes a message that came over this connection.
    ///
    /// # Errors
    /// Why it is not taken. Where a guest was let in and fails, the session is over; a stranger's message
    /// changes nothing.
    pub fn receive(
        &mut self,
        channel: &Channel,
        bytes: &[u8],
        chance: &Chance,
        now_ms: u64,
    ) -> Result<Reception, PairingError> {
        self.check_time(now_ms)?;
        match (&self.state, message::read_hello(bytes)?) {
            (State::Over, _) => Err(PairingError::Over),
            (State::Waiting, FromGuest::Hello(hello)) => self.greet(channel, bytes, &hello, chance),
            (State::Greeted(greeted), _) if !greeted.channel.is(channel) => {
                Err(PairingError::Taken)
            }
            (State::Agreeing(agreeing), FromGuest::Hello(_)) if !agreeing.channel.is(channel) => {
                Err(PairingError::Taken)
            }
            (State::Agreeing(agreeing), _) if !agreeing.channel.same_hubs(channel) => {
                Err(PairingError::Taken)
            }
            (State::Greeted(_), FromGuest::Reveal(reveal)) => self.prove(&reveal),
            (State::Agreeing(_), FromGuest::Sealed(sealed)) => self.hear(sealed),
            (State::Waiting | State::Greeted(_) | State::Agreeing(_), _) => {
                Err(PairingError::OutOfTurn)
            }
        }
    }

    fn check_time(&self, now_ms: u64) -> Result<(), PairingError> {
        // What both have agreed to goes on: the guest may have to be told again.
        let committed = matches!(&self.state, State::Agreeing(agreeing) if agreeing.committed);
        if now_ms < self.until_ms || committed { Ok(()) } else { Err(PairingError::Expired) }
    }

    fn greet(
        &mut self,
        channel: &Channel,
        bytes: &[u8],
        hello: &GuestHello,
        chance: &Chance,
    ) -> Result<Reception, PairingError> {
        if hello.version != VERSION {
            return Err(PairingError::Version);
        }
        if hello.proof != self.proof() {
            return Err(PairingError::ProofNotOffered);
        }
        let GuestHello { kind, ticket, exchange, commitment, .. } = hello;
        let (mut shared, mut answered) = (Zeroizing::new(Vec::new()), None);
        match (&self.wanted, ticket, exchange) {
            (Wanted::Link(secret), Some(ticket), None) => {
                // Before anything changes: somebody without the link does not take its guest's place.
                if !same(&ticket.0, &channel.ticket(secret, *kind, &commitment.0)) {
                    return Err(PairingError::WrongSecret);
                }
                shared.extend_from_slice(secret.bytes());
            }
            (Wanted::Compare, None, None) => {}
            (Wanted::Spoken(code), None, Some(theirs)) => {
                let (guest, host) = identities(channel);
                let (state, ours) = Spake2::<Ed25519Group>::start_b_with_rng(
                    &Password::new(code.digits()),
                    &guest,
                    &host,
                    chance.for_code(),
                );
                let key = state.finish(&theirs.0).map_err(|_| PairingError::Malformed)?;
                *shared = key;
                answered = Some(exchanged(&ours)?);
            }
            (Wanted::Link(_) | Wanted::Compare | Wanted::Spoken(_), _, _) => {
                return Err(PairingError::Malformed);
            }
        }
        if kind.is_some_and(|kind| kind != self.kind) {
            return Err(PairingError::KindDiffers);
        }
        let answer = message::write(&FromHost::Hello(HostHello {
            version: VERSION,
            kind: self.kind,
            nonce: Bytes(chance.nonce()),
            exchange: answered,
        }));
        self.state = State::Greeted(Box::new(Greeted {
            channel: *channel,
            commitment: commitment.0,
            guest_hello: bytes.to_vec(),
            host_hello: answer.clone(),
            shared,
        }));
        Ok(Reception { answer: Some(answer), effect: Effect::Greeted })
    }

    fn prove(&mut self, reveal: &Reveal) -> Result<Reception, PairingError> {
        // One attempt: whatever is wrong now ends the session.
        let State::Greeted(greeted) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(PairingError::OutOfTurn);
        };
        let Greeted { channel, commitment, guest_hello, host_hello, shared } = *greeted;
        if !same(&channel.commitment(&reveal.nonce.0), &commitment) {
            return Err(PairingError::Commitment);
        }
        let keys = Keys::of(&Seen {
            proof: self.proof(),
            channel: &channel,
            guest_hello: &guest_hello,
            host_hello: &host_hello,
            guest_nonce: &reveal.nonce.0,
            shared: &shared,
        });
        if !same(&reveal.confirmation.0, &keys.guest_confirmation()) {
            return Err(match self.wanted {
                Wanted::Spoken(_) => PairingError::WrongCode,
                Wanted::Link(_) | Wanted::Compare => PairingError::Transcript,
            });
        }
        let confirmation = Bytes(keys.host_confirmation());
        let answer = message::write(&FromHost::Proof(ProofOfHost { confirmation }));
        self.state = State::Agreeing(Box::new(Agreeing {
            channel,
            digits: keys.digits,
            from_guest: Direction::new(keys.guest_messages.clone()),
            to_guest: Direction::new(keys.host_messages.clone()),
            here: None,
            refused_here: false,
            there: None,
            refused_there: false,
            committed: false,
            unanswered: None,
        }));
        Ok(Reception { answer: Some(answer), effect: Effect::Proven })
    }

    fn hear(&mut self, sealed: Sealed) -> Result<Reception, PairingError> {
        let compared = self.proof() == Proof::Compare;
        let State::Agreeing(agreeing) = &mut self.state else {
            return Err(PairingError::OutOfTurn);
        };
        let (number, content) = agreeing.from_guest.open_newer(sealed)?;
        let guest = agreeing.channel.guest;
        let effect = match message::read(content.as_bytes())? {
            GuestSays::Card { card } => {
                let effect = Effect::Introduced(card.checked(guest)?);
                // Who has come is not known before digits were compared, so it learns a name and no more.
                let card = if compared { self.card.name_alone() } else { self.card.clone() };
                let answer = agreeing.seal(number, &HostSays::Card { card });
                return Ok(Reception { answer: Some(answer), effect });
            }
            GuestSays::Ask {} => Effect::Nothing,
            GuestSays::Confirm { card } if !agreeing.refused_there => {
                let card = card.checked(guest)?;
                agreeing.there = Some(card.clone());
                Effect::Confirmed(card)
            }
            GuestSays::Refuse {} if !agreeing.committed => {
                agreeing.refused_there = true;
                Effect::Refused
            }
            GuestSays::Commit {} => match agreeing.agreed() {
                Some(_) if agreeing.committed => Effect::Nothing,
                Some(card) => {
                    agreeing.unanswered = Some(number);
                    return Ok(Reception { answer: None, effect: Effect::Write(card) });
                }
                // The owner may have said no meanwhile: the guest is told.
                None if agreeing.refused_here => Effect::Nothing,
                None => return Err(PairingError::OutOfTurn),
            },
            GuestSays::Confirm { .. } | GuestSays::Refuse {} => {
                return Err(PairingError::OutOfTurn);
            }
        };
        Ok(Reception { answer: Some(agreeing.status(number)), effect })
    }

    /// Whether what both agreed to was written down; the answer for the guest.
    ///
    /// # Errors
    /// Where nobody asked for it.
    pub fn written(&mut self, done: bool) -> Result<Vec<u8>, PairingError> {
        let State::Agreeing(agreeing) = &mut self.state else {
            return Err(PairingError::OutOfTurn);
        };
        let number = agreeing.unanswered.take().ok_or(PairingError::OutOfTurn)?;
        agreeing.committed |= done;
        agreeing.refused_here |= !done;
        Ok(agreeing.status(number))
    }
}

impl Agreeing {
    /// What the guest said for good, where both people have said yes and nobody no.
    fn agreed(&self) -> Option<Card> {
        let refused = self.refused_here || self.refused_there;
        self.there.clone().filter(|_| self.here.is_some() && !refused)
    }

    fn status(&self, number: u64) -> Vec<u8> {
        let standing = match (&self.here, self.refused_here || self.refused_there) {
            _ if self.committed => Standing::Committed,
            (_, true) => Standing::Refused,
            (Some(_), false) => Standing::Confirmed,
            (None, false) => Standing::Open,
        };
        let card = self.here.clone().filter(|_| standing != Standing::Refused);
        self.seal(number, &HostSays::Status { standing, card })
    }

    fn seal(&self, number: u64, says: &HostSays) -> Vec<u8> {
        // What is written here is text.
        let content = String::from_utf8(message::write(says)).unwrap_or_default();
        message::write(&FromHost::Sealed(self.to_guest.seal(number, content)))
    }
}

/// Shows how far it is, and no secret.
impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("proof", &self.proof()).finish_non_exhaustive()
    }
}

/// Whom the spoken code's exchange is between: guest and host.
pub(super) fn identities(channel: &Channel) -> (Identity, Identity) {
    let named = |role: &str, key: PublicKey| {
        Identity::new(&[role.as_bytes(), key.bytes().as_slice()].concat())
    };
    (named("larder pairing 1 guest", channel.guest), named("larder pairing 1 host", channel.host))
}

/// One side's part of that exchange.
pub(super) fn exchanged(bytes: &[u8]) -> Result<Exchanged, PairingError> {
    Ok(Bytes(bytes.try_into().map_err(|_| PairingError::Malformed)?))
}
