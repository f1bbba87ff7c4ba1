//! Revisions from another server, many in one answer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

use serde::Deserialize;
use store::json::{ArrayMember, ArraySplitter, JsonError, write_string};

use super::open_revs::Found;
use super::{DOCUMENT_BYTES_MAX, HttpPeer, nonsense, parse};
use crate::{BulkGets, Fetched, PeerError, Wanted};

/// Bytes of one answer, even where a single document has very many leaves.
const DOCUMENTS_BYTES_MAX: usize = 256 << 20;

impl HttpPeer {
    pub(super) async fn fetch(
        &self,
        wanted: &[Wanted],
        bytes_max: usize,
    ) -> Result<Fetched, PeerError> {
        if !self.without_bulk_get.load(Ordering::Relaxed) {
            match self.bulk_get(wanted, bytes_max).await {
                Err(PeerError::Refused { status: status @ (400 | 404 | 405), .. }) => {
                    // One strange id may be at fault for a 400.
                    self.without_bulk_get.fetch_or(status != 400, Ordering::Relaxed);
                }
                result => return result,
            }
        }
        self.get_each(wanted, bytes_max).await
    }

    async fn bulk_get(&self, wanted: &[Wanted], bytes_max: usize) -> Result<Fetched, PeerError> {
        let path = "/_bulk_get?revs=true&latest=true&att_encoding_info=true";
        let mut reply = self.post("documents", path, question(wanted)).await?;
        let mut results = Results::new(wanted, bytes_max);
        while let Some(chunk) = reply.chunk().await? {
            if results.take(&chunk)? {
                return Ok(results.reader.into_fetched());
            }
        }
        results.finish()
    }
}

fn question(wanted: &[Wanted]) -> Vec<u8> {
    let mut json = Vec::with_capacity(wanted.len() * 96);
    json.extend_from_slice(b"{\"docs\":[");
    let mut first = true;
    for one in wanted {
        for rev in &one.revs {
            if !std::mem::take(&mut first) {
                json.push(b',');
            }
            json.extend_from_slice(b"{\"id\":");
            write_string(&mut json, one.id.as_str());
            json.extend_from_slice(b",\"rev\":");
            write_string(&mut json, &rev.to_string());
            json.push(b'}');
        }
    }
    json.extend_from_slice(b"]}");
    json
}

/// The answer to `_bulk_get` as it comes in.
struct Results<'a> {
    splitter: ArraySplitter,
    reader: Reader<'a>,
    bytes: usize,
}

/// Reads the elements of the answer.
struct Reader<'a> {
    wanted: &'a [Wanted],
    places: HashMap<&'a str, usize>,
    answered: Vec<bool>,
    last: Option<usize>,
    bytes: usize,
    bytes_max: usize,
    fetched: Fetched,
}

/// Why reading an answer ends before the answer does.
enum Halt {
    Full,
    Problem(PeerError),
}

impl From<JsonError> for Halt {
    fn from(error: JsonError) -> Self {
        Self::Problem(match error {
            JsonError::ElementTooLarge => PeerError::TooLarge("a document".into()),
            error => nonsense(error),
        })
    }
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    docs: Vec<Found<'a>>,
}

impl<'a> Results<'a> {
    fn new(wanted: &'a [Wanted], bytes_max: usize) -> Self {
        let places = wanted.iter().enumerate().map(|(at, one)| (one.id.as_str(), at)).collect();
        let reader = Reader {
            wanted,
            places,
            answered: vec![false; wanted.len()],
            last: None,
            bytes: 0,
            bytes_max,
            fetched: Fetched::default(),
        };
        Self { splitter: ArraySplitter::new("results", DOCUMENT_BYTES_MAX), reader, bytes: 0 }
    }

    /// Takes the next part; whether enough has come.
    fn take(&mut self, chunk: &[u8]) -> Result<bool, PeerError> {
        self.bytes += chunk.len();
        if self.bytes > DOCUMENTS_BYTES_MAX {
            return Err(PeerError::TooLarge("the leaves of one document".into()));
        }
        match self.splitter.push(chunk, |row| self.reader.read(row)) {
            Ok(()) => Ok(false),
            Err(Halt::Full) => Ok(true),
            Err(Halt::Problem(error)) => Err(error),
        }
    }

    fn finish(self) -> Result<Fetched, PeerError> {
        let rest = self.splitter.finish().map_err(nonsense)?;
        if rest.array != ArrayMember::Split || self.reader.answered.contains(&false) {
            return Err(nonsense("fewer documents than were asked for"));
        }
        Ok(self.reader.into_fetched())
    }
}

