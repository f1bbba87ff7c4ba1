//! `_revs_diff` of another server.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use store::RevId;

use super::{ANSWER_BYTES_MAX, HttpPeer, no_database, nonsense, parse};
use crate::{Change, PeerError, Wanted};

impl HttpPeer {
    pub(super) async fn ask_revs_diff(&self, changes: &[Change]) -> Result<Vec<Wanted>, PeerError> {
        let reply = self.post("revisions", "/_revs_diff", question(changes)).await;
        let text = reply.map_err(no_database)?.read(ANSWER_BYTES_MAX).await?;
        read(&text, changes)
    }
}

fn question(changes: &[Change]) -> Vec<u8> {
    let mut json = Vec::with_capacity(changes.len() * 64);
    json.push(b'{');
    for change in changes {
        if json.len() > 1 {
            json.push(b',');
        }
        store::json::write_string(&mut json, change.id.as_str());
        json.extend_from_slice(b":[");
        for (at, rev) in change.leaves.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            store::json::write_string(&mut json, &rev.to_string());
        }
        json.push(b']');
    }
    json.push(b'}');
    json
}

/// Reads the answer; what was not asked about is passed over.
fn read(text: &[u8], asked: &[Change]) -> Result<Vec<Wanted>, PeerError> {
    #[derive(Deserialize)]
    struct Diff {
        #[serde(default)]
        missing: Vec<String>,
        #[serde(default)]
        possible_ancestors: Vec<String>,
    }
    let answer: HashMap<String, &RawValue> = parse(text)?;
    let mut wanted = Vec::with_capacity(answer.len());
    for change in asked {
        let Some(raw) = answer.get(change.id.as_str()) else { continue };
        let diff: Diff = serde_json::from_str(raw.get()).map_err(nonsense)?;
        let missing: Vec<RevId> = diff.missing.iter().filter_map(|rev| rev.parse().ok()).collect();
        let revs: Vec<RevId> =
            change.leaves.iter().filter(|rev| missing.contains(rev)).cloned().collect();
        if revs.is_empty() {
            continue;
        }
        let ancestors = diff.possible_ancestors.iter().filter_map(|rev| rev.parse().ok());
        let ancestors = ancestors.collect();
        wanted.push(Wanted { id: change.id.clone(), revs, ancestors, whole: false });
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Vec<Change> {
        let change = |id: &str, leaves: &[&str]| Change {
            id: id.parse().unwrap(),
            leaves: leaves.iter().map(|rev| rev.parse().unwrap()).collect(),
        };
        vec![change("a\"", &["2-x", "2-y"]), change("b", &["1-z"])]
    }

    fn check(answer: &str, expected: &str) {
        let found = match read(answer.as_bytes(), &asked()) {
            Err(_) => "nonsense".to_owned(),
            Ok(wanted) => wanted
                .iter()
                .map(|one| {
                    let text = |revs: &[RevId]| {
                        revs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                    };
                    format!("{}:{}<{};", one.id, text(&one.revs), text(&one.ancestors))
                })
                .collect(),
        };
        assert_eq!(found, expected, "{answer}");
    }

    #[test]
    fn asks_and_reads() {
        let question = String::from_utf8(question(&asked())).unwrap();
        assert_eq!(question, r#"{"a\"":["2-x","2-y"],"b":["1-z"]}"#);
        check("{}", "");
        check(r#"{"b":{"missing":["1-z"]}}"#, "b:1-z<;");
        check(
            r#"{"a\"":{"missing":["2-y"],"possible_ancestors":["1-w","bad"]},"b":{"missing":[]}}"#,
            "a\":2-y<1-w;",
        );
    }

    #[test]
    fn passes_over_what_was_not_asked() {
        check(r#"{"c":{"missing":["1-z"]},"b":{"missing":["9-q","x"]}}"#, "");
        for answer in ["", "[]", "null", r#"{"b":5}"#, r#"{"b":{"missing":5}}"#, r#"{"b""#] {
            check(answer, "nonsense");
        }
    }
}
