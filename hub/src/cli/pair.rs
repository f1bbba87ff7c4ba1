//! `larder pair`: this hub and another learn each other's keys.

mod progress;
mod shown;

use std::io::{self, BufRead as _, IsTerminal as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::hub::Hub;
use super::{Outcome, show};
use crate::access::Grant;

/// How often it is looked at how things stand.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How to pair.
#[derive(Debug, Args)]
pub(super) struct PairArgs {
    /// Where the other hub waits: the link that it shows (`-` reads one from standard input), or its
    /// address. Without one, this hub waits
    #[arg(value_name = "LINK|ADDRESS")]
    place: Option<String>,
    /// Another device of yours, which may do whatever you may [the default]
    #[arg(long, conflicts_with = "friend")]
    device: bool,
    /// The hub of somebody else, who gets what you share
    #[arg(long)]
    friend: bool,
    /// A database that the friend may read (DB or DB:r) or read and write (DB:rw); may be given often
    #[arg(long = "share", value_name = "DB[:r|:rw]")]
    share: Vec<Grant>,
    /// What to call the other [default: what it calls itself]
    #[arg(long)]
    name: Option<String>,
    /// What this hub calls itself [default: the name that it was given, or one made of its key]
    #[arg(long, value_name = "NAME")]
    me: Option<String>,
    /// How long to wait [default: 10]
    #[arg(long, value_name = "MINUTES", conflicts_with = "place")]
    minutes: Option<u64>,
    /// Print the link and nothing else on standard output
    #[arg(long, conflicts_with_all = ["place", "code", "compare"])]
    print_link: bool,
    /// Wait with a code to be told the other person; or with an address, the code that one was told
    #[arg(long, value_name = "CODE", num_args = 0..=1)]
    code: Option<Option<String>>,
    /// Wait for somebody with whom six digits are compared; with an address alone that is what is done
    #[arg(long, conflicts_with = "code")]
    compare: bool,
    /// The link was scanned from the other's screen
    #[arg(long, requires = "place")]
    scanned: bool,
    /// Do not ask. Digits are compared all the same: those of the other screen are read from standard input
    #[arg(long)]
    yes: bool,
    /// The digits that the other screen shows, instead of being asked for them
    #[arg(long, value_name = "DIGITS")]
    digits: Option<String>,
}

/// Opens a window or goes to one, and sees it through.
pub(super) async fn pair(mut hub: Hub, asked: PairArgs) -> anyhow::Result<Outcome> {
    // Before there is a window that an interrupt would leave open.
    let listening = |kind| signal(kind).context("could not listen for signals");
    let mut interrupt = listening(SignalKind::interrupt())?;
    let mut terminate = listening(SignalKind::terminate())?;
    let mut hang_up = listening(SignalKind::hangup())?;
    name_this(&mut hub, &asked).await?;
    let session = begin(&mut hub, &asked).await?;
    let id = session["id"].as_str().unwrap_or_default().to_owned();
    let ended = tokio::select! {
        ended = see_through(&mut hub, &asked, &id, session) => ended,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("told to end")),
        _ = hang_up.recv() => Err(anyhow::anyhow!("the terminal has gone")),
    };
    match ended {
        Ok(session) => {
            shown::done(&session);
            if session["kind"] == "device" {
                progress::follow(&mut hub, &session["peer"]["key"]).await?;
            }
            Ok(Outcome::Done)
        }
        Err(error) => {
            // Nobody waits behind a window that its owner has gone from.
            let _closed = hub.request("POST", &format!("/_hub/pairing/{id}/refuse"), None).await;
            Err(error)
        }
    }
}

/// Asks what this device is called, where nobody has said so yet and there is somebody to ask.
async fn name_this(hub: &mut Hub, asked: &PairArgs) -> anyhow::Result<()> {
    if asked.me.is_some() || asked.yes || !io::stdin().is_terminal() {
        return Ok(());
    }
    let shown = hub.get("/_hub/devices").await?;
    let mut devices = shown["devices"].as_array().into_iter().flatten();
    let this = devices.find(|device| device["this"] == true);
    let Some((key, suggested)) =
        this.and_then(|this| Some((this["key"].as_str()?, this["suggested_name"].as_str()?)))
    else {
        return Ok(());
    };
    show::remark(format_args!(
        "What is this device called? Others see it. Enter takes what is in brackets. [{suggested}]"
    ));
    let said = line_of_input().await?;
    let name = if said.is_empty() { suggested } else { &said };
    hub.request("PUT", &format!("/_hub/devices/{key}"), Some(&json!({ "name": name }))).await?;
    Ok(())
}

