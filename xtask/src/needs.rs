//! What the suites need beyond cargo: found, installed, or named as missing.

use std::path::Path;
use std::process::Command;

use crate::command::{self, Outcome, output_of, workspace};

/// The oldest Node that IBM's clients want.
const NODE_MAJOR_MIN: u32 = 18;

/// The oldest Python that couchdb3 runs on: 3.11.
const PYTHON_MINOR_MIN: u32 = 11;

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
    /// Installs what the suites use of it, once it is there.
    prepare: fn() -> Outcome,
}

impl Need {
    /// The word that `cargo test -- --skip` takes.
    pub(crate) fn skip_word(&self) -> String {
        format!("needs_{}", self.name)
    }
}

/// Folders whose packages of npm the suites use.
const NODE_FOLDERS: [&str; 2] = ["tests/node", "clients/js"];

/// Node, with the packages of [`NODE_FOLDERS`].
pub(crate) const NODE: Need = Need {
    name: "node",
    purpose: "the suites of JavaScript clients and the demo's follower",
    packages: &["nodejs", "npm"],
    is_present: has_node,
    prepare: install_node_modules,
};

/// Python, with the packages of `tests/python`.
const PYTHON: Need = Need {
    name: "python",
    purpose: "the suites of Python clients",
    packages: &["python3", "python3-venv"],
    is_present: has_python,
    prepare: install_python_packages,
};

const CHROMIUM: Need = Need {
    name: "chromium",
    purpose: "the suites of the hub's pages, which a browser shows",
    packages: &["chromium"],
    is_present: has_chromium,
    prepare: || Ok(()),
};

/// Debian's index of packages.
pub(crate) const PACKAGE_INDEX: Need = Need {
    name: "apt",
    purpose: "the demo, which reads Debian's package index",
    packages: &["apt"],
    is_present: has_package_index,
    prepare: || Ok(()),
};

const STRACE: Need = Need {
    name: "strace",
    purpose: "the loss of power, which is made from what a store does to its files",
    packages: &["strace"],
    is_present: has_strace,
    prepare: || Ok(()),
};

const MOUNTS: Need = Need {
    name: "mounts",
    purpose: "full disks, which are small file systems mounted out of everybody else's sight",
    packages: &["util-linux", "mount"],
    is_present: has_mounts,
    prepare: || Ok(()),
};

/// C Tor. Debian may start one as a service too, which nothing here uses.
pub(crate) const TOR: Need = Need {
    name: "tor",
    purpose: "the suites on a private Tor network",
    packages: &["tor", "torsocks"],
    is_present: has_tor,
    prepare: || Ok(()),
};

const NAMESPACES: Need = Need {
    name: "namespaces",
    purpose: "networks of one's own, where it is seen what a hub sends and who reaches it",
    packages: &["iproute2", "nftables", "tcpdump"],
    is_present: has_namespaces,
    prepare: || Ok(()),
};

const FAKETIME: Need = Need {
    name: "faketime",
    purpose: "hubs whose clock is wrong",
    packages: &["faketime"],
    is_present: has_faketime,
    prepare: || Ok(()),
};

/// Everything beyond cargo; a later need is one more entry.
pub(crate) const ALL: &[Need] =
    &[NODE, CHROMIUM, PYTHON, PACKAGE_INDEX, STRACE, MOUNTS, TOR, NAMESPACES, FAKETIME];

/// Finds or installs what is needed; returns what is still missing, having named it.
pub(crate) fn missing(needs: &[Need]) -> Vec<&Need> {
    let mut missing: Vec<_> = needs.iter().filter(|need| !(need.is_present)()).collect();
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
    for need in needs {
        if missing.iter().any(|other| other.name == need.name) {
            continue;
        }
        if let Err(reason) = (need.prepare)() {
            eprintln!("xtask: skipped: {}, since {reason}", need.purpose);
            missing.push(need);
        }
    }
    missing
}

/// Brings every folder's `node_modules` up to its lock file.
fn install_node_modules() -> Outcome {
    NODE_FOLDERS.iter().try_for_each(|folder| {
        let folder = workspace().join(folder);
        let installed = folder.join("node_modules/.installed-lock.json");
        unless_installed(&folder.join("package-lock.json"), &installed, || {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
            command::run(npm.current_dir(&folder))
        })
    })
}

/// Brings the virtual environment `target/python` up to `tests/python/requirements.txt`.
fn install_python_packages() -> Outcome {
    let environment = workspace().join("target/python");
    let list = workspace().join("tests/python/requirements.txt");
    unless_installed(&list, &environment.join("installed-requirements.txt"), || {
        let mut python = Command::new("python3");
        command::run(python.args(["-m", "venv", "--clear"]).arg(&environment))?;
        let mut pip = Command::new(environment.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        command::run(pip.arg("--requirement").arg(&list))
    })
}

/// Installs what a list says, unless the copy of it that was made then says the same; quiet and
/// offline in that case.
fn unless_installed(list: &Path, copy: &Path, install: impl FnOnce() -> Outcome) -> Outcome {
    let wanted = std::fs::read(list).map_err(|error| format!("{}: {error}", list.display()))?;
    if std::fs::read(copy).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    std::fs::write(copy, wanted).map_err(|error| format!("{}: {error}", copy.display()))
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

fn has_chromium() -> bool {
    output_of("chromium", &["--version"]).is_some()
}

fn has_python() -> bool {
    let version = output_of("python3", &["--version"]);
    let minor = version.as_deref().and_then(python_minor);
    // Debian keeps what makes virtual environments in a package of its own.
    minor.is_some_and(|minor| minor >= PYTHON_MINOR_MIN)
        && output_of("python3", &["-c", "import ensurepip, venv"]).is_some()
}

/// The 11 of `Python 3.11.2`.
fn python_minor(version: &str) -> Option<u32> {
    version.trim().strip_prefix("Python 3.")?.split('.').next()?.parse().ok()
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

fn has_tor() -> bool {
    output_of("tor", &["--version"]).is_some()
        && output_of("torsocks", &["--version"]).is_some()
        && is_on_path("tor-gencert")
}

/// Making them takes rights, and programs to look into them.
fn has_namespaces() -> bool {
    let name = format!("larder-test-{}-0-probe", std::process::id());
    let made = output_of("ip", &["netns", "add", &name]).is_some();
    let filters = output_of("ip", &["netns", "exec", &name, "nft", "list", "ruleset"]).is_some();
    let deleted = output_of("ip", &["netns", "delete", &name]).is_some();
    made && filters && deleted && output_of("tcpdump", &["--version"]).is_some()
}

fn has_faketime() -> bool {
    let year = output_of("faketime", &["2001-01-01 12:00:00", "date", "+%Y"]);
    year.is_some_and(|year| year.trim() == "2001")
}

/// For programs that do nothing harmless when asked who they are.
fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
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

    #[test]
    fn python_versions_are_read() {
        assert_eq!(python_minor("Python 3.11.2\n"), Some(11));
        assert_eq!(python_minor("Python 2.7.18"), None);
    }
}
