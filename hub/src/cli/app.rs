//! `larder app`: programs that may use the hub.

use std::io::Read as _;

use anyhow::Context as _;
use clap::Subcommand;
use identity::PublicKey;
use serde_json::{Value, json};
use store::Millis;

use super::hub::Hub;
use super::status::with_credentials;
use super::{Outcome, show};
use crate::access::{AppName, Grant};
use crate::clock;
use crate::config::PageOrigin;

/// Longest standard input that is taken for a token.
const TOKEN_INPUT_BYTES_MAX: u64 = 4096;

/// What is done with apps.
#[derive(Debug, Subcommand)]
pub(super) enum AppVerb {
    /// Add an app and print its address with its token; the token is shown only this once
    Add {
        /// The name it logs in with
        name: AppName,
        /// A database it may read (DB or DB:r) or read and write (DB:rw); may be given often
        #[arg(long = "db", value_name = "DB[:r|:rw]")]
        databases: Vec<Grant>,
        /// Let it do whatever you may do
        #[arg(long)]
        admin: bool,
        /// A page that may use the app's token, for instance app://obsidian.md; may be given often
        #[arg(long = "origin", value_name = "ORIGIN")]
        origins: Vec<PageOrigin>,
        /// The key that it proves over TLS, instead of a token
        #[arg(long, value_name = "KEY", conflicts_with = "token_stdin")]
        key: Option<PublicKey>,
        /// Read the token from standard input instead of making one
        #[arg(long)]
        token_stdin: bool,
    },
    /// List the programs that ask to be let in by their key
    Requests,
    /// Let a program in that asks
    Approve {
        /// The name it asks under
        name: AppName,
        /// What it may use instead of what it asks for; may be given often
        #[arg(long = "db", value_name = "DB[:r|:rw]")]
        databases: Vec<Grant>,
    },
    /// Do not let a program in that asks
    Refuse {
        /// The name it asks under
        name: AppName,
    },
    /// Print a code that lets one program in by its key, once
    Code {
        /// The name it will have
        name: AppName,
        /// A database it may read (DB or DB:r) or read and write (DB:rw); may be given often
        #[arg(long = "db", value_name = "DB[:r|:rw]")]
        databases: Vec<Grant>,
        /// How long the code is good
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// List the apps and what they may do
    List,
    /// Take an app's token and rights away, at once
    Remove {
        /// Its name
        name: AppName,
    },
}

/// Does what the verb says.
pub(super) async fn execute(hub: Hub, verb: AppVerb) -> anyhow::Result<Outcome> {
    match verb {
        AppVerb::Add { name, databases, admin, origins, key, token_stdin } => {
            let mut app = json!({
                "name": name, "databases": databases, "admin": admin, "origins": origins,
                "key": key,
            });
            if token_stdin {
                app["token"] = token_from_input()?.into();
            }
            add(hub, &name, &databases, &app).await
        }
        AppVerb::Requests => requests(hub).await,
        AppVerb::Approve { name, databases } => {
            let databases = Some(databases).filter(|databases| !databases.is_empty());
            let answer = json!({"approve": true, "databases": databases});
            self::answer(hub, &name, &answer).await
        }
        AppVerb::Refuse { name } => answer(hub, &name, &json!({"approve": false})).await,
        AppVerb::Code { name, databases, minutes } => {
            let invitation = json!({"name": name, "databases": databases, "minutes": minutes});
            code(hub, &invitation).await
        }
        AppVerb::List => list(hub).await,
        AppVerb::Remove { name } => remove(hub, &name).await,
    }
}

async fn add(
    mut hub: Hub,
    name: &AppName,
    databases: &[Grant],
    app: &Value,
) -> anyhow::Result<Outcome> {
    let added = hub.request("POST", "/_hub/apps", Some(app)).await?;
    if databases.is_empty() && app["admin"] == false {
        show::remark("The app may use no database; --db NAME:rw gives it one.");
    }
    if !app["key"].is_null() {
        return Ok(Outcome::Done);
    }
    let token = added["token"].as_str().context("the hub sent no token")?;
    let mut url = with_credentials(&hub.get("/_hub/status").await?, name.as_str(), token)?;
    if let [only] = databases {
        url.push_str(&encode(only.name.as_str()));
    }
    show::line(url)?;
    Ok(Outcome::Done)
}

async fn list(mut hub: Hub) -> anyhow::Result<Outcome> {
    let answer = hub.get("/_hub/apps").await?;
    let apps = answer["apps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let now = clock::now();
    let row = |app: &Value| [text(&app["name"]), rights(app), proof(app), last_use(app, now)];
    let rows: Vec<_> = apps.iter().map(row).collect();
    show::table(&rows)?;
    Ok(Outcome::Done)
}

async fn requests(mut hub: Hub) -> anyhow::Result<Outcome> {
    let answer = hub.get("/_hub/enrolments").await?;
    let asked = answer["enrolments"].as_object().context("the hub sent no list")?;
    let row = |(name, asked): (&String, &Value)| {
        [name.clone(), rights(asked), text(&asked["key"]), text(&asked["state"])]
    };
    let rows: Vec<_> = asked.iter().map(row).collect();
    show::table(&rows)?;
    Ok(Outcome::Done)
}

async fn answer(mut hub: Hub, name: &AppName, answer: &Value) -> anyhow::Result<Outcome> {
    hub.request("POST", &format!("/_hub/enrolments/{name}"), Some(answer)).await?;
    Ok(Outcome::Done)
}

async fn code(mut hub: Hub, invitation: &Value) -> anyhow::Result<Outcome> {
    let answer = hub.request("POST", "/_hub/codes", Some(invitation)).await?;
    show::line(answer["code"].as_str().context("the hub sent no code")?)?;
    Ok(Outcome::Done)
}

async fn remove(mut hub: Hub, name: &AppName) -> anyhow::Result<Outcome> {
    hub.request("DELETE", &format!("/_hub/apps/{name}"), None).await?;
    Ok(Outcome::Done)
}

fn token_from_input() -> anyhow::Result<String> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(TOKEN_INPUT_BYTES_MAX);
    input.read_to_string(&mut text).context("could not read the token")?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

fn rights(app: &Value) -> String {
    if app["admin"] == true {
        return "everything".into();
    }
    let grant = |grant: &Value| {
        let right = if grant["write"] == true { "rw" } else { "r" };
        format!("{}:{right}", text(&grant["name"]))
    };
    let grants: Vec<_> = app["databases"].as_array().into_iter().flatten().map(grant).collect();
    if grants.is_empty() { "nothing".into() } else { grants.join(" ") }
}

/// How an app proves itself.
fn proof(app: &Value) -> String {
    match (app["has_token"] == true, app["key"].as_str()) {
        (true, Some(_)) => "token and key".into(),
        (true, None) => "token".into(),
        (false, Some(_)) => "key".into(),
        (false, None) => "nothing".into(),
    }
}

/// When an app last sent a request.
fn last_use(app: &Value, now: Millis) -> String {
    let Some(used) = app["last_used"].as_u64() else { return "never used".into() };
    match now.0.saturating_sub(used) / 60_000 {
        0 => "used just now".into(),
        minutes @ 1..60 => format!("used {minutes} min ago"),
        minutes @ 60..2880 => format!("used {} h ago", minutes / 60),
        minutes => format!("used {} days ago", minutes / 1440),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

/// A database name as one segment of a path.
pub(super) fn encode(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_in_one_line() {
        let databases = json!([{"name": "a", "write": false}, {"name": "b", "write": true}]);
        assert_eq!(rights(&json!({"databases": databases})), "a:r b:rw");
        assert_eq!(rights(&json!({"databases": databases, "admin": true})), "everything");
        assert_eq!(rights(&json!({"databases": []})), "nothing");
    }

    #[test]
    fn last_uses() {
        let now = Millis(1_000_000_000_000);
        for (minutes_ago, expected) in [
            (None, "never used"),
            (Some(0), "used just now"),
            (Some(59), "used 59 min ago"),
            (Some(60), "used 1 h ago"),
            (Some(2880), "used 2 days ago"),
        ] {
            let used = minutes_ago.map(|minutes: u64| now.0 - minutes * 60_000);
            assert_eq!(last_use(&json!({"last_used": used}), now), expected);
        }
    }
}