/// Begins it; the session.
async fn begin(hub: &mut Hub, asked: &PairArgs) -> anyhow::Result<Value> {
    let share: Vec<_> = asked.share.iter().map(share).collect();
    let mut request = json!({"share": share, "name": asked.name, "me": asked.me});
    let kind = if asked.friend { "friend" } else { "device" };
    let Some(place) = &asked.place else {
        request["kind"] = kind.into();
        request["minutes"] = asked.minutes.into();
        request["proof"] = match &asked.code {
            Some(Some(_)) => {
                bail!("a code of the other side's goes with the address where it waits")
            }
            Some(None) => "spoken",
            None if asked.compare => "compare",
            None => "link",
        }
        .into();
        let session = hub.request("POST", "/_hub/pairing", Some(&request)).await?;
        shown::window(&session, asked.print_link)?;
        return Ok(session);
    };
    // A link says which kind it is; where it is said here as well, the two have to be the same.
    if asked.friend || asked.device {
        request["kind"] = kind.into();
    }
    let place = if place == "-" { line_of_input().await? } else { place.clone() };
    if place.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("larder:")) {
        if asked.code.is_some() || asked.compare {
            bail!("a link needs no code and no comparing");
        }
        request["link"] = place.into();
        request["scanned"] = asked.scanned.into();
    } else {
        // What nobody says is not left to the other side.
        request["kind"] = kind.into();
        request["address"] = place.into();
        request["code"] = match &asked.code {
            Some(None) => bail!("with an address, --code needs the code that the other side shows"),
            Some(Some(code)) => code.clone().into(),
            None => Value::Null,
        };
    }
    hub.request("POST", "/_hub/pairing/join", Some(&request)).await
}

fn share(grant: &Grant) -> Value {
    json!({"database": grant.name.as_str(), "right": if grant.write { "write" } else { "read" }})
}

/// Waits until it is over, and asks where there is something to decide.
async fn see_through(
    hub: &mut Hub,
    asked: &PairArgs,
    id: &str,
    mut session: Value,
) -> anyhow::Result<Value> {
    let path = format!("/_hub/pairing/{id}");
    let mut before = String::new();
    loop {
        let state = session["state"].as_str().unwrap_or_default().to_owned();
        match state.as_str() {
            "compare" | "confirm" => {
                decide(hub, asked, &path, &session, state == "compare").await?;
            }
            "done" => return Ok(session),
            "refused" | "failed" | "expired" => {
                bail!("{}", session["error"]["sentence"].as_str().unwrap_or("it has ended"))
            }
            _ if state != before => shown::standing(&session),
            _ => sleep(LOOK_EVERY).await,
        }
        before = state;
        session = hub.get(&path).await?;
    }
}

/// Shows who has come, and asks.
async fn decide(
    hub: &mut Hub,
    asked: &PairArgs,
    path: &str,
    session: &Value,
    compare: bool,
) -> anyhow::Result<()> {
    shown::other(session);
    if compare {
        let digits = session["digits"].as_str().unwrap_or_default();
        let typed = match &asked.digits {
            Some(digits) => digits.clone(),
            None => {
                show::remark("Type the six digits that the OTHER screen shows, or `no`:");
                line_of_input().await?
            }
        };
        let typed: String = typed.chars().filter(|letter| *letter != ' ').collect();
        if typed != digits || digits.is_empty() {
            bail!(
                "those are not the digits that this side shows ({digits}), so nothing was paired"
            );
        }
    }
    // Whoever has typed the digits without a terminal has said what there is to say.
    let said = asked.yes || (compare && !io::stdin().is_terminal());
    if !said {
        if !io::stdin().is_terminal() {
            bail!("there is no terminal to ask on: nothing was paired; --yes says yes beforehand");
        }
        show::remark("Pair with it? [y/N]");
        if !["y", "yes"].contains(&line_of_input().await?.to_lowercase().as_str()) {
            bail!("nothing was paired");
        }
    }
    let answer = json!({"digits_match": compare});
    hub.request("POST", &format!("{path}/confirm"), Some(&answer)).await?;
    Ok(())
}

/// A line of standard input, which may be long in coming.
async fn line_of_input() -> anyhow::Result<String> {
    // Not on this thread: an interrupt has to get through.
    let (sender, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        // Whoever waited may have been interrupted.
        let _gone = sender.send(read.map(|_| line));
    });
    let line = line.await.context("could not read standard input")??;
    Ok(line.trim().to_owned())
}
