//! `larder db`: databases by name.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use super::app::encode;
use super::hub::Hub;
use super::show::{self, plural, size, table};
use super::{DbVerb, Outcome};

/// How often a running compaction is asked about.
const POLL: Duration = Duration::from_millis(200);

/// Does what the verb says.
pub(super) async fn execute(mut hub: Hub, verb: DbVerb) -> anyhow::Result<Outcome> {
    match verb {
        DbVerb::Create { name } => {
            hub.request("PUT", &path(&name), None).await?;
        }
        DbVerb::List => list(&mut hub).await?,
        DbVerb::Info { name } => info(&mut hub, &name).await?,
        DbVerb::Compact { name } => compact(&mut hub, &name).await?,
        DbVerb::Delete { name, yes } => {
            // Names what is not there before asking about it.
            let info = hub.get(&path(&name)).await?;
            if !yes && !confirmed(&name, &info)? {
                bail!("nothing was deleted");
            }
            hub.request("DELETE", &path(&name), None).await?;
        }
    }
    Ok(Outcome::Done)
}

async fn list(hub: &mut Hub) -> anyhow::Result<()> {
    let names = hub.get("/_all_dbs").await?;
    let mut rows = Vec::new();
    for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
        // One that was deleted since is left out.
        let Ok(info) = hub.get(&path(name)).await else { continue };
        let documents = plural(info["doc_count"].as_u64().unwrap_or_default(), "document");
        rows.push([name.to_owned(), documents, file_size(&info)]);
    }
    Ok(table(&rows)?)
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
fn confirmed(name: &str, info: &Value) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(true);
    }
    let documents = plural(info["doc_count"].as_u64().unwrap_or_default(), "document");
    show::remark(format_args!("Delete {name} with {documents} for good? Type its name:"));
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
