//! Clocks that are set while documents are written.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use store::{Millis, RevId, Store};
use support::{options, put};

#[test]
fn a_clock_that_jumps_turns_no_document_back() {
    const DAY: u64 = 24 * 3600 * 1000;
    let store = Store::in_memory(&options()).unwrap();
    let database = store.create(&"db".parse().unwrap(), Millis(9 * DAY)).unwrap();
    let (mut rev, mut last): (Option<RevId>, _) = (None, None);
    for days in [9, 12, 3, 3, 40, 0, 41] {
        let body = format!("{{\"day\":{days}}}");
        let edit = put("doc", rev.clone(), &body);
        let next = database.write(vec![edit], Millis(days * DAY)).unwrap().remove(0).unwrap();
        let stamp = store::stamp::stamp_of(&next);
        assert!(stamp > last, "day {days}: {stamp:?} follows {last:?}");
        let found = database.read(|snapshot| snapshot.head(&"doc".parse().unwrap())).unwrap();
        assert_eq!(found.map(|head| head.rev).as_ref(), Some(&next), "day {days}");
        (rev, last) = (Some(next), stamp);
    }
    assert_eq!(last.map(store::stamp::Stamp::millis), Some(Millis(41 * DAY)));
}
