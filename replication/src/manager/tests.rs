//! What is begun when, step by step and for any order of events.

use proptest::prelude::*;

use super::*;

const PEER: PeerId = PeerId([1; 32]);
const OTHER: PeerId = PeerId([2; 32]);

fn db(number: u8) -> DbUuid {
    DbUuid([number; 16])
}

fn offer(seq: u64, size: u64, rank: Rank) -> Offer {
    Offer { name: "notes".into(), seq: seq.to_string(), size, rank }
}

fn trouble(code: &'static str) -> Trouble {
    Trouble { code, text: code.into() }
}

/// A peer that is connected and offers these, all of which may be pulled.
fn manager(offers: &[(u8, u64, Rank)]) -> Manager {
    let mut manager = Manager::new(ManagerLimits::default());
    manager.know(PEER);
    manager.connected(PEER);
    for (number, size, rank) in offers {
        manager.offer(PEER, db(*number), offer(1, *size, *rank));
        manager.permit(PEER, db(*number), Permit::Granted);
    }
    manager
}

fn started(manager: &mut Manager) -> Vec<u8> {
    let steps = manager.poll(Millis(1000)).into_iter();
    steps
        .map(|step| match step {
            Step::Start(_, id) => id.0[0],
            Step::Stop(_, id) => panic!("stopped {id}"),
        })
        .collect()
}

fn reach(manager: &mut Manager, number: u8, seq: u64) {
    manager.ended((PEER, db(number)), PullEnd::Reached(seq.to_string()), Millis(1000), 0);
}

#[test]
fn names_and_rights_come_first() {
    let mut manager = manager(&[
        (1, 5, Rank::Person),
        (2, 90, Rank::Rights),
        (3, 90, Rank::Registry),
        (4, 1, Rank::System),
    ]);
    assert_eq!(started(&mut manager), [3, 2]);
    reach(&mut manager, 3, 1);
    assert_eq!(started(&mut manager), [4]);
    // What cannot be pulled now keeps nobody.
    manager.ended((PEER, db(2)), PullEnd::Failed(trouble("odd")), Millis(1000), 0);
    assert_eq!(started(&mut manager), [1]);
}

#[test]
fn what_hubs_need_themselves_is_asked_for_at_once() {
    let ranks = [(1, Rank::Registry), (2, Rank::Rights), (3, Rank::System), (4, Rank::Person)];
    let mut manager = manager(&ranks.map(|(number, rank)| (number, 5, rank)));
    for (number, _) in ranks {
        manager.know_reached(PEER, db(number), "0".into());
    }
    assert_eq!(started(&mut manager), [1, 2, 3], "in one round trip");
    reach(&mut manager, 1, 1);
    reach(&mut manager, 2, 1);
    assert_eq!(started(&mut manager), [4], "a person's once names and rights are here");
}

#[test]
fn small_copies_come_before_large_ones_and_leave_room() {
    let mut manager = manager(&[
        (1, 500, Rank::Person),
        (2, 5, Rank::Person),
        (3, 50, Rank::Person),
        (4, 900, Rank::Person),
    ]);
    manager.know_reached(PEER, db(4), "0".into());
    assert_eq!(started(&mut manager), [4, 2, 3]);
    reach(&mut manager, 4, 1);
    assert!(started(&mut manager).is_empty(), "two first copies at a time");
    reach(&mut manager, 2, 1);
    assert_eq!(started(&mut manager), [1]);
}

#[test]
fn what_is_in_step_is_left_alone() {
    let mut manager = manager(&[(1, 5, Rank::Person)]);
    assert_eq!(started(&mut manager), [1]);
    reach(&mut manager, 1, 1);
    assert!(manager.standing(PEER, db(1)).unwrap().is_in_step());
    assert!(started(&mut manager).is_empty());
    manager.offer(PEER, db(1), offer(1, 5, Rank::Person));
    assert!(started(&mut manager).is_empty());
    // While one runs, the next change waits for its end.
    manager.offer(PEER, db(1), offer(2, 6, Rank::Person));
    assert_eq!(started(&mut manager), [1]);
    manager.offer(PEER, db(1), offer(3, 7, Rank::Person));
    assert!(started(&mut manager).is_empty());
    reach(&mut manager, 1, 2);
    assert_eq!(started(&mut manager), [1]);
}

#[test]
fn all_that_was_offered_is_reached_whatever_it_is_called() {
    let mut manager = manager(&[(1, 5, Rank::Person)]);
    assert_eq!(started(&mut manager), [1]);
    // The last change is older than the last thing that was counted.
    reach(&mut manager, 1, 0);
    assert!(started(&mut manager).is_empty());
    assert_eq!(manager.standing(PEER, db(1)).unwrap().reached(), Some("1"));
}

