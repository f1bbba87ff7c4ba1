//! `larder import`: the databases of another server, by the running hub.

use std::io::Read as _;

use anyhow::Context as _;
use serde_json::json;

use super::Outcome;
use super::archive::{Lines, each_chunk};
use super::hub::Hub;
use super::show::{self, plural, table};
use crate::import::{Counts, News};

/// What the command line asks for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The server, for instance https://anna:PASSWORD@couch.example:6984; `-` reads it from
    /// standard input
    #[arg(value_name = "URL", env = "LARDER_IMPORT_URL", hide_env_values = true)]
    url: String,
    /// Only this database; may be given often [default: all that may be seen]
    #[arg(long = "db", value_name = "NAME")]
    databases: Vec<String>,
    /// Not this database; may be given often
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
    /// Write into databases that exist here already
    #[arg(long)]
    into_existing: bool,
}

/// Imports, shows how far it is, and compares.
pub(super) async fn import(mut hub: Hub, arguments: ImportArgs) -> anyhow::Result<Outcome> {
    let ImportArgs { url, databases, exclude, into_existing } = arguments;
    let url = if url == "-" { from_stdin()? } else { url };
    let wanted = json!({
        "url": url, "databases": databases, "exclude": exclude, "into_existing": into_existing,
    });
    let answer = hub.stream("POST", "/_hub/import", Some(&wanted)).await?;
    let mut report = Report::default();
    let mut lines = Lines::default();
    each_chunk(answer.into_body(), |bytes| {
        lines.take(bytes, |line| {
            report.take(serde_json::from_slice(line)?);
            Ok(())
        })
    })
    .await?;
    report.conclude()
}

/// A password on the command line is seen by whoever lists processes.
fn from_stdin() -> anyhow::Result<String> {
    let mut url = String::new();
    std::io::stdin().read_to_string(&mut url).context("could not read the URL")?;
    Ok(url.trim().into())
}

/// What was told.
#[derive(Default)]
struct Report {
    rows: Vec<[String; 4]>,
    wrong: u64,
    ended: bool,
}

impl Report {
    fn take(&mut self, news: News) {
        match news {
            News::Plan { databases, left_out } => {
                show::remark(format_args!(
                    "importing {}; local documents are not replicated",
                    plural(databases.len() as u64, "database")
                ));
                if !left_out.is_empty() {
                    let names = left_out.join(", ");
                    show::remark(format_args!("left out, the server's own: {names}"));
                }
            }
            News::Progress { database, written, pending } => {
                let left = pending.map(|left| format!(", {} to come", plural(left, "change")));
                let left = left.unwrap_or_default();
                let written = plural(written, "revision");
                show::remark(format_args!("{database}: {written} written{left}"));
            }
            News::Done { database, there, here, failures } => {
                let verdict = if failures > 0 {
                    format!("{} could not be taken", plural(failures, "revision"))
                } else if there.agree(here) {
                    "complete".to_owned()
                } else {
                    "differs".to_owned()
                };
                self.wrong += u64::from(failures > 0 || !there.agree(here));
                self.rows.push([database, counted("there", there), counted("here", here), verdict]);
            }
            News::Failed { database, reason } => {
                self.wrong += 1;
                self.rows.push([database, String::new(), String::new(), reason]);
            }
            News::End => self.ended = true,
        }
    }

    fn conclude(self) -> anyhow::Result<Outcome> {
        table(&self.rows)?;
        if !self.ended {
            anyhow::bail!("the hub broke off; run the same again, it goes on where it was");
        }
        let databases = plural(self.rows.len() as u64, "database");
        if self.wrong == 0 {
            show::line(format_args!("{databases} imported, all complete"))?;
            return Ok(Outcome::Done);
        }
        show::line(format_args!("{databases} looked at, {} not complete", self.wrong))?;
        Ok(Outcome::Found)
    }
}

fn counted(place: &str, Counts { documents, deleted }: Counts) -> String {
    let documents = plural(documents, "document");
    match deleted {
        Some(deleted) => format!("{place} {documents} and {deleted} deleted"),
        None => format!("{place} {documents}"),
    }
}
