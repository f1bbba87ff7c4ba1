//! Where a connection comes from.

use onion::Service;

/// Where a connection comes from, which its listener knows: what is taken from this machine's programs
/// is not taken from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A program of this machine.
    Local,
    /// Another machine of the same network.
    Lan,
    /// Somebody, anywhere, through Tor.
    Onion(Service),
}
