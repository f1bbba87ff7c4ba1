//! Runs that follow from a seed.

use crate::random::Random;

/// Runs a test once for each seed.
pub(crate) fn each_seed(seeds: u64, test: impl Fn(&mut Random)) {
    struct Told(u64);
    impl Drop for Told {
        #[allow(clippy::print_stderr, reason = "a failing seed is for the person to repeat")]
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failing seed: LARDER_SEED={}", self.0);
            }
        }
    }
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let range = match (number("LARDER_SEED"), number("LARDER_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds_wanted) => 0..seeds_wanted.unwrap_or(seeds),
    };
    for seed in range {
        let told = Told(seed);
        test(&mut Random::new(seed));
        drop(told);
    }
}
