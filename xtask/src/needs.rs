//! What the suites need beyond cargo: found, installed, or named as missing.

use std::path::Path;
use std::process::Command;

use crate::command::{self, Outcome, output_of, workspace};

/// The oldest Node that PouchDB 9 and the scripts' test runner want.
const NODE_MAJOR_MIN: u32 = 18;

/// One thing that some tests need.
///
/// Tests that need it live in a module `needs_<name>`, which is how they are skipped without it.
pub(crate) struct Need {
    pub(crate) name: &'static str,
    /// What is skipped without it.
    pub(crate) purpose: &'static str,
    /// Debian packages that bring it.
    packages: &'static [&'static str],
    is_present: fn() -> bool,
}

impl Need {
    /// The word that `cargo test -- --skip` takes.
    pub(crate) fn skip_word(&self) -> String {
        format!("needs_{}", self.name)
    }
}

/// Everything beyond cargo; a later need is one more entry.
pub(crate) const NEEDS: [Need; 4] = [
    Need {
        name: "node",
        purpose: "PouchDB's suites and the demo's follower",
        packages: &["nodejs", "npm"],
        is_present: has_node,
    },
    Need {
        name: "apt",
        purpose: "the demo, which reads Debian's package index",
        packages: &["apt"],
        is_present: has_package_index,
    },
    Need {
        name: "strace",
        purpose: "the loss of power, which is made from what a store does to its files",
        packages: &["strace"],
        is_present: has_strace,
    },
    Need {
        name: "mounts",
        purpose: "full disks, which are small file systems mounted out of everybody else's sight",
        packages: &["util-linux", "mount"],
        is_present: has_mounts,
    },
];

/// Finds or installs what the suites need; returns what is still missing, having named it.
pub(crate) fn missing() -> Vec<&'static Need> {
    let mut missing: Vec<_> = NEEDS.iter().filter(|need| !(need.is_present)()).collect();
    if !missing.is_empty() && can_install() {
        let packages = missing.iter().flat_map(|need| need.packages);
        if let Err(reason) = install(packages) {
            eprintln!("xtask: {reason}");
        }
        missing.retain(|need| !(need.is_present)());
    }
    for need in &missing {
        let Need { name, purpose, packages, .. } = need;
        let packages = packages.join(" ");
        eprintln!("xtask: {name} is missing, so skipped: {purpose} (Debian: {packages})");
    }
    missing
}

/// Brings `tests/node/node_modules` up to its lock file; quiet and offline when it already is.
pub(crate) fn install_node_modules() -> Outcome {
    let folder = workspace().join("tests/node");
    let lock = folder.join("package-lock.json");
    let wanted = std::fs::read(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    // A copy of the lock file that the modules were installed from.
    let stamp = folder.join("node_modules/.installed-lock.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    command::run(npm.current_dir(&folder))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

fn has_node() -> bool {
    let version = output_of("node", &["--version"]);
    let major = version.as_deref().and_then(node_major);
    major.is_some_and(|major| major >= NODE_MAJOR_MIN) && output_of("npm", &["--version"]).is_some()
}

/// The 20 of `v20.11.1`.
fn node_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn has_package_index() -> bool {
    output_of("apt-cache", &["dumpavail"]).is_some_and(|index| !index.is_empty())
}

/// Where tracing is forbidden the program alone is no help.
fn has_strace() -> bool {
    output_of("strace", &["-f", "-o", "/dev/null", "true"]).is_some()
}

fn has_mounts() -> bool {
    let mount = "mount -t tmpfs -o size=64k none /mnt";
    output_of("unshare", &["--map-root-user", "--mount", "sh", "-c", mount]).is_some()
}

fn can_install() -> bool {
    let root = output_of("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    root && Path::new("/usr/bin/apt-get").is_file()
}

fn install<'a>(packages: impl Iterator<Item = &'a &'static str>) -> Outcome {
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
        command
    };
    command::run(apt_get().arg("update"))?;
    command::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_are_read() {
        assert_eq!(node_major("v20.11.1\n"), Some(20));
        assert_eq!(node_major("v9.0.0"), Some(9));
        assert_eq!(node_major("20"), None);
    }
}
