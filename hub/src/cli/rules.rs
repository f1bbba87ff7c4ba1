//! `larder device rules`: what of which database each device takes.

use anyhow::bail;
use clap::Args;
use serde_json::{Map, Value, json};

use super::app::encode;
use super::hub::Hub;
use super::{Outcome, show};

#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    /// A device of yours, by its name or key; `this` is this one [default: all]
    device: Option<String>,
    /// A database [default: all]
    #[arg(value_name = "DB")]
    database: Option<String>,
    /// It takes nothing of the database; what it has already stays
    #[arg(long, requires = "database", conflicts_with_all = ["all", "selector", "attachment_bytes_max"])]
    skip: bool,
    /// It takes all of the database
    #[arg(long, requires = "database", conflicts_with_all = ["selector", "attachment_bytes_max"])]
    all: bool,
    /// It takes the documents that this Mango selector matches, and all deletions
    #[arg(long, value_name = "JSON", requires = "database")]
    selector: Option<String>,
    /// It takes no revision with an attachment of more bytes than this
    #[arg(long, value_name = "N", requires = "database")]
    attachment_bytes_max: Option<u64>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Shows rules, or sets one.
pub(super) async fn execute(mut hub: Hub, asked: RulesArgs) -> anyhow::Result<Outcome> {
    let RulesArgs { device, database, skip, all, selector, attachment_bytes_max, json } = asked;
    let options = [("device", &device), ("db", &database)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_deref()?))));
    let path = format!("/_hub/rules?{}", options.collect::<Vec<_>>().join("&"));
    if all {
        hub.request("DELETE", &path, None).await?;
        return Ok(Outcome::Done);
    }
    if skip || selector.is_some() || attachment_bytes_max.is_some() {
        let selector = match selector.as_deref().map(serde_json::from_str::<Map<String, Value>>) {
            Some(Ok(selector)) => Some(selector),
            Some(Err(error)) => bail!("the selector is no JSON object: {error}"),
            None => None,
        };
        let rule = json!({
            "device": device, "db": database, "skip": skip, "selector": selector,
            "attachment_bytes_max": attachment_bytes_max,
        });
        hub.request("PUT", "/_hub/rules", Some(&rule)).await?;
        return Ok(Outcome::Done);
    }
    let answer = hub.get(&path).await?;
    if json {
        show::line(serde_json::to_string_pretty(&answer)?)?;
        return Ok(Outcome::Done);
    }
    let rows: Vec<_> = answer["rules"].as_array().into_iter().flatten().map(row).collect();
    show::table(&rows)?;
    Ok(Outcome::Done)
}

fn row(rule: &Value) -> [String; 4] {
    let text = |name: &str| rule[name].as_str();
    let complete = match rule["complete"].as_bool() {
        Some(true) => "complete for that",
        Some(false) => "not complete for that yet",
        None => "",
    };
    [
        text("name").or_else(|| text("device")).unwrap_or_default().to_owned(),
        text("database").or_else(|| text("db")).unwrap_or_default().to_owned(),
        format!("takes {}", text("words").unwrap_or_default()),
        complete.to_owned(),
    ]
}
