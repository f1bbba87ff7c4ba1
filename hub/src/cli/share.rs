//! `larder share`, `unshare`, `shares`, `invitations` and `reads`: what is shared with others, what they
//! share, and who has read what.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::app::encode;
use super::hub::Hub;
use super::{Outcome, show};

/// What is shared, with whom, and how far.
#[derive(Debug, Args)]
pub(super) struct ShareArgs {
    /// The database, or the view, which is shared as a database of its own
    #[arg(value_name = "DB[/DDOC/VIEW]")]
    place: String,
    /// A friend, or group:NAME
    #[arg(long = "with", value_name = "WHO")]
    with: String,
    /// Let them write, too
    #[arg(long)]
    write: bool,
}

/// What is shared no longer.
#[derive(Debug, Args)]
pub(super) struct UnshareArgs {
    /// The database, or the view
    #[arg(value_name = "DB[/DDOC/VIEW]")]
    place: String,
    /// A friend, or group:NAME
    #[arg(long = "with", value_name = "WHO")]
    with: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum InvitationVerb {
    /// List what friends share with you, and what became of it; the same as no verb
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take what a friend shares
    Accept {
        /// Its id, or as much of its beginning as tells it from others
        id: String,
        /// What to call it here [default: the friend's name and its name]
        #[arg(long = "as", value_name = "NAME")]
        local: Option<String>,
    },
    /// Do not take it, on any of your devices; it may be accepted later all the same
    Decline {
        /// Its id, or as much of its beginning as tells it from others
        id: String,
    },
}

/// What is asked about reads.
#[derive(Debug, Args)]
pub(super) struct ReadsArgs {
    /// Of this database only
    #[arg(long, value_name = "DB")]
    db: Option<String>,
    /// By this friend or device only
    #[arg(long, value_name = "WHO")]
    who: Option<String>,
    /// Most rows that are shown
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Shares.
pub(super) async fn share(mut hub: Hub, asked: ShareArgs) -> anyhow::Result<Outcome> {
    let ShareArgs { place, with, write } = asked;
    let right = if write { "write" } else { "read" };
    let asked = json!({"place": place, "with": with, "right": right});
    let shared = hub.request("POST", "/_hub/shares", Some(&asked)).await?;
    if let Some(copy) = shared["copy"].as_str() {
        show::remark(format_args!("They are offered its rows as the database {copy}."));
    }
    Ok(Outcome::Done)
}

/// Shares no longer.
pub(super) async fn unshare(mut hub: Hub, asked: UnshareArgs) -> anyhow::Result<Outcome> {
    let path = format!("/_hub/shares?place={}&with={}", encode(&asked.place), encode(&asked.with));
    hub.request("DELETE", &path, None).await?;
    show::remark("Nothing more of it is served to them; what they have they keep.");
    Ok(Outcome::Done)
}

/// Lists what is shared.
pub(super) async fn shares(mut hub: Hub, json: bool) -> anyhow::Result<Outcome> {
    let answer = hub.get("/_hub/shares").await?;
    if json {
        show::line(serde_json::to_string_pretty(&answer)?)?;
        return Ok(Outcome::Done);
    }
    let rows: Vec<_> = answer["shares"].as_array().into_iter().flatten().map(share_row).collect();
    show::table(&rows)?;
    Ok(Outcome::Done)
}

fn share_row(share: &Value) -> [String; 4] {
    let with = match share["with"]["kind"].as_str() {
        Some("group") => format!("group:{}", text(&share["with"]["name"])),
        _ => text(&share["with"]["name"]),
    };
    let mut state: Vec<String> = Vec::new();
    match share["in_step"].as_bool() {
        Some(true) => state.push("they have it as it is here".into()),
        Some(false) => state.push("they do not have the newest".into()),
        None => {}
    }
    if let Some(copy) = share["copy"].as_str() {
        state.push(format!("published as {copy}"));
    }
    if let Some(sentence) = share["view"]["sentence"].as_str() {
        state.push(format!("its rows stay as they were: {sentence}"));
    }
    [text(&share["place"]), text(&share["right"]), with, state.join("; ")]
}

/// Lists what friends share, and answers it.
pub(super) async fn invitations(
    mut hub: Hub,
    verb: Option<InvitationVerb>,
) -> anyhow::Result<Outcome> {
    match verb.unwrap_or(InvitationVerb::List { json: false }) {
        InvitationVerb::List { json } => {
            let answer = hub.get("/_hub/invitations").await?;
            if json {
                show::line(serde_json::to_string_pretty(&answer)?)?;
                return Ok(Outcome::Done);
            }
            let all = answer["invitations"].as_array().into_iter().flatten();
            show::table(&all.map(invitation_row).collect::<Vec<_>>())?;
        }
        InvitationVerb::Accept { id, local } => {
            let path = named(&mut hub, &id).await?;
            let asked = json!({"accept": true, "as": local});
            let taken = hub.request("POST", &path, Some(&asked)).await?;
            show::line(text(&taken["database"]))?;
        }
        InvitationVerb::Decline { id } => {
            let path = named(&mut hub, &id).await?;
            hub.request("POST", &path, Some(&json!({"accept": false}))).await?;
        }
    }
    Ok(Outcome::Done)
}

/// The path of the one invitation whose id begins so.
async fn named(hub: &mut Hub, id: &str) -> anyhow::Result<String> {
    let answer = hub.get("/_hub/invitations").await?;
    let all = answer["invitations"].as_array().into_iter().flatten();
    let ids = all.filter_map(|invitation| invitation["id"].as_str());
    let meant: Vec<&str> = ids.filter(|known| !id.is_empty() && known.starts_with(id)).collect();
    match meant.as_slice() {
        [one] => Ok(format!("/_hub/invitations/{}", encode(one))),
        [] => anyhow::bail!("no invitation has the id {id}; `larder invitations` lists them"),
        _ => anyhow::bail!("several invitations have ids that begin with {id}"),
    }
}

fn invitation_row(invitation: &Value) -> [String; 5] {
    let size = match (invitation["documents"].as_u64(), invitation["bytes"].as_u64()) {
        (Some(documents), Some(bytes)) => {
            format!("{}, {}", show::plural(documents, "document"), show::size(bytes))
        }
        _ => String::new(),
    };
    let state = match (invitation["state"].as_str(), invitation["here"].as_str()) {
        (Some("withdrawn"), Some(here)) => format!("taken as {here}, no longer followed"),
        (_, Some(here)) => match invitation["in_step"] == true {
            true => format!("taken as {here}, in step"),
            false => format!("taken as {here}, not in step"),
        },
        (Some("declined"), None) => "declined".into(),
        _ => "not taken".into(),
    };
    let id: String = text(&invitation["id"]).chars().take(8).collect();
    let of = format!("{} of {}", text(&invitation["name"]), text(&invitation["from"]["name"]));
    [id, of, text(&invitation["right"]), size, state]
}

/// Lists who has read what.
pub(super) async fn reads(mut hub: Hub, asked: ReadsArgs) -> anyhow::Result<Outcome> {
    let ReadsArgs { db, who, limit, json } = asked;
    let options = [("db", db), ("who", who)];
    let options = options
        .into_iter()
        .filter_map(|(name, value)| Some(format!("&{name}={}", encode(&value?))));
    let path = format!("/_hub/reads?limit={limit}{}", options.collect::<String>());
    let answer = hub.get(&path).await?;
    if json {
        show::line(serde_json::to_string_pretty(&answer)?)?;
        return Ok(Outcome::Done);
    }
    let rows = answer["reads"].as_array().into_iter().flatten().map(|read| {
        let who = match text(&read["who"]["name"]) {
            name if name.is_empty() => text(&read["who"]["key"]),
            name => name,
        };
        let place = match read["view"].as_str() {
            Some(view) => format!("{}/{view}", text(&read["database"])),
            None => text(&read["database"]),
        };
        let documents = read["documents"].as_u64().unwrap_or_default();
        [text(&read["day"]), who, place, show::plural(documents, "document")]
    });
    show::table(&rows.collect::<Vec<_>>())?;
    Ok(Outcome::Done)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_in_one_line() {
        let mut share = json!({
            "place": "notes/d/v", "right": "read", "with": {"name": "Bert", "kind": "friend"},
            "in_step": false, "copy": "views/v",
        });
        let state = "they do not have the newest; published as views/v";
        assert_eq!(share_row(&share), ["notes/d/v", "read", "Bert", state]);
        share["with"] = json!({"name": "family", "kind": "group"});
        share["view"] = json!({"sentence": "it throws"});
        let row = share_row(&share);
        assert_eq!(row[2], "group:family");
        assert!(row[3].ends_with("its rows stay as they were: it throws"), "{row:?}");
    }

    #[test]
    fn invitations_in_one_line() {
        let mut invitation = json!({
            "id": "0123456789abcdef", "from": {"name": "Anna"}, "name": "notes", "right": "read",
            "documents": 2, "bytes": 900, "here": null, "state": "open", "in_step": false,
        });
        let row = invitation_row(&invitation);
        assert_eq!(row[..3], ["01234567", "notes of Anna", "read"]);
        assert!(row[3].starts_with("2 documents, 900"), "{row:?}");
        assert_eq!(row[4], "not taken");
        invitation["state"] = "declined".into();
        assert_eq!(invitation_row(&invitation)[4], "declined");
        invitation["here"] = "anna/notes".into();
        invitation["state"] = "withdrawn".into();
        assert_eq!(invitation_row(&invitation)[4], "taken as anna/notes, no longer followed");
    }
}
