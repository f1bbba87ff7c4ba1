//! The sum of all suites, read from what `cargo test` prints.

use std::fmt;

/// Tests by outcome, over every `test result:` line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Ignored, or filtered out because a need is missing.
    pub(crate) skipped: u64,
}

impl Total {
    /// Adds a line of output, when it is a suite's result.
    pub(crate) fn add_line(&mut self, line: &str) {
        // test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for count in counts.split("; ") {
            let Some((number, word)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" | "filtered out" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_and_other_lines_ignored() {
        let mut total = Total::default();
        for line in [
            "running 8 tests",
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ] {
            total.add_line(line);
        }
        assert_eq!(total, Total { passed: 6, failed: 2, skipped: 3 });
        assert_eq!(total.to_string(), "6 passed, 2 failed, 3 skipped");
    }
}
