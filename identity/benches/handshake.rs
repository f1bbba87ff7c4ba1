//! What it costs that a peer is its key: a mutual handshake by our configurations, beside a bare one of
//! rustls between an authority's certificates. In memory, nothing resumed, both Ed25519.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use identity::{DeviceKey, ProvenKey, tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use rustls::client::{ClientConnectionData, Resumption};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ServerConnectionData, WebPkiClientVerifier};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, RootCertStore, ServerConfig,
    ServerConnection, SideData, version,
};

/// Both sides of a connection to be.
struct Sides {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: ServerName<'static>,
}

fn ours() -> Sides {
    let (server, client) = (DeviceKey::from_seed(&[1; 32]), DeviceKey::from_seed(&[2; 32]));
    Sides {
        client: tls::client_config(Some(&client), server.public()).unwrap(),
        server: tls::server_config(&server).unwrap(),
        name: tls::server_name(),
    }
}

/// What an authority has signed for one side.
struct Signed {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn bare() -> Sides {
    let authority = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut roots = RootCertStore::empty();
    roots.add(params.self_signed(&authority).unwrap().der().clone()).unwrap();
    let (roots, issuer) = (Arc::new(roots), Issuer::new(params, authority));
    let signed = || {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
        Signed { certificate, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let of_server = signed();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![of_server.certificate], of_server.key)
        .unwrap();
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let of_client = signed();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![of_client.certificate], of_client.key)
        .unwrap();
    client.resumption = Resumption::disabled();
    let name = "localhost".try_into().unwrap();
    Sides { client: Arc::new(client), server: Arc::new(server), name }
}

fn carry<A: SideData, B: SideData>(
    from: &mut ConnectionCommon<A>,
    to: &mut ConnectionCommon<B>,
    bytes: &mut Vec<u8>,
) {
    bytes.clear();
    while from.wants_write() {
        from.write_tls(bytes).unwrap();
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets().unwrap();
    }
}

fn shake(sides: &Sides) -> (ClientConnection, ServerConnection) {
    let Sides { client, server, name } = sides;
    let mut client = ClientConnection::new(Arc::clone(client), name.clone()).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut bytes = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        carry::<ClientConnectionData, ServerConnectionData>(&mut client, &mut server, &mut bytes);
        carry::<ServerConnectionData, ClientConnectionData>(&mut server, &mut client, &mut bytes);
    }
    (client, server)
}

fn handshakes(c: &mut Criterion) {
    let mut group = c.benchmark_group("mutual handshake");
    let sides = bare();
    group.bench_function("rustls alone", |b| b.iter(|| shake(&sides)));
    let sides = ours();
    group.bench_function("with keys as peers", |b| {
        b.iter(|| {
            let (client, server) = shake(&sides);
            let proven = ProvenKey::of_server_connection(&server).unwrap();
            (ProvenKey::of_client_connection(&client).unwrap(), proven)
        });
    });
    group.finish();
}

criterion_group!(benches, handshakes);
criterion_main!(benches);
