//! `larder service`: what it writes, what it asks of systemd, and what it leaves alone.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test file with helpers")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tests::{Finished, Hub, larder};

/// Notes what it is asked, and answers as systemd's user manager does.
const STAND_IN: &str = r#"#!/bin/sh
here=${0%/*}
echo "$@" >> "$here/../calls"
if [ -e "$here/../unreachable" ]; then echo "Failed to connect to bus: No medium found" >&2; exit 1; fi
case $2 in
    restart) : > "$here/../active" ;;
    disable) rm -f "$here/../active" ;;
    is-enabled) echo enabled ;;
    is-active) if [ -e "$here/../active" ]; then echo active; else echo inactive; exit 3; fi ;;
esac
"#;

/// A person's folders, and a systemd that only notes what it is asked.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = TempDir::with_prefix("larder-test-").unwrap();
        let home = Self { folder };
        fs::create_dir(home.at("bin")).unwrap();
        fs::write(home.at("bin/systemctl"), STAND_IN).unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(home.at("bin/systemctl"), executable).unwrap();
        home
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn unit(&self) -> PathBuf {
        self.at("settings/systemd/user/larder.service")
    }

    fn command(&self, verbs: &[&str], data_dir: &Path) -> Command {
        let verbs: Vec<_> = ["service"].iter().chain(verbs).copied().collect();
        let mut command = larder(&verbs, data_dir);
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        command.env("PATH", path).env("HOME", self.folder.path());
        command.env("XDG_CONFIG_HOME", self.at("settings"));
        command
    }

    #[track_caller]
    fn service(&self, verbs: &[&str]) -> Finished {
        Finished::of(&mut self.command(verbs, &self.at("my data")))
    }

    /// What systemd was asked since the last call.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.at("calls")).unwrap_or_default();
        let _none = fs::remove_file(self.at("calls"));
        let calls = calls.lines().map(|line| line.strip_prefix("--user ").unwrap_or(line));
        calls.map(str::to_owned).collect()
    }
}

#[test]
fn installed_shown_and_uninstalled() {
    let home = Home::new();
    let missing = home.service(&["status"]).expect_finding();
    assert!(missing.contains("not installed"), "{missing}");
    assert!(home.service(&["uninstall"]).expect_failure().contains("not installed"));
    assert_eq!(home.calls(), Vec::<String>::new());

    home.service(&["install"]).expect_success();
    let calls = home.calls();
    let start = ["daemon-reload", "enable larder.service", "restart larder.service"];
    assert_eq!(calls[calls.len() - 3..], start, "{calls:?}");
    let unit = fs::read_to_string(home.unit()).unwrap();
    let data_dir = home.at("my data");
    assert!(unit.contains(&format!("run --data-dir \"{}\"\n", data_dir.display())), "{unit}");
    assert!(unit.contains("ExecStart=\"/"), "{unit}");
    assert_eq!(data_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);

    let status = home.service(&["status"]).expect_success();
    assert!(status.contains("enabled") && status.contains("active"), "{status}");
    fs::remove_file(home.at("active")).unwrap();
    assert!(home.service(&["status"]).expect_finding().contains("inactive"));

    // Once more, for instance after an update.
    home.service(&["install"]).expect_success();
    home.calls();
    home.service(&["uninstall"]).expect_success();
    let calls = home.calls();
    assert!(calls.contains(&"disable --now larder.service".to_owned()), "{calls:?}");
    assert_eq!(calls.last().map(String::as_str), Some("daemon-reload"));
    assert!(!home.unit().exists() && data_dir.is_dir());
}

#[test]
fn printing_and_writing_ask_nobody() {
    let home = Home::new();
    let printed = home.service(&["install", "--print"]).expect_success();
    assert!(!home.at("settings").exists() && !home.at("my data").exists());
    home.service(&["install", "--no-start"]).expect_success();
    assert_eq!(fs::read_to_string(home.unit()).unwrap(), printed);
    assert_eq!(home.calls(), Vec::<String>::new());
}

#[test]
fn somebody_elses_service_stays() {
    let home = Home::new();
    fs::create_dir_all(home.unit().parent().unwrap()).unwrap();
    let theirs = "[Service]\nExecStart=/usr/bin/larder run\n";
    fs::write(home.unit(), theirs).unwrap();
    for verb in ["install", "uninstall"] {
        let message = home.service(&[verb]).expect_failure();
        assert!(message.contains("was not written by") && message.contains("--force"), "{message}");
        assert_eq!(fs::read_to_string(home.unit()).unwrap(), theirs);
    }
    assert!(home.service(&["status"]).expect_finding().contains("by somebody else"));
    home.service(&["install", "--force"]).expect_success();
    assert_ne!(fs::read_to_string(home.unit()).unwrap(), theirs);
    fs::write(home.unit(), theirs).unwrap();
    home.service(&["uninstall", "--force"]).expect_success();
    assert!(!home.unit().exists());
}

#[test]
fn without_systemd_it_says_so() {
    let home = Home::new();
    fs::write(home.at("unreachable"), "").unwrap();
    let message = home.service(&["install"]).expect_failure();
    assert!(
        message.contains("no service manager of yours") && message.contains("bus"),
        "{message}"
    );
    fs::remove_file(home.at("bin/systemctl")).unwrap();
    let alone = |verb: &str| {
        let mut command = home.command(&[verb], &home.at("my data"));
        Finished::of(command.env("PATH", home.at("bin")))
    };
    let message = alone("install").expect_failure();
    assert!(message.contains("there is no systemctl here"), "{message}");
    assert!(!home.unit().exists());
    home.service(&["install", "--no-start"]).expect_success();
    alone("uninstall").expect_success();
    assert!(!home.unit().exists());
}

#[test]
fn a_hub_that_runs_already_is_not_doubled() {
    let home = Home::new();
    let hub = Hub::start();
    let install = || Finished::of(&mut home.command(&["install"], &hub.data_dir()));
    let message = install().expect_failure();
    assert!(message.contains("a hub is running on"), "{message}");
    assert!(!home.unit().exists());
    // As the service itself it is started anew.
    fs::write(home.at("active"), "").unwrap();
    install().expect_success();
    hub.stop();
}

#[test]
fn a_setting_that_keeps_the_hub_from_starting_is_named() {
    let home = Home::new();
    fs::create_dir(home.at("my data")).unwrap();
    fs::write(home.at("my data/larder.toml"), "[htpp]\n").unwrap();
    let message = home.service(&["install"]).expect_failure();
    assert!(message.contains("unknown field `htpp`"), "{message}");
    assert!(!home.unit().exists());
}

#[test]
fn systemd_understands_what_is_written() {
    let Some(analyze) = ["/usr/bin", "/bin"]
        .map(|folder| Path::new(folder).join("systemd-analyze"))
        .into_iter()
        .find(|path| path.is_file())
    else {
        return;
    };
    for name in ["data", "my data", "100%h of $HOME", "a \"b\" \\c", "it's ü"] {
        let home = Home::new();
        let data_dir = home.at(name);
        Finished::of(&mut home.command(&["install", "--no-start"], &data_dir)).expect_success();
        let mut verify = Command::new(&analyze);
        verify.args(["verify", "--user", "--man=no"]).arg(home.unit());
        let verified = Finished::of(verify.env("XDG_RUNTIME_DIR", home.folder.path()));
        // Versions before 254 do not know them, and go on without.
        let known = |line: &&str| !line.contains("'Restart") || !line.contains("ignoring");
        let complaints: Vec<_> = verified.stderr.lines().filter(known).collect();
        assert_eq!(complaints, Vec::<&str>::new(), "{name}");
        verified.expect_success();
    }
}
