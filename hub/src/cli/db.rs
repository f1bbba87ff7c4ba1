//! `larder db`: databases by name.

use std::io::{BufRead as _, IsTerminal as _};
use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Map, Value, json};
use store::Millis;

use super::Outcome;
use super::app::encode;
use super::hub::Hub;
use super::show::{self, plural, size, table};
use crate::clock;

/// How often a running compaction is asked about.
const POLL: Duration = Duration::from_millis(200);

/// What is done with a database.
#[derive(Debug, Subcommand)]
pub(super) enum DbVerb {
    /// Create an empty database, on all your devices; where two edit a document at once, the newest edit
    /// counts
    Create {
        /// Its name
        name: String,
        /// Keep it on this device
        #[arg(long)]
        local: bool,
    },
    /// List the databases
    List {
        /// Those in the trash instead
        #[arg(long)]
        trash: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set what becomes of conflicts (conflicts=newest, newest_by:/FIELD or keep) and which devices have it
    /// (scope=mesh or local)
    Set {
        /// Its name
        name: String,
        /// What to set
        #[arg(required = true, value_name = "SETTING=VALUE")]
        settings: Vec<DbSetting>,
    },
    /// Give a database another name, on all your devices
    Rename {
        /// Its name
        name: String,
        /// The new one
        to: String,
    },
    /// Make one database of NAME~DEVICE and NAME, on all your devices
    Join {
        /// Its name
        name: String,
        /// The other one, if it is not called NAME
        #[arg(long, value_name = "OTHER")]
        with: Option<String>,
    },
    /// Bring a deleted database back from the trash
    Restore {
        /// Its name, or its uuid
        name: String,
        /// Under another name
        #[arg(long = "as", value_name = "NAME")]
        to: Option<String>,
    },
    /// Show a database's counts and sizes
    Info {
        /// Its name
        name: String,
    },
    /// Give the space of superseded revisions back to the disk
    Compact {
        /// Its name
        name: String,
    },
    /// Delete a database, on all your devices; each keeps it in its trash for thirty days
    Delete {
        /// Its name; with --now also that of one in the trash, or its uuid
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Delete it for good on this device
        #[arg(long)]
        now: bool,
    },
}

/// `conflicts=newest`, `scope=local`: a setting of a database.
#[derive(Clone, Debug)]
pub(super) struct DbSetting {
    name: &'static str,
    value: String,
}

impl FromStr for DbSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ["conflicts", "scope"];
        let setting = text.split_once('=');
        let found = setting.and_then(|(name, value)| {
            let name = known.into_iter().find(|known| *known == name)?;
            Some(Self { name, value: value.into() })
        });
        found.ok_or_else(|| format!("`{text}` is no setting; write conflicts=… or scope=…"))
    }
}

/// Does what the verb says.
pub(super) async fn execute(mut hub: Hub, verb: DbVerb) -> anyhow::Result<Outcome> {
    match verb {
        DbVerb::Create { name, local } => {
            let scope = if local { "local" } else { "mesh" };
            let wanted = json!({"name": name, "scope": scope});
            hub.request("POST", "/_hub/dbs", Some(&wanted)).await?;
        }
        DbVerb::List { trash: false, json } => list(&mut hub, json).await?,
        DbVerb::List { trash: true, json } => list_trash(&mut hub, json).await?,
        DbVerb::Info { name } => info(&mut hub, &name).await?,
        DbVerb::Set { name, settings } => {
            let settings = settings.into_iter().map(|set| (set.name.into(), set.value.into()));
            let settings = Value::Object(settings.collect::<Map<String, Value>>());
            hub.request("PUT", &format!("/_hub/dbs/{}", encode(&name)), Some(&settings)).await?;
        }
        DbVerb::Rename { name, to } => {
            let path = format!("/_hub/dbs/{}/rename", encode(&name));
            hub.request("POST", &path, Some(&json!({"name": to}))).await?;
        }
        DbVerb::Join { name, with } => {
            let path = format!("/_hub/dbs/{}/join", encode(&name));
            let joined = hub.request("POST", &path, Some(&json!({"with": with}))).await?;
            show::remark(format_args!(
                "they are one now: {}",
                joined["name"].as_str().unwrap_or_default()
            ));
        }
        DbVerb::Restore { name, to } => {
            let path = format!("/_hub/trash/{}/restore", encode(&name));
            hub.request("POST", &path, Some(&json!({"name": to}))).await?;
        }
        DbVerb::Compact { name } => compact(&mut hub, &name).await?,
        DbVerb::Delete { name, yes, now } => delete(&mut hub, &name, yes, now).await?,
    }
    Ok(Outcome::Done)
}

