//! What friends say of their other devices, where they have signed it and it counts still.

use std::collections::BTreeMap;
use std::sync::Arc;

use acl::{DEVICES_OF_FRIEND_MAX, Vouched};
use identity::{Profile, ProfileDevice, PublicKey};
use store::Millis;

use super::profile::Said;
use super::record::Record;

/// What friends have said, opened: once each, as verifying a signature takes its time.
#[derive(Debug, Default)]
pub(super) struct Opened(BTreeMap<PublicKey, (Said, Option<Arc<Profile>>)>);

impl Opened {
    /// Opens what these friends say where it is not what they have said before, and forgets all others.
    pub(super) fn open<'a>(&mut self, friends: impl Iterator<Item = &'a Record>) {
        let mut before = std::mem::take(&mut self.0);
        for record in friends {
            let Some(said) = &record.profile else { continue };
            let known = before.remove(&record.key).filter(|(known, _)| known == said);
            let known = known.unwrap_or_else(|| {
                // Whether it has run out is asked each time.
                (said.clone(), said.signed.open(record.key, 0).ok().map(Arc::new))
            });
            self.0.insert(record.key, known);
        }
    }

    /// What a friend says, where that counts at this time.
    pub(super) fn profile(&self, friend: PublicKey, now: Millis) -> Option<&Profile> {
        let profile = self.0.get(&friend)?.1.as_deref()?;
        profile.counts_at(now.0).then_some(profile)
    }

    /// What a friend says of one device.
    pub(super) fn device(
        &self,
        friend: PublicKey,
        device: PublicKey,
        now: Millis,
    ) -> Option<&ProfileDevice> {
        let devices = &self.profile(friend, now)?.devices;
        devices.iter().find(|known| known.key == device)
    }

    /// What all of these friends vouch for, and when the first of it runs out.
    pub(super) fn vouched(
        &self,
        friends: impl Iterator<Item = PublicKey>,
        devices_max: usize,
        now: Millis,
    ) -> (Vouched, Option<Millis>) {
        let mut vouched = Vouched { devices_max, ..Vouched::default() };
        let mut until: Option<u64> = None;
        for friend in friends {
            let profile = self.profile(friend, now);
            let devices = profile.into_iter().flat_map(|profile| &profile.devices);
            let keys = devices.map(|device| device.key).filter(|key| *key != friend);
            vouched.friends.insert(friend, keys.take(DEVICES_OF_FRIEND_MAX).collect());
            let runs_out = profile.and_then(|profile| profile.valid_until);
            until = until.into_iter().chain(runs_out).min();
        }
        (vouched, until.map(Millis))
    }
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;

    use super::*;

    fn key(seed: u8) -> DeviceKey {
        DeviceKey::from_seed(&[seed; 32])
    }

    /// A friend who names some devices, as signed by this key, until then.
    fn friend(seed: u8, names: &[u8], by: u8, valid_until: Option<u64>) -> Record {
        let device = |seed: &u8| ProfileDevice {
            key: key(*seed).public(),
            label: format!("device {seed}"),
            urls: Vec::new(),
            windows: Vec::new(),
        };
        let devices = names.iter().map(device).collect();
        let profile = Profile { devices, valid_until, ..Profile::new(key(by).public(), 1) };
        let signed = profile.sign(&key(by)).unwrap();
        let mut record = Record::unnamed(key(seed).public());
        record.hear(Said { seq: 1, signed }, Vec::new());
        record
    }

    fn names(opened: &Opened, of: u8, now: u64) -> Vec<PublicKey> {
        let of = key(of).public();
        opened.vouched([of].into_iter(), 10, Millis(now)).0.friends[&of].clone()
    }

    #[test]
    fn only_what_the_friend_has_signed_and_has_not_run_out_counts() {
        let mut opened = Opened::default();
        let friends = [friend(1, &[1, 11, 12], 1, None), friend(2, &[21], 3, None)];
        let lasting = friend(4, &[41], 4, Some(100));
        opened.open(friends.iter().chain([&lasting]));
        assert_eq!(names(&opened, 1, 50), [key(11).public(), key(12).public()]);
        assert!(names(&opened, 2, 50).is_empty(), "somebody else has signed it");
        assert_eq!(names(&opened, 4, 100), [key(41).public()]);
        assert!(names(&opened, 4, 101).is_empty(), "it has run out");
        assert!(names(&opened, 5, 50).is_empty(), "who has said nothing");
        let all = [1, 4].map(|seed| key(seed).public());
        assert_eq!(opened.vouched(all.into_iter(), 10, Millis(5)).1, Some(Millis(100)));
        let label = |friend: u8, device: u8| {
            let (friend, device) = (key(friend).public(), key(device).public());
            opened.device(friend, device, Millis(5)).map(|device| device.label.clone())
        };
        assert_eq!(label(1, 12).as_deref(), Some("device 12"));
        assert_eq!(label(1, 41), None);
        // Who says something else, or is no friend any more, has not said this.
        let other = friend(1, &[13], 1, None);
        opened.open([&other].into_iter());
        assert_eq!(names(&opened, 1, 50), [key(13).public()]);
        assert!(names(&opened, 4, 50).is_empty());
    }

    #[test]
    fn beyond_the_eighth_nobody_is_named() {
        let all: Vec<u8> = (20..40).collect();
        let mut opened = Opened::default();
        opened.open([&friend(1, &all, 1, None)].into_iter());
        assert_eq!(names(&opened, 1, 5).len(), DEVICES_OF_FRIEND_MAX);
    }
}
