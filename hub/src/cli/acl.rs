//! `larder acl` and `larder group`: who may do what, and who is in which group.

use std::fmt;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::app::encode;
use super::hub::Hub;
use super::{Outcome, show};

/// What is done with policies.
#[derive(Debug, Subcommand)]
pub(super) enum AclVerb {
    /// Show who may do what with each database, or with one
    Show {
        /// A database [default: all that are shared]
        #[arg(value_name = "DB")]
        database: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give somebody a right, on a database or to read one view
    Grant {
        /// The database, or the view
        #[arg(value_name = "DB[/DDOC/VIEW]")]
        place: String,
        /// A key, an httpkey URL, a petname, an app, or group:NAME
        who: String,
        /// What they may do
        right: RightName,
    },
    /// Take from somebody what they were given by name
    Revoke {
        /// The database, or the view
        #[arg(value_name = "DB[/DDOC/VIEW]")]
        place: String,
        /// A key, an httpkey URL, a petname, an app, or group:NAME
        who: String,
    },
    /// Say whether somebody may send a request, and why, or why not
    Explain {
        /// A key, an httpkey URL, a petname, an app, owner, or anonymous
        who: String,
        /// The request's method
        method: String,
        /// Its path
        path: String,
    },
}

/// What can be given.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RightName {
    /// Read
    Read,
    /// Read, and write documents
    Write,
    /// Read, write documents, and write views
    Views,
    /// All of that, and any design document
    Admin,
}

impl fmt::Display for RightName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Views => "views",
            Self::Admin => "admin",
        })
    }
}

/// What is done with groups.
#[derive(Debug, Subcommand)]
pub(super) enum GroupVerb {
    /// List the groups and who is in them
    List,
    /// Make a group without members
    Create {
        /// Its name
        name: String,
    },
    /// Add members
    Add {
        /// The group
        name: String,
        /// Keys, httpkey URLs, petnames, apps, or group:NAME
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Remove members
    Remove {
        /// The group
        name: String,
        /// Keys, httpkey URLs, petnames, apps, or group:NAME
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Make an end of a group, and of what was given to it
    Delete {
        /// Its name
        name: String,
    },
}

/// The lists of a policy, and what each gives, in words.
const LISTS: [(&str, &str); 4] =
    [("readers", "read"), ("members", "write"), ("designers", "views"), ("admins", "admin")];

/// Does what the verb says of policies.
pub(super) async fn execute(mut hub: Hub, verb: AclVerb) -> anyhow::Result<Outcome> {
    match verb {
        AclVerb::Show { database, json } => show_policies(hub, database.as_deref(), json).await,
        AclVerb::Grant { place, who, right } => {
            let asked = json!({"place": place, "who": who, "right": right.to_string()});
            hub.request("POST", "/_hub/acl/grant", Some(&asked)).await?;
            Ok(Outcome::Done)
        }
        AclVerb::Revoke { place, who } => {
            let asked = json!({"place": place, "who": who});
            hub.request("POST", "/_hub/acl/revoke", Some(&asked)).await?;
            Ok(Outcome::Done)
        }
        AclVerb::Explain { who, method, path } => {
            let (who, method, path) = (encode(&who), encode(&method), encode(&path));
            let path = format!("/_hub/acl/explain?who={who}&method={method}&path={path}");
            let answer = hub.get(&path).await?;
            show::line(answer["sentence"].as_str().context("the hub explained nothing")?)?;
            Ok(Outcome::Done)
        }
    }
}

/// Does what the verb says of groups.
pub(super) async fn execute_group(mut hub: Hub, verb: GroupVerb) -> anyhow::Result<Outcome> {
    let path = |name: &str| format!("/_hub/groups/{}", encode(name));
    match verb {
        GroupVerb::List => {
            let answer = hub.get("/_hub/acl").await?;
            let groups = answer["groups"].as_object().into_iter().flatten();
            let rows = groups.map(|(name, members)| [name.clone(), words(members)]);
            show::table(&rows.collect::<Vec<_>>())?;
        }
        GroupVerb::Create { name } => {
            hub.request("PUT", &path(&name), None).await?;
        }
        GroupVerb::Add { name, who } => {
            hub.request("POST", &path(&name), Some(&json!({"add": who}))).await?;
        }
        GroupVerb::Remove { name, who } => {
            hub.request("POST", &path(&name), Some(&json!({"remove": who}))).await?;
        }
        GroupVerb::Delete { name } => {
            hub.request("DELETE", &path(&name), None).await?;
        }
    }
    Ok(Outcome::Done)
}

async fn show_policies(
    mut hub: Hub,
    database: Option<&str>,
    json: bool,
) -> anyhow::Result<Outcome> {
    let mut answer = hub.get("/_hub/acl").await?;
    if let Some(name) = database {
        // One that does not exist is an error, one without a policy is the owner's alone.
        hub.get(&format!("/{}", encode(name))).await?;
        let policy = answer["databases"].get(name).cloned().unwrap_or_else(|| json!({}));
        answer["databases"] = json!({name: policy});
    }
    if json {
        show::line(&answer)?;
        return Ok(Outcome::Done);
    }
    let databases = answer["databases"].as_object().into_iter().flatten();
    let rows: Vec<_> = databases.flat_map(|(name, policy)| rows(name, policy)).collect();
    show::table(&rows)?;
    for problem in answer["problems"].as_array().into_iter().flatten() {
        show::remark(format_args!("cannot be read, so it grants nothing: {}", text(problem)));
    }
    Ok(Outcome::Done)
}

/// A line for each right that a policy gives.
fn rows(name: &str, policy: &Value) -> Vec<[String; 3]> {
    let row = |place: String, right: &str, list: &Value| {
        let roles = list["roles"].as_array().into_iter().flatten();
        let groups = roles.map(|role| format!("group:{}", text(role)));
        let names = list["names"].as_array().into_iter().flatten().map(text);
        let who: Vec<_> = names.chain(groups).collect();
        (!who.is_empty()).then(|| [place, right.into(), who.join(" ")])
    };
    let lists = LISTS.iter().filter_map(|(list, right)| row(name.into(), right, &policy[list]));
    let views = policy["views"].as_object().into_iter().flatten();
    let views = views.filter_map(|(view, list)| row(format!("{name}/{view}"), "read", list));
    let rows: Vec<_> = lists.chain(views).collect();
    match rows.is_empty() {
        true => vec![[name.into(), "nobody but you".into(), String::new()]],
        false => rows,
    }
}

fn words(list: &Value) -> String {
    let words: Vec<_> = list.as_array().into_iter().flatten().map(text).collect();
    if words.is_empty() { "nobody".into() } else { words.join(" ") }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_right() {
        let policy = json!({
            "members": {"names": ["a"], "roles": ["g"]}, "admins": {"names": []},
            "views": {"d/v": {"names": ["b"]}},
        });
        assert_eq!(rows("db", &policy), [["db", "write", "a group:g"], ["db/d/v", "read", "b"]]);
        assert_eq!(rows("db", &json!({})), [["db", "nobody but you", ""]]);
    }
}
