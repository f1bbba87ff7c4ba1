//! Whole handshakes in memory, with peers of every kind.

use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData};
use rustls::client::ClientConnectionData;
use rustls::pki_types::CertificateDer;
use rustls::server::ServerConnectionData;
use rustls::sign::{CertifiedKey, Signer as TlsSigner, SigningKey, SingleCertAndKey};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, ConnectionCommon, Error, HandshakeKind,
    ServerConfig, ServerConnection, SideData, SignatureAlgorithm, SignatureScheme,
};

use super::*;
use crate::PublicKey;
use crate::certificate::Signer;

fn device(seed: u8) -> DeviceKey {
    DeviceKey::from_seed(&[seed; 32])
}

/// Two ends of one connection, and why each gave up.
struct Pair {
    client: ClientConnection,
    server: ServerConnection,
    client_error: Option<HandshakeError>,
    server_error: Option<HandshakeError>,
}

/// Hands what one end has written to the other.
fn carry<A: SideData, B: SideData>(
    from: &mut ConnectionCommon<A>,
    to: &mut ConnectionCommon<B>,
) -> Result<(), Error> {
    while from.wants_write() {
        let mut bytes = Vec::new();
        from.write_tls(&mut bytes).unwrap();
        let mut bytes = bytes.as_slice();
        while !bytes.is_empty() {
            to.read_tls(&mut bytes).unwrap();
            to.process_new_packets()?;
        }
    }
    Ok(())
}

impl Pair {
    fn new(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        Self {
            client: ClientConnection::new(Arc::clone(client), server_name()).unwrap(),
            server: ServerConnection::new(Arc::clone(server)).unwrap(),
            client_error: None,
            server_error: None,
        }
    }

    /// Runs the handshake as far as it goes.
    fn run(mut self) -> Self {
        while self.client.wants_write() || self.server.wants_write() {
            self.serve();
            self.answer();
        }
        self
    }

    fn serve(&mut self) {
        let Self { client, server, server_error, .. } = self;
        if let Err(error) = carry::<ClientConnectionData, ServerConnectionData>(client, server) {
            server_error.get_or_insert_with(|| error.into());
        }
    }

    fn answer(&mut self) {
        let Self { client, server, client_error, .. } = self;
        if let Err(error) = carry::<ServerConnectionData, ClientConnectionData>(server, client) {
            client_error.get_or_insert_with(|| error.into());
        }
    }

    /// The keys that the server and the client have of each other.
    fn proven(&self) -> (Option<PublicKey>, Option<PublicKey>) {
        assert!(self.client_error.is_none(), "{:?}", self.client_error);
        assert!(self.server_error.is_none(), "{:?}", self.server_error);
        let of_client = ProvenKey::of_server_connection(&self.server);
        let of_server = ProvenKey::of_client_connection(&self.client);
        (of_client.map(|proven| proven.key()), of_server.map(|proven| proven.key()))
    }

    /// What the server holds against the client, and the alert that the client got.
    #[track_caller]
    fn refused_client(&self) -> (CertificateFault, AlertDescription) {
        assert_eq!(ProvenKey::of_server_connection(&self.server), None);
        match (&self.server_error, &self.client_error) {
            (Some(HandshakeError::Unproven(fault)), Some(HandshakeError::Refused(alert))) => {
                (*fault, *alert)
            }
            other => panic!("{other:?}"),
        }
    }

