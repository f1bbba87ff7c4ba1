//! Which Tor it is.

use std::fmt;

/// The first release whose `ADD_ONION` takes keys for restricted discovery.
const LEAST: [u32; 3] = [0, 4, 6];

/// A version as Tor states it: `0.4.9.8`, `0.4.7.1-alpha (git-…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version(String);

impl Version {
    pub(super) fn new(text: &str) -> Self {
        Self(super::control::shown(text))
    }

    /// Whether it can do what is needed. What is not written as a version is none that can.
    pub(super) fn is_enough(&self) -> bool {
        let mut numbers = self.0.split(['.', '-', ' ']).map_while(|part| part.parse::<u32>().ok());
        let mut next = || numbers.next();
        let (Some(major), Some(minor), Some(micro)) = (next(), next(), next()) else {
            return false;
        };
        [major, minor, micro] >= LEAST
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones_are_told_from_new_ones() {
        for enough in ["0.4.6.1", "0.4.9.8", "0.5.0.1-alpha-dev (git-abc)", "1.0.0"] {
            assert!(Version::new(enough).is_enough(), "{enough}");
        }
        for old in ["0.4.5.16", "0.3.5.8", "0.4", "", "Tor", "-1.5.5"] {
            assert!(!Version::new(old).is_enough(), "{old}");
        }
    }
}
