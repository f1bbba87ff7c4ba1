//! Whose devices keys are: a friend's key vouches for that friend's other devices, which then are the friend.

use std::collections::{BTreeMap, BTreeSet};

use identity::PublicKey;

/// Most devices of one friend that count beside the one whose key is noted.
pub const DEVICES_OF_FRIEND_MAX: usize = 8;

/// What friends say of their other devices, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouched {
    /// By each friend's noted key the keys of the devices that the friend names, the preferred one first. A
    /// friend who names none is in here too: that key is a friend's own.
    pub friends: BTreeMap<PublicKey, Vec<PublicKey>>,
    /// Most devices that count of all friends together.
    pub devices_max: usize,
}

/// Which keys stand for which friends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    friends: BTreeMap<PublicKey, PublicKey>,
    contested: usize,
}

impl People {
    /// What follows from what friends say. Nobody vouches for a key that `is_somebody` says is somebody's by
    /// itself, for that of a friend, or for one that another friend names as well; what a friend who
    /// `is_blocked` says is in nobody's way, and makes what it names blocked likewise.
    pub fn new(
        vouched: &Vouched,
        is_somebody: impl Fn(PublicKey) -> bool,
        is_blocked: impl Fn(PublicKey) -> bool,
    ) -> Self {
        let mut named: BTreeMap<PublicKey, Named> = BTreeMap::new();
        for (friend, devices) in &vouched.friends {
            let blocked = is_blocked(*friend);
            let mut seen = BTreeSet::from([*friend]);
            let others = devices.iter().filter(|device| seen.insert(**device));
            for device in others.take(DEVICES_OF_FRIEND_MAX) {
                let by = named.entry(*device).or_default();
                let place = if blocked { &mut by.blocked } else { &mut by.others };
                place.push(*friend);
            }
        }
        let mut people = Self::default();
        for (device, by) in named {
            if vouched.friends.contains_key(&device) || is_somebody(device) {
                continue;
            }
            let friend = match (by.others.as_slice(), by.blocked.first()) {
                ([friend], _) | ([], Some(friend)) => *friend,
                ([], None) => continue,
                _ => {
                    people.contested += 1;
                    continue;
                }
            };
            if people.friends.len() < vouched.devices_max {
                people.friends.insert(device, friend);
            }
        }
        people
    }

    /// Whom a key is of: a friend's noted key where it stands for that friend, else itself.
    pub fn person(&self, key: PublicKey) -> PublicKey {
        self.friends.get(&key).copied().unwrap_or(key)
    }

    /// The devices that stand for friends, with the noted key of each friend.
    pub fn devices(&self) -> &BTreeMap<PublicKey, PublicKey> {
        &self.friends
    }

    /// How many keys stand for nobody as several friends name them.
    pub fn contested(&self) -> usize {
        self.contested
    }
}

/// Who names a device.
#[derive(Default)]
struct Named {
    blocked: Vec<PublicKey>,
    others: Vec<PublicKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> PublicKey {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
        PublicKey::from_bytes(key.to_bytes()).unwrap()
    }

    fn vouched(friends: &[(u8, &[u8])]) -> Vouched {
        let keys = |seeds: &[u8]| seeds.iter().map(|seed| key(*seed)).collect();
        let friends = friends.iter().map(|(friend, devices)| (key(*friend), keys(devices)));
        Vouched { friends: friends.collect(), devices_max: 100 }
    }

    fn people(friends: &[(u8, &[u8])]) -> People {
        People::new(&vouched(friends), |known| known == key(99), |_| false)
    }

    #[test]
    fn a_device_stands_for_the_friend_who_names_it() {
        let people = people(&[(1, &[1, 11, 12, 11]), (2, &[21])]);
        for (device, friend) in [(1, 1), (11, 1), (12, 1), (2, 2), (21, 2), (3, 3)] {
            assert_eq!(people.person(key(device)), key(friend), "{device}");
        }
        assert_eq!((people.devices().len(), people.contested()), (3, 0));
    }

    #[test]
    fn nobody_vouches_for_somebody() {
        let people = people(&[(1, &[99, 2, 11]), (2, &[1, 3]), (3, &[])]);
        assert_eq!(people.devices().keys().collect::<Vec<_>>(), [&key(11)]);
    }

    #[test]
    fn what_two_friends_name_is_nobodys_unless_one_is_blocked() {
        let said = vouched(&[(1, &[11, 12]), (2, &[11])]);
        let people = |blocked: &[u8]| {
            let blocked: Vec<_> = blocked.iter().map(|seed| key(*seed)).collect();
            People::new(&said, |_| false, |friend| blocked.contains(&friend))
        };
        let both = people(&[]);
        assert_eq!((both.person(key(11)), both.contested()), (key(11), 1));
        assert_eq!(both.person(key(12)), key(1));
        assert_eq!(people(&[1]).person(key(11)), key(2));
        assert_eq!(people(&[1]).person(key(12)), key(1), "blocked with its friend");
        assert_ne!(people(&[1, 2]).person(key(11)), key(11));
    }

    #[test]
    fn a_friend_has_so_many_devices_and_no_more() {
        let many: Vec<u8> = (20..40).collect();
        // One beyond them is in nobody's way either.
        let people = people(&[(1, &many), (2, &[39])]);
        assert_eq!(people.person(key(27)), key(1));
        assert_eq!(people.person(key(28)), key(28));
        assert_eq!(people.person(key(39)), key(2));
        let few = Vouched { devices_max: 3, ..vouched(&[(1, &many)]) };
        assert_eq!(People::new(&few, |_| false, |_| false).devices().len(), 3);
    }
}