    /// What the client holds against the server, and the alert that the server got.
    #[track_caller]
    fn refused_server(&self) -> (CertificateFault, AlertDescription) {
        assert_eq!(ProvenKey::of_client_connection(&self.client), None);
        match (&self.client_error, &self.server_error) {
            (Some(HandshakeError::Unproven(fault)), Some(HandshakeError::Refused(alert))) => {
                (*fault, *alert)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn good_server() -> Arc<ServerConfig> {
    server_config(&device(1)).unwrap()
}

fn good_client() -> Arc<ClientConfig> {
    client_config(Some(&device(2)), device(1).public()).unwrap()
}

/// Signs with a scheme whether or not the peer asked for it.
#[derive(Debug)]
struct Stubborn {
    scheme: SignatureScheme,
    key: DeviceKey,
}

impl SigningKey for Stubborn {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn TlsSigner>> {
        Some(Box::new(Self { scheme: self.scheme, key: self.key.clone() }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl TlsSigner for Stubborn {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.key.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// What shows these certificates and signs by this key.
fn shown(
    chain: &[CertificateDer<'static>],
    key: &DeviceKey,
    scheme: SignatureScheme,
) -> Arc<SingleCertAndKey> {
    let signing = Stubborn { scheme, key: key.clone() };
    Arc::new(CertifiedKey::new(chain.to_vec(), Arc::new(signing)).into())
}

fn client_with(chain: &[CertificateDer<'static>], key: &DeviceKey) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&good_client());
    config.client_auth_cert_resolver = shown(chain, key, SignatureScheme::ED25519);
    Arc::new(config)
}

/// A server that shows these certificates where the client calls device 1.
fn server_with(chain: &[CertificateDer<'static>], key: &DeviceKey) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(&good_server());
    config.cert_resolver = shown(chain, key, SignatureScheme::ED25519);
    Arc::new(config)
}

fn certificate(seed: u8) -> CertificateDer<'static> {
    Certificate::of(&device(seed)).unwrap().der().clone()
}

/// The certificate of device 2, changed.
fn changed(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    change(&mut params);
    params.self_signed(&Signer::of(&device(2))).unwrap().der().clone()
}

#[test]
fn both_sides_prove_their_keys() {
    let pair = Pair::new(&good_client(), &good_server()).run();
    assert_eq!(pair.proven(), (Some(device(2).public()), Some(device(1).public())));
    assert_eq!(pair.server.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(pair.server.server_name(), None);
}

#[test]
fn a_client_that_can_gets_a_connection_for_many_requests() {
    let client = multiplexed_client_config(&device(2), device(1).public()).unwrap();
    let pair = Pair::new(&client, &good_server()).run();
    assert_eq!(pair.proven(), (Some(device(2).public()), Some(device(1).public())));
    assert_eq!(pair.client.alpn_protocol(), Some(HTTP_2));
}

#[test]
fn a_client_may_come_without_a_key() {
    let client = client_config(None, device(1).public()).unwrap();
    let pair = Pair::new(&client, &good_server()).run();
    assert_eq!(pair.proven(), (None, Some(device(1).public())));
    assert!(!pair.server.is_handshaking());
}

#[test]
fn nothing_is_proven_before_the_handshake_is_over() {
    let mut pair = Pair::new(&good_client(), &good_server());
    assert_eq!(pair.proven(), (None, None));
    pair.serve();
    assert_eq!(pair.proven(), (None, None));
    pair.answer();
    // The client has all it needs; the server has heard nothing of the client's key.
    assert_eq!(pair.proven(), (None, Some(device(1).public())));
    pair.serve();
    assert_eq!(pair.proven(), (Some(device(2).public()), Some(device(1).public())));
}

#[test]
fn another_server_than_the_one_called_is_refused() {
    let pair = Pair::new(&good_client(), &server_config(&device(3)).unwrap()).run();
    let expected = (CertificateFault::Unexpected, AlertDescription::CertificateUnknown);
    assert_eq!(pair.refused_server(), expected);
}

#[test]
fn chains_are_refused_in_both_directions() {
    let (attacker, victim) = (certificate(4), certificate(2));
    for chain in [
        // The forgery that passes where the last certificate counts.
        vec![attacker.clone(), victim.clone()],
        vec![victim.clone(), attacker.clone()],
        vec![attacker.clone(), attacker.clone()],
        vec![victim.clone(), victim.clone()],
        vec![attacker.clone(), victim, attacker],
    ] {
        let expected = (CertificateFault::Chain, AlertDescription::CertificateUnknown);
        for key in [device(4), device(2)] {
            let pair = Pair::new(&client_with(&chain, &key), &good_server()).run();
            assert_eq!(pair.refused_client(), expected);
            let client = client_config(Some(&device(2)), device(2).public()).unwrap();
            let pair = Pair::new(&client, &server_with(&chain, &key)).run();
            assert_eq!(pair.refused_server(), expected);
        }
    }
}

#[test]
fn a_certificate_without_its_key_proves_nothing() {
    let expected = (CertificateFault::Signature, AlertDescription::DecryptError);
    let pair = Pair::new(&client_with(&[certificate(2)], &device(4)), &good_server()).run();
    assert_eq!(pair.refused_client(), expected);
    let pair = Pair::new(&good_client(), &server_with(&[certificate(1)], &device(4))).run();
    assert_eq!(pair.refused_server(), expected);
}

#[test]
fn a_signature_counts_only_under_the_scheme_of_the_key() {
    let mut client = ClientConfig::clone(&good_client());
    client.client_auth_cert_resolver =
        shown(&[certificate(2)], &device(2), SignatureScheme::ECDSA_NISTP256_SHA256);
    let pair = Pair::new(&Arc::new(client), &good_server()).run();
    let expected = (CertificateFault::Signature, AlertDescription::DecryptError);
    assert_eq!(pair.refused_client(), expected);
}

#[test]
fn what_else_a_certificate_says_means_nothing() {
    let unknown = |critical| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0xff; 16]);
        extension.set_criticality(critical);
        extension
    };
    let distribution_points = CustomExtension::from_oid_content(&[2, 5, 29, 31], vec![0x30, 0]);
    for odd in [
        changed(|params| params.not_after = rcgen::date_time_ymd(1999, 1, 1)),
        changed(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1)),
        changed(|params| params.custom_extensions = vec![unknown(false)]),
        changed(|params| params.custom_extensions = vec![unknown(true), unknown(true)]),
        changed(|params| params.custom_extensions = vec![distribution_points]),
        changed(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
        changed(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]),
        changed(|params| params.distinguished_name.push(rcgen::DnType::CommonName, "\u{1f512}")),
    ] {
        let pair = Pair::new(&client_with(&[odd], &device(2)), &good_server()).run();
        assert_eq!(pair.proven().0, Some(device(2).public()));
    }
}

#[test]
fn a_huge_certificate_is_refused() {
    let of_bytes = |length| {
        let extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0; length]);
        changed(|params| params.custom_extensions = vec![extension])
    };
    let around = of_bytes(3000).len() - 3000;
    let largest = of_bytes(CERTIFICATE_BYTES_MAX - around);
    assert_eq!(largest.len(), CERTIFICATE_BYTES_MAX);
    let pair = Pair::new(&client_with(&[largest], &device(2)), &good_server()).run();
    assert_eq!(pair.proven().0, Some(device(2).public()));
    for length in [CERTIFICATE_BYTES_MAX - around + 1, 60_000] {
        let client = client_with(&[of_bytes(length)], &device(2));
        let pair = Pair::new(&client, &good_server()).run();
        let expected = (CertificateFault::TooLong, AlertDescription::CertificateUnknown);
        assert_eq!(pair.refused_client(), expected);
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let whole = certificate(2);
    let trailing = [whole.as_ref(), &[0]].concat();
    let info = [&PublicKey::SPKI_PREFIX[..], device(2).public().bytes()].concat();
    for bad in [vec![0x30, 0], trailing, whole[..whole.len() - 1].to_vec(), info, vec![0xff; 300]] {
        let client = client_with(&[CertificateDer::from(bad)], &device(2));
        let pair = Pair::new(&client, &good_server()).run();
        let expected = (CertificateFault::Encoding, AlertDescription::BadCertificate);
        assert_eq!(pair.refused_client(), expected);
    }
}

/// A public key of any bytes, which only certificates are made with.
struct Fake(&'static rcgen::SignatureAlgorithm, Vec<u8>);

impl PublicKeyData for Fake {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0
    }
}

impl rcgen::SigningKey for Fake {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0; 64])
    }
}

fn fake(algorithm: &'static rcgen::SignatureAlgorithm, key: Vec<u8>) -> CertificateDer<'static> {
    let params = CertificateParams::default();
    params.self_signed(&Fake(algorithm, key)).unwrap().der().clone()
}

#[test]
fn other_kinds_of_keys_are_refused() {
    let rsa = fake(&PKCS_RSA_SHA256, vec![0x30, 0x03, 2, 1, 3]);
    let ecdsa = fake(&rcgen::PKCS_ECDSA_P256_SHA256, vec![4; 65]);
    let short = fake(&rcgen::PKCS_ED25519, vec![4; 31]);
    for other in [rsa, ecdsa, short] {
        let pair = Pair::new(&client_with(&[other], &device(2)), &good_server()).run();
        let expected = (CertificateFault::KeyType, AlertDescription::UnsupportedCertificate);
        assert_eq!(pair.refused_client(), expected);
    }
}

#[test]
fn keys_that_prove_nothing_are_refused() {
    let weak = fake(&rcgen::PKCS_ED25519, vec![0; 32]);
    let pair = Pair::new(&client_with(&[weak], &device(2)), &good_server()).run();
    let (fault, alert) = pair.refused_client();
    assert_eq!(fault, CertificateFault::Key(crate::PublicKeyError::SmallOrder));
    assert_eq!(alert, AlertDescription::CertificateUnknown);
}

/// A client as any program may be, which takes the server for what it is.
fn stock_client(versions: &[&'static SupportedProtocolVersion], alpn: &[&[u8]]) -> Pair {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier::ServerKey::Only(device(1).public())))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Pair::new(&Arc::new(config), &good_server()).run()
}

#[test]
fn tls_1_2_is_refused() {
    let pair = stock_client(&[&version::TLS12], &[]);
    assert!(matches!(pair.server_error, Some(HandshakeError::Incompatible(_))));
    let alert = AlertDescription::ProtocolVersion;
    assert!(matches!(pair.client_error, Some(HandshakeError::Refused(found)) if found == alert));
    assert_eq!(stock_client(&[&version::TLS12, &version::TLS13], &[]).proven().0, None);
}

#[test]
fn other_protocols_are_refused() {
    let pair = stock_client(&[&version::TLS13], &[b"spdy/3"]);
    assert!(matches!(pair.server_error, Some(HandshakeError::Incompatible(_))));
    for known in [b"h2".as_slice(), b"http/1.1"] {
        let pair = stock_client(&[&version::TLS13], &[b"spdy/3", known]);
        assert_eq!(pair.proven().1, Some(device(1).public()));
    }
    assert_eq!(stock_client(&[&version::TLS13], &[]).proven().1, Some(device(1).public()));
}

#[test]
fn every_connection_is_a_full_handshake() {
    let server = good_server();
    // A client that would resume, and send early, if it could.
    let mut eager = ClientConfig::clone(&good_client());
    eager.resumption = rustls::client::Resumption::in_memory_sessions(8);
    eager.enable_early_data = true;
    for client in [good_client(), Arc::new(eager)] {
        for _ in 0..3 {
            let mut pair = Pair::new(&client, &server);
            assert!(pair.client.early_data().is_none());
            pair = pair.run();
            assert_eq!(pair.proven().0, Some(device(2).public()));
            assert_eq!(pair.client.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(pair.server.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[test]
fn faults_keep_their_place_on_the_way_through_drivers() {
    let wrapped = |error: Error| HandshakeError::from(std::io::Error::other(error));
    let error = wrapped(CertificateFault::Chain.into());
    assert!(matches!(error, HandshakeError::Unproven(CertificateFault::Chain)));
    let error = wrapped(Error::AlertReceived(AlertDescription::AccessDenied));
    assert!(matches!(error, HandshakeError::Refused(AlertDescription::AccessDenied)));
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    assert!(matches!(HandshakeError::from(broken), HandshakeError::Connection(_)));
    assert!(matches!(wrapped(Error::HandshakeNotComplete), HandshakeError::Ours(_)));
}

#[test]
fn both_ends_of_a_connection_have_one_binding_and_no_two_connections_have() {
    let bindings = || {
        let pair = Pair::new(&good_client(), &good_server()).run();
        let client = ProvenKey::of_client_connection(&pair.client).unwrap().binding();
        let server = ProvenKey::of_server_connection(&pair.server).unwrap().binding();
        assert_eq!(client.bytes(), server.bytes());
        assert_eq!(format!("{client:?}"), "ChannelBinding(…)");
        *client.bytes()
    };
    assert_ne!(bindings(), bindings());
}

#[test]
fn whoever_is_yet_to_be_compared_proves_a_key_all_the_same() {
    let client = client_config_for_any_key_not_yet_compared(&device(2)).unwrap();
    let pair = Pair::new(&client, &good_server()).run();
    assert_eq!(pair.proven(), (Some(device(2).public()), Some(device(1).public())));
    let other = Pair::new(&client, &server_config(&device(3)).unwrap()).run();
    assert_eq!(other.proven().1, Some(device(3).public()));
    let stolen = Pair::new(&client, &server_with(&[certificate(1)], &device(4))).run();
    assert_eq!(stolen.refused_server().0, CertificateFault::Signature);
    let chain = [certificate(4), certificate(1)];
    let chained = Pair::new(&client, &server_with(&chain, &device(4))).run();
    assert_eq!(chained.refused_server().0, CertificateFault::Chain);
}
