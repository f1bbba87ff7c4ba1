//! Pairings that come to an end, good or bad.

use super::*;

const ALL: [Proof; 3] = [Proof::Link, Proof::Compare, Proof::Spoken];

#[test]
fn both_see_the_same_and_agree() {
    for proof in ALL {
        let (mut host, mut guest) = met(proof);
        assert_eq!(host.digits(), Some(guest.digits()), "{proof:?}");
        assert_eq!((host.guest(), guest.kind()), (Some(key(2)), Kind::Friend));
        let (says, effect) = tell(&mut host, &mut guest, &GuestSays::Card { card: card("B", 2) });
        assert_eq!(effect, Effect::Introduced(card("B", 2)));
        let expected = match proof {
            // Who has come is not known yet.
            Proof::Compare => Card { name: "Anna".into(), ..Card::default() },
            Proof::Link | Proof::Spoken => card("Anna", 1),
        };
        assert_eq!(says, HostSays::Card { card: expected });
        let (says, effect) = tell(&mut host, &mut guest, &GuestSays::Ask {});
        assert_eq!((says, effect), (status(Standing::Open, None), Effect::Nothing));
        host.confirm(NOW).unwrap();
        let (says, _) = tell(&mut host, &mut guest, &GuestSays::Ask {});
        assert_eq!(says, status(Standing::Confirmed, Some(card("Anna", 1))));
        let (_, effect) = tell(&mut host, &mut guest, &GuestSays::Confirm { card: card("C", 2) });
        assert_eq!(effect, Effect::Confirmed(card("C", 2)));
        let (number, bytes) = guest.say(&GuestSays::Commit {});
        let (answer, effect) = receive(&mut host, &bytes).unwrap();
        assert_eq!((answer.len(), effect), (0, Effect::Write(card("C", 2))));
        let answer = host.written(true).unwrap();
        let committed = status(Standing::Committed, Some(card("Anna", 1)));
        assert_eq!(guest.hear(number, &answer).unwrap(), committed);
        // The answer may have been lost: the guest asks again, over another connection too, and nothing is
        // written twice; not even the end of the window stands in the way.
        let (number, bytes) = guest.say(&GuestSays::Commit {});
        let reception = host.receive(&channel(8), &bytes, &chance("host", 1), UNTIL + 1).unwrap();
        assert_eq!(reception.effect, Effect::Nothing);
        assert_eq!(guest.hear(number, &reception.answer.unwrap()).unwrap(), committed);
        assert_eq!(host.refuse(), Err(PairingError::Over));
    }
}

#[test]
fn nothing_is_written_before_both_have_said_yes() {
    let (mut host, mut guest) = met(Proof::Link);
    let commit = |host: &mut Host, guest: &mut GuestSession| {
        let (_, bytes) = guest.say(&GuestSays::Commit {});
        receive(host, &bytes).map(|(_, effect)| effect)
    };
    assert_eq!(commit(&mut host, &mut guest), Err(PairingError::OutOfTurn));
    host.confirm(NOW).unwrap();
    assert_eq!(commit(&mut host, &mut guest), Err(PairingError::OutOfTurn));
    tell(&mut host, &mut guest, &GuestSays::Confirm { card: card("B", 2) });
    assert_eq!(commit(&mut host, &mut guest), Ok(Effect::Write(card("B", 2))));
    let (mut host, mut guest) = met(Proof::Link);
    tell(&mut host, &mut guest, &GuestSays::Confirm { card: card("B", 2) });
    assert_eq!(commit(&mut host, &mut guest), Err(PairingError::OutOfTurn));
}

#[test]
fn either_side_may_say_no_until_it_is_written() {
    // The host, after its own yes.
    let (mut host, mut guest) = met(Proof::Spoken);
    host.confirm(NOW).unwrap();
    tell(&mut host, &mut guest, &GuestSays::Confirm { card: card("B", 2) });
    host.refuse().unwrap();
    assert_eq!(host.confirm(NOW), Err(PairingError::Over));
    let (says, effect) = tell(&mut host, &mut guest, &GuestSays::Commit {});
    assert_eq!((says, effect), (status(Standing::Refused, None), Effect::Nothing));
    // The guest, after its own yes.
    let (mut host, mut guest) = met(Proof::Spoken);
    host.confirm(NOW).unwrap();
    tell(&mut host, &mut guest, &GuestSays::Confirm { card: card("B", 2) });
    let (says, effect) = tell(&mut host, &mut guest, &GuestSays::Refuse {});
    assert_eq!((says, effect), (status(Standing::Refused, None), Effect::Refused));
    let (_, bytes) = guest.say(&GuestSays::Commit {});
    assert_eq!(receive(&mut host, &bytes), Err(PairingError::OutOfTurn));
    assert_eq!(host.confirm(NOW), Err(PairingError::Over));
    // Nobody has come.
    let mut host = super::host(Proof::Link);
    host.refuse().unwrap();
    let (_, hello) = greeting(Proof::Link, channel(7));
    assert_eq!(receive(&mut host, &hello), Err(PairingError::Over));
}

#[test]
fn what_could_not_be_written_is_refused() {
    let (mut host, mut guest) = met(Proof::Link);
    host.confirm(NOW).unwrap();
    tell(&mut host, &mut guest, &GuestSays::Confirm { card: card("B", 2) });
    let (number, bytes) = guest.say(&GuestSays::Commit {});
    receive(&mut host, &bytes).unwrap();
    let answer = host.written(false).unwrap();
    assert_eq!(guest.hear(number, &answer), Ok(status(Standing::Refused, None)));
    assert_eq!(host.written(true), Err(PairingError::OutOfTurn));
}

#[test]
fn windows_close() {
    let mut host = host(Proof::Link);
    let (_, hello) = greeting(Proof::Link, channel(7));
    let late = host.receive(&channel(7), &hello, &chance("host", 0), UNTIL);
    assert_eq!(late.unwrap_err(), PairingError::Expired);
    let (mut host, _) = met(Proof::Link);
    assert_eq!(host.confirm(UNTIL), Err(PairingError::Expired));
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        host(Proof::Link),
        host(Proof::Spoken),
        met(Proof::Compare).1,
        secret(),
        code("12345678"),
        channel(0x77),
    );
    for secret in ["1234", "5678", "[9", "0x77", "119, 119"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
