//! `larder conflicts`: documents that need a decision, and deciding.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use store::Millis;

use super::Outcome;
use super::app::encode;
use super::hub::Hub;
use super::show::{self, plural, size, table};
use crate::clock;

/// Requests for one list, at most: each of a hub that is still reading looks a good way further.
const TRIES_MAX: usize = 100;

/// Which conflicts are meant.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ConflictsArgs {
    #[command(subcommand)]
    verb: Option<ConflictsVerb>,
    /// A database, whatever becomes of conflicts in it [default: those that do not leave them to apps]
    #[arg(value_name = "DB")]
    database: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is done with one.
#[derive(Debug, Subcommand)]
enum ConflictsVerb {
    /// Show what each of a document's revisions says that are in conflict
    Show {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        /// The document
        id: String,
    },
    /// Decide for one of them: the document says what it says, and the others are gone
    Keep {
        /// The database
        #[arg(value_name = "DB")]
        database: String,
        /// The document
        id: String,
        /// The revision, as the list has it
        rev: String,
    },
}

/// Does what was asked.
pub(super) async fn execute(mut hub: Hub, asked: ConflictsArgs) -> anyhow::Result<Outcome> {
    match asked.verb {
        None => list(hub, asked.database.as_deref(), asked.json).await,
        Some(ConflictsVerb::Show { database, id }) => {
            let path = format!("/_hub/conflicts?db={}&id={}", encode(&database), encode(&id));
            let shown = hub.get(&path).await?;
            show::line(format_args!("{shown:#}"))?;
            Ok(Outcome::Done)
        }
        Some(ConflictsVerb::Keep { database, id, rev }) => {
            let body = json!({"db": database, "id": id, "keep": rev});
            let answer = hub.request("POST", "/_hub/conflicts", Some(&body)).await?;
            let rev = text(&answer["rev"]);
            show::line(format_args!("{database}/{id} is {rev} now"))?;
            if answer["ok"] != true {
                show::remark("somebody edited it meanwhile: it is still in conflict");
                return Ok(Outcome::Found);
            }
            Ok(Outcome::Done)
        }
    }
}

async fn list(mut hub: Hub, database: Option<&str>, json: bool) -> anyhow::Result<Outcome> {
    let mut path = "/_hub/conflicts?limit=500".to_owned();
    if let Some(database) = database {
        path.push_str(&format!("&db={}", encode(database)));
    }
    let mut answer = hub.get(&path).await?;
    for _ in 1..TRIES_MAX {
        if answer["complete"] == true {
            break;
        }
        answer = hub.get(&path).await?;
    }
    if json {
        show::line(&answer)?;
        return Ok(Outcome::Done);
    }
    let conflicts = answer["conflicts"].as_array().into_iter().flatten();
    table(&conflicts.flat_map(rows).collect::<Vec<_>>())?;
    for kept in answer["kept"].as_array().into_iter().flatten() {
        let documents = plural(kept["documents"].as_u64().unwrap_or_default(), "document");
        let name = text(&kept["database"]);
        show::remark(format_args!("{name} keeps its conflicts for apps: {documents}"));
    }
    if answer["more"] == true {
        show::remark("there are more; they are shown when these are decided");
    }
    if answer["complete"] != true {
        show::remark("the hub has not yet looked everywhere");
    }
    Ok(Outcome::Done)
}

/// A document, and below it its revisions, the winner first.
fn rows(conflict: &Value) -> Vec<[String; 3]> {
    let document = format!("{}/{}", text(&conflict["database"]), text(&conflict["id"]));
    let head = [document, String::new(), text(&conflict["why"])];
    let leaf = |leaf: &Value| {
        let written = leaf["written"].as_u64().map(|at| clock::iso8601(Millis(at)));
        let bytes = size(leaf["bytes"].as_u64().unwrap_or_default());
        let wins = if leaf["rev"] == conflict["winner"] { ", shown now" } else { "" };
        let written = written.unwrap_or_else(|| "nobody knows when".into());
        [format!("  {}", text(&leaf["rev"])), bytes, format!("{written}{wins}")]
    };
    let leaves = conflict["leaves"].as_array().into_iter().flatten();
    std::iter::once(head).chain(leaves.map(leaf)).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_and_its_revisions() {
        let conflict = json!({
            "database": "notes", "id": "a", "why": "a revision that no hub stamped", "winner": "1-b",
            "leaves": [{"rev": "1-b", "bytes": 9}, {"rev": "1-a", "bytes": 8, "written": 0}],
        });
        let rows = rows(&conflict);
        assert_eq!(rows[0], ["notes/a", "", "a revision that no hub stamped"]);
        assert_eq!(rows[1], ["  1-b", "9 bytes", "nobody knows when, shown now"]);
        assert_eq!(rows[2], ["  1-a", "8 bytes", "1970-01-01T00:00:00Z"]);
    }
}