impl Reader<'_> {
    fn into_fetched(self) -> Fetched {
        let Self { wanted, answered, mut fetched, .. } = self;
        let unanswered = wanted.iter().zip(answered).filter(|(_, answered)| !answered);
        fetched.unanswered = unanswered.map(|(one, _)| one.clone()).collect();
        fetched.bulk = BulkGets { attempts: 1, docs: fetched.revisions.len() as u64 };
        fetched
    }

    fn read(&mut self, row: &[u8]) -> Result<(), Halt> {
        let parsed: Row<'_> = parse(row).map_err(Halt::Problem)?;
        let place = self.places.get(&*parsed.id).copied();
        let place = place.ok_or_else(|| Halt::Problem(nonsense("a document not asked for")))?;
        // Several rows may answer for one document; they stand together.
        if self.bytes >= self.bytes_max && self.last != Some(place) {
            return Err(Halt::Full);
        }
        self.bytes += row.len();
        self.last = Some(place);
        self.answered[place] = true;
        for found in parsed.docs {
            found.add(&self.wanted[place], &mut self.fetched).map_err(Halt::Problem)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn wanted() -> Vec<Wanted> {
        let one = |id: &str, revs: &[&str]| Wanted {
            id: id.parse().unwrap(),
            revs: revs.iter().map(|rev| rev.parse().unwrap()).collect(),
            ancestors: vec![],
            whole: false,
        };
        vec![one("a", &["1-x", "1-y"]), one("b", &["1-z"])]
    }

    fn ok(id: &str, rev: &str) -> String {
        let revisions = format!(r#""_rev":"1-{rev}","_revisions":{{"start":1,"ids":["{rev}"]}}"#);
        format!(r#"{{"ok":{{"_id":"{id}",{revisions}}}}}"#)
    }

    fn row(id: &str, docs: &[String]) -> String {
        format!(r#"{{"id":"{id}","docs":[{}]}}"#, docs.join(","))
    }

    fn read(answer: &str, bytes_max: usize, piece: usize) -> Result<Fetched, PeerError> {
        let wanted = wanted();
        let mut results = Results::new(&wanted, bytes_max);
        for chunk in answer.as_bytes().chunks(piece) {
            if results.take(chunk)? {
                return Ok(results.reader.into_fetched());
            }
        }
        results.finish()
    }

    fn check(rows: &[String], bytes_max: usize, expected: &str) {
        let answer = format!(r#"{{"results":[{}]}}"#, rows.join(",\n"));
        for piece in [1, 10, answer.len()] {
            let found = match read(&answer, bytes_max, piece) {
                Err(error) => error.to_string(),
                Ok(fetched) => format!(
                    "{} read, {} missing, {} refused, {} unanswered",
                    fetched.revisions.len(),
                    fetched.missing,
                    fetched.refused,
                    fetched.unanswered.len()
                ),
            };
            assert_eq!(found, expected, "{answer}");
        }
    }

    #[test]
    fn reads_what_servers_answer() {
        // CouchDB: one row for each revision; PouchDB: one for each document.
        let (x, y, z) = (ok("a", "x"), ok("a", "y"), ok("b", "z"));
        let each = [("a", &x), ("a", &y), ("b", &z)].map(|(id, doc)| row(id, from_ref(doc)));
        check(&each, 9999, "3 read, 0 missing, 0 refused, 0 unanswered");
        check(
            &[row("b", from_ref(&z)), row("a", &[x, y])],
            9999,
            "3 read, 0 missing, 0 refused, 0 unanswered",
        );
        let gone = r#"{"error":{"id":"a","rev":"1-x","error":"not_found","reason":"missing"}}"#;
        let no = r#"{"error":{"error":"forbidden","reason":"no"}}"#;
        check(
            &[row("a", &[gone.into(), no.into()]), row("b", &[z])],
            9999,
            "1 read, 1 missing, 1 refused, 0 unanswered",
        );
    }

    #[test]
    fn stops_between_documents() {
        let (x, y, z) = (ok("a", "x"), ok("a", "y"), ok("b", "z"));
        let rows = [row("a", &[x]), row("a", &[y]), row("b", &[z])];
        check(&rows, 1, "2 read, 0 missing, 0 refused, 1 unanswered");
        check(&rows, 150, "2 read, 0 missing, 0 refused, 1 unanswered");
    }

    #[test]
    fn hostile_answers_are_refused() {
        let prefix = "the peer's answer makes no sense: ";
        check(&[], 9999, &format!("{prefix}fewer documents than were asked for"));
        check(&[row("c", &[])], 9999, &format!("{prefix}a document not asked for"));
        check(
            &[row("a", &[ok("b", "x")])],
            9999,
            &format!("{prefix}a document under another's id"),
        );
        let down = r#"{"error":{"error":"timeout","reason":"slow"}}"#;
        check(&[row("a", &[down.into()])], 9999, "answered 200: timeout: slow");
        for answer in ["", "{}", "[]", r#"{"results":{}}"#, r#"{"results":[5]}"#, r#"{"results":["#]
        {
            assert!(read(answer, 9999, 3).is_err(), "{answer}");
        }
        let deep = format!(r#"{{"results":[{{"id":"a","docs":{}"#, "[".repeat(1 << 20));
        assert!(read(&deep, 9999, 4096).is_err());
        let row = format!(r#"{{"id":"a","docs":{}{}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert!(read(&format!(r#"{{"results":[{row}]}}"#), 9999, 4096).is_err());
    }

    #[test]
    fn asks_for_every_revision() {
        let question = String::from_utf8(question(&wanted())).unwrap();
        assert_eq!(
            question,
            r#"{"docs":[{"id":"a","rev":"1-x"},{"id":"a","rev":"1-y"},{"id":"b","rev":"1-z"}]}"#
        );
    }
}
