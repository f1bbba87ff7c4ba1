//! Parts of rows, written by hand: feeds and listings have millions of them.

use store::{RevId, Signature};

/// Appends a number in decimal digits.
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a revision id as a JSON string.
pub(crate) fn write_rev(out: &mut Vec<u8>, rev: &RevId) {
    match &rev.signature {
        Signature::Digest(digest) => {
            out.push(b'"');
            write_number(out, rev.generation);
            let mut text = [b'-'; 34];
            for (pair, byte) in text[1..33].chunks_exact_mut(2).zip(digest) {
                pair.copy_from_slice(&HEX_PAIRS[usize::from(*byte)]);
            }
            text[33] = b'"';
            out.extend_from_slice(&text);
        }
        // Text that a foreign server chose may hold what JSON must escape.
        Signature::Text(_) => store::json::write_string(out, &rev.to_string()),
    }
}

/// Appends an array of revision ids.
pub(crate) fn write_revs(out: &mut Vec<u8>, revs: &[RevId]) {
    out.push(b'[');
    for (position, rev) in revs.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_rev(out, rev);
    }
    out.push(b']');
}

static HEX_PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl Fn(&mut Vec<u8>), expected: &str) {
        let mut out = vec![];
        write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn numbers() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            check(|out| write_number(out, number), &number.to_string());
        }
    }

    #[test]
    fn revisions() {
        for text in ["1-0123456789abcdef00ff10203040a0fe", "12-x", "3-é", r#"3-a"b\c"#] {
            let rev: RevId = text.parse().unwrap();
            check(|out| write_rev(out, &rev), &serde_json::to_string(text).unwrap());
        }
    }
}
