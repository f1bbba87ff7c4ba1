//! A server that speaks TLS in front of a hub, with a certificate of an authority of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// The server; it ends when it is dropped.
pub(crate) struct Front {
    address: SocketAddr,
    behind: Arc<OnceLock<SocketAddr>>,
    /// The authority's certificate, as PEM.
    pub(crate) authority: String,
    _runtime: Runtime,
}

impl Front {
    /// A server whose certificate is for this name.
    pub(crate) fn for_name(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let behind = Arc::new(OnceLock::new());
        let runtime = Runtime::new().unwrap();
        runtime.spawn(accept(listener, acceptor, Arc::clone(&behind)));
        Self { address, behind, authority, _runtime: runtime }
    }

    /// Its host and port, under this name.
    pub(crate) fn host(&self, name: &str) -> String {
        format!("{name}:{}", self.address.port())
    }

    /// Whom it hands everything to from now on: `http://127.0.0.1:PORT/`.
    pub(crate) fn stand_before(&self, url: &str) {
        let authority = url.trim_start_matches("http://").trim_end_matches('/');
        self.behind.set(authority.parse().unwrap()).unwrap();
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, behind: Arc<OnceLock<SocketAddr>>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, behind) = (tls.clone(), Arc::clone(&behind));
        tokio::spawn(async move {
            // A client that does not trust the certificate goes away.
            let Ok(mut stream) = tls.accept(stream).await else { return };
            let mut hub = TcpStream::connect(*behind.get().unwrap()).await.unwrap();
            let _ended = tokio::io::copy_bidirectional(&mut stream, &mut hub).await;
        });
    }
}
