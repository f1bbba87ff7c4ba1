//! What a device says of its owner to friends: what they like to be called, and where their devices are
//! reached; signed, so that it can be handed on, and numbered, so that an older one does not replace a newer
//! one.
//!
//! The format is in `docs/devices.md`.

use data_encoding::BASE64;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{DeviceKey, HttpKeyUrl, PublicKey};

/// What stands before the signed text, so that nothing else that is signed can be taken for a profile.
const LABEL: &[u8] = b"larder profile 1\0";

/// The version that this release writes and reads.
const VERSION: u64 = 1;

/// Longest signed profile, in bytes.
pub const PROFILE_BYTES_MAX: usize = 16 * 1024;

/// Most devices, and most ways and times of each.
const DEVICES_MAX: usize = 32;
const URLS_MAX: usize = 8;
const WINDOWS_MAX: usize = 16;

/// Longest name, label, time and inbox, in bytes.
const NAME_BYTES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 512;

/// What a device says of its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The version of the format.
    pub v: u64,
    /// The device that says so.
    pub key: PublicKey,
    /// Greater than in all that it has said before.
    pub seq: u64,
    /// What the owner suggests to be called; whoever reads it may call them otherwise.
    #[serde(default)]
    pub name: String,
    /// The owner's devices, the preferred one first.
    #[serde(default)]
    pub devices: Vec<ProfileDevice>,
    /// Where messages for the owner may be left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<String>,
    /// Until when it counts, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<u64>,
}

/// A device as a profile names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileDevice {
    /// Its key.
    pub key: PublicKey,
    /// What its owner calls it.
    #[serde(default)]
    pub label: String,
    /// Where it is reached.
    #[serde(default)]
    pub urls: Vec<HttpKeyUrl>,
    /// When it can be reached, in words.
    #[serde(default)]
    pub windows: Vec<String>,
}

/// A profile with its signature, as it travels: the text is kept as it was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedProfile {
    profile: String,
    signature: String,
}

