//! How long to wait after failures.

/// Waits that double with every failure, up to a longest one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure, in milliseconds.
    pub first_ms: u64,
    /// However many there were.
    pub longest_ms: u64,
}

impl Backoff {
    /// How long to wait after so many failures in a row: between half of the wait and all of it, as
    /// chance has it, so that hubs that failed together do not come back together.
    #[must_use]
    pub fn wait_ms(self, failures: u32, chance: u64) -> u64 {
        let doubled = 1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        let whole = self.first_ms.saturating_mul(doubled).min(self.longest_ms);
        let half = whole / 2;
        half + chance % (whole - half + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff { first_ms: 1000, longest_ms: 60_000 };
        for (failures, whole) in [
            (0, 1000),
            (1, 1000),
            (2, 2000),
            (6, 32_000),
            (7, 60_000),
            (64, 60_000),
            (u32::MAX, 60_000),
        ] {
            assert_eq!(backoff.wait_ms(failures, 0), whole / 2, "{failures}");
            let longest = (0..200).map(|chance| backoff.wait_ms(failures, chance * 7919)).max();
            assert!(longest > Some(whole / 2) && longest <= Some(whole), "{failures}");
        }
        assert_eq!(Backoff { first_ms: 0, longest_ms: 0 }.wait_ms(3, 9), 0);
    }
}
