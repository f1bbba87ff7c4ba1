//! `larder overwritten` and `larder held`: edits that lost to later ones, and edits from the future.

use clap::Subcommand;
use serde_json::{Value, json};
use store::Millis;

use super::Outcome;
use super::app::encode;
use super::hub::Hub;
use super::show::{self, duration, size, table};
use crate::clock;

/// What is done with an edit that lost.
#[derive(Debug, Subcommand)]
pub(super) enum OverwrittenVerb {
    /// List edits that lost to a later one; `!` marks those where so little took their place that you
    /// should look
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one, and what is in its place
    Show {
        /// As the list has it
        id: String,
    },
    /// Bring one back, over what is in its place
    Restore {
        /// As the list has it
        id: String,
    },
    /// Forget one, on all your devices
    Dismiss {
        /// As the list has it
        id: String,
    },
}

/// What is done with a revision from the future.
#[derive(Debug, Subcommand)]
pub(super) enum HeldVerb {
    /// List revisions that wait until the time that they are stamped with has come
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let one in now
    Release {
        /// As the list has it
        id: String,
    },
}

/// Does what the verb says of edits that lost.
pub(super) async fn execute(mut hub: Hub, verb: OverwrittenVerb) -> anyhow::Result<Outcome> {
    let path = |id: &str| format!("/_hub/overwritten/{}", encode(id));
    match verb {
        OverwrittenVerb::List { json } => {
            let answer = hub.get("/_hub/overwritten").await?;
            if json {
                show::line(&answer)?;
                return Ok(Outcome::Done);
            }
            let rows = answer["overwritten"].as_array().into_iter().flatten().map(row);
            table(&rows.collect::<Vec<_>>())?;
            if answer["more"] == true {
                show::remark("there is more; what is not shown is older");
            }
        }
        OverwrittenVerb::Show { id } => {
            let shown = hub.get(&path(&id)).await?;
            show::line(format_args!("{shown:#}"))?;
        }
        OverwrittenVerb::Restore { id } => {
            let path = format!("{}/restore", path(&id));
            let answer = hub.request("POST", &path, Some(&json!({}))).await?;
            show::line(format_args!(
                "{}/{} is {} now",
                text(&answer["database"]),
                text(&answer["id"]),
                text(&answer["rev"])
            ))?;
        }
        OverwrittenVerb::Dismiss { id } => {
            hub.request("DELETE", &path(&id), None).await?;
        }
    }
    Ok(Outcome::Done)
}

/// Does what the verb says of revisions from the future.
pub(super) async fn execute_held(mut hub: Hub, verb: HeldVerb) -> anyhow::Result<Outcome> {
    match verb {
        HeldVerb::List { json } => {
            let answer = hub.get("/_hub/held").await?;
            if json {
                show::line(&answer)?;
                return Ok(Outcome::Done);
            }
            let rows = answer["held"].as_array().into_iter().flatten().map(|held| {
                let seconds = |ms: u64| duration(ms / 1000);
                let ahead = seconds(held["clock_ahead_ms"].as_u64().unwrap_or_default());
                let due = held["due"].as_u64().unwrap_or_default();
                let wait = seconds(due.saturating_sub(clock::now().0));
                [
                    text(&held["id"]),
                    format!("{}/{}", text(&held["database"]), text(&held["document"])),
                    format!("by {}, whose clock is ahead by {ahead}", text(&held["by"])),
                    format!("waits {wait}"),
                ]
            });
            table(&rows.collect::<Vec<_>>())?;
        }
        HeldVerb::Release { id } => {
            let path = format!("/_hub/held/{}/release", encode(&id));
            hub.request("POST", &path, Some(&json!({}))).await?;
        }
    }
    Ok(Outcome::Done)
}

fn row(lost: &Value) -> [String; 5] {
    let when = lost["written"].as_u64().map(|at| clock::iso8601(Millis(at)));
    let kind = if lost["deleted"] == true { "a deletion" } else { "an edit" };
    let what = format!("{kind} of {}/{}", text(&lost["database"]), text(&lost["document"]));
    let over = match &lost["winner"] {
        Value::Null => "nothing is in its place".to_owned(),
        winner if winner["deleted"] == true => "deleted since".to_owned(),
        winner => format!("{} in its place", size(winner["bytes"].as_u64().unwrap_or_default())),
    };
    [
        if lost["attention"] == true { "!" } else { "" }.to_owned(),
        text(&lost["short"]),
        what,
        when.map(|when| format!("of {when}")).unwrap_or_default(),
        format!("{}, {over}", size(lost["bytes"].as_u64().unwrap_or_default())),
    ]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}
