//! Messages that come early, late, twice, changed, or from somebody else.

use super::*;
use crate::pairing::error::Blame;

/// A changed copy of a message.
fn changed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn whoever_does_not_have_the_link_changes_nothing() {
    let mut host = host(Proof::Link);
    let other = LinkSecret::from_bytes([8; 16]);
    for number in 0..50 {
        let wrong = Greeting::with_link(&other, Kind::Friend, channel(7), &chance("x", number)).1;
        assert_eq!(receive(&mut host, &wrong), Err(PairingError::WrongSecret));
    }
    // Neither does one that was overheard: it is for one connection, and for one guest.
    let (guest, hello) = greeting(Proof::Link, channel(7));
    let stranger = Channel { guest: key(3), ..channel(7) };
    assert_eq!(receive_on(&mut host, &stranger, &hello), Err(PairingError::WrongSecret));
    assert_eq!(receive_on(&mut host, &channel(8), &hello), Err(PairingError::WrongSecret));
    let (answer, _) = receive(&mut host, &hello).unwrap();
    assert!(guest.hello(&answer).is_ok());
}

#[test]
fn a_link_is_good_once() {
    let (mut host, _guest) = met(Proof::Link);
    let (_, hello) = greeting(Proof::Link, channel(7));
    assert_eq!(receive(&mut host, &hello), Err(PairingError::OutOfTurn));
    let stranger = Channel { guest: key(3), ..channel(7) };
    let (_, hello) = greeting(Proof::Link, stranger);
    assert_eq!(receive_on(&mut host, &stranger, &hello), Err(PairingError::Taken));
}

#[test]
fn a_code_is_guessed_once() {
    let mut host = host(Proof::Spoken);
    let (guest, hello) =
        Greeting::with_code(&code("1234-5679"), None, channel(7), &chance("guest", 0)).unwrap();
    let (answer, _) = receive(&mut host, &hello).unwrap();
    let (_, reveal) = guest.hello(&answer).unwrap();
    assert_eq!(receive(&mut host, &reveal), Err(PairingError::WrongCode));
    let (_, hello) = greeting(Proof::Spoken, channel(7));
    assert_eq!(receive(&mut host, &hello), Err(PairingError::Over));
    assert_eq!(PairingError::WrongCode.blame(), Blame::Person);
}

#[test]
fn a_host_that_guesses_the_code_learns_nothing_that_a_guest_accepts() {
    let mut liar = Host::for_code(code("00000000"), Kind::Friend, card("M", 1), UNTIL);
    let (guest, hello) = greeting(Proof::Spoken, channel(7));
    let (answer, _) = receive(&mut liar, &hello).unwrap();
    let (guest, reveal) = guest.hello(&answer).unwrap();
    assert_eq!(receive(&mut liar, &reveal), Err(PairingError::WrongCode));
    // Whatever it answers.
    let proof = br#"{"type":"proof","confirmation":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
    assert_eq!(guest.proof(proof).unwrap_err(), PairingError::WrongCode);
}

#[test]
fn messages_have_their_turn() {
    let mut host = host(Proof::Compare);
    let (guest, hello) = greeting(Proof::Compare, channel(7));
    let reveal = br#"{"type":"reveal","nonce":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","confirmation":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
    let sealed = br#"{"type":"sealed","number":1,"content":"{}","seal":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
    for early in [reveal.as_slice(), sealed] {
        assert_eq!(receive(&mut host, early), Err(PairingError::OutOfTurn));
    }
    let (answer, _) = receive(&mut host, &hello).unwrap();
    for early in [hello.as_slice(), sealed] {
        assert_eq!(receive(&mut host, early), Err(PairingError::OutOfTurn));
    }
    // Somebody else, and the same one over another connection.
    let stranger = Channel { guest: key(3), ..channel(7) };
    for other in [stranger, channel(8)] {
        for bytes in [hello.as_slice(), reveal] {
            assert_eq!(receive_on(&mut host, &other, bytes), Err(PairingError::Taken));
        }
    }
    let (guest, right) = guest.hello(&answer).unwrap();
    let (proof, _) = receive(&mut host, &right).unwrap();
    for late in [hello.as_slice(), &right] {
        assert_eq!(receive(&mut host, late), Err(PairingError::OutOfTurn));
    }
    assert_eq!(receive(&mut host, sealed), Err(PairingError::Seal));
    // The guest's side is types; what is left is the host's answers in another order.
    let early = greeting(Proof::Compare, channel(7)).0.hello(&proof).unwrap_err();
    assert_eq!(early, PairingError::OutOfTurn);
    assert_eq!(guest.proof(&answer).unwrap_err(), PairingError::OutOfTurn);
}

