//! What somebody is told who asks whether a Tor of this machine would do.

use super::control::{Control, ControlError};
use super::notice::Notice;
use super::onion::{Owner, list, service_id};
use super::place::{Found, find};
use super::session::{SWITCHED_OFF, is_switched_off, socks_places};
use crate::{OnionAddress, SystemTorSettings};

/// Something that was found out, as a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub ok: bool,
    /// The sentence.
    pub text: String,
}

/// Looks whether a Tor runs here, and whether it has the onion service with this address. It changes
/// nothing.
pub async fn inspect_system_tor(
    system: &SystemTorSettings,
    address: &OnionAddress,
) -> Vec<Finding> {
    let Found { mut control, version, place } = match find(system.control.as_ref()).await {
        Ok(found) => found,
        Err(error) => return vec![not_ok(sentence(&error.to_string()))],
    };
    let mut findings =
        vec![ok(format!("Tor {version} is running and can be controlled at {place}."))];
    if let Err(error) = look(&mut control, address, &mut findings).await {
        findings.push(not_ok(sentence(&error.to_string())));
    }
    findings
}

async fn look(
    control: &mut Control,
    address: &OnionAddress,
    findings: &mut Vec<Finding>,
) -> Result<(), ControlError> {
    findings.push(network(control).await?);
    findings.push(socks(control).await?);
    findings.push(onions(control).await?);
    findings.push(ours(control, address).await?);
    Ok(())
}

async fn network(control: &mut Control) -> Result<Finding, ControlError> {
    if is_switched_off(control).await? {
        return Ok(not_ok(sentence(SWITCHED_OFF)));
    }
    let phase = control.info("status/bootstrap-phase").await?;
    Ok(match phase.as_deref().and_then(Notice::of_phase) {
        Some(Notice::Bootstrap { percent: 100, .. }) => {
            ok("It is connected to the Tor network.".to_owned())
        }
        Some(Notice::Bootstrap { percent, problem: Some(problem) }) => not_ok(format!(
            "It is connecting to the Tor network, {percent}%: {} (in its own words: {}).",
            problem.blocked, problem.text
        )),
        Some(Notice::Bootstrap { percent, problem: None }) => {
            not_ok(format!("It is connecting to the Tor network, {percent}%."))
        }
        _ => not_ok("It does not say whether it is connected to the Tor network.".to_owned()),
    })
}

async fn socks(control: &mut Control) -> Result<Finding, ControlError> {
    let places = socks_places(control).await?;
    let names: Vec<_> = places.iter().map(ToString::to_string).collect();
    Ok(if names.is_empty() {
        not_ok(
            "It has no SOCKS port on this machine, so that nobody can be dialled: put `SocksPort 9050` \
             into its torrc."
                .to_owned(),
        )
    } else {
        ok(format!("Its SOCKS port is at {}.", names.join(", ")))
    })
}

/// Whether it has onion services at all. Those that running programs hold it does not tell.
async fn onions(control: &mut Control) -> Result<Finding, ControlError> {
    let configured = match control.ask("GETCONF HiddenServiceOptions").await {
        Ok(reply) => {
            reply.lines.iter().filter(|line| line.text.starts_with("HiddenServiceDir=")).count()
        }
        Err(ControlError::Refused { .. }) => 0,
        Err(error) => return Err(error),
    };
    let left = list(control, Owner::Nobody).await?.len() + list(control, Owner::Us).await?.len();
    Ok(ok(match configured + left {
        0 => "It has no onion services but those that running programs may have.".to_owned(),
        1 => "It has one onion service, beside those that running programs may have.".to_owned(),
        count => {
            format!("It has {count} onion services, beside those that running programs may have.")
        }
    }))
}

/// Whether the service is there, whoever it belongs to.
async fn ours(control: &mut Control, address: &OnionAddress) -> Result<Finding, ControlError> {
    let id = service_id(address);
    let is_left = list(control, Owner::Nobody).await?.iter().any(|left| left == id);
    // Tor has a descriptor of it as soon as it is connected.
    let descriptor = control.info(&format!("hs/service/desc/id/{id}")).await?;
    let is_there = is_left || descriptor.is_some_and(|descriptor| !descriptor.is_empty());
    Ok(if is_there {
        ok("It has this hub's onion service.".to_owned())
    } else {
        not_ok(
            "It does not have this hub's onion service now; `larder run --onion system` makes it."
                .to_owned(),
        )
    })
}

fn ok(text: String) -> Finding {
    Finding { ok: true, text }
}

fn not_ok(text: String) -> Finding {
    Finding { ok: false, text }
}

/// Errors begin small and end without a full stop.
fn sentence(error: &str) -> String {
    let mut chars = error.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
