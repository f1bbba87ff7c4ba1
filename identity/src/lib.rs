//! Who somebody is: a public key, proven by a TLS handshake, and nothing else.
//!
//! ```
//! use identity::PublicKey;
//!
//! let text = "nnvaasbf2qpiyfmhwaln4jbi2tbjrvi5lmxcghdivbgh5igkcqga";
//! let key: PublicKey = text.parse()?;
//! assert_eq!(key.to_string(), text);
//! # Ok::<(), identity::PublicKeyError>(())
//! ```

mod certificate;
mod device_key;
mod device_list;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http_key_url;
mod key;
pub mod key_file;
pub mod pairing;
mod profile;
mod statement;
pub mod tls;

pub use certificate::{Certificate, CertificateError};
pub use device_key::DeviceKey;
pub use device_list::{Alarm, DeviceList, DeviceStanding, Listing, Removal};
pub use http_key_url::{
    Authority, AuthorityError, DEFAULT_PORT, Host, HttpKeyUrl, HttpKeyUrlError, OnionAddress,
    OnionAddressError, PathError,
};
pub use key::{PublicKey, PublicKeyError};
pub use profile::{PROFILE_BYTES_MAX, Profile, ProfileDevice, ProfileError, SignedProfile};
pub use statement::{
    ANSWERS_MAX, Claim, STATEMENT_BYTES_MAX, Statement, StatementError, StatementHash,
    StatementHashError, StatementKind,
};
pub use tls::ProvenKey;
