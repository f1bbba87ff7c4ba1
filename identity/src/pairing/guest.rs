//! The side that comes. Each step is a type of its own, made by the step before.

use std::fmt;

use spake2::{Ed25519Group, Password, Spake2};
use zeroize::Zeroizing;

use super::host::{exchanged, identities};
use super::message::{
    self, Bytes, FromGuest, FromHost, GuestHello, GuestSays, HostHello, HostSays, Reveal,
};
use super::sealed::Direction;
use super::transcript::{Channel, Keys, Seen, same};
use super::{Chance, Digits, Kind, LinkSecret, PairingError, Proof, SpokenCode, VERSION};

/// The guest has said hello, and waits for the host to do so.
pub struct Greeting {
    proof: Proof,
    kind: Option<Kind>,
    channel: Channel,
    nonce: [u8; 32],
    hello: Vec<u8>,
    shared: Shared,
}

enum Shared {
    Known(Zeroizing<Vec<u8>>),
    Exchanging(Box<Spake2<Ed25519Group>>),
}

/// The guest has revealed its nonce, and waits for the host to show that it sees the same session.
pub struct Revealed {
    proof: Proof,
    kind: Kind,
    channel: Channel,
    keys: Keys,
}

/// Both have shown that they see the same session.
pub struct GuestSession {
    kind: Kind,
    channel: Channel,
    digits: Digits,
    to_host: Direction,
    from_host: Direction,
}

impl Greeting {
    /// Comes with a link's secret; also what to send.
    pub fn with_link(
        secret: &LinkSecret,
        kind: Kind,
        channel: Channel,
        chance: &Chance,
    ) -> (Self, Vec<u8>) {
        let ticket = channel.ticket(secret, Some(kind), &channel.commitment(&chance.nonce()));
        let shared = Shared::Known(Zeroizing::new(secret.bytes().to_vec()));
        let hello = GuestHello {
            version: VERSION,
            proof: Proof::Link,
            kind: Some(kind),
            commitment: Bytes([0; 32]),
            ticket: Some(Bytes(ticket)),
            exchange: None,
        };
        Self::begin(hello, channel, chance, shared)
    }

    /// Comes to compare digits.
    pub fn to_compare(kind: Option<Kind>, channel: Channel, chance: &Chance) -> (Self, Vec<u8>) {
        let hello = GuestHello {
            version: VERSION,
            proof: Proof::Compare,
            kind,
            commitment: Bytes([0; 32]),
            ticket: None,
            exchange: None,
        };
        Self::begin(hello, channel, chance, Shared::Known(Zeroizing::default()))
    }

    /// Comes with a code that was told.
    ///
    /// # Errors
    /// None: the exchange's first part has one length.
    pub fn with_code(
        code: &SpokenCode,
        kind: Option<Kind>,
        channel: Channel,
        chance: &Chance,
    ) -> Result<(Self, Vec<u8>), PairingError> {
        let (guest, host) = identities(&channel);
        let (state, ours) = Spake2::<Ed25519Group>::start_a_with_rng(
            &Password::new(code.digits()),
            &guest,
            &host,
            chance.for_code(),
        );
        let hello = GuestHello {
            version: VERSION,
            proof: Proof::Spoken,
            kind,
            commitment: Bytes([0; 32]),
            ticket: None,
            exchange: Some(exchanged(&ours)?),
        };
        Ok(Self::begin(hello, channel, chance, Shared::Exchanging(Box::new(state))))
    }

    fn begin(
        mut hello: GuestHello,
        channel: Channel,
        chance: &Chance,
        shared: Shared,
    ) -> (Self, Vec<u8>) {
        let nonce = chance.nonce();
        hello.commitment = Bytes(channel.commitment(&nonce));
        let (proof, kind) = (hello.proof, hello.kind);
        let bytes = message::write(&FromGuest::Hello(hello));
        (Self { proof, kind, channel, nonce, hello: bytes.clone(), shared }, bytes)
    }

