use super::*;

fn key(seed: u8) -> DeviceKey {
    DeviceKey::from_seed(&[seed; 32])
}

fn claim(seq: u64, kind: StatementKind) -> Claim {
    let prev = (seq > 1).then(StatementHash::default);
    let subject = key(2).public();
    Claim { seq, prev, kind, subject, at: 1_764_315_000_000, answers: Vec::new() }
}

/// The vectors of `docs/devices.md`: what other programs have to arrive at.
#[test]
fn the_vectors_of_the_page() {
    let page = include_str!("../../../docs/devices.md");
    let first = Statement::sign(&key(1), claim(1, StatementKind::Add));
    let second = Claim {
        prev: Some(first.hash()),
        answers: vec![first.hash()],
        ..claim(2, StatementKind::Remove)
    };
    let second = Statement::sign(&key(1), second);
    for statement in [first, second] {
        let (text, hash) = (statement.text(), statement.hash());
        assert!(page.contains(&text), "{text}");
        assert!(page.contains(&hash.to_string()), "{hash}");
        let bytes = data_encoding::HEXLOWER.encode(&statement.signed_bytes());
        assert!(page.contains(&bytes), "{bytes}");
    }
}

#[test]
fn come_back_as_they_were_and_are_genuine() {
    for kind in [StatementKind::Add, StatementKind::Remove, StatementKind::Keep] {
        let statement = Statement::sign(&key(1), claim(2, kind));
        let read = Statement::parse(&statement.text()).unwrap();
        assert_eq!(read, statement);
        assert!(read.is_genuine());
        assert_eq!(read.kind(), Some(kind));
    }
}

#[test]
fn every_member_is_signed() {
    let statement = Statement::sign(&key(1), claim(2, StatementKind::Add));
    let value: serde_json::Value = serde_json::from_str(&statement.text()).unwrap();
    let other = serde_json::json!({
        "signer": key(3).public(), "seq": 3, "prev": statement.hash(), "kind": "remove",
        "subject": key(3).public(), "at": 1, "answers": [statement.hash()], "signer_set": "x",
    });
    for (member, changed) in other.as_object().unwrap() {
        let mut value = value.clone();
        value[member] = changed.clone();
        let read = Statement::parse(&value.to_string()).unwrap();
        assert!(!read.is_genuine(), "{member}");
        assert_ne!(read.hash(), statement.hash(), "{member}");
    }
}

#[test]
fn what_a_later_release_says_is_read_and_not_understood() {
    let text = Statement::sign(&key(1), claim(1, StatementKind::Add)).text();
    let later = text.replace("\"add\"", "\"delegate\"");
    assert_eq!(Statement::parse(&later).unwrap().kind(), None);
    let version = text.replace("\"v\":1", "\"v\":2");
    assert!(matches!(Statement::parse(&version), Err(StatementError::Version(2))));
}

#[test]
fn what_is_no_statement_is_refused() {
    let text = Statement::sign(&key(1), claim(2, StatementKind::Add)).text();
    let check = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(Statement::parse(&changed).is_err(), "{changed}");
    };
    check("\"seq\":2", "\"seq\":0");
    check("\"seq\":2", "\"seq\":1");
    check("\"seq\":2", "\"seq\":-2");
    check("\"kind\":\"add\"", "\"kind\":\"\"");
    check("\"kind\":\"add\"", "\"kind\":\"ADD\"");
    check("\"signature\":\"", "\"signature\":\"AAAA");
    check("\"signer_set\":\"\"", &format!("\"signer_set\":\"{}\"", "x".repeat(5000)));
    check("\"signer_set\":\"\"", &format!("\"signer_set\":\"{}\"", "x".repeat(20_000)));
    for text in ["", "{}", "[]", "{\"v\":1}", "null"] {
        assert!(Statement::parse(text).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_refused_or_comes_back(text: String) {
        if let Ok(statement) = Statement::parse(&text) {
            proptest::prop_assert_eq!(Statement::parse(&statement.text()).unwrap(), statement);
        }
    }
}
