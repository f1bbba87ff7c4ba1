//! What is wrong, in sentences.

use serde_json::Value;
use store::Millis;

/// Why a peer is not reached, by the way that was tried last.
pub(super) fn of_way(code: &str, text: &str, peer: &str, way: &str) -> String {
    let by = match way {
        "onion" => "through Tor",
        _ => "in this network",
    };
    let text = text.trim_end_matches('.');
    match code {
        "paused" => format!("{peer} answers {by}, and is paused by its owner."),
        "wrong_key" => format!("Another hub than {peer} answers {by}: it has another key."),
        "refused" => format!(
            "{peer} answers {by} and shuts the door: it has blocked this device, or does not know it ({text})."
        ),
        "removed_there" => {
            format!("{peer} has nothing to do with this device any more. It says: {text}.")
        }
        "unknown_there" => format!(
            "{peer} answers {by} but does not know this device: its owner has to add it there."
        ),
        "not_spoken" => format!("{peer} cannot keep in step with this hub: {text}."),
        "cut" => format!("The connection to {peer} {by} broke: {text}."),
        "peer_misbehaved" => format!("{peer} answers {by} with what makes no sense: {text}."),
        _ => format!("{peer} does not answer {by}: {text}."),
    }
}

/// Why a database of a peer is not as the peer has it.
pub(super) fn of_trouble(code: &str, text: &str, peer: &str, db: &str) -> String {
    let text = text.trim_end_matches('.');
    match code {
        "right_missing_here" => format!(
            "{peer} may only read {db}: what they write there stays with them. `larder share {db} --with {peer} --write` \
             lets it in."
        ),
        "right_missing_there" => format!("{peer} does not let this device read {db}: {text}."),
        "not_accepted" => format!(
            "{peer} offers {db}, and nobody has taken it here: `larder friend accept` does."
        ),
        "local_only" => format!("{db} does not leave one of the two devices: {text}."),
        "rule" => format!(
            "{db} is left out by your rule for this device: `larder device rules this {db} --all` takes it \
             in again ({peer} has it)."
        ),
        "deleted_here" => format!("{db} was deleted here; {peer} still has it."),
        "registry" => format!("{db} is not known here yet: its record comes from {peer} first."),
        "policy" => format!(
            "This device and {peer} decide conflicts in {db} by different rules; the newer one has yet to come ({text})."
        ),
        "disk_full" => format!("The disk of this device is full: nothing of {db} can come here."),
        "digest" => {
            format!("What {peer} sent of {db} was damaged on the way, and was thrown away: {text}.")
        }
        "unavailable" => format!("{peer} is too busy for {db} now: {text}."),
        "cut" => format!("The connection to {peer} broke while {db} was fetched: {text}."),
        "here" => format!("This device could not write to {db}: {text}."),
        _ => format!("{peer} sent of {db} what makes no sense: {text}."),
    }
}

/// Why nothing of a database is fetched for a while; `when` is when it goes on, where that is known.
pub(super) fn of_hold(text: &str, db: &str, when: Option<&str>) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    let text = format!("{}{}", first.unwrap_or_default(), letters.as_str());
    match when {
        Some(when) => format!("{text}; {db} goes on {when}."),
        None => format!("{text}; {db} goes on when that has changed."),
    }
}

/// What a rule of this device's may have to do with a document that is not here.
pub(super) fn of_rule(db: &str, doc: &str, words: &str) -> String {
    format!("By your rule for this device it takes {words} of {db}; {doc} may be among the rest.")
}

/// Something of a database was left out for want of room.
pub(super) fn no_room(peer: &str, db: &str) -> String {
    format!(
        "Some of what {peer} has in {db} found no room: as much as may be brought is here. It comes when \
         there is room; `larder quota list` shows how much."
    )
}

/// Why a document of a peer was not taken.
pub(super) fn of_skipped(code: &str, text: &str, peer: &str, db: &str, doc: &str) -> String {
    let text = text.trim_end_matches('.');
    match code {
        "validation_refused" => {
            format!("{doc} in {db} as {peer} has it was not taken: {text}.")
        }
        "design_not_taken" => format!(
            "{doc} in {db} as {peer} has it is left out, as design documents of friends are: `larder acl grant \
             {db} {peer} views` takes those that make views and nothing else, and `admin` in its place all."
        ),
        "rule" => format!(
            "{doc} in {db} as {peer} has it is filtered by your rule for this device: {text}."
        ),
        "quota" => format!(
            "{doc} in {db} as {peer} has it found no room: {text}. It comes when there is room; `larder \
             quota list` shows how much."
        ),
        "too_large" => format!("{doc} in {db} as {peer} has it is too large: {text}."),
        "sibling" => {
            format!("{doc} in {db} was deleted at {peer}, but not all of it could come: {text}.")
        }
        "gone_there" => {
            format!("{doc} in {db} was replaced at {peer} while it was fetched: {text}.")
        }
        _ => format!("{doc} in {db} as {peer} has it cannot be read: {text}."),
    }
}