    /// Takes the host's hello; also what to send.
    ///
    /// # Errors
    /// Why it is not taken; the attempt is over then.
    pub fn hello(self, bytes: &[u8]) -> Result<(Revealed, Vec<u8>), PairingError> {
        let FromHost::Hello(hello) = message::read_hello(bytes)? else {
            return Err(PairingError::OutOfTurn);
        };
        let HostHello { version, kind, exchange, .. } = hello;
        if version != VERSION {
            return Err(PairingError::Version);
        }
        if self.kind.is_some_and(|wanted| wanted != kind) {
            return Err(PairingError::KindDiffers);
        }
        let shared = match (self.shared, exchange) {
            (Shared::Known(shared), None) => shared,
            (Shared::Exchanging(state), Some(theirs)) => {
                let key = state.finish(&theirs.0).map_err(|_| PairingError::Malformed)?;
                Zeroizing::new(key)
            }
            (Shared::Known(_) | Shared::Exchanging(_), _) => return Err(PairingError::Malformed),
        };
        let Self { proof, channel, nonce, hello, .. } = self;
        let keys = Keys::of(&Seen {
            proof,
            channel: &channel,
            guest_hello: &hello,
            host_hello: bytes,
            guest_nonce: &nonce,
            shared: &shared,
        });
        let confirmation = Bytes(keys.guest_confirmation());
        let reveal = FromGuest::Reveal(Reveal { nonce: Bytes(nonce), confirmation });
        Ok((Revealed { proof, kind, channel, keys }, message::write(&reveal)))
    }
}

impl Revealed {
    /// Takes what shows that the host sees the same session.
    ///
    /// # Errors
    /// Why it is not taken; the attempt is over then.
    pub fn proof(self, bytes: &[u8]) -> Result<GuestSession, PairingError> {
        let FromHost::Proof(proof) = message::read(bytes)? else {
            return Err(PairingError::OutOfTurn);
        };
        let Self { keys, kind, channel, .. } = self;
        if !same(&proof.confirmation.0, &keys.host_confirmation()) {
            return Err(match self.proof {
                Proof::Spoken => PairingError::WrongCode,
                Proof::Link | Proof::Compare => PairingError::Transcript,
            });
        }
        Ok(GuestSession {
            kind,
            channel,
            digits: keys.digits,
            to_host: Direction::new(keys.guest_messages.clone()),
            from_host: Direction::new(keys.host_messages.clone()),
        })
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl GuestSession {
    /// What the two become.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The digits that both people see.
    pub fn digits(&self) -> Digits {
        self.digits
    }

    /// Says something: its number, and what to send.
    pub fn say(&mut self, says: &GuestSays) -> (u64, Vec<u8>) {
        // What is written here is text.
        let content = String::from_utf8(message::write(says)).unwrap_or_default();
        let sealed = self.to_host.seal_next(content);
        (sealed.number, message::write(&FromGuest::Sealed(sealed)))
    }

    /// What the host answers to the message of this number.
    ///
    /// # Errors
    /// Why it is no answer to that.
    pub fn hear(&self, number: u64, bytes: &[u8]) -> Result<HostSays, PairingError> {
        let FromHost::Sealed(sealed) = message::read(bytes)? else {
            return Err(PairingError::OutOfTurn);
        };
        let content = self.from_host.open_answer(number, sealed)?;
        Ok(match message::read(content.as_bytes())? {
            HostSays::Card { card } => HostSays::Card { card: card.checked(self.channel.host)? },
            HostSays::Status { standing, card } => {
                let card = card.map(|card| card.checked(self.channel.host)).transpose()?;
                HostSays::Status { standing, card }
            }
        })
    }
}

/// No secret is shown.
impl fmt::Debug for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Greeting").field("proof", &self.proof).finish_non_exhaustive()
    }
}

/// No secret is shown.
impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revealed").field("proof", &self.proof).finish_non_exhaustive()
    }
}

/// No secret is shown.
impl fmt::Debug for GuestSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestSession").field("kind", &self.kind).finish_non_exhaustive()
    }
}