#[test]
fn what_fails_waits_and_longer_each_time() {
    let mut manager = manager(&[(1, 5, Rank::Person)]);
    let mut now = Millis(0);
    for wait in [500, 1000, 2000] {
        assert_eq!(manager.poll(now), [Step::Start(PEER, db(1))]);
        manager.ended((PEER, db(1)), PullEnd::Failed(trouble("cut")), now, 0);
        assert!(manager.poll(now).is_empty());
        assert_eq!(manager.next_due(now), Some(Millis(now.0 + wait)));
        now = Millis(now.0 + wait);
    }
    assert_eq!(manager.poll(now), [Step::Start(PEER, db(1))]);
    manager.ended((PEER, db(1)), PullEnd::Failed(trouble("policy")), now, 0);
    manager.retry(|_, _, trouble| trouble.code == "cut");
    assert!(manager.poll(now).is_empty());
    manager.retry(|_, _, trouble| trouble.code == "policy");
    assert_eq!(manager.poll(now), [Step::Start(PEER, db(1))]);
}

#[test]
fn a_right_taken_away_stops_what_runs() {
    let mut manager = manager(&[(1, 5, Rank::Person)]);
    assert_eq!(started(&mut manager), [1]);
    manager.permit(PEER, db(1), Permit::Withheld(trouble("right")));
    manager.permit(PEER, db(1), Permit::Withheld(trouble("right")));
    assert_eq!(manager.poll(Millis(1000)), [Step::Stop(PEER, db(1))]);
    manager.ended((PEER, db(1)), PullEnd::Stopped, Millis(1000), 0);
    assert!(started(&mut manager).is_empty());
    manager.permit(PEER, db(1), Permit::Granted);
    assert_eq!(started(&mut manager), [1]);
}

#[test]
fn when_enough_has_come_what_the_hubs_need_goes_on() {
    let mut manager = manager(&[(1, 5, Rank::Person), (2, 6, Rank::Person)]);
    manager.know_reached(PEER, db(2), "1".into());
    assert_eq!(started(&mut manager), [1]);
    manager.hold("budget", Hold { until: Some(Millis(9000)), text: "enough".into() });
    assert_eq!(manager.poll(Millis(1000)), [Step::Stop(PEER, db(1))]);
    manager.ended((PEER, db(1)), PullEnd::Stopped, Millis(1000), 0);
    manager.offer(PEER, db(3), offer(1, 5, Rank::Rights));
    manager.permit(PEER, db(3), Permit::Granted);
    manager.offer(PEER, db(2), offer(2, 6, Rank::Person));
    assert_eq!(started(&mut manager), [3]);
    reach(&mut manager, 3, 1);
    assert!(started(&mut manager).is_empty());
    assert_eq!(manager.next_due(Millis(1000)), Some(Millis(9000)));
    assert_eq!(manager.poll(Millis(9000)), [Step::Start(PEER, db(2)), Step::Start(PEER, db(1))]);
}

#[test]
fn a_rescan_forgets_what_was_reached_also_by_what_runs() {
    let mut manager = manager(&[(1, 5, Rank::Person)]);
    assert_eq!(started(&mut manager), [1]);
    manager.rescan(PEER, db(1));
    reach(&mut manager, 1, 1);
    assert_eq!(started(&mut manager), [1]);
    reach(&mut manager, 1, 1);
    assert!(started(&mut manager).is_empty());
    manager.rescan(PEER, db(1));
    assert_eq!(started(&mut manager), [1]);
}

#[test]
fn what_is_begun_anew_is_stopped_first() {
    let mut manager = manager(&[(1, 5, Rank::Person)]);
    assert_eq!(started(&mut manager), [1]);
    manager.begin_anew(PEER, db(1));
    assert_eq!(manager.poll(Millis(1000)), [Step::Stop(PEER, db(1))]);
    manager.ended((PEER, db(1)), PullEnd::Stopped, Millis(1000), 0);
    assert_eq!(started(&mut manager), [1]);
    reach(&mut manager, 1, 1);
    assert!(started(&mut manager).is_empty());
    manager.begin_anew(PEER, db(1));
    assert_eq!(started(&mut manager), [1]);
}

#[test]
fn a_hold_without_an_end_lasts_until_it_is_lifted() {
    let mut manager = manager(&[(1, 5, Rank::Person)]);
    manager.hold("battery", Hold { until: None, text: "low".into() });
    assert!(manager.poll(Millis(1_000_000_000)).is_empty());
    assert_eq!(manager.next_due(Millis(1000)), None);
    assert_eq!(manager.held(Millis(1000)).map(|(code, _)| code), Some("battery"));
    assert!(manager.lift("battery") && !manager.lift("battery"));
    assert_eq!(started(&mut manager), [1]);
}

#[test]
fn what_a_peer_does_not_repeat_is_withdrawn() {
    let mut manager = manager(&[(1, 5, Rank::Person), (2, 6, Rank::Person)]);
    assert_eq!(started(&mut manager), [1, 2]);
    reach(&mut manager, 2, 1);
    manager.offers_anew(PEER);
    manager.offer(PEER, db(2), offer(1, 6, Rank::Person));
    manager.offered_all(PEER);
    assert_eq!(manager.poll(Millis(1000)), [Step::Stop(PEER, db(1))]);
    assert!(manager.standing(PEER, db(1)).unwrap().offered().is_none());
    assert!(manager.standing(PEER, db(2)).unwrap().is_in_step());
}

