//! `larder verify`, `larder backup` and `larder restore`: by the running hub where one runs, else
//! here.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use store::{Options, Store};

use super::Outcome;
use super::hub::{Hub, runtime};
use super::show::{self, plural, size};
use crate::backup::{self, Partial};
use crate::clock;
use crate::config::DatabasesConfig;
use crate::data_dir::DataDir;
use crate::verify::{self, Subject, Verdict};

/// Reads everything and reports what is damaged.
pub(super) fn verify(data_dir: &DataDir) -> anyhow::Result<Outcome> {
    let mut tally = Tally::default();
    let asked = runtime()?.block_on(async {
        let Some(mut hub) = Hub::connect(data_dir).await? else { return anyhow::Ok(false) };
        let answer = hub.stream("POST", "/_hub/verify", None).await?;
        let mut lines = Lines(Vec::new());
        each_chunk(answer.into_body(), |bytes| {
            lines.take(bytes, |line| tally.count(&serde_json::from_slice(line)?))
        })
        .await?;
        Ok(true)
    })?;
    if !asked {
        let store = open(data_dir)?;
        verify::verify(&store, data_dir, |verdict| tally.count(&verdict))?;
        store.close();
    }
    tally.conclude()
}

/// Writes all databases to a file.
pub(super) fn backup(data_dir: &DataDir, file: &Path) -> anyhow::Result<Outcome> {
    let cannot = || format!("could not write {}", file.display());
    let mut partial = Partial::begin(file).with_context(cannot)?;
    let asked = runtime()?.block_on(async {
        let Some(mut hub) = Hub::connect(data_dir).await? else { return anyhow::Ok(false) };
        let answer = hub.stream("POST", "/_hub/backup", None).await?;
        each_chunk(answer.into_body(), |bytes| partial.file().write_all(bytes)).await?;
        Ok(true)
    })?;
    if !asked {
        let store = open(data_dir)?;
        let mut out = BufWriter::new(partial.file());
        let (settings, scratch) = (data_dir.couch_config(), data_dir.scratch());
        backup::write(&store, &settings, &scratch, clock::now(), &mut out)?;
        out.flush()?;
        store.close();
    }
    let written = partial.read_back().with_context(cannot)?;
    backup::check(BufReader::new(written)).with_context(cannot)?;
    let bytes = partial.keep().with_context(cannot)?;
    show::line(format_args!("{} written, {}", file.display(), size(bytes)))?;
    Ok(Outcome::Done)
}

/// Reads a backup and says whether it is what was written.
pub(super) fn check(file: &Path) -> anyhow::Result<Outcome> {
    let backup = File::open(file).with_context(|| format!("could not read {}", file.display()))?;
    let summary = backup::check(BufReader::new(backup))
        .with_context(|| format!("{} is of no use", file.display()))?;
    let databases = plural(summary.databases, "database");
    show::line(format_args!("{databases} read, {}, all sound", size(summary.bytes)))?;
    Ok(Outcome::Done)
}

/// Fills an empty data directory from a backup.
pub(super) fn restore(data_dir: &Path, file: &Path) -> anyhow::Result<Outcome> {
    let backup = File::open(file).with_context(|| format!("could not read {}", file.display()))?;
    let summary = backup::restore(data_dir, BufReader::new(backup))?;
    let databases = plural(summary.databases, "database");
    show::line(format_args!("{databases} restored, {}", size(summary.bytes)))?;
    show::remark("Apps keep their tokens; the owner gets a new one at the next start.");
    Ok(Outcome::Done)
}

/// Opens the store of a directory on which no hub runs.
fn open(data_dir: &DataDir) -> anyhow::Result<Arc<Store>> {
    if !data_dir.holds_store() {
        bail!("there is no hub's data in {}", data_dir.path().display());
    }
    let DatabasesConfig { open_max, .. } = DatabasesConfig::default();
    // Nothing is written, so no device writes it.
    let options = Options { writer_threads: 0, open_databases_max: open_max, device: [0; 32] };
    Ok(Store::open(data_dir.path(), &options)?)
}

/// Takes an answer as it comes; an answer that breaks off is an error.
pub(super) async fn each_chunk(
    mut body: Incoming,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> anyhow::Result<()> {
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the hub broke off; its log says why")?;
        if let Some(bytes) = frame.data_ref() {
            take(bytes)?;
        }
    }
    Ok(())
}

/// Cuts chunks into lines.
#[derive(Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// Tells of every line that has ended.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        mut told: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        let mut rest = self.0.as_slice();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            if end > 0 {
                told(&rest[..end])?;
            }
            rest = &rest[end + 1..];
        }
        self.0 = rest.to_vec();
        Ok(())
    }
}

/// What was found so far.
#[derive(Default)]
struct Tally {
    databases: u64,
    files: u64,
    damaged: u64,
}

impl Tally {
    fn count(&mut self, verdict: &Verdict) -> io::Result<()> {
        let name = match &verdict.subject {
            Subject::Database(name) => {
                self.databases += 1;
                name
            }
            Subject::File(name) => {
                self.files += 1;
                name
            }
        };
        self.damaged += u64::from(!verdict.findings.is_empty());
        for finding in &verdict.findings {
            show::line(format_args!("{name}: {finding}"))?;
        }
        Ok(())
    }

    fn conclude(&self) -> anyhow::Result<Outcome> {
        let databases = plural(self.databases, "database");
        let files = plural(self.files, "file");
        if self.damaged == 0 {
            show::line(format_args!("{databases} and {files} of the hub read, all sound"))?;
            return Ok(Outcome::Done);
        }
        let damaged = self.damaged;
        show::line(format_args!("{databases} and {files} of the hub read, {damaged} damaged"))?;
        Ok(Outcome::Found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_any_pieces() {
        let text = b"one\ntwo\n\nthree\n";
        for piece in 1..text.len() {
            let mut lines = Lines(Vec::new());
            let mut seen = Vec::new();
            for bytes in text.chunks(piece) {
                let line = |line: &[u8]| {
                    seen.push(String::from_utf8_lossy(line).into_owned());
                    Ok(())
                };
                lines.take(bytes, line).unwrap();
            }
            assert_eq!(seen, ["one", "two", "three"], "pieces of {piece}");
        }
    }
}
