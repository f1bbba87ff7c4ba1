//! What a peer has to show: one certificate with a key that it then proves to hold.

use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use ed25519_dalek::{Signature, VerifyingKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme};

use super::CertificateFault;
use crate::PublicKey;

/// Longest certificate that is read.
pub const CERTIFICATE_BYTES_MAX: usize = 4096;

/// Fields between the version and the SubjectPublicKeyInfo: serial number, signature algorithm, issuer,
/// validity, subject.
const FIELDS_BEFORE_KEY: usize = 5;

/// Takes clients whatever key they prove, and clients without one.
#[derive(Debug)]
pub(super) struct AnyKey;

/// Which server is taken.
#[derive(Debug)]
pub(super) enum ServerKey {
    /// The one that proves this key.
    Only(PublicKey),
    /// Whoever proves any.
    NotYetCompared,
}

/// The key in a peer's only certificate. That the peer holds it is for the handshake's signature to say.
pub(crate) fn key_of(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
) -> Result<PublicKey, CertificateFault> {
    if !rest.is_empty() {
        return Err(CertificateFault::Chain);
    }
    if leaf.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateFault::TooLong);
    }
    let info = public_key_info(leaf).map_err(|_| CertificateFault::Encoding)?;
    // DER leaves one way to write an Ed25519 key.
    let key = info.strip_prefix(&PublicKey::SPKI_PREFIX).and_then(|key| key.try_into().ok());
    let key = key.ok_or(CertificateFault::KeyType)?;
    PublicKey::from_bytes(key).map_err(CertificateFault::Key)
}

/// The SubjectPublicKeyInfo of a certificate, as it is written there. Everything else is passed over.
///
/// Source: RFC 5280, section 4.1.
fn public_key_info(certificate: &[u8]) -> der::Result<&[u8]> {
    AnyRef::from_der(certificate)?.sequence(|certificate| {
        let signed = AnyRef::decode(certificate)?;
        let info = signed.sequence(|fields| {
            let first = AnyRef::decode(fields)?;
            let version = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
            let passed = usize::from(first.tag() != version);
            for _ in passed..FIELDS_BEFORE_KEY {
                AnyRef::decode(fields)?;
            }
            let info = fields.tlv_bytes()?;
            AnyRef::from_der(info)?.tag().assert_eq(Tag::Sequence)?;
            pass_over(fields)?;
            Ok(info)
        })?;
        pass_over(certificate)?;
        Ok(info)
    })
}

fn pass_over(reader: &mut SliceReader<'_>) -> der::Result<()> {
    while !reader.is_finished() {
        reader.tlv_bytes()?;
    }
    Ok(())
}

/// Checks that whoever speaks holds the certificate's key.
fn check_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let key = key_of(certificate, &[])?;
    let holds = || {
        let key = VerifyingKey::from_bytes(key.bytes()).ok()?;
        let signature = Signature::from_slice(signed.signature()).ok()?;
        key.verify_strict(message, &signature).ok()
    };
    if signed.scheme != SignatureScheme::ED25519 || holds().is_none() {
        return Err(CertificateFault::Signature.into());
    }
    Ok(HandshakeSignatureValid::assertion())
}

/// Below TLS 1.3 nothing is accepted, so that nothing is verified either.
fn too_old() -> Error {
    PeerIncompatible::Tls12NotOfferedOrEnabled.into()
}

impl ClientCertVerifier for AnyKey {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        key_of(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ServerCertVerifier for ServerKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = key_of(end_entity, intermediates)?;
        match self {
            Self::Only(expected) if key != *expected => Err(CertificateFault::Unexpected.into()),
            Self::Only(_) | Self::NotYetCompared => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
