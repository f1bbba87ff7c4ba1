//! Links for pairing, and messages of whoever comes to a window or waits behind one.

use crate::DeviceKey;
use crate::pairing::{
    Card, Chance, Channel, Effect, Greeting, Host, Kind, LinkSecret, PairingLink, SpokenCode,
};
use crate::tls::ChannelBinding;

/// A text is no link, or one with one form, in which it reads back as the same, in either case.
///
/// # Panics
/// When that does not hold.
pub fn pairing_link(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(link) = text.parse::<PairingLink>() else { return };
    let printed = link.to_string();
    assert!(printed.starts_with("larder:httpkey://") && printed.is_ascii(), "{printed}");
    for text in [printed.clone(), printed.to_uppercase()] {
        let again: PairingLink = text.parse().expect("what was printed");
        assert!(again == link && again.to_string() == printed, "{printed}");
    }
    let urls = link.urls();
    assert_eq!(urls.len(), link.reach.len(), "{printed}");
    assert!(urls.iter().all(|url| url.key() == link.key && url.path() == "/"), "{printed}");
    let (before, _) = printed.split_once('#').expect("a fragment");
    assert!(!before.contains("secret:") && !before.contains("find:"), "{printed}");
    assert_eq!(printed.contains("#2/"), link.find.is_some(), "{printed}");
}

/// Whatever is sent to a window, or answered to a guest, nobody is let in by it.
///
/// # Panics
/// When somebody is, or something else breaks.
pub fn pairing_message(bytes: &[u8]) {
    let key = |seed| DeviceKey::from_seed(&[seed; 32]).public();
    let binding = ChannelBinding::from_bytes([0xb1; 32]);
    let channel = Channel { host: key(1), guest: key(2), binding };
    let chance = Chance::from_bytes([3; Chance::BYTES]);
    let (kind, card, until) = (Kind::Friend, Card::default(), u64::MAX);
    let secret = LinkSecret::from_bytes([0x5e; 16]);
    let code = SpokenCode::of([0xc0; 16]);
    let hosts = [
        Host::for_link(secret.clone(), kind, card.clone(), until),
        Host::for_comparing(kind, card.clone(), until),
        Host::for_code(code, kind, card, until),
    ];
    for mut host in hosts {
        // Twice: before somebody was let in, and where the first time did that.
        for _ in 0..2 {
            let Ok(reception) = host.receive(&channel, bytes, &chance, 0) else { continue };
            assert_eq!(reception.effect, Effect::Greeted);
        }
        assert!(host.digits().is_none() && host.confirm(0).is_err());
    }
    let (guest, _) = Greeting::with_link(&secret, kind, channel, &chance);
    if let Ok((guest, _)) = guest.hello(bytes) {
        assert!(guest.proof(bytes).is_err());
    }
    let (guest, _) = Greeting::to_compare(None, channel, &chance);
    if let Ok((guest, _)) = guest.hello(bytes) {
        assert!(guest.proof(bytes).is_err());
    }
}
