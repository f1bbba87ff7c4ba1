//! Whole pairings in memory, with sides of every kind.

mod digits;
mod disturbed;
mod links;
mod relay;
mod vectors;
mod whole;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::tls::ChannelBinding;
use crate::{DeviceKey, PublicKey};

/// When everything happens, in Unix milliseconds, and when windows close.
const NOW: u64 = 1_795_000_000_000;
const UNTIL: u64 = NOW + 600_000;

fn key(seed: u8) -> PublicKey {
    DeviceKey::from_seed(&[seed; 32]).public()
}

/// The host has the key 1, the guest the key 2.
fn channel(binding: u8) -> Channel {
    let binding = ChannelBinding::from_bytes([binding; 32]);
    Channel { host: key(1), guest: key(2), binding }
}

/// Bytes that follow from a number, for each side others.
fn chance(side: &str, number: u64) -> Chance {
    let mut bytes = [0; Chance::BYTES];
    for (part, into) in bytes.chunks_mut(32).enumerate() {
        let hash = Sha256::new().chain_update(side).chain_update(number.to_be_bytes());
        into.copy_from_slice(&hash.chain_update([u8::try_from(part).unwrap()]).finalize());
    }
    Chance::from_bytes(bytes)
}

fn card(name: &str, seed: u8) -> Card {
    let url = format!("httpkey://10.0.0.{seed}:6984/ed25519publickey:{}/", key(seed));
    let share = vec![Share { database: format!("of-{name}"), right: Right::Write }];
    Card { name: name.into(), reach: vec![url.parse().unwrap()], share, find: None }
}

fn secret() -> LinkSecret {
    LinkSecret::from_bytes([9; 16])
}

fn find() -> FindSecret {
    FindSecret::from_bytes([11; 16])
}

fn code(text: &str) -> SpokenCode {
    text.parse().unwrap()
}

fn host(proof: Proof) -> Host {
    let (kind, card) = (Kind::Friend, card("Anna", 1));
    match proof {
        Proof::Link => Host::for_link(secret(), kind, card, UNTIL),
        Proof::Compare => Host::for_comparing(kind, card, UNTIL),
        Proof::Spoken => Host::for_code(code("1234-5678"), kind, card, UNTIL),
    }
}

/// The guest that belongs to [`host`], on this connection.
fn greeting(proof: Proof, channel: Channel) -> (Greeting, Vec<u8>) {
    let chance = chance("guest", 0);
    match proof {
        Proof::Link => Greeting::with_link(&secret(), Kind::Friend, channel, &chance),
        Proof::Compare => Greeting::to_compare(Some(Kind::Friend), channel, &chance),
        Proof::Spoken => Greeting::with_code(&code("12345678"), None, channel, &chance).unwrap(),
    }
}

fn receive(host: &mut Host, bytes: &[u8]) -> Result<(Vec<u8>, Effect), PairingError> {
    receive_on(host, &channel(7), bytes)
}

fn receive_on(
    host: &mut Host,
    channel: &Channel,
    bytes: &[u8],
) -> Result<(Vec<u8>, Effect), PairingError> {
    let Reception { answer, effect } = host.receive(channel, bytes, &chance("host", 0), NOW)?;
    Ok((answer.unwrap_or_default(), effect))
}

/// Two sides that see the same session.
fn met(proof: Proof) -> (Host, GuestSession) {
    let mut host = host(proof);
    let (guest, hello) = greeting(proof, channel(7));
    let (answer, effect) = receive(&mut host, &hello).unwrap();
    assert_eq!(effect, Effect::Greeted);
    let (guest, reveal) = guest.hello(&answer).unwrap();
    let (answer, effect) = receive(&mut host, &reveal).unwrap();
    assert_eq!(effect, Effect::Proven);
    (host, guest.proof(&answer).unwrap())
}

/// What the host answers to what the guest says.
fn tell(host: &mut Host, guest: &mut GuestSession, says: &GuestSays) -> (HostSays, Effect) {
    let (number, bytes) = guest.say(says);
    let (answer, effect) = receive(host, &bytes).unwrap();
    (guest.hear(number, &answer).unwrap(), effect)
}

fn status(standing: Standing, card: Option<Card>) -> HostSays {
    HostSays::Status { standing, card }
}
