//! Keys compare as values do.

use proptest::prelude::*;

use super::*;
use crate::compare;
use crate::fuzzing::compare_raw;
use crate::value::Number;

fn key(text: &str, collation: Collation) -> CollationKey {
    let key = CollationKey::of_json(text, collation).unwrap();
    let value = Value::parse(text, 600).unwrap();
    assert_eq!(CollationKey::of_value(&value, collation), key, "{text}");
    assert_eq!(value_len(key.as_bytes()), Some(key.as_bytes().len()), "{text}");
    key
}

fn number() -> impl Strategy<Value = Number> {
    let near = prop::sample::select(vec![
        0,
        1,
        1 << 53,
        (1 << 53) + 1,
        i128::from(i64::MAX),
        i128::from(u64::MAX),
        i128::from(i64::MIN),
        i128::MAX,
        i128::MIN + 9,
    ]);
    prop_oneof![
        any::<i128>().prop_map(Number::Whole),
        any::<i64>().prop_map(|number| Number::Whole(number.into())),
        (-300..300_i128).prop_map(Number::Whole),
        (near.clone(), -2..=2_i128)
            .prop_map(|(number, by)| Number::Whole(number.saturating_add(by))),
        (near, -2..=2_i32)
            .prop_map(|(number, by)| Number::Float(number as f64 + f64::from(by) / 2.0)),
        (-300..300_i32).prop_map(|number| Number::Float(f64::from(number) / 4.0)),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(Number::Float),
        Just(Number::Float(-0.0)),
    ]
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,6}", "[aAbBéßÄ\u{301}\u{0}\u{1} -]{0,5}", any::<String>(), "\\PC{0,4}"]
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        string().prop_map(|text| Value::String(text.into())),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let member = ("[abA]{0,2}", inner.clone()).prop_map(|(name, value)| (name.into(), value));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            prop::collection::vec(member, 0..3).prop_map(Value::Object),
        ]
    })
}

/// Two values that often have much in common.
fn pair() -> impl Strategy<Value = (Value<'static>, Value<'static>)> {
    prop_oneof![
        (value(), value()),
        (number(), number()).prop_map(|(one, other)| (Value::Number(one), Value::Number(other))),
        (string(), string())
            .prop_map(|(one, other)| (Value::String(one.into()), Value::String(other.into()))),
        (prop::collection::vec(value(), 0..4), value()).prop_map(|(elements, more)| {
            let mut longer = elements.clone();
            longer.push(more);
            (Value::Array(elements), Value::Array(longer))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn keys_compare_as_values_do((one, other) in pair()) {
        for (collation, expected) in [
            (Collation::Standard, compare(&one, &other)),
            (Collation::Raw, compare_raw(&one, &other)),
        ] {
            let (one_key, other_key) =
                (CollationKey::of_value(&one, collation), CollationKey::of_value(&other, collation));
            prop_assert_eq!(one_key.cmp(&other_key), expected, "{:?}: {} and {}", collation, one, other);
            prop_assert_eq!(value_len(one_key.as_bytes()), Some(one_key.as_bytes().len()));
            let is_beginning = other_key.as_bytes().starts_with(one_key.as_bytes());
            prop_assert_eq!(is_beginning, expected.is_eq());
        }
    }

    #[test]
    fn text_and_value_have_the_same_key(value in value()) {
        let text = value.to_string();
        for collation in [Collation::Standard, Collation::Raw] {
            key(&text, collation);
        }
    }

    #[test]
    fn arrays_of_a_group_share_their_beginning(
        elements in prop::collection::vec(value(), 0..5),
        level in 0..6_usize,
    ) {
        for collation in [Collation::Standard, Collation::Raw] {
            let whole = CollationKey::of_value(&Value::Array(elements.clone()), collation);
            let length = group_len(whole.as_bytes(), level).unwrap();
            let first = Value::Array(elements[..level.min(elements.len())].to_vec());
            let first = CollationKey::of_value(&first, collation);
            let end = if level <= elements.len() { first.as_bytes().len() - 1 } else { length };
            prop_assert_eq!(&whole.as_bytes()[..length], &first.as_bytes()[..end]);
        }
    }

    #[test]
    fn escaped_bytes_come_back_in_order(one: Vec<u8>, other in prop::collection::vec(0..3_u8, 0..5)) {
        let escaped = |bytes: &[u8]| {
            let mut out = Vec::new();
            escape(&mut out, bytes);
            out
        };
        for (one, other) in [(&one, &other), (&other, &one)] {
            prop_assert_eq!(escaped(one).cmp(&escaped(other)), one.cmp(other));
            let mut with_more = escaped(one);
            with_more.extend(other);
            let (plain, rest) = unescape(&with_more).unwrap();
            prop_assert_eq!(&plain[..], &one[..]);
            prop_assert_eq!(rest, &other[..]);
        }
    }

    #[test]
    fn ascii_has_the_sort_key_that_the_collator_gives(text in "[ -~]{0,50}|[a-cA-C-]{0,50}|[0-9a-zA-Z]{0,8}") {
        let mut expected = Vec::new();
        let Ok(()) = crate::collation::root().unwrap().write_sort_key_to(&text, &mut expected);
        expected.push(0);
        let mut found = Vec::new();
        text::write_sort_key(&mut found, &text);
        prop_assert_eq!(found, expected);
        let mut found = Vec::new();
        prop_assert_eq!(ascii::write(&mut found, text.as_bytes()), text.len() <= ascii::LETTERS_MAX);
    }

    #[test]
    fn damaged_keys_do_no_harm(bytes: Vec<u8>, level in 0..4_usize) {
        let _ends = (value_len(&bytes), group_len(&bytes, level), unescape(&bytes));
    }
}

/// These are on disks. Whoever has to change them raises [`KEYS_VERSION`].
#[test]
fn known_keys() {
    let check = |text, standard: &str, raw: &str| {
        assert_eq!(format!("{:?}", key(text, Collation::Standard)), standard, "{text}");
        assert_eq!(format!("{:?}", key(text, Collation::Raw)), raw, "{text}");
    };
    check("null", "01", "13");
    check("false", "02", "12");
    check("true", "03", "14");
    check("0", "048000", "118000");
    check("-0.0", "048000", "118000");
    check("1", "04880000", "11880000");
    check("1.5", "04880080", "11880080");
    check("-1", "0477ffff", "1177ffff");
    check(r#""""#, "05010100", "170001");
    check(r#""aB""#, "052b2d010601c5dc00", "1761420001");
    check(r#""é""#, "0533014588010600", "17c3a90001");
    check(
        r#"["\u0000",{"b":[]}]"#,
        "060501010007052d010501050006000000",
        "161700ff0001151762000116000000",
    );
}

#[test]
fn refuses() {
    for text in ["", "\"", "\"a", "01", "-", "1 2", "[1,]", "{\"a\"}", "nul", "\"\n\"", "\"\\x\""] {
        assert!(CollationKey::of_json(text, Collation::Standard).is_err(), "{text}");
    }
    let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(CollationKey::of_json(&deep(512), Collation::Raw).is_ok());
    assert!(CollationKey::of_json(&deep(513), Collation::Raw).is_err());
}
