//! Somebody who stands between two people that compare digits.

use std::num::NonZeroU32;

use super::*;
use crate::pairing::code::reduce;
use crate::pairing::transcript::{Seen, digit_bits};

/// So few codes that what would be seldom is seen.
const SPACE: NonZeroU32 = NonZeroU32::new(1000).unwrap();

const TRIALS: u64 = 1_000_000;

/// The connection between the guest and the one in between, and between that one and the host.
fn legs() -> (Channel, Channel) {
    let (to_guest, to_host) = (channel(1).binding, channel(2).binding);
    let between = key(3);
    (
        Channel { host: between, guest: key(2), binding: to_guest },
        Channel { host: key(1), guest: between, binding: to_host },
    )
}

fn code(channel: &Channel, host_nonce: &[u8; 32], guest_nonce: &[u8; 32]) -> u32 {
    let commitment = [0; 32];
    let seen = Seen {
        proof: Proof::Compare,
        channel,
        guest_hello: &commitment,
        host_hello: host_nonce,
        guest_nonce,
        shared: b"",
    };
    reduce(digit_bits(&seen.keys().1), SPACE)
}

/// The one in between has to say what it sends to the guest (as a host) before it knows the guest's nonce,
/// and is committed to what it sends to the host (as a guest) before it knows the host's. It is left the choice
/// of everything else: here it hands the host's nonce on to the guest, and tries its own as they come.
#[test]
fn whoever_stands_between_has_one_guess() {
    let (to_guest, to_host) = legs();
    let mut matches: u32 = 0;
    for trial in 0..TRIALS {
        let committed = chance("between", trial).nonce();
        let of_host = chance("host", trial).nonce();
        let of_guest = chance("guest", trial).nonce();
        let seen_by_host = code(&to_host, &of_host, &committed);
        let seen_by_guest = code(&to_guest, &of_host, &of_guest);
        matches += u32::from(seen_by_host == seen_by_guest);
    }
    // One in a thousand, and three standard deviations of that.
    let expected = 1_000_000.0 / 1000.0_f64;
    let most = expected + 3.0 * (expected * (1.0 - 0.001)).sqrt();
    assert!(f64::from(matches) <= most, "{matches} of {TRIALS}");
    assert!(matches > 800, "the codes are no codes: {matches}");
}

/// Why there is a commitment: who may choose last finds a nonce for any code.
#[test]
fn whoever_could_choose_last_would_succeed() {
    let (to_guest, to_host) = legs();
    let of_host = chance("host", 0).nonce();
    let seen_by_guest = code(&to_guest, &of_host, &chance("guest", 0).nonce());
    let found = (0..20_000).find(|&number| {
        code(&to_host, &of_host, &chance("between", number).nonce()) == seen_by_guest
    });
    assert!(found.is_some());
}

/// The same with whole messages: handing everything on does not work, since each side sees another key and
/// another connection.
#[test]
fn handing_messages_on_fails() {
    let (to_guest, to_host) = legs();
    for proof in [Proof::Link, Proof::Compare, Proof::Spoken] {
        let mut host = host(proof);
        let (guest, hello) = greeting(proof, to_guest);
        let handed_on = receive_on(&mut host, &to_host, &hello);
        if proof == Proof::Link {
            assert_eq!(handed_on.unwrap_err(), PairingError::WrongSecret);
            continue;
        }
        let (_, reveal) = guest.hello(&handed_on.unwrap().0).unwrap();
        let refused = receive_on(&mut host, &to_host, &reveal).unwrap_err();
        assert_eq!(refused, PairingError::Commitment, "{proof:?}");
    }
    // On the same keys, were that possible, another connection is enough.
    let mut host = host(Proof::Compare);
    let (guest, hello) = greeting(Proof::Compare, channel(1));
    let (answer, _) = receive_on(&mut host, &channel(2), &hello).unwrap();
    let (_, reveal) = guest.hello(&answer).unwrap();
    let refused = receive_on(&mut host, &channel(2), &reveal).unwrap_err();
    assert_eq!(refused, PairingError::Commitment);
}

/// Two sessions with somebody in between who plays by the rules on both sides: the digits differ.
#[test]
fn two_honest_looking_sessions_show_other_digits() {
    let (to_guest, to_host) = legs();
    let mut host = host(Proof::Compare);
    let mut false_host = Host::for_comparing(Kind::Friend, card("Anna", 3), UNTIL);
    let (guest, hello) = greeting(Proof::Compare, to_guest);
    let (answer, _) = receive_on(&mut false_host, &to_guest, &hello).unwrap();
    let (guest, reveal) = guest.hello(&answer).unwrap();
    let (answer, _) = receive_on(&mut false_host, &to_guest, &reveal).unwrap();
    let guest = guest.proof(&answer).unwrap();
    let (false_guest, hello) =
        Greeting::to_compare(Some(Kind::Friend), to_host, &chance("guest", 0));
    let (answer, _) = receive_on(&mut host, &to_host, &hello).unwrap();
    let (false_guest, reveal) = false_guest.hello(&answer).unwrap();
    let (answer, _) = receive_on(&mut host, &to_host, &reveal).unwrap();
    let _false_guest = false_guest.proof(&answer).unwrap();
    assert_ne!(host.digits(), Some(guest.digits()));
}
