//! `larder app`: programs that may use the hub.

use std::io::Read as _;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::hub::Hub;
use super::status::with_credentials;
use super::{AppVerb, Outcome, show};
use crate::access::{AppName, Grant};

/// Longest standard input that is taken for a token.
const TOKEN_INPUT_BYTES_MAX: u64 = 4096;

/// Does what the verb says.
pub(super) async fn execute(hub: Hub, verb: AppVerb) -> anyhow::Result<Outcome> {
    match verb {
        AppVerb::Add { name, databases, admin, token_stdin } => {
            let token = token_stdin.then(token_from_input).transpose()?;
            add(hub, &name, &databases, admin, token).await
        }
        AppVerb::List => list(hub).await,
        AppVerb::Remove { name } => remove(hub, &name).await,
    }
}

async fn add(
    mut hub: Hub,
    name: &AppName,
    databases: &[Grant],
    admin: bool,
    token: Option<String>,
) -> anyhow::Result<Outcome> {
    let mut app = json!({"name": name, "databases": databases, "admin": admin});
    if let Some(token) = token {
        app["token"] = token.into();
    }
    let added = hub.request("POST", "/_hub/apps", Some(&app)).await?;
    let token = added["token"].as_str().context("the hub sent no token")?;
    let mut url = with_credentials(&hub.get("/_hub/status").await?, name.as_str(), token)?;
    if let [only] = databases {
        url.push_str(&encode(only.name.as_str()));
    }
    show::line(url)?;
    if databases.is_empty() && !admin {
        show::remark("The app may use no database; --db NAME:rw gives it one.");
    }
    Ok(Outcome::Done)
}

async fn list(mut hub: Hub) -> anyhow::Result<Outcome> {
    let answer = hub.get("/_hub/apps").await?;
    let apps = answer["apps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<_> = apps.iter().map(|app| [text(&app["name"]), rights(app)]).collect();
    show::table(&rows)?;
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
}
