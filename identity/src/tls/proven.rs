//! Keys whose holders have proven them, and what tells one connection from all others.

use std::fmt;

use rustls::{
    ClientConnection, CommonState, ConnectionCommon, ProtocolVersion, ServerConnection, SideData,
};

use super::verifier::key_of;
use crate::PublicKey;

/// The label under which a connection's exporter is asked for. Nothing else uses it.
///
/// Source: RFC 8446, section 7.5, and RFC 5705, section 4, for labels that nobody has registered.
pub const EXPORTER_LABEL: &[u8] = b"EXPERIMENTAL larder pairing 1";

/// What the two ends of one TLS connection know and nobody else does: its exporter.
///
/// Two connections never have the same, so that what is bound to it means no other connection: whoever
/// stands between two hubs has two connections.
///
/// Source: RFC 8446, section 7.5.
#[derive(Clone, Copy)]
pub struct ChannelBinding([u8; 32]);

impl ChannelBinding {
    /// Of these bytes, where no connection is.
    #[cfg(any(test, fuzzing))]
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of<D: SideData>(connection: &ConnectionCommon<D>) -> Option<Self> {
        connection.export_keying_material([0; 32], EXPORTER_LABEL, None).ok().map(Self)
    }
}

/// It is a secret of the connection.
impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelBinding(…)")
    }
}

/// A public key whose holder is at the other end of a TLS connection.
///
/// Nothing but a finished handshake makes one.
#[derive(Clone, Copy, Debug)]
pub struct ProvenKey {
    key: PublicKey,
    binding: ChannelBinding,
}

impl ProvenKey {
    /// The key that the client of this connection has proven; none when it came without one, or before
    /// the handshake is over.
    pub fn of_server_connection(connection: &ServerConnection) -> Option<Self> {
        Some(Self { key: key_of_peer(connection)?, binding: ChannelBinding::of(connection)? })
    }

    /// The key that the server of this connection has proven; none before the handshake is over.
    pub fn of_client_connection(connection: &ClientConnection) -> Option<Self> {
        Some(Self { key: key_of_peer(connection)?, binding: ChannelBinding::of(connection)? })
    }

    /// The key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// What tells the connection on which it was proven from all others.
    pub fn binding(&self) -> ChannelBinding {
        self.binding
    }
}

/// Whether the same key was proven, on whichever connection.
impl PartialEq for ProvenKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ProvenKey {}

fn key_of_peer(connection: &CommonState) -> Option<PublicKey> {
    let finished = !connection.is_handshaking()
        && connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    if !finished {
        return None;
    }
    let (leaf, rest) = connection.peer_certificates()?.split_first()?;
    key_of(leaf, rest).ok()
}
