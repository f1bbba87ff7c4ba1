//! The numbers that every commit keeps, as bytes. `docs/store-format.md` lists them.

use crate::engine::{Counters, Live, Pins};
use crate::varint;

/// As [`decode_counters`] reads them.
pub(super) fn encode_counters(counters: &Counters) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    let Live { row_bytes, attachment_bytes, stored_attachment_bytes } = counters.live;
    let live = [row_bytes, attachment_bytes, stored_attachment_bytes];
    let live = live.into_iter().filter(|_| !counters.live_unknown);
    for number in fields(counters).into_iter().chain(live).chain(pins(&counters.pins)) {
        varint::write(&mut bytes, number);
    }
    bytes
}

/// The numbers that every file has since version 2.
const FIELDS: usize = 10;

fn fields(c: &Counters) -> [u64; FIELDS] {
    [
        c.update_seq,
        c.docs_live,
        c.docs_deleted,
        c.body_next,
        c.leaf_bytes,
        c.superseded_bytes,
        c.blob_bytes,
        c.blob_file_bytes,
        c.stale,
        c.purge_seq,
    ]
}

fn pins(pins: &Pins) -> [u64; 6] {
    let Pins { last, overwritten, held, bytes, attachment_bytes, newest_stamp } = *pins;
    [last, overwritten, held, bytes, attachment_bytes, newest_stamp]
}

/// `None` when the bytes are damaged.
pub(super) fn decode_counters(mut bytes: &[u8]) -> Option<Counters> {
    let mut numbers = Vec::with_capacity(FIELDS + 9);
    while !bytes.is_empty() {
        numbers.push(varint::read(&mut bytes)?);
    }
    if numbers.len() == FIELDS - 1 {
        // Version 1 ended before the last purge.
        numbers.push(0);
    }
    let (fields, rest) = numbers.split_at_checked(FIELDS)?;
    // How many there are says which: three of what is live, six of what is pinned since version 3.
    let (live, pins) = match rest.len() {
        0 | 6 => (None, rest),
        3 | 9 => (Some(&rest[..3]), &rest[3..]),
        _ => return None,
    };
    let mut counters = Counters {
        update_seq: fields[0],
        docs_live: fields[1],
        docs_deleted: fields[2],
        body_next: fields[3],
        leaf_bytes: fields[4],
        superseded_bytes: fields[5],
        blob_bytes: fields[6],
        blob_file_bytes: fields[7],
        stale: fields[8],
        purge_seq: fields[9],
        live_unknown: live.is_none(),
        ..Counters::default()
    };
    if let Some(&[row_bytes, attachment_bytes, stored_attachment_bytes]) = live {
        counters.live = Live { row_bytes, attachment_bytes, stored_attachment_bytes };
    }
    if let &[last, overwritten, held, bytes, attachment_bytes, newest_stamp] = pins {
        counters.pins = Pins { last, overwritten, held, bytes, attachment_bytes, newest_stamp };
    }
    Some(counters)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters as a file has them in which these are the numbers.
    fn check(count: u64, expected: Option<(Live, Pins)>) {
        let mut bytes = Vec::new();
        (1..=count).for_each(|number| varint::write(&mut bytes, number * 1000));
        let decoded = decode_counters(&bytes);
        assert_eq!(decoded.map(|counters| (counters.live, counters.pins)), expected, "{count}");
        let Some(counters) = decoded else { return };
        assert_eq!(counters.purge_seq, if count < 10 { 0 } else { 10_000 });
        assert_eq!(counters.live_unknown, counters.live == Live::default());
        assert_eq!(decode_counters(&encode_counters(&counters)), Some(counters));
        if count >= 16 {
            assert_eq!(encode_counters(&counters), bytes);
        }
    }

    #[test]
    fn every_version_can_be_read() {
        let live =
            Live { row_bytes: 11_000, attachment_bytes: 12_000, stored_attachment_bytes: 13_000 };
        let pins = |first: u64| Pins {
            last: first,
            overwritten: first + 1000,
            held: first + 2000,
            bytes: first + 3000,
            attachment_bytes: first + 4000,
            newest_stamp: first + 5000,
        };
        check(9, Some((Live::default(), Pins::default())));
        check(10, Some((Live::default(), Pins::default())));
        check(13, Some((live, Pins::default())));
        check(16, Some((Live::default(), pins(11_000))));
        check(19, Some((live, pins(14_000))));
        for damaged in [0, 8, 11, 12, 14, 15, 17, 18, 20] {
            check(damaged, None);
        }
        assert_eq!(decode_counters(&[0x80]), None);
    }
}
