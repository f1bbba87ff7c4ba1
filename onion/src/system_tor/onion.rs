//! An onion service in a Tor that is controlled.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::control::{Control, ControlError};
use crate::{DiscoveryKey, OnionAddress, ServiceKey};

/// What a command takes beside the keys for discovery, which have 66 bytes each.
const COMMAND_BYTES: usize = 512;

/// An onion service that is to be. It vanishes with the control connection.
#[derive(Debug)]
pub(super) struct Onion<'a> {
    pub(super) key: &'a ServiceKey,
    pub(super) ports: Vec<(u16, SocketAddr)>,
    /// Streams on one circuit.
    pub(super) streams_max: usize,
    /// Who can find it, where not everybody can.
    pub(super) keys: Option<BTreeSet<DiscoveryKey>>,
}

/// Tor does not have the service.
#[derive(Debug, thiserror::Error)]
pub(super) enum OnionError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(
        "this Tor has this hub's onion service already, from another program or its own torrc; two \
         cannot have it"
    )]
    Taken,
    #[error("Tor made another onion service of this hub's key")]
    Other,
}

impl Onion<'_> {
    /// Has Tor add it, after what an earlier run may have left there.
    pub(super) async fn add(&self, control: &mut Control) -> Result<(), OnionError> {
        let address = self.key.address();
        if list(control, Owner::Nobody).await?.iter().any(|id| id == service_id(&address)) {
            delete(control, &address).await?;
        }
        let reply = match control.ask(&self.command()).await {
            Err(ControlError::Refused { code: 550, text, .. }) if text.contains("collision") => {
                return Err(OnionError::Taken);
            }
            reply => reply?,
        };
        if reply.after("ServiceID=") == Some(service_id(&address)) {
            Ok(())
        } else {
            Err(OnionError::Other)
        }
    }

    /// Source: Tor's control-spec, section 3.27.
    fn command(&self) -> Zeroizing<String> {
        let keys = self.keys.iter().flatten();
        // Large enough from the start, so that no copy of the key is left behind.
        let size = COMMAND_BYTES + 66 * self.keys.as_ref().map_or(0, BTreeSet::len);
        let mut command = Zeroizing::new(String::with_capacity(size));
        command.push_str("ADD_ONION ED25519-V3:");
        command.push_str(&self.key.expanded());
        command.push_str(" Flags=DiscardPK");
        if self.keys.is_some() {
            command.push_str(",V3Auth");
        }
        // More streams are refused. The circuit stays: a friend's other streams are on it.
        let streams = self.streams_max.clamp(1, usize::from(u16::MAX));
        let _fits = write!(command, " MaxStreams={streams}");
        for (port, target) in &self.ports {
            let _fits = write!(command, " Port={port},{target}");
        }
        for key in keys {
            let _fits = write!(command, " ClientAuthV3={}", key.base32());
        }
        debug_assert!(command.len() <= size);
        command
    }
}

/// Takes a service away. Streams that are open go on.
pub(super) async fn delete(
    control: &mut Control,
    address: &OnionAddress,
) -> Result<(), ControlError> {
    control.ask(&format!("DEL_ONION {}", service_id(address))).await.map(|_| ())
}

/// Whose an onion service is that a program has added.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    /// This control connection's.
    Us,
    /// Nobody's: it stays until it is taken away.
    Nobody,
}

/// The addresses, without `.onion`, of services that programs have added.
pub(super) async fn list(control: &mut Control, owner: Owner) -> Result<Vec<String>, ControlError> {
    let key = match owner {
        Owner::Us => "onions/current",
        Owner::Nobody => "onions/detached",
    };
    let listed = control.info(key).await?.unwrap_or_default();
    Ok(listed.split_ascii_whitespace().map(str::to_owned).collect())
}

/// How Tor calls a service: its address without `.onion`.
pub(super) fn service_id(address: &OnionAddress) -> &str {
    let full = address.full();
    full.strip_suffix(".onion").unwrap_or(full)
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::super::tests::settings;
    use super::*;

    fn onion(key: &ServiceKey) -> Onion<'_> {
        let ports =
            vec![(5984, ([127, 0, 0, 1], 4000).into()), (9899, ([127, 0, 0, 1], 4001).into())];
        Onion { key, ports, streams_max: 16, keys: None }
    }

    async fn check(script: Script) -> Result<(), OnionError> {
        let settings = settings();
        onion(&settings.main).add(&mut Control::new(script.connect().await)).await
    }

    #[test]
    fn a_service_is_asked_for_in_one_line() {
        let settings = settings();
        let mut onion = onion(&settings.main);
        let open = onion.command();
        let rest = open.split_once("== ").unwrap().1;
        let ports = "Port=5984,127.0.0.1:4000 Port=9899,127.0.0.1:4001";
        assert_eq!(rest, format!("Flags=DiscardPK MaxStreams=16 {ports}"));
        let own = settings.own_secret.public();
        onion.keys = Some([own].into());
        let restricted = onion.command();
        let key = own.base32();
        let expected = format!("Flags=DiscardPK,V3Auth MaxStreams=16 {ports} ClientAuthV3={key}");
        assert_eq!(restricted.split_once("== ").unwrap().1, expected);
    }

    #[tokio::test]
    async fn what_an_earlier_run_left_is_taken_away_first() {
        let address = settings().main.address();
        let id = service_id(&address);
        let script = Script::new()
            .answer(
                "GETINFO onions/detached",
                &format!("250+onions/detached=\r\nother\r\n{id}\r\n.\r\n250 OK\r\n"),
            )
            .answer(&format!("DEL_ONION {id}\r\n"), "250 OK\r\n")
            .answer("ADD_ONION ", &format!("250-ServiceID={id}\r\n250 OK\r\n"));
        check(script).await.unwrap();
    }

    #[tokio::test]
    async fn another_owner_is_named() {
        let none = "551 No onion services of the specified type.\r\n";
        let script = || Script::new().answer("GETINFO onions/detached", none);
        let collision = script().answer("ADD_ONION", "550 Onion address collision\r\n");
        assert!(matches!(check(collision).await, Err(OnionError::Taken)));
        let other = script().answer("ADD_ONION", "250-ServiceID=other\r\n250 OK\r\n");
        assert!(matches!(check(other).await, Err(OnionError::Other)));
    }
}
