//! Running other programs, and where things lie.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a step leaves: nothing, or the reason for a person to read.
pub(crate) type Outcome = Result<(), String>;

/// A cargo command in the workspace; the same cargo that started us.
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(workspace());
    command
}

/// Shows the command and runs it to its end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = show(command);
    let status = command.status().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

/// Prints the command as one would type it, and returns that line.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> =
        std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    let line = words.join(" ");
    eprintln!("$ {line}");
    line
}

/// What a program prints, or `None` when it cannot be started or fails.
pub(crate) fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The root of the checkout.
pub(crate) fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A cargo profile, by its folder in the target directory.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Dev,
    /// As [`Self::Dev`], every test built beside it: alone the hub's dependencies would have fewer
    /// features, and be built twice.
    Tests,
    Release,
}

/// Builds the hub and returns its binary, which lies beside our own (or beside our profile's folder).
pub(crate) fn build_hub(profile: Profile) -> Result<PathBuf, String> {
    let arguments: &[&str] = match profile {
        Profile::Dev => &["build", "--package", "hub"],
        Profile::Tests => &[
            "build",
            "--workspace",
            "--features",
            "simulation/deliberate-bugs",
            "--tests",
            "--bin",
            "larder",
        ],
        Profile::Release => &["build", "--package", "hub", "--release"],
    };
    let mut build = cargo(arguments);
    run(&mut build)?;

    let ourselves = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let target =
        ourselves.ancestors().nth(2).ok_or("this program lies outside a target directory")?;
    let folder = match profile {
        Profile::Dev | Profile::Tests => "debug",
        Profile::Release => "release",
    };
    let binary = target.join(folder).join(format!("larder{}", std::env::consts::EXE_SUFFIX));
    if binary.is_file() {
        Ok(binary)
    } else {
        Err(format!("cargo built the hub, yet {} is not there", binary.display()))
    }
}
