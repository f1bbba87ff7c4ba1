//! `larder open`: the pages, in a browser.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::hub::Hub;
use super::{Outcome, show};

/// What opens an address in the browser that a person uses.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Prints a link that lets one browser in, once; or has it followed.
pub(super) async fn open(mut hub: Hub, browser: bool) -> anyhow::Result<Outcome> {
    let answer = hub.request("POST", "/_hub/login", Some(&json!({}))).await?;
    let url = answer["url"].as_str().context("the hub sent no link")?;
    if !browser {
        show::line(url)?;
        return Ok(Outcome::Done);
    }
    let mut opener = Command::new(OPENER);
    opener.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = opener.status().with_context(|| {
        format!("{OPENER} is not there; `larder open` prints a link that any browser follows")
    })?;
    if !status.success() {
        bail!("{OPENER} found no browser; `larder open` prints a link that any browser follows");
    }
    Ok(Outcome::Done)
}
