//! What the authority has found out about its network.

/// What the hub needs of every relay. All have all, for the network is small.
const FLAGS: [&str; 8] = ["Exit", "Fast", "Guard", "HSDir", "Running", "Stable", "V2Dir", "Valid"];

/// What keeps this consensus from being used by so many relays; `None` when it is good.
pub(crate) fn fault(consensus: &str, relays: usize) -> Option<String> {
    // A relay's entry begins with `r NICKNAME …`, and its line of flags is `s FLAG FLAG …`.
    let entries: Vec<_> = consensus.split("\nr ").skip(1).collect();
    if entries.len() < relays {
        return Some(format!("{} of {relays} relays in the consensus", entries.len()));
    }
    entries.iter().find_map(|entry| {
        let flags = entry.lines().find_map(|line| line.strip_prefix("s ")).unwrap_or_default();
        let has = |flag: &&str| flags.split(' ').any(|word| word == *flag);
        let missing: Vec<_> = FLAGS.iter().filter(|flag| !has(flag)).collect();
        let nickname = entry.split(' ').next().unwrap_or_default();
        (!missing.is_empty()).then(|| format!("{nickname} lacks the flags {missing:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "s Exit Fast Guard HSDir Running Stable V2Dir Valid";

    fn check(entries: &[&str], relays: usize, expected: Option<&str>) {
        let consensus = ["network-status-version 3"].iter().chain(entries).copied();
        let consensus = consensus.collect::<Vec<_>>().join("\n");
        assert_eq!(fault(&consensus, relays).as_deref(), expected, "{consensus}");
    }

    #[test]
    fn all_relays_need_all_flags() {
        check(&["r a x", ALL, "r b y", ALL], 2, None);
        check(&["r a x", ALL], 2, Some("1 of 2 relays in the consensus"));
        check(&[], 1, Some("0 of 1 relays in the consensus"));
        let few = "s Exit Fast Guard Running Stable V2Dir Valid";
        check(&["r a x", ALL, "r b y", few], 2, Some("b lacks the flags [\"HSDir\"]"));
        check(
            &["r a x"],
            0,
            Some(
                "a lacks the flags [\"Exit\", \"Fast\", \"Guard\", \"HSDir\", \"Running\", \"Stable\", \"V2Dir\", \"Valid\"]",
            ),
        );
    }
}
