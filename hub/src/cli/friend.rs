//! `larder friend`: hubs of other people.

use clap::Subcommand;
use identity::HttpKeyUrl;
use serde_json::{Value, json};

use super::app::encode;
use super::hub::Hub;
use super::{Outcome, device, show};

#[derive(Debug, Subcommand)]
pub(super) enum FriendVerb {
    /// Know somebody else's hub; it gets what `larder share` gives it, and nothing before
    Add {
        /// Where it is and which key it has
        #[arg(value_name = "HTTPKEY-URL")]
        url: HttpKeyUrl,
        /// What to call them
        #[arg(long)]
        name: String,
    },
    /// List your friends
    List,
    /// Have nothing more to do with somebody: they are refused from now on, whatever lists say
    Remove {
        /// Their name or key
        who: String,
    },
    /// Refuse somebody until further notice, and keep what is noted of them
    Block {
        /// Their name or key
        who: String,
    },
    /// Let somebody come again: a friend who was blocked, or by their key somebody who was removed
    Unblock {
        /// Their name or key
        who: String,
    },
    /// Give a friend another name
    Rename {
        /// Their name or key
        who: String,
        /// What to call them
        name: String,
    },
    /// List the strangers who ask to be friends
    Requests {
        /// Let anybody ask
        #[arg(long, conflicts_with = "close")]
        open: bool,
        /// Let nobody ask
        #[arg(long)]
        close: bool,
    },
    /// Ask somebody to be a friend; they are noted as one here
    Request {
        /// Where they are and which key they have
        #[arg(value_name = "HTTPKEY-URL")]
        url: HttpKeyUrl,
        /// What to call them
        #[arg(long)]
        name: String,
        /// What to say
        #[arg(long, default_value = "")]
        message: String,
    },
    /// Make a friend of somebody who asks
    AcceptRequest {
        /// Their key
        key: String,
        /// What to call them [default: as they suggest]
        #[arg(long)]
        name: Option<String>,
    },
    /// Drop the request of somebody
    Refuse {
        /// Their key
        key: String,
    },
    /// List the databases that a friend shares with you, and which of them you have taken
    Databases {
        /// The friend
        name: String,
    },
    /// Take a database that a friend shares, and what the friend writes there from now on
    Accept {
        /// The friend
        name: String,
        /// What the friend calls it, or its id
        #[arg(value_name = "DB")]
        database: String,
        /// What to call it here [default: the friend, a slash, and what the friend calls it]
        #[arg(long = "as", value_name = "NAME")]
        local: Option<String>,
    },
}

/// Does what the verb says.
pub(super) async fn execute(mut hub: Hub, verb: FriendVerb) -> anyhow::Result<Outcome> {
    match verb {
        FriendVerb::Add { url, name } => {
            let asked = json!({"url": url.to_string(), "name": name});
            hub.request("POST", "/_hub/friends", Some(&asked)).await?;
        }
        FriendVerb::List => {
            device::list(&with_devices(&hub.get("/_hub/friends").await?["friends"]))?
        }
        FriendVerb::Remove { who } => {
            hub.request("DELETE", &format!("/_hub/friends/{}", encode(&who)), None).await?;
        }
        FriendVerb::Block { who } => {
            hub.request("POST", &format!("/_hub/friends/{}/block", encode(&who)), None).await?;
        }
        FriendVerb::Unblock { who } => {
            hub.request("POST", &format!("/_hub/friends/{}/unblock", encode(&who)), None).await?;
        }
        FriendVerb::Rename { who, name } => {
            let path = format!("/_hub/friends/{}", encode(&who));
            hub.request("PUT", &path, Some(&json!({ "name": name }))).await?;
        }
        FriendVerb::Requests { open, close } => {
            if open || close {
                hub.request("PUT", "/_hub/requests", Some(&json!({ "open": open }))).await?;
            }
            requests(&hub.get("/_hub/requests").await?)?;
        }
        FriendVerb::Request { url, name, message } => {
            let asked = json!({"url": url.to_string(), "name": name, "message": message});
            hub.request("POST", "/_hub/requests", Some(&asked)).await?;
        }
        FriendVerb::AcceptRequest { key, name } => {
            let asked = json!({"accept": true, "name": name});
            hub.request("POST", &format!("/_hub/requests/{}", encode(&key)), Some(&asked)).await?;
        }
        FriendVerb::Refuse { key } => {
            let asked = json!({"accept": false});
            hub.request("POST", &format!("/_hub/requests/{}", encode(&key)), Some(&asked)).await?;
        }
        FriendVerb::Databases { name } => {
            let path = format!("/_hub/friends/{}/databases", encode(&name));
            databases(&hub.get(&path).await?["databases"])?;
        }
        FriendVerb::Accept { name, database, local } => {
            let asked = json!({"database": database, "as": local});
            let path = format!("/_hub/friends/{}/accept", encode(&name));
            let taken = hub.request("POST", &path, Some(&asked)).await?;
            show::line(taken["database"].as_str().unwrap_or_default())?;
        }
    }
    Ok(Outcome::Done)
}

/// Friends, the hubs of each who has several beneath.
fn with_devices(friends: &Value) -> Value {
    let mut rows = Vec::new();
    for friend in friends.as_array().into_iter().flatten() {
        rows.push(friend.clone());
        for device in friend["devices"].as_array().into_iter().flatten() {
            let mut row = device.clone();
            let label = device["label"].as_str().filter(|label| !label.is_empty());
            row["name"] = format!("  {}", label.unwrap_or("device")).into();
            rows.push(row);
        }
    }
    rows.into()
}

fn requests(shown: &Value) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |asks: &Value| [text(&asks["name"]), text(&asks["key"]), text(&asks["message"])];
    let rows: Vec<_> = shown["requests"].as_array().into_iter().flatten().map(row).collect();
    show::table(&rows)?;
    if shown["open"] != true {
        show::remark("Nobody may ask: `larder friend requests --open` lets them.");
    }
    Ok(())
}

fn databases(offers: &Value) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = offers.as_array().into_iter().flatten().map(|offer| {
        let here = match (offer["here"].as_str(), offer["in_step"] == true) {
            (None, _) => "not taken".to_owned(),
            (Some(here), true) => format!("{here}, in step"),
            (Some(here), false) => format!("{here}, not in step"),
        };
        [text(&offer["name"]), text(&offer["id"]), here]
    });
    Ok(show::table(&rows.collect::<Vec<_>>())?)
}
