//! What both sides have seen, and the keys that follow from it.

use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Digits, Kind, LinkSecret, Proof};
use crate::PublicKey;
use crate::tls::ChannelBinding;

/// Begins everything that is hashed.
const COMMITMENT: &str = "larder pairing 1 commitment";
const TICKET: &str = "larder pairing 1 ticket";
const TRANSCRIPT: &str = "larder pairing 1 transcript";

/// One TLS connection between two hubs that have proven their keys.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// Who waits.
    pub host: PublicKey,
    /// Who has come.
    pub guest: PublicKey,
    /// What tells this connection from all others.
    pub binding: ChannelBinding,
}

impl Channel {
    /// Whether it is the same connection of the same two.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.same_hubs(other) && self.binding.bytes() == other.binding.bytes()
    }

    /// Whether it is one of the same two.
    pub(super) fn same_hubs(&self, other: &Self) -> bool {
        (self.host, self.guest) == (other.host, other.guest)
    }

    /// What the guest sends of its nonce before it knows the host's.
    pub(super) fn commitment(&self, nonce: &[u8; 32]) -> [u8; 32] {
        let Self { host, guest, binding } = self;
        hash(COMMITMENT, &[host.bytes(), guest.bytes(), binding.bytes(), nonce])
    }

    /// What shows that the guest has the link's secret, before the host lets anything happen.
    pub(super) fn ticket(
        &self,
        secret: &LinkSecret,
        kind: Option<Kind>,
        commitment: &[u8; 32],
    ) -> [u8; 32] {
        let Self { host, guest, binding } = self;
        let kind = kind.map_or("", Kind::word).as_bytes();
        let seen = hash(TICKET, &[host.bytes(), guest.bytes(), binding.bytes(), kind, commitment]);
        mac(&secret.key(TICKET), &[&seen])
    }
}

/// What a finished exchange consists of.
pub(super) struct Seen<'a> {
    pub(super) proof: Proof,
    pub(super) channel: &'a Channel,
    /// The first message of each side, to the byte.
    pub(super) guest_hello: &'a [u8],
    pub(super) host_hello: &'a [u8],
    pub(super) guest_nonce: &'a [u8; 32],
    /// What both know beside the connection: a link's secret, what the spoken code's exchange gave, or nothing.
    pub(super) shared: &'a [u8],
}

impl Seen<'_> {
    /// The hash of all that was seen, and what keys are expanded from.
    pub(super) fn keys(&self) -> ([u8; 32], Hkdf<Sha256>) {
        let Channel { host, guest, binding } = self.channel;
        let transcript = hash(
            TRANSCRIPT,
            &[
                self.proof.word().as_bytes(),
                host.bytes(),
                guest.bytes(),
                binding.bytes(),
                self.guest_hello,
                self.host_hello,
                self.guest_nonce,
            ],
        );
        let material = Zeroizing::new([binding.bytes(), self.shared].concat());
        (transcript, Hkdf::new(Some(&transcript), &material))
    }
}

/// The bits that the compared digits are made of.
pub(super) fn digit_bits(keys: &Hkdf<Sha256>) -> [u8; 16] {
    let mut bits = [0; 16];
    bits.copy_from_slice(&expand(keys, "digits")[..16]);
    bits
}

/// The keys of one session.
#[derive(Clone)]
pub(super) struct Keys {
    transcript: [u8; 32],
    guest_confirmation: Zeroizing<[u8; 32]>,
    host_confirmation: Zeroizing<[u8; 32]>,
    pub(super) guest_messages: Zeroizing<[u8; 32]>,
    pub(super) host_messages: Zeroizing<[u8; 32]>,
    pub(super) digits: Digits,
}

impl Keys {
    /// The keys that follow from what was seen.
    pub(super) fn of(seen: &Seen<'_>) -> Self {
        let (transcript, keys) = seen.keys();
        let key = |label| expand(&keys, label);
        Self {
            transcript,
            guest_confirmation: key("guest confirmation"),
            host_confirmation: key("host confirmation"),
            guest_messages: key("guest messages"),
            host_messages: key("host messages"),
            digits: Digits::of(digit_bits(&keys)),
        }
    }

    /// What shows that the guest has seen the same.
    pub(super) fn guest_confirmation(&self) -> [u8; 32] {
        mac(&self.guest_confirmation, &[&self.transcript])
    }

    /// What shows that the host has.
    pub(super) fn host_confirmation(&self) -> [u8; 32] {
        mac(&self.host_confirmation, &[&self.transcript])
    }

    #[cfg(test)]
    pub(super) fn transcript(&self) -> &[u8; 32] {
        &self.transcript
    }
}

/// 32 bytes for one purpose.
pub(super) fn expand(keys: &Hkdf<Sha256>, label: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    // Fails beyond 8,160 bytes alone.
    let _fits = keys.expand(label.as_bytes(), key.as_mut());
    key
}

/// The SHA-256 of a label and parts, each with its length before it, so that no two lists of parts are
/// hashed as the same bytes.
fn hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [label.as_bytes()].iter().chain(parts) {
        // Messages are short, and everything else is shorter.
        hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// HMAC-SHA-256.
pub(super) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // Any length is one that a key can have.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether two authenticators are the same, in a time that does not tell how nearly.
pub(super) fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    subtle::ConstantTimeEq::ct_eq(one.as_slice(), other.as_slice()).into()
}