/// A profile does not count.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is longer than [`PROFILE_BYTES_MAX`].
    #[error("a profile has at most {PROFILE_BYTES_MAX} bytes")]
    TooLong,
    /// It is no JSON of one.
    #[error("it is no profile: {0}")]
    Json(#[from] serde_json::Error),
    /// It was not signed by the device that it should be of.
    #[error("its signature is not that of the device that it should be of")]
    Signature,
    /// A later release made it.
    #[error("it is of version {0}, and this release reads version {VERSION}")]
    Version(u64),
    /// A member is longer than it may be, or is not what it may be.
    #[error("its {0} is not as it may be")]
    Member(&'static str),
    /// It counted until some time ago.
    #[error("it has run out")]
    Expired,
}

impl Profile {
    /// A profile that says nothing yet.
    pub fn new(key: PublicKey, seq: u64) -> Self {
        let (name, devices) = (String::new(), Vec::new());
        Self { v: VERSION, key, seq, name, devices, inbox: None, valid_until: None }
    }

    /// Signs it.
    ///
    /// # Errors
    /// Where it is not within its bounds, or another key's.
    pub fn sign(&self, key: &DeviceKey) -> Result<SignedProfile, ProfileError> {
        if self.key != key.public() {
            return Err(ProfileError::Signature);
        }
        self.check()?;
        let profile = serde_json::to_string(self)?;
        let signature = BASE64.encode(&key.sign(&signed_bytes(&profile)));
        let signed = SignedProfile { profile, signature };
        if signed.text().len() > PROFILE_BYTES_MAX {
            Err(ProfileError::TooLong)
        } else {
            Ok(signed)
        }
    }

    /// Where the device itself is reached, as it says.
    pub fn own_urls(&self) -> Vec<HttpKeyUrl> {
        let own = self.devices.iter().filter(|device| device.key == self.key);
        own.flat_map(|device| device.urls.iter().cloned()).collect()
    }

    /// Whether it counts still at this time, in Unix milliseconds.
    pub fn counts_at(&self, now: u64) -> bool {
        self.valid_until.is_none_or(|until| until >= now)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let fits =
            |fits: bool, member| if fits { Ok(()) } else { Err(ProfileError::Member(member)) };
        let shown = |text: &str, most| text.len() <= most && !text.contains(char::is_control);
        fits(shown(&self.name, NAME_BYTES_MAX), "name")?;
        fits(self.inbox.as_deref().is_none_or(|inbox| shown(inbox, TEXT_BYTES_MAX)), "inbox")?;
        fits(self.devices.len() <= DEVICES_MAX, "devices")?;
        for device in &self.devices {
            fits(shown(&device.label, NAME_BYTES_MAX), "label")?;
            // Nobody is told that somebody else's key is reached there.
            let of_key = device.urls.iter().all(|url| url.key() == device.key);
            fits(device.urls.len() <= URLS_MAX && of_key, "urls")?;
            let are_shown = device.windows.iter().all(|window| shown(window, TEXT_BYTES_MAX));
            fits(device.windows.len() <= WINDOWS_MAX && are_shown, "windows")?;
        }
        Ok(())
    }
}

impl SignedProfile {
    /// Reads what was sent.
    ///
    /// # Errors
    /// Where it has another form; whether it counts, [`Self::open`] says.
    pub fn parse(text: &[u8]) -> Result<Self, ProfileError> {
        if text.len() > PROFILE_BYTES_MAX {
            return Err(ProfileError::TooLong);
        }
        Ok(serde_json::from_slice(text)?)
    }

    /// Its JSON.
    pub fn text(&self) -> String {
        // Two texts always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What it says, where the device with this key has signed it, as of now in Unix milliseconds.
    ///
    /// # Errors
    /// Whatever keeps it from counting. Nothing of it is read before its signature has been verified.
    pub fn open(&self, key: PublicKey, now: u64) -> Result<Profile, ProfileError> {
        #[derive(Deserialize)]
        struct Versioned {
            v: u64,
        }
        let signature = BASE64.decode(self.signature.as_bytes()).ok();
        let signature = signature.and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        let signature = Signature::from_bytes(&signature.ok_or(ProfileError::Signature)?);
        let verifying =
            VerifyingKey::from_bytes(key.bytes()).map_err(|_| ProfileError::Signature)?;
        let signed = signed_bytes(&self.profile);
        verifying.verify_strict(&signed, &signature).map_err(|_| ProfileError::Signature)?;
        let Versioned { v } = serde_json::from_str(&self.profile)?;
        if v != VERSION {
            return Err(ProfileError::Version(v));
        }
        let profile: Profile = serde_json::from_str(&self.profile)?;
        if profile.key != key {
            return Err(ProfileError::Signature);
        }
        profile.check()?;
        if profile.counts_at(now) { Ok(profile) } else { Err(ProfileError::Expired) }
    }
}

fn signed_bytes(profile: &str) -> Vec<u8> {
    [LABEL, profile.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> DeviceKey {
        DeviceKey::from_seed(&[seed; 32])
    }

    fn url(seed: u8) -> HttpKeyUrl {
        let key = key(seed).public();
        format!("httpkey://10.0.0.7:6984/ed25519publickey:{key}/").parse().unwrap()
    }

    fn profile() -> Profile {
        let device = |seed| ProfileDevice {
            key: key(seed).public(),
            label: "laptop".into(),
            urls: vec![url(seed)],
            windows: vec!["evenings".into()],
        };
        Profile {
            name: "Anna".into(),
            devices: vec![device(1), device(2)],
            valid_until: Some(100),
            ..Profile::new(key(1).public(), 7)
        }
    }

    #[test]
    fn come_back_as_they_were_signed() {
        let signed = profile().sign(&key(1)).unwrap();
        let read = SignedProfile::parse(signed.text().as_bytes()).unwrap();
        let opened = read.open(key(1).public(), 100).unwrap();
        assert_eq!(opened, profile());
        assert_eq!(opened.own_urls(), [url(1)]);
        assert!(matches!(read.open(key(1).public(), 101), Err(ProfileError::Expired)));
        assert!(matches!(profile().sign(&key(2)), Err(ProfileError::Signature)));
    }

    #[test]
    fn only_what_the_right_key_has_signed_counts() {
        let signed = profile().sign(&key(1)).unwrap();
        assert!(matches!(signed.open(key(2).public(), 0), Err(ProfileError::Signature)));
        let changed = signed.text().replace("Anna", "Otto");
        let changed = SignedProfile::parse(changed.as_bytes()).unwrap();
        assert!(matches!(changed.open(key(1).public(), 0), Err(ProfileError::Signature)));
        // Signed by the one, of the other.
        let text = serde_json::to_string(&profile()).unwrap();
        let signature = BASE64.encode(&key(2).sign(&signed_bytes(&text)));
        let foreign = SignedProfile { profile: text.clone(), signature };
        assert!(matches!(foreign.open(key(2).public(), 0), Err(ProfileError::Signature)));
        // A signature over the bare text is none over a profile.
        let signature = BASE64.encode(&key(1).sign(text.as_bytes()));
        let unlabelled = SignedProfile { profile: text, signature };
        assert!(matches!(unlabelled.open(key(1).public(), 0), Err(ProfileError::Signature)));
    }

    #[test]
    fn bounds() {
        let check = |change: fn(&mut Profile)| {
            let mut profile = profile();
            change(&mut profile);
            assert!(profile.sign(&key(1)).is_err(), "{profile:?}");
        };
        check(|profile| profile.name = "x".repeat(65));
        check(|profile| profile.name = "a\nb".into());
        check(|profile| profile.inbox = Some("x".repeat(513)));
        check(|profile| profile.devices = vec![profile.devices[0].clone(); 33]);
        check(|profile| profile.devices[0].urls = vec![url(1); 9]);
        check(|profile| profile.devices[0].urls = vec![url(3)]);
        check(|profile| profile.devices[0].windows = vec![String::new(); 17]);
        check(|profile| {
            profile.devices = vec![profile.devices[0].clone(); 32];
            profile.devices.iter_mut().for_each(|device| device.windows = vec!["x".repeat(512)]);
        });
        assert!(matches!(SignedProfile::parse(&[b' '; 20_000]), Err(ProfileError::TooLong)));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused(text: Vec<u8>) {
            if let Ok(signed) = SignedProfile::parse(&text) {
                proptest::prop_assert!(signed.open(key(1).public(), 0).is_err());
            }
        }
    }
}
