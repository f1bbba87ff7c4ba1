//! What Arti runs on: Tokio, and TCP that sends at once what is small.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::net::TcpSocket;
use tor_rtcompat::{
    CompoundRuntime, NetStreamProvider, PreferredRuntime, RuntimeSubstExt as _, TcpConnectOptions,
};

/// Arti's usual runtime but for its TCP.
pub(super) type Runtime = CompoundRuntime<
    PreferredRuntime,
    PreferredRuntime,
    PreferredRuntime,
    Tcp,
    PreferredRuntime,
    PreferredRuntime,
    PreferredRuntime,
>;

/// On the Tokio that runs now.
///
/// # Errors
/// When none does.
pub(super) fn current() -> io::Result<Runtime> {
    let usual = PreferredRuntime::current()?;
    Ok(usual.with_tcp_provider(Tcp(usual.clone())))
}

/// Connections to relays without Nagle's algorithm, which Arti leaves on: it hands over cell by cell, and each
/// would wait until the relay has acknowledged the one before.
#[derive(Clone, Debug)]
pub(super) struct Tcp(PreferredRuntime);

#[async_trait]
impl NetStreamProvider for Tcp {
    type Stream = <PreferredRuntime as NetStreamProvider>::Stream;
    type Listener = <PreferredRuntime as NetStreamProvider>::Listener;
    type ConnectOptions = <PreferredRuntime as NetStreamProvider>::ConnectOptions;
    type ListenOptions = <PreferredRuntime as NetStreamProvider>::ListenOptions;

    async fn connect(
        &self,
        address: &SocketAddr,
        options: &TcpConnectOptions,
    ) -> io::Result<Self::Stream> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(bytes) = *options.common().send_buffer_size() {
            socket.set_send_buffer_size(size(bytes))?;
        }
        if let Some(bytes) = *options.common().recv_buffer_size() {
            socket.set_recv_buffer_size(size(bytes))?;
        }
        socket.set_nodelay(true)?;
        Ok(socket.connect(*address).await?.into())
    }

    async fn listen(
        &self,
        address: &SocketAddr,
        options: &Self::ListenOptions,
    ) -> io::Result<Self::Listener> {
        NetStreamProvider::<SocketAddr>::listen(&self.0, address, options).await
    }
}