#[test]
fn what_is_sealed_is_heard_once_and_in_order() {
    let (mut host, mut guest) = met(Proof::Link);
    let (first_number, first) = guest.say(&GuestSays::Ask {});
    let (second_number, second) = guest.say(&GuestSays::Confirm { card: card("B", 2) });
    let (late_answer, _) = receive(&mut host, &second).unwrap();
    assert_eq!(receive(&mut host, &second), Err(PairingError::Replayed), "a second time");
    assert_eq!(receive(&mut host, &first), Err(PairingError::Replayed), "too late");
    assert_eq!(guest.hear(first_number, &late_answer), Err(PairingError::Replayed));
    assert!(guest.hear(second_number, &late_answer).is_ok());
    // Changed, for another number, or thrown back at whoever said it.
    let (_, third) = guest.say(&GuestSays::Ask {});
    for bytes in [changed(&third, "ask", "refuse"), changed(&third, ":3", ":4")] {
        assert_eq!(receive(&mut host, &bytes), Err(PairingError::Seal));
    }
    assert_eq!(guest.hear(3, &third), Err(PairingError::Seal));
    assert_eq!(receive(&mut host, &late_answer), Err(PairingError::Seal));
    // Of another session of the same two.
    let (_, mut other) = met(Proof::Spoken);
    let (_, bytes) = other.say(&GuestSays::Ask {});
    assert_eq!(receive(&mut host, &bytes), Err(PairingError::Seal));
    assert!(receive(&mut host, &third).is_ok());
}

#[test]
fn what_was_committed_to_is_what_counts() {
    let mut host = host(Proof::Compare);
    let (guest, hello) = greeting(Proof::Compare, channel(7));
    let (answer, _) = receive(&mut host, &hello).unwrap();
    let (_, reveal) = guest.hello(&answer).unwrap();
    let nonce = text::encode(&chance("guest", 0).nonce());
    let other = text::encode(&chance("guest", 1).nonce());
    let changed = changed(&reveal, &nonce, &other);
    assert_eq!(receive(&mut host, &changed), Err(PairingError::Commitment));
    assert_eq!(receive(&mut host, &reveal), Err(PairingError::Over), "one attempt");
}

#[test]
fn both_have_to_see_the_same() {
    // The host's hello is changed on its way.
    for proof in [Proof::Link, Proof::Compare, Proof::Spoken] {
        let mut host = host(proof);
        let (guest, hello) = greeting(proof, channel(7));
        let (answer, _) = receive(&mut host, &hello).unwrap();
        let (guest, reveal) =
            guest.hello(&changed(&answer, "\"version\":1", "\"version\": 1")).unwrap();
        let expected =
            if proof == Proof::Spoken { PairingError::WrongCode } else { PairingError::Transcript };
        assert_eq!(receive(&mut host, &reveal), Err(expected), "{proof:?}");
        drop(guest);
    }
    // The host's proof is.
    let mut host = host(Proof::Compare);
    let (guest, hello) = greeting(Proof::Compare, channel(7));
    let (answer, _) = receive(&mut host, &hello).unwrap();
    let (guest, reveal) = guest.hello(&answer).unwrap();
    let (proof, _) = receive(&mut host, &reveal).unwrap();
    let zeros = format!("\"{}\"", "a".repeat(52));
    let start = std::str::from_utf8(&proof).unwrap().find("\"confirmation\":").unwrap() + 15;
    let damaged = [&proof[..start], zeros.as_bytes(), b"}"].concat();
    assert_eq!(guest.proof(&damaged).unwrap_err(), PairingError::Transcript);
}

#[test]
fn people_have_to_want_the_same() {
    let mut host = host(Proof::Compare);
    let (_, hello) = Greeting::to_compare(Some(Kind::Device), channel(7), &chance("guest", 0));
    assert_eq!(receive(&mut host, &hello), Err(PairingError::KindDiffers));
    let (_, hello) = greeting(Proof::Spoken, channel(7));
    assert_eq!(receive(&mut host, &hello), Err(PairingError::ProofNotOffered));
    // The other way round: the host says another kind than the guest came for.
    let mut host = Host::for_comparing(Kind::Device, card("A", 1), UNTIL);
    let (_, hello) = Greeting::to_compare(None, channel(7), &chance("guest", 0));
    let (answer, _) = receive(&mut host, &hello).unwrap();
    let (guest, _) = greeting(Proof::Compare, channel(7));
    assert_eq!(guest.hello(&answer).unwrap_err(), PairingError::KindDiffers);
}

