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
    /// Have nothing more to do with a device: it is refused from now on, here at once, on each of your
    /// others when you confirm it there
    Remove {
        /// Its name or key
        who: String,
    },
    /// Remove a device here as well that another one of yours has removed
    Confirm {
        /// Its name or key
        who: String,
    },
    /// Go on with a device that was removed, or whose key two hubs had
    Keep {
        /// Its name or key
        who: String,
    },
    /// Give a device another name, on all of yours
    Rename {
        /// Its name or key; this one can be renamed too
        who: String,
        /// What to call it
        name: String,
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
        DeviceVerb::List => {
            let shown = hub.get("/_hub/devices").await?;
            list(&shown["devices"])?;
            for alarm in shown["alarms"].as_array().into_iter().flatten() {
                show::remark(alarm["sentence"].as_str().unwrap_or_default());
            }
        }
        DeviceVerb::Rules(asked) => return rules::execute(hub, asked).await,
        DeviceVerb::Remove { who } => {
            let removed = hub.request("DELETE", &path(&who, ""), None).await?;
            holds(&who, &removed["holds"]);
        }
        DeviceVerb::Confirm { who } => {
            let removed = hub.request("POST", &path(&who, "/confirm-removal"), None).await?;
            holds(&who, &removed["holds"]);
        }
        DeviceVerb::Keep { who } => {
            hub.request("POST", &path(&who, "/keep"), None).await?;
        }
        DeviceVerb::Rename { who, name } => {
            hub.request("PUT", &path(&who, ""), Some(&json!({ "name": name }))).await?;
        }
    }
    Ok(Outcome::Done)
}

/// How a device or a friend stands, where that is not well.
fn standing(record: &Value) -> String {
    let by = record["removal"]["by"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let by = by.collect::<Vec<_>>().join(", ");
    match record["standing"].as_str() {
        _ if record["this"] == true => "this device".into(),
        Some("listed") | None if record["blocked"] == true => "blocked".into(),
        None if record["connected"] == true => "connected".into(),
        None if record["connected"] == false => "not connected".into(),
        Some("listed") | None => String::new(),
        Some(standing) if by.is_empty() => standing.into(),
        Some("suspended") => format!("suspended: removed by {by}"),
        Some(standing) => standing.into(),
    }
}

/// When a friend says to be reached, where they say so.
fn reached_when(record: &Value) -> String {
    let windows = record["profile"]["windows"].as_array().into_iter().flatten();
    let windows: Vec<_> = windows.filter_map(Value::as_str).collect();
    match windows.is_empty() {
        true => String::new(),
        false => format!("reached {}", windows.join(" and ")),
    }
}

fn path(who: &str, verb: &str) -> String {
    format!("/_hub/devices/{}{verb}", encode(who))
}

/// Says what a removed device keeps.
fn holds(who: &str, holds: &Value) {
    let holds = holds.as_array().into_iter().flatten().map(|held| {
        let name = held["database"].as_str().unwrap_or_default();
        format!("{name} ({} documents)", held["documents"])
    });
    let holds: Vec<_> = holds.collect();
    if !holds.is_empty() {
        show::remark(format_args!("{who} still has what it had: {}.", holds.join(", ")));
    }
}

/// Shows records of peers: name, key, where they are reached, and how they stand.
pub(super) fn list(records: &Value) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let place = |url: &Value| {
        let url: Option<HttpKeyUrl> = url.as_str().and_then(|url| url.parse().ok());
        url.map(|url| url.authority().to_string())
    };
    let row = |record: &Value| {
        let reach = record["reach"].as_array().into_iter().flatten().filter_map(place);
        let reach = reach.collect::<Vec<_>>().join(" ");
        let standing = [standing(record), reached_when(record)];
        let standing: Vec<_> = standing.into_iter().filter(|words| !words.is_empty()).collect();
        [text(&record["name"]), text(&record["key"]), reach, standing.join("; ")]
    };
    let rows: Vec<_> = records.as_array().into_iter().flatten().map(row).collect();
    Ok(show::table(&rows)?)
}
