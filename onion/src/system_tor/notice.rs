//! What Tor tells without being asked, as far as it matters here.

use super::control::shown;
use super::reply::Reply;
use super::words::{Word, value, words};
use crate::Blocked;

/// What is asked for.
///
/// Source: Tor's control-spec, sections 4.1.10, 4.1.25 and 4.1.27.
pub(super) const SUBSCRIBE: &str =
    "SETEVENTS STATUS_CLIENT STATUS_GENERAL HS_DESC NETWORK_LIVENESS";

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// How far Tor is on its way into its network, and what keeps it.
    Bootstrap { percent: u8, problem: Option<Problem> },
    /// The clock of this device is wrong.
    Clock,
    /// Tor hears something from its network, or nothing.
    Liveness { up: bool },
    /// A descriptor is on its way.
    Uploading { service_id: String },
    /// It has arrived.
    Uploaded { service_id: String },
    /// It was refused.
    Refused { service_id: String },
}

/// What keeps Tor from its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) blocked: Blocked,
    /// In Tor's own words.
    pub(super) text: String,
}

impl Notice {
    /// Reads an event; `None` where it is of no concern.
    pub(super) fn of(event: &Reply) -> Option<Self> {
        let (kind, rest) = event.text().split_once(' ')?;
        let words = words(rest)?;
        let bare = |at: usize| words.get(at).and_then(Word::text).unwrap_or_default();
        match (kind, bare(0), bare(1)) {
            ("STATUS_CLIENT", _, "BOOTSTRAP") => bootstrap(&words),
            ("STATUS_GENERAL", "WARN" | "ERR", "CLOCK_SKEW") => Some(Self::Clock),
            ("NETWORK_LIVENESS", state, _) => Some(Self::Liveness { up: state == "UP" }),
            ("HS_DESC", action, service_id) => {
                let service_id = service_id.to_owned();
                let reason = value(&words, "REASON").unwrap_or_default();
                match (action, reason) {
                    ("UPLOAD", _) => Some(Self::Uploading { service_id }),
                    ("UPLOADED", _) => Some(Self::Uploaded { service_id }),
                    // Other reasons may be of fetching.
                    ("FAILED", "UPLOAD_REJECTED") => Some(Self::Refused { service_id }),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Reads the answer to `GETINFO status/bootstrap-phase`, which is written as the event is.
    pub(super) fn of_phase(phase: &str) -> Option<Self> {
        bootstrap(&words(phase)?)
    }
}

fn bootstrap(words: &[Word]) -> Option<Notice> {
    let percent = value(words, "PROGRESS")?.parse().ok().filter(|percent| *percent <= 100)?;
    let warning = value(words, "WARNING").map(|warning| Problem {
        blocked: blocked(value(words, "REASON").unwrap_or_default(), value(words, "TAG")),
        text: shown(warning),
    });
    Some(Notice::Bootstrap { percent, problem: warning })
}

/// What a person would call it.
///
/// Source: Tor's control-spec, section 5.6, and `orconn_end_reason_to_control_string`.
fn blocked(reason: &str, tag: Option<&str>) -> Blocked {
    let is_directory = tag.is_some_and(|tag| {
        ["onehop_create", "requesting_", "loading_", "enough_"].iter().any(|at| tag.starts_with(at))
    });
    match reason {
        "CLOCK_SKEW" => Blocked::Clock,
        "NOROUTE" => Blocked::Offline,
        _ if is_directory => Blocked::Directory,
        // How a filter looks from inside of it.
        "CONNECTREFUSED" | "CONNECTRESET" | "TIMEOUT" | "IDENTITY" | "DONE" => Blocked::Filtered,
        _ => Blocked::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reply::Line;
    use super::*;

    fn event(text: &str) -> Reply {
        let line = Line { text: text.to_owned(), data: None };
        Reply { code: 650, lines: vec![line] }
    }

    fn check(text: &str, expected: Option<&Notice>) {
        assert_eq!(Notice::of(&event(text)).as_ref(), expected, "{text}");
    }

    fn stuck(percent: u8, blocked: Blocked, text: &str) -> Notice {
        let problem = Some(Problem { blocked, text: text.to_owned() });
        Notice::Bootstrap { percent, problem }
    }

    #[test]
    fn steps_into_the_network_are_read() {
        let done = Notice::Bootstrap { percent: 100, problem: None };
        let phase = "NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"";
        assert_eq!(Notice::of_phase(phase), Some(done.clone()));
        check(&format!("STATUS_CLIENT {phase}"), Some(&done));
        check("STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=101", None);
        check("STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=-1", None);
        check("STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED", None);
        check("STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=\"5", None);
    }

    #[test]
    fn what_keeps_tor_is_named() {
        let warn = "STATUS_CLIENT WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY=\"Connecting\"";
        for (reason, blocked) in [
            ("NOROUTE", Blocked::Offline),
            ("TIMEOUT", Blocked::Filtered),
            ("CONNECTREFUSED", Blocked::Filtered),
            ("CLOCK_SKEW", Blocked::Clock),
            ("MISC", Blocked::Other),
        ] {
            let text = format!("{warn} WARNING=\"No \\\"way\\\"\" REASON={reason} COUNT=3");
            check(&text, Some(&stuck(5, blocked, "No \"way\"")));
        }
        let late = "STATUS_CLIENT WARN BOOTSTRAP PROGRESS=45 TAG=requesting_descriptors WARNING=x REASON=TIMEOUT";
        check(late, Some(&stuck(45, Blocked::Directory, "x")));
        let skew = "STATUS_GENERAL WARN CLOCK_SKEW SKEW=-7200 MIN_SKEW=3600 SOURCE=CONSENSUS";
        check(skew, Some(&Notice::Clock));
        check("NETWORK_LIVENESS DOWN", Some(&Notice::Liveness { up: false }));
    }

    #[test]
    fn uploads_are_told_from_fetches() {
        let service_id = "a".repeat(56);
        let rest = "UNKNOWN $AB~relay xyz";
        let id = || service_id.clone();
        check(
            &format!("HS_DESC UPLOAD {service_id} {rest}"),
            Some(&Notice::Uploading { service_id: id() }),
        );
        check(
            &format!("HS_DESC UPLOADED {service_id} {rest}"),
            Some(&Notice::Uploaded { service_id: id() }),
        );
        let refused = Notice::Refused { service_id: id() };
        check(
            &format!("HS_DESC FAILED {service_id} {rest} REASON=UPLOAD_REJECTED"),
            Some(&refused),
        );
        check(&format!("HS_DESC FAILED {service_id} {rest} REASON=NOT_FOUND"), None);
        check(&format!("HS_DESC RECEIVED {service_id} {rest}"), None);
        check("HS_DESC", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn no_event_panics(text in "(STATUS_CLIENT|HS_DESC|STATUS_GENERAL|NETWORK_LIVENESS)? .{0,80}") {
            let _any = Notice::of(&event(&text));
        }
    }
}
