//! Why a handshake failed, sorted by whose fault it is.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::verifier::CERTIFICATE_BYTES_MAX;
use crate::PublicKeyError;

/// What is wrong with the certificate that a peer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// More than one: a chain means nothing here, and its other members are not proven.
    #[error("the peer sent a chain of certificates; exactly one is taken")]
    Chain,
    /// Longer than any that carries a key has to be.
    #[error("the peer's certificate is longer than {CERTIFICATE_BYTES_MAX} bytes")]
    TooLong,
    /// It is no X.509 certificate in DER.
    #[error("the peer's certificate cannot be read")]
    Encoding,
    /// It carries another kind of key.
    #[error("the key in the peer's certificate is no Ed25519 key")]
    KeyType,
    /// It carries an Ed25519 key that proves nothing.
    #[error("the key in the peer's certificate is not valid")]
    Key(#[source] PublicKeyError),
    /// It carries a key that we did not call.
    #[error("the peer shows another key than the one that was called")]
    Unexpected,
    /// Whoever sent it does not hold its key.
    #[error("the peer does not hold the key in its certificate")]
    Signature,
}

/// Tells the peer what it can know by the alert that goes with each.
impl From<CertificateFault> for Error {
    fn from(fault: CertificateFault) -> Self {
        use CertificateFault as F;
        Self::InvalidCertificate(match fault {
            // bad_certificate
            F::Encoding => CertificateError::BadEncoding,
            // unsupported_certificate
            F::KeyType => CertificateError::InvalidPurpose,
            // decrypt_error
            F::Signature => CertificateError::BadSignature,
            // certificate_unknown
            F::Chain | F::TooLong | F::Key(_) | F::Unexpected => {
                CertificateError::Other(OtherError(Arc::new(fault)))
            }
        })
    }
}

impl CertificateFault {
    /// The fault that became this error.
    fn of(error: &CertificateError) -> Option<Self> {
        match error {
            CertificateError::BadEncoding => Some(Self::Encoding),
            CertificateError::InvalidPurpose => Some(Self::KeyType),
            CertificateError::BadSignature => Some(Self::Signature),
            CertificateError::Other(OtherError(fault)) => fault.downcast_ref().copied(),
            _ => None,
        }
    }
}

/// A handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer shows no key that it could be, or not the one that was called.
    #[error("the peer did not prove who it is")]
    Unproven(#[source] CertificateFault),
    /// The peer breaks the rules of TLS.
    #[error("the peer breaks the rules of TLS")]
    Misbehaved(#[source] Error),
    /// The peer and we have no version, algorithm or protocol in common.
    #[error("the peer speaks another kind of TLS")]
    Incompatible(#[source] Error),
    /// The peer refuses us, and says why by this alert.
    #[error("the peer refuses the connection: {0:?}")]
    Refused(AlertDescription),
    /// The connection broke.
    #[error("the connection broke during the handshake")]
    Connection(#[source] io::Error),
    /// We failed.
    #[error("could not do a TLS handshake")]
    Ours(#[source] Error),
}

impl From<Error> for HandshakeError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(ref certificate) => match CertificateFault::of(certificate) {
                Some(fault) => Self::Unproven(fault),
                None => Self::Misbehaved(error),
            },
            Error::AlertReceived(alert) => Self::Refused(alert),
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Self::Incompatible(error),
            Error::PeerMisbehaved(_)
            | Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::NoCertificatesPresented
            | Error::UnsupportedNameType
            | Error::DecryptError
            | Error::PeerSentOversizedRecord => Self::Misbehaved(error),
            // The library may add kinds; what it does not lay at the peer's door is ours.
            other => Self::Ours(other),
        }
    }
}

/// As the drivers of TLS connections wrap it.
impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(tls) => tls.into(),
            Err(other) => Self::Connection(other),
        }
    }
}
