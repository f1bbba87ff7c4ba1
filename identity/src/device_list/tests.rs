use proptest::prelude::*;

use super::*;
use crate::{Claim, DeviceKey};

fn key(seed: u8) -> PublicKey {
    DeviceKey::from_seed(&[seed; 32]).public()
}

/// Devices by their seeds, and what they say.
#[derive(Clone, Default)]
struct Devices {
    said: Vec<Statement>,
}

impl Devices {
    /// One says something of another, having heard everything.
    fn say(&mut self, by: u8, kind: StatementKind, subject: u8) -> &Statement {
        let list = self.list(by);
        let (seq, prev) = list.next();
        let answers = match kind {
            Remove => Vec::new(),
            _ => list.removals_of(key(subject)),
        };
        let claim = Claim { seq, prev, kind, subject: key(subject), at: 7, answers };
        self.said.push(Statement::sign(&DeviceKey::from_seed(&[by; 32]), claim));
        self.said.last().unwrap()
    }

    fn all(steps: &[(u8, StatementKind, u8)]) -> Self {
        let mut devices = Self::default();
        for (by, kind, subject) in steps {
            devices.say(*by, *kind, *subject);
        }
        devices
    }

    fn list(&self, own: u8) -> DeviceList {
        DeviceList::resolve(key(own), &self.said)
    }

    /// How the devices 1 to 5 stand for one of them: `L`isted, `S`uspended, `R`emoved, unknown.
    fn shown(&self, own: u8) -> String {
        let list = self.list(own);
        let shown = (1..=5).map(|seed| match list.devices().get(&key(seed)) {
            _ if seed == own => '.',
            None => '-',
            Some(device) => match device.standing {
                DeviceStanding::Listed => 'L',
                DeviceStanding::Suspended => 'S',
                DeviceStanding::Removed => 'R',
            },
        });
        shown.collect()
    }
}

use StatementKind::{Add, Keep, Remove};

#[test]
fn whom_a_device_adds_is_listed_where_that_device_is() {
    let devices = Devices::all(&[(1, Add, 2), (2, Add, 1), (2, Add, 3), (4, Add, 1), (4, Add, 5)]);
    assert_eq!(devices.shown(1), ".LL--", "nobody here has added 4");
    assert_eq!(devices.shown(2), "L.L--");
    assert_eq!(devices.shown(3), "--.--", "it has added nobody yet");
    assert_eq!(devices.shown(4), "LLL.L");
    assert_eq!(devices.list(1).devices()[&key(3)].added_by, key(2));
}

#[test]
fn a_removal_is_final_where_it_was_signed_and_suspends_elsewhere() {
    let mut devices = Devices::all(&[
        (1, Add, 2),
        (1, Add, 3),
        (2, Add, 1),
        (2, Add, 3),
        (3, Add, 1),
        (3, Add, 2),
        (1, Remove, 3),
    ]);
    assert_eq!(devices.shown(1), ".LR--");
    assert_eq!(devices.shown(2), "L.S--");
    assert_eq!(devices.list(2).devices()[&key(3)].removals[0].by, key(1));
    assert_eq!(devices.shown(3), "LL.--", "it goes on knowing them");
    assert!(devices.list(3).alarms().contains(&Alarm::RemovedHere(key(1))));
    // The owner decides at the second device.
    let mut kept = devices.clone();
    kept.say(2, Keep, 3);
    assert_eq!(kept.shown(2), "L.L--");
    assert_eq!(kept.shown(1), ".LR--");
    devices.say(2, Remove, 3);
    assert_eq!(devices.shown(2), "L.R--");
    // Added again at the first, it is not for that at the second, until added there.
    devices.say(1, Add, 3);
    assert_eq!((&*devices.shown(1), &*devices.shown(2)), (".LL--", "L.R--"));
    devices.say(2, Keep, 3);
    assert_eq!((&*devices.shown(1), &*devices.shown(2)), (".LL--", "L.L--"));
}

#[test]
fn a_new_removal_suspends_what_was_kept() {
    let mut devices = Devices::all(&[
        (2, Add, 1),
        (2, Add, 3),
        (1, Add, 2),
        (1, Add, 3),
        (1, Remove, 3),
        (2, Keep, 3),
    ]);
    assert_eq!(devices.shown(2), "L.L--");
    devices.say(1, Keep, 3);
    devices.say(1, Remove, 3);
    assert_eq!(devices.shown(2), "L.S--");
}

#[test]
fn mutual_removals_freeze_both_until_the_owner_decides() {
    let mut devices = Devices::all(&[
        (3, Add, 1),
        (3, Add, 2),
        (1, Add, 2),
        (1, Add, 3),
        (2, Add, 1),
        (2, Add, 3),
        (1, Remove, 2),
        (2, Remove, 1),
    ]);
    assert_eq!(devices.shown(3), "SS.--");
    let list = devices.list(3);
    assert!(list.devices().values().all(|device| device.mutual));
    let pair = (key(1).min(key(2)), key(1).max(key(2)));
    assert_eq!(list.alarms().first(), Some(&Alarm::Mutual(pair.0, pair.1)));
    assert_eq!(devices.shown(1), ".RL--");
    assert!(devices.list(1).devices()[&key(2)].mutual);
    assert!(devices.list(1).alarms().contains(&Alarm::RemovedHere(key(2))));
    // What a removed device says counts for nothing.
    devices.say(3, Remove, 2);
    assert_eq!(devices.shown(3), "LR.--");
    assert!(devices.list(3).alarms().is_empty());
}

