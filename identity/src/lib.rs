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
mod key;
pub mod tls;

pub use certificate::{Certificate, CertificateError};
pub use device_key::DeviceKey;
pub use key::{PublicKey, PublicKeyError};
pub use tls::ProvenKey;
