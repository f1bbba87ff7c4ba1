//! How the hub reaches other servers.

use std::io;
use std::pin::Pin;

use http::Uri;
use replication::{BoxedIo, Connect};
use tokio::net::TcpStream;

/// Plain TCP, to where a URL of the scheme `http` points.
pub(super) struct Tcp;

impl Connect for Tcp {
    fn connect(&self, uri: Uri) -> Pin<Box<dyn Future<Output = io::Result<BoxedIo>> + Send>> {
        Box::pin(async move {
            let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?;
            // Brackets are for URLs, not for looking names up.
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxedIo)
        })
    }
}