/// Anything that can happen.
#[derive(Clone, Debug)]
enum Happening {
    Connected(bool, bool),
    Offered(bool, u8, u64),
    Withdrawn(bool, u8),
    Permitted(bool, u8, bool),
    Rescanned(bool, u8),
    Ended(u8, u8),
    Passed(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let peer = any::<bool>();
    let id = 0..8u8;
    prop_oneof![
        (peer, any::<bool>()).prop_map(|(peer, is)| Happening::Connected(peer, is)),
        (peer, id.clone(), 1..5u64).prop_map(|(peer, id, seq)| Happening::Offered(peer, id, seq)),
        (peer, id.clone()).prop_map(|(peer, id)| Happening::Withdrawn(peer, id)),
        (peer, id.clone(), any::<bool>())
            .prop_map(|(peer, id, may)| Happening::Permitted(peer, id, may)),
        (peer, id).prop_map(|(peer, id)| Happening::Rescanned(peer, id)),
        (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Happening::Ended(which, how)),
        (0..5000u64).prop_map(Happening::Passed),
    ]
}

fn rank(id: u8) -> Rank {
    [Rank::Registry, Rank::Rights, Rank::System][usize::from(id.min(2))].max(if id > 2 {
        Rank::Person
    } else {
        Rank::Registry
    })
}

proptest! {
    /// Whatever happens, nothing runs twice or beyond the limits; and when everything goes well from
    /// then on, everything is in step in the end and nothing runs.
    #[test]
    fn nothing_runs_twice_and_all_comes_to_rest(happenings in prop::collection::vec(happening(), 0..80)) {
        let limits = ManagerLimits { pulls_max: 3, of_peer_max: 2, first_copies_max: 1, ..ManagerLimits::default() };
        let mut manager = Manager::new(limits);
        let peer = |second| if second { OTHER } else { PEER };
        manager.know(PEER);
        manager.know(OTHER);
        let mut now = Millis(1_000_000);
        let mut running: Vec<(PeerId, DbUuid)> = Vec::new();
        for happening in happenings {
            match happening {
                Happening::Connected(second, true) => manager.connected(peer(second)),
                Happening::Connected(second, false) => manager.disconnected(peer(second)),
                Happening::Offered(second, id, seq) => {
                    manager.offer(peer(second), db(id), offer(seq, seq, rank(id)));
                }
                Happening::Withdrawn(second, id) => manager.withdraw(peer(second), db(id)),
                Happening::Permitted(second, id, true) => manager.permit(peer(second), db(id), Permit::Granted),
                Happening::Permitted(second, id, false) => {
                    manager.permit(peer(second), db(id), Permit::Withheld(trouble("right")));
                }
                Happening::Rescanned(second, id) => manager.rescan(peer(second), db(id)),
                Happening::Ended(which, how) => {
                    if running.is_empty() { continue }
                    let job = running.swap_remove(usize::from(which) % running.len());
                    let end = match how % 3 {
                        0 => PullEnd::Reached(u64::from(how % 5).to_string()),
                        1 => PullEnd::Failed(trouble("cut")),
                        _ => PullEnd::Stopped,
                    };
                    manager.ended(job, end, now, u64::from(how));
                }
                Happening::Passed(millis) => now = Millis(now.0 + millis),
            }
            for step in manager.poll(now) {
                match step {
                    Step::Start(peer, id) => {
                        prop_assert!(!running.contains(&(peer, id)), "runs already");
                        let standing = manager.standing(peer, id).unwrap();
                        prop_assert!(standing.offered().is_some() && *standing.permitted() == Permit::Granted);
                        prop_assert!(manager.peer(peer).unwrap().is_connected());
                        running.push((peer, id));
                    }
                    Step::Stop(peer, id) => prop_assert!(running.contains(&(peer, id))),
                }
            }
            prop_assert!(running.len() <= limits.pulls_max);
            for of in [PEER, OTHER] {
                prop_assert!(running.iter().filter(|(peer, _)| *peer == of).count() <= limits.of_peer_max);
            }
            prop_assert_eq!(manager.counts(now).0, running.len());
        }
        manager.connected(PEER);
        manager.connected(OTHER);
        for _ in 0..200 {
            for (peer, id) in running.drain(..) {
                let offered = manager.standing(peer, id).and_then(|standing| standing.offered());
                let end = offered.map_or(PullEnd::Stopped, |offer| PullEnd::Reached(offer.seq.clone()));
                manager.ended((peer, id), end, now, 0);
            }
            now = Millis(now.0 + 1_000_000);
            for step in manager.poll(now) {
                if let Step::Start(peer, id) = step {
                    running.push((peer, id));
                }
            }
        }
        prop_assert!(running.is_empty());
        for of in [PEER, OTHER] {
            for (_, standing) in manager.peer(of).unwrap().databases() {
                let may = standing.offered().is_some() && *standing.permitted() == Permit::Granted;
                prop_assert!(!may || standing.is_in_step());
            }
        }
        prop_assert_eq!(manager.next_due(now), None);
    }
}
