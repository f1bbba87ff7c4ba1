//! Which revisions a database lacks: what a replicator asks before it sends any.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value};
use store::json::write_string;
use store::{Database, DocId, RevId, Snapshot};

use super::call::blocking;
use super::row::write_revs;
use super::{Call, HttpError, Reply, json_body, reply};

/// Documents looked at in one snapshot.
const SNAPSHOT_DOCUMENTS: usize = 1000;

/// `POST /{db}/_revs_diff`
pub(crate) async fn revs_diff(call: Call) -> Result<Reply, HttpError> {
    answer(call, Form::RevsDiff).await
}

/// `POST /{db}/_missing_revs`
pub(crate) async fn missing_revs(call: Call) -> Result<Reply, HttpError> {
    answer(call, Form::MissingRevs).await
}

/// Which of the two answers is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    RevsDiff,
    MissingRevs,
}

async fn answer(call: Call, form: Form) -> Result<Reply, HttpError> {
    let database = call.database()?;
    let asked = parse(json_body::object(&call.headers, call.body).await?)?;
    let text = blocking(move || write(&database, &asked, form)).await?;
    Ok(reply::json_text(StatusCode::OK, text))
}

fn parse(body: Map<String, Value>) -> Result<Vec<(String, Vec<RevId>)>, HttpError> {
    let bad =
        || HttpError::BadRequest("Request body must map document ids to lists of revisions".into());
    body.into_iter()
        .map(|(id, revs)| {
            let Value::Array(revs) = revs else { return Err(bad()) };
            let rev = |rev: Value| Ok(rev.as_str().ok_or_else(bad)?.parse::<RevId>()?);
            Ok((id, revs.into_iter().map(rev).collect::<Result<_, HttpError>>()?))
        })
        .collect()
}

fn write(
    database: &Arc<Database>,
    asked: &[(String, Vec<RevId>)],
    form: Form,
) -> Result<Vec<u8>, HttpError> {
    let mut text = vec![];
    text.extend_from_slice(if form == Form::MissingRevs { b"{\"missing_revs\":{" } else { b"{" });
    let begun = text.len();
    for some in asked.chunks(SNAPSHOT_DOCUMENTS) {
        database.read(|snapshot| {
            for (id, revs) in some {
                let Some(lack) = lack(snapshot, id, revs)? else { continue };
                if text.len() > begun {
                    text.push(b',');
                }
                lack.write(id, form, &mut text);
            }
            Ok::<_, HttpError>(())
        })?;
    }
    text.extend_from_slice(if form == Form::MissingRevs { b"}}" } else { b"}" });
    Ok(text)
}

/// What a database lacks of a document.
struct Lack {
    missing: Vec<RevId>,
    /// Leaves from which one of those may descend.
    possible_ancestors: Vec<RevId>,
}

fn lack(snapshot: &Snapshot<'_>, id: &str, revs: &[RevId]) -> Result<Option<Lack>, HttpError> {
    let all = || Lack { missing: revs.to_vec(), possible_ancestors: vec![] };
    let found = |lack: Lack| Ok(Some(lack).filter(|lack| !lack.missing.is_empty()));
    // What cannot be an id is the id of no document here.
    let Ok(id) = id.parse::<DocId>() else { return found(all()) };
    // Most questions are about the winner alone, which is found without its tree.
    let head = snapshot.head(&id)?;
    if head.as_ref().is_some_and(|head| revs.iter().all(|rev| *rev == head.rev)) {
        return Ok(None);
    }
    let document = if head.is_some() { snapshot.tree(&id)? } else { None };
    let missing = snapshot.missing(&id, document.as_ref(), revs)?;
    let possible_ancestors = document.as_ref().map_or_else(Vec::new, |document| {
        let ancestors = document.tree.possible_ancestors(&missing).into_iter();
        ancestors.map(|node| document.tree.node(node).rev.clone()).collect()
    });
    found(Lack { missing: missing.into_iter().cloned().collect(), possible_ancestors })
}

impl Lack {
    fn write(&self, id: &str, form: Form, text: &mut Vec<u8>) {
        write_string(text, id);
        text.push(b':');
        match form {
            Form::MissingRevs => write_revs(text, &self.missing),
            Form::RevsDiff => {
                text.extend_from_slice(b"{\"missing\":");
                write_revs(text, &self.missing);
                if !self.possible_ancestors.is_empty() {
                    text.extend_from_slice(b",\"possible_ancestors\":");
                    write_revs(text, &self.possible_ancestors);
                }
                text.push(b'}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_questions() {
        let read = |text: &str| parse(serde_json::from_str(text).unwrap());
        let asked = read(r#"{"a":["1-x","2-y"],"_bad":[]}"#).unwrap();
        assert_eq!(asked.len(), 2);
        for (bad, reason) in [
            (r#"{"a":"1-x"}"#, "Request body must map document ids to lists of revisions"),
            (r#"{"a":[1]}"#, "Request body must map document ids to lists of revisions"),
            (r#"{"a":["x"]}"#, "Invalid rev format"),
        ] {
            assert_eq!(read(bad).unwrap_err().to_string(), reason);
        }
    }

    fn check(lack: &Lack, form: Form, expected: &str) {
        let mut text = vec![];
        lack.write("a", form, &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn writes_answers() {
        let revs = |list: &[&str]| list.iter().map(|rev| rev.parse().unwrap()).collect();
        let mut lack = Lack { missing: revs(&["2-x", "3-y"]), possible_ancestors: vec![] };
        check(&lack, Form::MissingRevs, r#""a":["2-x","3-y"]"#);
        check(&lack, Form::RevsDiff, r#""a":{"missing":["2-x","3-y"]}"#);
        lack.possible_ancestors = revs(&["1-z"]);
        check(
            &lack,
            Form::RevsDiff,
            r#""a":{"missing":["2-x","3-y"],"possible_ancestors":["1-z"]}"#,
        );
    }
}
