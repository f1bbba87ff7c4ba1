//! Keys whose holders have proven them.

use rustls::{ClientConnection, CommonState, ProtocolVersion, ServerConnection};

use super::verifier::key_of;
use crate::PublicKey;

/// A public key whose holder is at the other end of a TLS connection.
///
/// Nothing but a finished handshake makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProvenKey(PublicKey);

impl ProvenKey {
    /// The key that the client of this connection has proven; none when it came without one, or before
    /// the handshake is over.
    pub fn of_server_connection(connection: &ServerConnection) -> Option<Self> {
        Self::of_peer(connection)
    }

    /// The key that the server of this connection has proven; none before the handshake is over.
    pub fn of_client_connection(connection: &ClientConnection) -> Option<Self> {
        Self::of_peer(connection)
    }

    /// The key.
    pub fn key(&self) -> PublicKey {
        self.0
    }

    fn of_peer(connection: &CommonState) -> Option<Self> {
        let finished = !connection.is_handshaking()
            && connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if !finished {
            return None;
        }
        let (leaf, rest) = connection.peer_certificates()?.split_first()?;
        key_of(leaf, rest).ok().map(Self)
    }
}
