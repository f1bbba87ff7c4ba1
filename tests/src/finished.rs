//! A command that has run to its end.

use std::fmt;
use std::process::{Command, Stdio};

/// What a command left behind.
pub struct Finished {
    line: String,
    code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Runs the command with nothing on its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        let words: Vec<_> =
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let line = format!("{} {}", command.get_program().to_string_lossy(), words.join(" "));
        match command.stdin(Stdio::null()).output() {
            Ok(output) => Self {
                line,
                code: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => panic!("cannot run `{line}`: {error}"),
        }
    }

    /// Whether it ended with 0.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Its standard output.
    ///
    /// # Panics
    /// When it did not end with 0.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.code == Some(0), "expected success: {self}");
        self.stdout
    }

    /// Its standard output, where it did what it was asked and found something wrong.
    ///
    /// # Panics
    /// When it ended with 0, was killed, or printed nothing.
    #[track_caller]
    pub fn expect_finding(self) -> String {
        let found = self.code.is_some_and(|code| code != 0) && !self.stdout.trim().is_empty();
        assert!(found, "expected a finding: {self}");
        self.stdout
    }

    /// Its standard error.
    ///
    /// # Panics
    /// When it ended with 0, was killed, or said nothing about why.
    #[track_caller]
    pub fn expect_failure(self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "expected a failure: {self}");
        assert!(!self.stderr.trim().is_empty(), "a failure without a message: {self}");
        self.stderr
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, code, stdout, stderr } = self;
        match code {
            Some(code) => writeln!(f, "`{line}` ended with {code}")?,
            None => writeln!(f, "`{line}` was killed")?,
        }
        write!(f, "standard output:\n{stdout}\nstandard error:\n{stderr}")
    }
}
