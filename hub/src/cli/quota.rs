//! `larder quota`: how much others may bring.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::app::encode;
use super::hub::Hub;
use super::{Outcome, show};

#[derive(Debug, Subcommand)]
pub(super) enum QuotaVerb {
    /// Show how much everybody has brought, and may bring
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set how much somebody may bring, or how much may be brought into a database
    Set {
        #[command(flatten)]
        of: Of,
        /// Bytes, or `none` for no limit
        #[arg(value_name = "BYTES", value_parser = bytes)]
        bytes_max: Bytes,
    },
    /// Let hold again what holds where nothing is set
    Unset {
        #[command(flatten)]
        of: Of,
    },
}

/// Whose quota, and where.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Of {
    /// A device, a friend or an app, by name or key [default: all friends together]
    #[arg(long)]
    who: Option<String>,
    /// A database [default: all together]
    #[arg(long, value_name = "DB")]
    db: Option<String>,
}

/// A number of bytes; none is no limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes(Option<u64>);

fn bytes(text: &str) -> Result<Bytes, String> {
    match text {
        "none" => Ok(Bytes(None)),
        _ => text.parse().map(|bytes| Bytes(Some(bytes))).map_err(|_| "a number, or `none`".into()),
    }
}

/// Does what the verb says.
pub(super) async fn execute(mut hub: Hub, verb: QuotaVerb) -> anyhow::Result<Outcome> {
    match verb {
        QuotaVerb::List { json } => {
            let answer = hub.get("/_hub/quotas").await?;
            match json {
                true => show::line(serde_json::to_string_pretty(&answer)?)?,
                false => list(&answer)?,
            }
        }
        QuotaVerb::Set { of: Of { who, db }, bytes_max } => {
            let quota = json!({"who": who, "db": db, "bytes_max": bytes_max.0});
            hub.request("PUT", "/_hub/quotas", Some(&quota)).await?;
        }
        QuotaVerb::Unset { of: Of { who, db } } => {
            let options = [("who", who), ("db", db)].into_iter();
            let options =
                options.filter_map(|(name, value)| Some(format!("{name}={}", encode(&value?))));
            let options = options.collect::<Vec<_>>().join("&");
            hub.request("DELETE", &format!("/_hub/quotas?{options}"), None).await?;
        }
    }
    Ok(Outcome::Done)
}

fn list(answer: &Value) -> anyhow::Result<()> {
    let size = |value: &Value| match value.as_u64() {
        Some(bytes) => show::size(bytes),
        None => "no limit".to_owned(),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let mut rows = vec![[
        "may bring".to_owned(),
        "each friend".to_owned(),
        "all databases".to_owned(),
        size(&answer["friend_bytes_max"]),
    ]];
    if !answer["database_bytes_max"].is_null() {
        let bytes = size(&answer["database_bytes_max"]);
        rows.push(["may bring".into(), "all friends".into(), "each database".into(), bytes]);
    }
    rows.extend(list("quotas").iter().map(|quota| {
        let who = quota["name"].as_str().unwrap_or("all friends").to_owned();
        let database = quota["database"].as_str().or_else(|| quota["db"].as_str());
        let database = database.unwrap_or("all databases").to_owned();
        ["may bring".to_owned(), who, database, size(&quota["bytes_max"])]
    }));
    for charged in list("charged") {
        for (database, bytes) in charged["databases"].as_object().into_iter().flatten() {
            let (who, database) = (text(&charged["name"]), database.clone());
            rows.push(["has brought".into(), who, database, size(bytes)]);
        }
    }
    rows.extend(list("postponed").iter().map(|postponed| {
        let documents = postponed["documents"].as_array().map_or(0, Vec::len) as u64;
        let what = match documents {
            0 => "something".to_owned(),
            _ => show::plural(documents, "document"),
        };
        ["no room for".to_owned(), text(&postponed["name"]), text(&postponed["database"]), what]
    }));
    Ok(show::table(&rows)?)
}