#[test]
fn odd_messages() {
    let check = |bytes: &[u8], expected| {
        assert_eq!(receive(&mut host(Proof::Compare), bytes), Err(expected), "{bytes:?}");
    };
    let (_, hello) = greeting(Proof::Compare, channel(7));
    check(&vec![b' '; MESSAGE_BYTES_MAX + 1], PairingError::TooLong);
    check(b"", PairingError::Malformed);
    check(b"[]", PairingError::Malformed);
    check(&[b'['; 1000], PairingError::Malformed);
    check(b"{\"type\":\"other\"}", PairingError::Malformed);
    check(&changed(&hello, "{", "{\"more\":1,"), PairingError::Malformed);
    check(&changed(&hello, "{", "{\"proof\":\"compare\","), PairingError::Malformed);
    check(&changed(&hello, "{", "{\"type\":\"hello\","), PairingError::Malformed);
    check(&changed(&hello, ":1", ":2"), PairingError::Version);
    check(&changed(&hello, "\"version\":1,", ""), PairingError::Malformed);
    check(&changed(&hello, "\"commitment\":\"", "\"commitment\":\"a"), PairingError::Malformed);
    let exchange = format!("{{\"exchange\":\"{}\",", "a".repeat(53));
    check(&changed(&hello, "{", &exchange), PairingError::Malformed);
    // A spoken code's exchange that is no point, or is thrown back.
    let (_, spoken) = greeting(Proof::Spoken, channel(7));
    let start = std::str::from_utf8(&spoken).unwrap().find("\"exchange\":\"").unwrap() + 12;
    let mut odd = spoken.clone();
    for byte in &mut odd[start + 5..start + 40] {
        *byte = b'7';
    }
    let refused = receive(&mut host(Proof::Spoken), &odd);
    assert!(refused.is_err() || refused.is_ok_and(|(_, effect)| effect == Effect::Greeted));
}

#[test]
fn cards_say_by_which_key_a_side_looks_or_nothing() {
    let known = card("B", 2);
    let text = serde_json::to_string(&known).unwrap();
    assert!(!text.contains("find"), "earlier releases refuse it: {text}");
    let finding = Card { find: Some(FindKey([5; 32])), ..known };
    let text = serde_json::to_string(&finding).unwrap();
    assert_eq!(serde_json::from_str::<Card>(&text).unwrap(), finding);
    let key = text::encode(&[5; 32]);
    for odd in ["", "a", &key[..51], &key.to_uppercase(), &format!("{key}a")] {
        let odd = text.replace(&key, odd);
        assert!(serde_json::from_str::<Card>(&odd).is_err(), "{odd}");
    }
}

#[test]
fn cards_are_of_whoever_sends_them() {
    let (mut host, mut guest) = met(Proof::Link);
    let refused = |card: Card, host: &mut Host, guest: &mut GuestSession| {
        let (_, bytes) = guest.say(&GuestSays::Card { card });
        receive(host, &bytes).unwrap_err()
    };
    let other = Card { reach: card("x", 3).reach, ..card("B", 2) };
    let error = refused(other, &mut host, &mut guest);
    assert_eq!(error, PairingError::Card(CardError::Reach));
    let long = Card { name: "x".repeat(NAME_BYTES_MAX + 1), ..card("B", 2) };
    assert_eq!(refused(long, &mut host, &mut guest), PairingError::Card(CardError::Name));
    let share = Share { database: String::new(), right: Right::Read };
    let odd = Card { share: vec![share.clone()], ..card("B", 2) };
    assert_eq!(refused(odd, &mut host, &mut guest), PairingError::Card(CardError::Share));
    let share = Share { database: "db".into(), ..share };
    let many = Card { share: vec![share; SHARES_MAX + 1], ..card("B", 2) };
    assert_eq!(refused(many, &mut host, &mut guest), PairingError::Card(CardError::Share));
    // The session goes on.
    tell(&mut host, &mut guest, &GuestSays::Ask {});
}
