//! `larder device`: the owner's other devices.

use clap::Subcommand;
use identity::HttpKeyUrl;
use serde_json::{Value, json};

use super::app::encode;
use super::hub::Hub;
use super::rules::{self, RulesArgs};
use super::{Outcome, show};

#[derive(Debug, Subcommand)]
pub(super) enum DeviceVerb {
    /// Keep in step with another device of yours; it has to be told of this one likewise
    Add {
        /// Where it is and which key it has: what `larder onion address --url` prints there, or
        /// `larder key show` for one in the same network
        #[arg(value_name = "HTTPKEY-URL")]
        url: HttpKeyUrl,
        /// What to call it
        #[arg(long)]
        name: Option<String>,
    },
    /// List your other devices
    List,
    /// Show or set what of a database a device takes; every device of yours sees all rules
    Rules(RulesArgs),
    /// Have nothing more to do with a device: it is refused from now on
    Remove {
        /// Its name or key
        who: String,
    },
}

/// Does what the verb says.
pub(super) async fn execute(mut hub: Hub, verb: DeviceVerb) -> anyhow::Result<Outcome> {
    match verb {
        DeviceVerb::Add { url, name } => {
            let asked = json!({"url": url.to_string(), "name": name});
            let added = hub.request("POST", "/_hub/devices", Some(&asked)).await?;
            show::remark(format_args!(
                "{} may do whatever you may, as soon as it has added this device too.",
                added["device"]["name"].as_str().unwrap_or("It"),
            ));
        }
        DeviceVerb::List => list(&hub.get("/_hub/devices").await?["devices"])?,
        DeviceVerb::Rules(asked) => return rules::execute(hub, asked).await,
        DeviceVerb::Remove { who } => {
            hub.request("DELETE", &format!("/_hub/devices/{}", encode(&who)), None).await?;
        }
    }
    Ok(Outcome::Done)
}

/// Shows records of peers: name, key, where they are reached.
pub(super) fn list(records: &Value) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let place = |url: &Value| {
        let url: Option<HttpKeyUrl> = url.as_str().and_then(|url| url.parse().ok());
        url.map(|url| url.authority().to_string())
    };
    let row = |record: &Value| {
        let reach = record["reach"].as_array().into_iter().flatten().filter_map(place);
        [text(&record["name"]), text(&record["key"]), reach.collect::<Vec<_>>().join(" ")]
    };
    let rows: Vec<_> = records.as_array().into_iter().flatten().map(row).collect();
    Ok(show::table(&rows)?)
}
