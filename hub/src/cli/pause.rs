//! `larder pause` and `larder resume`.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::hub::Hub;
use super::{Outcome, show};

/// What is paused, or goes on.
#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// Only this [default: both]
    #[arg(value_name = "WHAT")]
    what: Option<What>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Being in step with other hubs
    Sync,
    /// Tor: coming by it and dialling
    Tor,
}

/// Pauses, or goes on, and says what is paused then.
pub(super) async fn set(mut hub: Hub, asked: PauseArgs, pauses: bool) -> anyhow::Result<Outcome> {
    let all = [(What::Sync, "sync"), (What::Tor, "onion")];
    let meant = all.iter().filter(|(what, _)| asked.what.is_none_or(|asked| asked == *what));
    let wanted: Map<String, Value> =
        meant.map(|(_, name)| ((*name).to_owned(), pauses.into())).collect();
    let answer = hub.request("POST", "/_hub/pause", Some(&wanted.into())).await?;
    let paused = &answer["paused"];
    show::line(match (paused["sync"] == true, paused["onion"] == true) {
        (false, false) => "Nothing is paused.",
        (true, false) => "Being in step with other hubs is paused.",
        (false, true) => "Tor is paused.",
        (true, true) => "Being in step with other hubs is paused, and so is Tor.",
    })?;
    Ok(Outcome::Done)
}