async fn list(hub: &mut Hub, json: bool) -> anyhow::Result<()> {
    let answer = hub.get("/_hub/dbs").await?;
    if json {
        return Ok(show::line(&answer)?);
    }
    let mut rows = Vec::new();
    for noted in answer["databases"].as_array().into_iter().flatten() {
        let text = |member: &str| noted[member].as_str().unwrap_or_default().to_owned();
        // One that was deleted since is left out.
        let Ok(info) = hub.get(&path(&text("name"))).await else { continue };
        let documents = plural(info["doc_count"].as_u64().unwrap_or_default(), "document");
        rows.push([text("name"), documents, file_size(&info), text("scope"), text("conflicts")]);
    }
    Ok(table(&rows)?)
}

async fn list_trash(hub: &mut Hub, json: bool) -> anyhow::Result<()> {
    let trash = trash(hub).await?;
    if json {
        return Ok(show::line(Value::from(trash))?);
    }
    let rows = trash.iter().map(|trashed| {
        let text = |member: &str| trashed[member].as_str().unwrap_or_default().to_owned();
        let day = |member: &str| {
            let at = trashed[member].as_u64().map(|at| clock::iso8601(Millis(at)));
            at.and_then(|at| at.split('T').next().map(str::to_owned)).unwrap_or_default()
        };
        [
            text("name"),
            text("uuid"),
            size(trashed["bytes"].as_u64().unwrap_or_default()),
            format!("deleted {}", day("deleted_at")),
            format!("kept until {}", day("kept_until")),
        ]
    });
    Ok(table(&rows.collect::<Vec<_>>())?)
}

/// What is in the trash.
async fn trash(hub: &mut Hub) -> anyhow::Result<Vec<Value>> {
    let mut answer = hub.get("/_hub/dbs").await?;
    Ok(answer["trash"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

async fn delete(hub: &mut Hub, name: &str, yes: bool, now: bool) -> anyhow::Result<()> {
    // Names what is not there before asking about it.
    let found = hub.get(&path(name)).await;
    let is_meant = |trashed: &Value| trashed["name"] == name || trashed["uuid"] == name;
    if now && found.is_err() && trash(hub).await?.iter().any(is_meant) {
        hub.request("DELETE", &format!("/_hub/trash/{}", encode(name)), None).await?;
        return Ok(());
    }
    if !yes && !confirmed(name, &found?, now)? {
        bail!("nothing was deleted");
    }
    let noted = hub.get("/_hub/dbs").await?;
    let mut here = noted["databases"].as_array().into_iter().flatten();
    let uuid = here.find(|noted| noted["name"] == name).map(|noted| noted["uuid"].clone());
    hub.request("DELETE", &path(name), None).await?;
    if let Some(uuid) = uuid.as_ref().and_then(Value::as_str).filter(|_| now)
        && trash(hub).await?.iter().any(|trashed| trashed["uuid"] == uuid)
    {
        hub.request("DELETE", &format!("/_hub/trash/{uuid}"), None).await?;
    }
    Ok(())
}

async fn info(hub: &mut Hub, name: &str) -> anyhow::Result<()> {
    let info = hub.get(&path(name)).await?;
    let bytes = |kind: &str| size(info["sizes"][kind].as_u64().unwrap_or_default());
    let compacting = if info["compact_running"] == true { "running" } else { "not running" };
    let rows = [
        ["documents", &info["doc_count"].to_string()],
        ["deleted", &info["doc_del_count"].to_string()],
        ["update sequence", info["update_seq"].as_str().unwrap_or_default()],
        ["on disk", &bytes("file")],
        ["in use", &bytes("active")],
        ["contents", &bytes("external")],
        ["compaction", compacting],
    ];
    Ok(table(&rows.map(|row| row.map(str::to_owned)))?)
}

async fn compact(hub: &mut Hub, name: &str) -> anyhow::Result<()> {
    let before = file_size(&hub.get(&path(name)).await?);
    hub.request("POST", &format!("{}/_compact", path(name)), Some(&json!({}))).await?;
    loop {
        let info = hub.get(&path(name)).await?;
        if info["compact_running"] != true {
            show::line(format_args!("{before} before, {} now", file_size(&info)))?;
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Asks where somebody can answer; a script has said what it wants.
fn confirmed(name: &str, info: &Value, now: bool) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(true);
    }
    let documents = plural(info["doc_count"].as_u64().unwrap_or_default(), "document");
    let how = if now { "for good" } else { "on all your devices" };
    show::remark(format_args!("Delete {name} with {documents} {how}? Type its name:"));
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(answer.trim() == name)
}

fn path(name: &str) -> String {
    format!("/{}", encode(name))
}

fn file_size(info: &Value) -> String {
    size(info["sizes"]["file"].as_u64().unwrap_or_default())
}