#[test]
fn whom_a_removed_device_added_waits_for_the_owner() {
    let mut devices = Devices::all(&[(1, Add, 2), (2, Add, 3), (3, Add, 4), (1, Remove, 2)]);
    assert_eq!(devices.shown(1), ".RSS-");
    assert!(devices.list(1).devices()[&key(3)].removals.is_empty());
    devices.say(1, Keep, 3);
    assert_eq!(devices.shown(1), ".RLL-");
}

#[test]
fn a_stolen_device_cannot_speak_for_itself_or_its_accomplice() {
    let mut devices = Devices::all(&[(1, Add, 2), (2, Add, 3), (3, Add, 4), (2, Add, 1)]);
    devices.say(2, Remove, 3);
    assert_eq!(devices.shown(1), ".LSS-");
    devices.say(3, Keep, 3);
    devices.say(4, Keep, 3);
    devices.say(3, Remove, 2);
    assert_eq!(devices.shown(1), ".SSS-", "frozen, and none the more listed");
    devices.say(1, Remove, 3);
    assert_eq!(devices.shown(1), ".LRS-");
}

#[test]
fn two_statements_at_one_place_are_an_alarm_and_the_removal_counts() {
    let mut devices = Devices::all(&[(1, Add, 2), (2, Add, 3)]);
    let mut twin = devices.clone();
    devices.say(2, Add, 4);
    let forked = twin.say(2, Remove, 3).clone();
    devices.said.push(forked);
    let list = devices.list(1);
    assert_eq!(list.alarms().first(), Some(&Alarm::Fork(key(2))));
    assert_eq!(devices.shown(1), ".LSL-");
    // Going on from another past is one as well.
    let mut other = Devices::all(&[(1, Add, 2), (2, Add, 5)]);
    other.say(2, Add, 4);
    let mut devices = Devices::all(&[(1, Add, 2), (2, Add, 3)]);
    devices.said.push(other.said[2].clone());
    assert_eq!(devices.list(1).alarms().first(), Some(&Alarm::Fork(key(2))));
}

#[test]
fn what_nobody_signed_and_too_much_counts_for_nothing() {
    let mut devices = Devices::all(&[(1, Add, 2)]);
    let mut forged: serde_json::Value = serde_json::from_str(&devices.said[0].text()).unwrap();
    forged["subject"] = key(3).to_string().into();
    devices.said.push(Statement::parse(&forged.to_string()).unwrap());
    forged["signer"] = key(2).to_string().into();
    devices.said.push(Statement::parse(&forged.to_string()).unwrap());
    assert_eq!(devices.shown(1), ".L---");
    assert!(!devices.list(1).heeds(devices.said[1].hash()));
    let signer = DeviceKey::from_seed(&[2; 32]);
    let mut prev = None;
    for seq in 1..=(STATEMENTS_OF_SIGNER_MAX as u64 + 1) {
        let claim = Claim { seq, prev, kind: Add, subject: key(3), at: 0, answers: Vec::new() };
        let statement = Statement::sign(&signer, claim);
        prev = Some(statement.hash());
        devices.said.push(statement);
    }
    assert_eq!(devices.shown(1), ".L---");
    assert_eq!(devices.list(1).alarms().first(), Some(&Alarm::Flood(key(2))));
}

fn step() -> impl Strategy<Value = (u8, StatementKind, u8)> {
    (1u8..6, prop_oneof![3 => Just(Add), 2 => Just(Remove), 1 => Just(Keep)], 1u8..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_order_of_arrival_changes_nothing(
        steps in prop::collection::vec(step(), 1..16),
        order: u64,
        twice in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let devices = Devices::all(&steps);
        let mut shuffled = devices.clone();
        // Any order that differs with the number.
        shuffled.said.sort_by_key(|statement| {
            let byte = statement.hash().bytes()[(order % 32) as usize];
            u64::from(byte).wrapping_mul(order | 1)
        });
        for at in twice {
            let again = at.get(&devices.said).clone();
            shuffled.said.push(again);
        }
        for own in 1..6 {
            let list = devices.list(own);
            prop_assert_eq!(&list, &shuffled.list(own));
            prop_assert!(!list.devices().contains_key(&key(own)));
            for (device, listing) in list.devices() {
                let said = |kind| {
                    let mut said = devices.said.iter().rev();
                    let last = said.find(|said| said.signer() == key(own) && said.subject() == *device);
                    last.is_some_and(|last| last.kind() == Some(kind))
                };
                // The owner's own word is final here.
                prop_assert_eq!(listing.standing == DeviceStanding::Removed, said(Remove));
            }
        }
    }
}
