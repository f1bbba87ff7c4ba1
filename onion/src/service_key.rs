//! Keys of onion services and of those who may find them, derived from a device's seed.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE64};
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::OnionAddress;

/// What tells the keys of one seed apart. Changing one changes every address.
const MAIN: &[u8] = b"larder-onion-service-1";
const STRANGERS: &[u8] = b"larder-onion-strangers-1";
const DISCOVERY: &[u8] = b"larder-onion-discovery-1";

/// What stands before a key in the form that Tor's tools read.
const DISCOVERY_PREFIX: &str = "descriptor:x25519:";

/// The secret key of an onion service. It is no identity: who answers there is proven by TLS.
#[derive(Clone)]
pub struct ServiceKey(Zeroizing<[u8; 32]>);

impl ServiceKey {
    /// The key of a device's service, which its friends know.
    pub fn main(device_seed: &[u8; 32]) -> Self {
        Self(derive(device_seed, MAIN, &[]))
    }

    /// The key of the service for those whom the device does not know.
    pub fn for_strangers(device_seed: &[u8; 32]) -> Self {
        Self(derive(device_seed, STRANGERS, &[]))
    }

    /// Where the service is found.
    pub fn address(&self) -> OnionAddress {
        OnionAddress::of_key(SigningKey::from_bytes(&self.0).verifying_key().as_bytes())
    }

    /// The seed of the Ed25519 key.
    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        Self(seed)
    }

    /// As Tor's `ADD_ONION` takes it: the expanded secret key, in base64.
    ///
    /// Source: Tor's control-spec, section 3.27; RFC 8032, section 5.1.5.
    pub(crate) fn expanded(&self) -> Zeroizing<String> {
        let mut expanded = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(self.0.as_slice())));
        expanded[0] &= 248;
        expanded[31] &= 63;
        expanded[31] |= 64;
        Zeroizing::new(BASE64.encode(expanded.as_slice()))
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceKey(of {:?})", self.address())
    }
}

/// What lets a device find one service whose discovery is restricted.
#[derive(Clone)]
pub struct DiscoverySecret(Zeroizing<[u8; 32]>);

impl DiscoverySecret {
    /// The secret with which a device looks for this service: another one for each, so that services
    /// cannot tell by it that the same device looks for them.
    pub fn of(device_seed: &[u8; 32], service: &OnionAddress) -> Self {
        Self(derive(device_seed, DISCOVERY, service.full().as_bytes()))
    }

    /// What the service has to be told.
    pub fn public(&self) -> DiscoveryKey {
        DiscoveryKey(PublicKey::from(&StaticSecret::from(*self.0)).to_bytes())
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The secret with these bytes, which follow from one that others have told.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for DiscoverySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiscoverySecret(…)")
    }
}

/// A key for which a service's descriptor is encrypted: an X25519 public key.
///
/// Written `descriptor:x25519:` and 52 characters of base32, as Tor's tools write it.
///
/// Source: Tor's rend-spec-v3, "client authorization".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DiscoveryKey([u8; 32]);

/// A text is no key of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a discovery key is {DISCOVERY_PREFIX} and 52 base32 characters")]
pub struct DiscoveryKeyError;

impl DiscoveryKey {
    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key alone, in base32.
    pub(crate) fn base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }
}

impl fmt::Display for DiscoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DISCOVERY_PREFIX}{}", self.base32())
    }
}

impl fmt::Debug for DiscoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiscoveryKey({self})")
    }
}

impl FromStr for DiscoveryKey {
    type Err = DiscoveryKeyError;

    fn from_str(text: &str) -> Result<Self, DiscoveryKeyError> {
        let encoded = text.strip_prefix(DISCOVERY_PREFIX).ok_or(DiscoveryKeyError)?;
        let bytes = BASE32_NOPAD.decode(encoded.to_ascii_uppercase().as_bytes());
        let bytes = bytes.map_err(|_| DiscoveryKeyError)?;
        bytes.try_into().map(Self).map_err(|_| DiscoveryKeyError)
    }
}

impl TryFrom<String> for DiscoveryKey {
    type Error = DiscoveryKeyError;

    fn try_from(text: String) -> Result<Self, DiscoveryKeyError> {
        text.parse()
    }
}

impl From<DiscoveryKey> for String {
    fn from(key: DiscoveryKey) -> Self {
        key.to_string()
    }
}

/// HKDF with SHA-256 (RFC 5869); the device's seed is random, so that no salt is needed.
fn derive(seed: &[u8; 32], label: &[u8], of: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(None, seed).expand_multi_info(&[label, of], key.as_mut());
    // It refuses only outputs longer than 255 hashes.
    debug_assert!(expanded.is_ok());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_seed_is_another_one_and_stays() {
        let seed = [7; 32];
        let (main, strangers) = (ServiceKey::main(&seed), ServiceKey::for_strangers(&seed));
        assert_ne!(main.address(), strangers.address());
        assert_ne!(main.seed(), &seed);
        assert_eq!(main.address(), ServiceKey::main(&seed).address());
        assert_ne!(main.address(), ServiceKey::main(&[8; 32]).address());
        let to = |address| DiscoverySecret::of(&seed, &address).public();
        assert_ne!(to(main.address()), to(strangers.address()));
    }

    /// Friends hold these addresses for years: a change of the derivation would lose them.
    #[test]
    fn addresses_of_earlier_releases_stay() {
        let address = ServiceKey::main(&[7; 32]).address();
        assert_eq!(
            address.full(),
            "tnhce4zulcvrriykdud4wlppsweo5kc4veirmbamwugqqztpnwabtayd.onion"
        );
    }

    #[test]
    fn what_tor_takes_is_the_key_expanded() {
        let key = ServiceKey(Zeroizing::new([7; 32]));
        let expanded = BASE64.decode(key.expanded().as_bytes()).unwrap();
        assert_eq!(expanded.len(), 64);
        assert_eq!((expanded[0] & 7, expanded[31] & 0xc0), (0, 0x40));
    }

    #[test]
    fn discovery_keys_are_written_as_tor_reads_them() {
        let key = DiscoverySecret(Zeroizing::new([9; 32])).public();
        let text = key.to_string();
        assert_eq!(text.len(), DISCOVERY_PREFIX.len() + 52);
        assert_eq!(text.parse(), Ok(key));
        assert_eq!(text.to_ascii_lowercase().parse(), Ok(key));
        for bad in ["", "descriptor:x25519:", "descriptor:x25519:AAAA", &text[1..], &text[..69]] {
            assert_eq!(bad.parse::<DiscoveryKey>(), Err(DiscoveryKeyError), "{bad}");
        }
    }

    /// That the secret follows from the link, `identity` tests.
    #[test]
    fn what_finds_the_host_of_a_link_is_as_written_down() {
        let vectors = include_str!("../../identity/tests/vectors/pairing.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let finding = |member: &str| vectors["finding"][member].as_str().unwrap();
        let secret = data_encoding::HEXLOWER.decode(finding("discovery_secret").as_bytes());
        let secret = Zeroizing::new(secret.unwrap().try_into().unwrap());
        let key = DiscoverySecret::from_bytes(secret).public();
        assert_eq!(key.to_string(), finding("discovery_key"));
        assert_eq!(DiscoveryKey::from_bytes(*key.bytes()), key);
    }

    #[test]
    fn secrets_show_nothing() {
        let secret = DiscoverySecret(Zeroizing::new([9; 32]));
        assert_eq!(format!("{secret:?}"), "DiscoverySecret(…)");
        let service = format!("{:?}", ServiceKey::main(&[7; 32]));
        assert!(service.len() < 40, "{service}");
    }
}
