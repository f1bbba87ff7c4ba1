//! Whole exchanges to the byte, as `docs/pairing.md` describes them, for other implementations.

use serde_json::{Value, json};

use super::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/pairing.json");

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The onion service of the host.
const SERVICE: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

/// The public key that belongs to what finds it, as Tor's tools write it. That it does, `onion` tests, which has
/// X25519.
const DISCOVERY_KEY: &str =
    "descriptor:x25519:5LV4CKP6SLHSBQBWJ3JAY34RC3NRZ7G27XVXGRPAKVQFA4JLYYAA";

/// One exchange up to what the guest says first; where the link holds what finds the host, the sides say by which
/// keys they look for each other.
fn vector(proof: Proof, finds: bool) -> Value {
    let card_of = |name, seed| {
        let find = finds.then_some(FindKey([seed; 32]));
        Card { find, ..card(name, seed) }
    };
    let mut host = host(proof);
    host.set_card(card_of("Anna", 1));
    let (guest, hello) = greeting(proof, channel(7));
    let (host_hello, _) = receive(&mut host, &hello).unwrap();
    let (guest, reveal) = guest.hello(&host_hello).unwrap();
    let transcript = hex(guest.keys().transcript());
    let (confirmation, _) = receive(&mut host, &reveal).unwrap();
    let mut guest = guest.proof(&confirmation).unwrap();
    let (number, says) = guest.say(&GuestSays::Card { card: card_of("Bert", 2) });
    let (answer, _) = receive(&mut host, &says).unwrap();
    guest.hear(number, &answer).unwrap();
    let chance = |side| hex(chance(side, 0).bytes());
    json!({
        "proof": proof.word(),
        "host_key": key(1), "guest_key": key(2),
        "binding": hex(&[7; 32]),
        "secret": match proof {
            Proof::Link => hex(secret().bytes()),
            Proof::Compare => String::new(),
            Proof::Spoken => "12345678".into(),
        },
        "window": host.window().as_str(),
        "guest_random": chance("guest"), "host_random": chance("host"),
        "guest_hello": text_of(&hello), "host_hello": text_of(&host_hello),
        "reveal": text_of(&reveal), "proof_of_host": text_of(&confirmation),
        "transcript": transcript,
        "digits": guest.digits().to_string(),
        "first_sealed": text_of(&says), "first_answer": text_of(&answer),
    })
}

#[test]
fn vectors_are_as_written_down() {
    let reach = ["10.0.0.1:6984".parse().unwrap(), "example.net:9898".parse().unwrap()].to_vec();
    let link = PairingLink {
        kind: Kind::Friend,
        key: key(1),
        reach,
        secret: secret(),
        find: None,
        until_s: UNTIL / 1000,
    };
    let service: crate::OnionAddress = SERVICE.parse().unwrap();
    let host = crate::Host::Onion(service.clone());
    let reach = vec![crate::Authority { host, port: crate::DEFAULT_PORT }];
    let finding = PairingLink { reach, find: Some(find()), ..link.clone() };
    let found = json!({
        "about": "Exchanges of docs/pairing.md. Bytes are in hexadecimal digits; messages are JSON text to the byte. \
                  The last 64 bytes of what is random are the secret of the spoken code's exchange.",
        "link": link.to_string(),
        "finding": {
            "link": finding.to_string(),
            "find": hex(find().bytes()),
            "service": SERVICE,
            "discovery_secret": hex(&*find().discovery_secret(&service)),
            "discovery_key": DISCOVERY_KEY,
        },
        "exchanges": [
            vector(Proof::Link, false),
            vector(Proof::Compare, false),
            vector(Proof::Spoken, false),
            vector(Proof::Link, true),
        ],
    });
    if std::env::var_os("WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&found).unwrap();
        std::fs::write(FILE, format!("{text}\n")).unwrap();
    }
    let written: Value = serde_json::from_slice(&std::fs::read(FILE).unwrap()).unwrap();
    assert_eq!(found, written);
}
