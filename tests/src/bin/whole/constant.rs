//! A web server that answers every request with the same text: what HTTP alone costs.

use std::net::SocketAddr;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use tokio::runtime::Runtime;

/// A server on a port of its own; dropping it stops it.
pub(crate) struct Constant {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Constant {
    /// Serves `text` as JSON, on as many threads as a hub does.
    pub(crate) fn start(text: String) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], text) };
        let router = Router::new().fallback(get(answer));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, _runtime: runtime }
    }

    /// Where it listens.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}
