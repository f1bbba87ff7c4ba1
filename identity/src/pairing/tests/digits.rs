//! The digits that people compare: six, uniform, exact.

use super::*;
use crate::pairing::transcript::{Keys, Seen};

const SESSIONS: u64 = 200_000;

/// How far counts are from even ones, in standard deviations of that distance.
///
/// Source: Pearson's chi-square has the mean k - 1 and the variance 2 (k - 1) for k cells.
fn deviation(counts: &[u32]) -> f64 {
    let total: u32 = counts.iter().sum();
    let cells = f64::from(u32::try_from(counts.len()).unwrap());
    let expected = f64::from(total) / cells;
    let square = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
    let chi_square: f64 = counts.iter().map(square).sum();
    (chi_square - (cells - 1.0)) / (2.0 * (cells - 1.0)).sqrt()
}

#[test]
fn are_uniform_in_front_and_behind() {
    let (mut front, mut behind, mut sixty_fourths) = ([0; 1000], [0; 1000], [0; 64]);
    let channel = channel(7);
    for number in 0..SESSIONS {
        let nonce = chance("digits", number).nonce();
        let seen = Seen {
            proof: Proof::Compare,
            channel: &channel,
            guest_hello: b"guest",
            host_hello: b"host",
            guest_nonce: &nonce,
            shared: b"",
        };
        let digits = Keys::of(&seen).digits.to_string();
        assert_eq!(digits.len(), 6);
        let digits: usize = digits.parse().unwrap();
        front[digits / 1000] += 1;
        behind[digits % 1000] += 1;
        // Thali's were multiples of 64.
        sixty_fourths[digits % 64] += 1;
    }
    for counts in [front.as_slice(), &behind, &sixty_fourths] {
        let deviation = deviation(counts);
        assert!(deviation.abs() < 4.0, "{deviation}");
    }
    assert!(deviation(&[2, 0, 2, 0].map(|count| count * 1000)) > 4.0, "the test can fail");
}

#[test]
fn are_exact_and_padded() {
    let number = |value: u128| Digits::of(value.to_be_bytes()).to_string();
    assert_eq!(number(0), "000000");
    assert_eq!(number(7), "000007");
    assert_eq!(number(1_000_000), "000000");
    assert_eq!(number(123_456_789_012), "789012");
    // 2^128 - 1 = 340282366920938463463374607431768211455: no bit is lost, as with floating-point numbers.
    assert_eq!(number(u128::MAX), "211455");
    assert_eq!(reduce([0xff; 16], std::num::NonZeroU32::MIN), 0);
}

#[test]
fn spoken_codes_are_read_as_people_write_them() {
    let code = SpokenCode::of(987_654_321_u128.to_be_bytes());
    assert_eq!(code.shown(), "8765-4321");
    for text in ["8765-4321", "87654321", " 8765 4321 ", "87 65-43 21"] {
        assert_eq!(text.parse::<SpokenCode>(), Ok(code.clone()), "{text}");
    }
    for text in ["", "8765-432", "8765-43210", "8765-432x", "８７６５４３２１", "8765_4321"]
    {
        assert!(text.parse::<SpokenCode>().is_err(), "{text}");
    }
}
