//! How many connections one key may have, and how long a handshake may take.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use tests::{Hub, Key};

/// What the hub lets one key have.
const KEY_CONNECTIONS_MAX: usize = 64;

/// Longer than the hub waits for a handshake.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes any server.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

fn config(key: &Key) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let secret = PrivatePkcs8KeyDer::from(key.pair().serialize_der());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_auth_cert(vec![key.certificate().der().clone()], secret.into());
    Arc::new(config.unwrap())
}

fn address(hub: &Hub) -> String {
    hub.tls_url().trim_start_matches("https://").trim_end_matches('/').to_owned()
}

/// A connection with this key, on which a request is answered, or is not.
fn connect(
    hub: &Hub,
    config: &Arc<ClientConfig>,
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("hub.test").unwrap();
    let stream = TcpStream::connect(address(hub)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let host = address(hub);
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").ok()?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).ok()?;
    (status == *b"HTTP/1.1 200").then_some(stream)
}

#[test]
fn one_key_does_not_take_all_connections() {
    let hub = Hub::start();
    let (greedy, other) = (config(&Key::new()), config(&Key::new()));
    let mut open: Vec<_> = (0..KEY_CONNECTIONS_MAX).map(|_| connect(&hub, &greedy)).collect();
    assert!(open.iter().all(Option::is_some));
    assert!(connect(&hub, &greedy).is_none(), "one more than a key may have");
    assert!(connect(&hub, &other).is_some(), "another key");
    open.pop();
    super::cast::until("room for the next one", || connect(&hub, &greedy).is_some());
}

#[test]
fn a_handshake_that_never_comes_is_not_waited_for() {
    let hub = Hub::start();
    let mut silent = TcpStream::connect(address(&hub)).unwrap();
    let mut slow = TcpStream::connect(address(&hub)).unwrap();
    slow.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    let mut plain = TcpStream::connect(address(&hub)).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    for stream in [&mut silent, &mut slow, &mut plain] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => assert!(!answer.starts_with(b"HTTP"), "{answer:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
    }
}