/// What a reason says of a peer, or of a database of a peer's, without what the peer or a system said; of others
/// nothing.
pub(super) fn in_general(code: &str, peer: &str, db: Option<&str>) -> Option<String> {
    const OF_WAYS: [&str; 8] = [
        "cut",
        "not_spoken",
        "paused",
        "peer_misbehaved",
        "refused",
        "unknown_there",
        "unreachable",
        "wrong_key",
    ];
    const OF_DATABASES: [&str; 12] = [
        "cut",
        "deleted_here",
        "digest",
        "disk_full",
        "here",
        "local_only",
        "peer_misbehaved",
        "policy",
        "registry",
        "right_missing_here",
        "right_missing_there",
        "unavailable",
    ];
    const UNSAID: &str = "left out";
    match db {
        None if OF_WAYS.contains(&code) => Some(of_way(code, UNSAID, peer, "")),
        Some(db) if OF_DATABASES.contains(&code) => Some(of_trouble(code, UNSAID, peer, db)),
        _ => None,
    }
}

/// How far a pull is, as an addition.
pub(super) fn progress(progress: &Value) -> String {
    let number = |name: &str| progress[name].as_u64();
    let documents = number("documents").unwrap_or_default();
    let of = number("documents_total").map(|total| format!(" of {total}")).unwrap_or_default();
    let bytes = number("bytes").unwrap_or_default() / 1000;
    let left =
        number("seconds_left").map(|left| format!(", about {} to go", duration(left * 1000)));
    format!(": {documents}{of} documents, {bytes} kB{}", left.unwrap_or_default())
}

/// How often.
pub(super) fn times(count: u32) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        _ => format!("{count} times"),
    }
}

/// A time that has passed.
pub(super) fn ago(now: Millis, then: Millis) -> String {
    match now.0.saturating_sub(then.0) {
        0..2000 => "just now".into(),
        passed => format!("{} ago", duration(passed)),
    }
}

/// A time to come.
pub(super) fn until(now: Millis, then: Millis) -> String {
    match then.0.saturating_sub(now.0) {
        0..1000 => "at once".into(),
        left => format!("in {}", duration(left)),
    }
}

/// So many milliseconds, roughly.
pub(super) fn duration(millis: u64) -> String {
    match millis / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_rounded() {
        let now = Millis(10_000_000_000);
        for (passed, expected) in [
            (0, "just now"),
            (5000, "5 s ago"),
            (180_000, "3 min ago"),
            (7_200_000, "2 h ago"),
            (864_000_000, "10 days ago"),
        ] {
            assert_eq!(ago(now, Millis(now.0 - passed)), expected);
        }
        assert_eq!(until(now, Millis(now.0 + 400)), "at once");
        assert_eq!(until(now, Millis(now.0 + 90_000)), "in 90 s");
        assert_eq!(until(now, Millis(0)), "at once");
    }

    #[test]
    fn every_reason_names_whom_and_what() {
        for code in [
            "right_missing_here",
            "right_missing_there",
            "not_accepted",
            "policy",
            "digest",
            "unavailable",
            "cut",
            "registry",
            "deleted_here",
            "rule",
            "peer_misbehaved",
        ] {
            let text = of_trouble(code, "why", "Anna", "notes");
            assert!(
                text.contains("Anna") && text.contains("notes") && text.ends_with('.'),
                "{text}"
            );
        }
        for code in
            ["paused", "wrong_key", "refused", "unknown_there", "not_spoken", "cut", "unreachable"]
        {
            let text = of_way(code, "why.", "Anna", "onion");
            assert!(text.contains("Anna") && text.ends_with('.'), "{text}");
            assert!(!text.ends_with(".."), "{text}");
        }
    }

    #[test]
    fn holds_say_when_it_goes_on() {
        let text = "this device fetches in its windows only: :10+5";
        assert_eq!(
            of_hold(text, "notes", Some("in 5 min")),
            "This device fetches in its windows only: :10+5; notes goes on in 5 min."
        );
        assert!(of_hold(text, "notes", None).ends_with("notes goes on when that has changed."));
    }

    #[test]
    fn what_is_said_in_general_names_nobody() {
        let said = in_general("unreachable", "peer-1", None).unwrap();
        assert_eq!(said, "peer-1 does not answer in this network: left out.");
        let said = in_general("here", "peer-1", Some("db-2")).unwrap();
        assert_eq!(said, "This device could not write to db-2: left out.");
        assert_eq!(in_general("running", "peer-1", Some("db-2")), None);
    }

    #[test]
    fn progress_in_words() {
        let shown =
            json!({"documents": 5, "documents_total": 20, "bytes": 7000, "seconds_left": 90});
        assert_eq!(progress(&shown), ": 5 of 20 documents, 7 kB, about 90 s to go");
        assert_eq!(progress(&json!({"documents": 5, "bytes": 0})), ": 5 documents, 0 kB");
    }
}
