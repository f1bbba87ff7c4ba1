//! `larder support`: a bundle for whoever helps.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::hub::Hub;
use super::{Outcome, show};

/// Prints the bundle, or writes it to a file that is not there yet.
pub(super) async fn support(mut hub: Hub, file: Option<PathBuf>) -> anyhow::Result<Outcome> {
    let bundle = serde_json::to_string_pretty(&hub.get("/_hub/support").await?)?;
    let Some(file) = file else {
        show::line(bundle)?;
        return Ok(Outcome::Done);
    };
    let mut made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .with_context(|| format!("could not make {}", file.display()))?;
    made.write_all(bundle.as_bytes())
        .and_then(|()| made.write_all(b"\n"))
        .with_context(|| format!("could not write {}", file.display()))?;
    show::remark("It has no keys, names, addresses or contents in it. Read it before you send it.");
    Ok(Outcome::Done)
}
