//! `larder onion`: where this hub is reached through Tor, whether it is, and who may find it.

use std::path::Path;

use anyhow::Context as _;
use clap::Subcommand;
use identity::key_file::{self, Key};
use identity::{Authority, DEFAULT_PORT, Host, HttpKeyUrl, OnionAddress, PublicKey};
use onion::{DiscoveryKey, DiscoverySecret, ServiceKey};
use serde_json::{Value, json};

use super::app::encode;
use super::hub::{self, Hub};
use super::{Outcome, passphrase, show};
use crate::data_dir::DataDir;

#[derive(Debug, Subcommand)]
pub(super) enum OnionVerb {
    /// Print the onion address of this device, whether a hub runs or not
    Address {
        /// The whole httpkey URL, key and port included: what others need
        #[arg(long)]
        url: bool,
        /// The address for those whom the hub does not know (`strangers_door`)
        #[arg(long)]
        strangers: bool,
    },
    /// Let the hub dial itself through Tor now; ends with 1 when it cannot be reached
    Check,
    /// Say who may find the hub where `restricted_discovery` is on
    Clients {
        #[command(subcommand)]
        verb: ClientsVerb,
    },
    /// Print the key by which this device looks for a service, for whoever runs that one
    ClientKey {
        /// The service
        #[arg(value_name = "ADDRESS")]
        address: OnionAddress,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ClientsVerb {
    /// List the devices, and the keys by which they look
    List,
    /// Let a device find the hub
    Allow {
        /// The device: its key, httpkey URL or petname
        who: String,
        /// What `larder onion client-key` prints there
        key: DiscoveryKey,
    },
    /// Let a device find the hub no longer
    Remove {
        /// The device: its key, httpkey URL or petname
        who: String,
    },
}

/// Does what one of the verbs says.
pub(super) fn execute(data_dir: &Path, verb: OnionVerb) -> anyhow::Result<Outcome> {
    let dir = DataDir::find(data_dir);
    match verb {
        OnionVerb::Address { url, strangers } => print_address(&dir, url, strangers),
        OnionVerb::Check => hub::ask(&dir, check),
        OnionVerb::Clients { verb } => hub::ask(&dir, async |hub| clients(hub, verb).await),
        OnionVerb::ClientKey { address } => print_client_key(&dir, &address),
    }
}

fn print_address(dir: &DataDir, url: bool, strangers: bool) -> anyhow::Result<Outcome> {
    // A hub that runs has the key already, so that nobody has to say a passphrase.
    let (member, missing) = match strangers {
        false => ("address", OTHER_RELEASE),
        true => ("strangers_address", "`strangers_door` in `[onion]` of larder.toml is not on"),
    };
    let asked = running(dir, "/_hub/status", missing, |status| status["onion"][member].clone())?;
    let (address, key) = match asked {
        Some(address) => (address.parse()?, public_key(dir)?),
        None => {
            let seed = seed(dir)?;
            let service = match strangers {
                false => ServiceKey::main(seed.bytes()),
                true => ServiceKey::for_strangers(seed.bytes()),
            };
            (service.address(), seed.device_key().public())
        }
    };
    show::line(if url { url_of(address, key)? } else { address.full().to_owned() })?;
    Ok(Outcome::Done)
}

fn url_of(address: OnionAddress, key: PublicKey) -> anyhow::Result<String> {
    let authority = Authority { host: Host::Onion(address), port: DEFAULT_PORT };
    Ok(HttpKeyUrl::new(authority, key, "")?.to_string())
}

fn print_client_key(dir: &DataDir, address: &OnionAddress) -> anyhow::Result<Outcome> {
    let path = format!("/_hub/onion/key?address={}", encode(address.full()));
    let key = match running(dir, &path, OTHER_RELEASE, |answer| answer["key"].clone())? {
        Some(key) => key,
        None => DiscoverySecret::of(seed(dir)?.bytes(), address).public().to_string(),
    };
    show::line(key)?;
    Ok(Outcome::Done)
}

/// Why a hub that runs may not answer what every hub of this release does.
const OTHER_RELEASE: &str = "the hub did not say: it is of another release";

/// A text in what the running hub answers, where one runs; `missing` is said where it has none.
fn running(
    dir: &DataDir,
    path: &str,
    missing: &'static str,
    member: impl FnOnce(&Value) -> Value,
) -> anyhow::Result<Option<String>> {
    hub::runtime()?.block_on(async {
        let Some(mut hub) = Hub::connect(dir).await? else { return Ok(None) };
        let answer = member(&hub.get(path).await?);
        let text = answer.as_str().context(missing)?;
        Ok(Some(text.to_owned()))
    })
}

fn public_key(dir: &DataDir) -> anyhow::Result<PublicKey> {
    let stored = key_file::load(&dir.device())?;
    stored.map(|stored| stored.public()).context("the running hub's key file is gone")
}

fn seed(dir: &DataDir) -> anyhow::Result<Key> {
    let stored = key_file::load(&dir.device())?.with_context(|| {
        let dir = dir.path().display();
        format!("{dir} has no device key yet; the first `larder run` makes one")
    })?;
    passphrase::unlocked(stored)
}

async fn check(mut hub: Hub) -> anyhow::Result<Outcome> {
    let answer = hub.request("POST", "/_hub/onion/check", None).await?;
    show::table(&findings(&answer))?;
    Ok(match answer["reachable"].as_bool() {
        Some(true) => Outcome::Done,
        _ => Outcome::Found,
    })
}

/// Stages on the way to being reachable, as `/_hub/status` names them, and how many are behind a hub
/// in each of them.
const STAGES: [(&str, usize); 5] =
    [("publishing", 1), ("checking", 2), ("reachable", 2), ("unreachable", 2), ("twin", 2)];

/// What is fine and what is not, stage by stage.
fn findings(answer: &Value) -> Vec<[String; 2]> {
    let onion = &answer["onion"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let stage = text(&onion["stage"]);
    if text(&onion["mode"]) == "off" {
        return vec![["onion service".into(), "switched off (`--onion off`)".into()]];
    }
    let behind = STAGES.iter().find(|(name, _)| *name == stage).map_or(0, |(_, behind)| *behind);
    let reached = |of: usize| behind >= of || answer["reachable"] == true;
    let detail = text(&onion["detail"]);
    let stand = |of: usize| match reached(of) {
        true => "fine".to_owned(),
        false if behind + 1 == of => detail.clone(),
        false => "not yet".to_owned(),
    };
    let dialled = match (answer["took_ms"].as_u64(), answer["error"].as_str()) {
        (Some(took), _) => format!("fine, in {}.{} s", took / 1000, took % 1000 / 100),
        (None, error) => error.unwrap_or("not tried").to_owned(),
    };
    let mut rows = vec![
        ["address".to_owned(), text(&onion["address"])],
        ["Tor's network".into(), stand(1)],
        ["published".into(), stand(2)],
        ["dialled itself".into(), dialled],
    ];
    for finding in answer["system_tor"].as_array().into_iter().flatten() {
        let wrong = if finding["ok"] == true { "" } else { "wrong: " };
        rows.push(["the system's Tor".into(), format!("{wrong}{}", text(&finding["text"]))]);
    }
    if let Some(error) = onion["last_error"]["text"].as_str() {
        rows.push(["last trouble".into(), error.to_owned()]);
    }
    rows
}

async fn clients(mut hub: Hub, verb: ClientsVerb) -> anyhow::Result<Outcome> {
    match verb {
        ClientsVerb::List => {
            let answer = hub.get("/_hub/onion/clients").await?;
            let clients = answer["clients"].as_object().into_iter().flatten();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let rows =
                clients.map(|(device, of)| [device.clone(), text(&of["name"]), text(&of["key"])]);
            show::table(&rows.collect::<Vec<_>>())?;
            if answer["restricted"] != true {
                show::remark("Everybody who has the address finds this hub, and these as well.");
            }
        }
        ClientsVerb::Allow { who, key } => {
            let asked = json!({"who": who, "key": key});
            hub.request("POST", "/_hub/onion/clients/allow", Some(&asked)).await?;
        }
        ClientsVerb::Remove { who } => {
            let asked = json!({"who": who});
            hub.request("POST", "/_hub/onion/clients/remove", Some(&asked)).await?;
        }
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &Value, expected: [&str; 3]) {
        let rows = findings(answer);
        let found: Vec<_> = rows[1..4].iter().map(|[_, text]| text.as_str()).collect();
        assert_eq!(found, expected, "{answer}");
    }

    #[test]
    fn findings_say_how_far_it_is() {
        let at = |stage: &str, detail: &str, error: &str| {
            let onion = json!({"mode": "arti", "stage": stage, "detail": detail, "address": "a"});
            json!({"reachable": false, "error": error, "onion": onion})
        };
        check(&at("starting", "starting Tor", "no"), ["starting Tor", "not yet", "no"]);
        check(&at("bootstrapping", "45%", "no"), ["45%", "not yet", "no"]);
        check(&at("publishing", "publishing", "no"), ["fine", "publishing", "no"]);
        check(&at("unreachable", "x", "not found"), ["fine", "fine", "not found"]);
        let mut reached = at("publishing", "publishing", "");
        reached["reachable"] = true.into();
        reached["took_ms"] = 1290.into();
        check(&reached, ["fine", "fine", "fine, in 1.2 s"]);
        let mut system = at("starting", "starting Tor", "no");
        system["system_tor"] = json!([{"ok": false, "text": "no Tor runs"}]);
        let rows = findings(&system);
        assert_eq!(rows[4], ["the system's Tor", "wrong: no Tor runs"]);
        let off = findings(&json!({"reachable": false, "onion": {"mode": "off", "stage": "off"}}));
        assert_eq!(off, [["onion service", "switched off (`--onion off`)"]]);
    }
}
