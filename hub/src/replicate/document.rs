//! Documents of replicator databases: on their way in, and what the replicator writes into them.
//!
//! Source: `couch_replicator_docs`.

use serde_json::{Map, Value, json};
use store::{
    BodyText, Content, Database, DocId, Edit, Error, Lineage, Millis, NewAttachment, RevId,
};

use crate::access::Principal;
use crate::clock::iso8601;
use crate::http::HttpError;

/// Members that the replicator writes.
const WRITTEN: [&str; 5] = [
    "_replication_id",
    "_replication_state",
    "_replication_state_reason",
    "_replication_state_time",
    "_replication_stats",
];

/// Whether documents of the database of this name begin replications.
pub(crate) fn is_replicator(database: &str) -> bool {
    database == "_replicator" || database.ends_with("/_replicator")
}

/// Checks a document that somebody writes into a database, and notes its owner, where the database
/// is a replicator's; any other database takes what it likes.
pub(crate) fn admit(
    database: &str,
    principal: &Principal,
    id: &DocId,
    deleted: bool,
    body: &mut BodyText,
) -> Result<(), HttpError> {
    if !is_replicator(database) || id.is_design() {
        return Ok(());
    }
    if !principal.is_admin() {
        return Err(HttpError::Forbidden);
    }
    let parsed: Map<String, Value> = serde_json::from_str(body)
        .map_err(|_| HttpError::BadRequest("invalid UTF-8 JSON".into()))?;
    if !deleted && parsed.get("_replication_state") != Some(&json!("failed")) {
        check(&parsed).map_err(HttpError::ForbiddenBecause)?;
    }
    // Whom it belongs to stays as whoever may do everything wrote it.
    if !deleted && parsed.get("owner").is_none_or(Value::is_null) {
        let owner = json!({"owner": principal.name()}).to_string();
        let joined = match (body.strip_suffix('}'), owner.strip_prefix('{')) {
            (Some("{"), Some(_)) => owner,
            (Some(front), Some(back)) => format!("{front},{back}"),
            _ => return Ok(()),
        };
        // An owner that was null gives way.
        *body = store::json::compact(joined.as_bytes())?.into();
    }
    Ok(())
}

/// CouchDB's validation of replication documents, to the letter.
fn check(body: &Map<String, Value>) -> Result<(), &'static str> {
    macro_rules! endpoint {
        ($side:literal) => {
            match body.get($side) {
                Some(Value::String(_)) => {}
                Some(Value::Object(members)) => {
                    let url = members.get("url").and_then(Value::as_str);
                    if url.is_none_or(str::is_empty) {
                        return Err(concat!(
                            "The url property must exist in the `",
                            $side,
                            "' field and must be a non-empty string."
                        ));
                    }
                    if !members.get("auth").is_none_or(is_object) {
                        return Err(concat!("`", $side, ".auth' must be a non-null object."));
                    }
                    if !members.get("headers").is_none_or(is_object) {
                        return Err(concat!("`", $side, ".headers' must be a non-null object."));
                    }
                }
                _ => {
                    return Err(concat!(
                        "The `",
                        $side,
                        "' property must exist and be either a string or an object."
                    ));
                }
            }
        };
    }
    endpoint!("source");
    endpoint!("target");
    let given = |name: &str| body.get(name);
    if !given("create_target").is_none_or(Value::is_boolean) {
        return Err("The `create_target' field must be a boolean.");
    }
    if !given("continuous").is_none_or(Value::is_boolean) {
        return Err("The `continuous' field must be a boolean.");
    }
    if !given("doc_ids").is_none_or(Value::is_array) {
        return Err("The `doc_ids' field must be an array of strings.");
    }
    if !given("selector").is_none_or(is_object) {
        return Err("The `selector' field must be an object.");
    }
    if given("filter").is_some_and(|filter| filter.as_str().is_none_or(str::is_empty)) {
        return Err("The `filter' field must be a non-empty string.");
    }
    if given("doc_ids").is_some() && given("selector").is_some() {
        return Err("`doc_ids' field is incompatible with `selector'.");
    }
    let chosen = given("doc_ids").is_some() || given("selector").is_some();
    if chosen && given("filter").is_some() {
        return Err("`filter' field is incompatible with `selector' and `doc_ids'.");
    }
    if !given("query_params").is_none_or(is_object) {
        return Err("The `query_params' field must be an object.");
    }
    given("user_ctx").map_or(Ok(()), check_user)
}

/// The members of `user_ctx`; what is nothing to JavaScript is nothing here.
fn check_user(user: &Value) -> Result<(), &'static str> {
    let user = match user {
        Value::Null | Value::Bool(false) => return Ok(()),
        Value::Object(user) => user,
        _ => return Err("The `user_ctx' property must be a non-null object."),
    };
    match user.get("name") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) if !name.is_empty() => {}
        Some(_) => return Err("The `user_ctx.name' property must be a non-empty string or null."),
    }
    match user.get("roles") {
        None | Some(Value::Null | Value::Bool(false) | Value::Array(_)) => Ok(()),
        Some(_) => Err("The `user_ctx.roles' property must be an array of strings."),
    }
}

fn is_object(value: &Value) -> bool {
    value.is_object()
}

/// How a document's replication ended, for good.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// Everything was replicated, under this id, with these counts.
    Completed { id: String, stats: Value },
    /// The document describes no replication that could run.
    Failed { reason: String },
}

impl End {
    fn members(&self, now: Millis) -> Vec<(&'static str, Value)> {
        let time = ("_replication_state_time", json!(iso8601(now)));
        match self {
            Self::Completed { id, stats } => vec![
                ("_replication_state", json!("completed")),
                time,
                ("_replication_id", json!(id)),
                ("_replication_stats", stats.clone()),
            ],
            Self::Failed { reason } => vec![
                ("_replication_state", json!("failed")),
                time,
                ("_replication_state_reason", json!(reason)),
            ],
        }
    }
}

/// Writes the end into the document, unless it was edited since `rev`: then the edit counts. May
/// block.
pub(super) fn write_end(
    database: &Database,
    id: &DocId,
    rev: &RevId,
    end: &End,
    now: Millis,
) -> Result<(), Error> {
    let stored = database.read(|snapshot| {
        let head = snapshot.head(id)?.filter(|head| head.rev == *rev && !head.deleted);
        match head {
            Some(head) => snapshot.body(head.body),
            None => Ok(None),
        }
    })?;
    let Some(stored) = stored else { return Ok(()) };
    let Some(body) = with_end(&stored.json, end, now) else { return Ok(()) };
    let attachment = |attachment: store::Attachment| NewAttachment {
        name: attachment.name,
        content_type: None,
        revpos: None,
        content: Content::Stub,
    };
    let edit = Edit {
        id: id.clone(),
        lineage: Lineage::Child(Some(rev.clone())),
        deleted: false,
        body: body.into(),
        attachments: stored.attachments.into_iter().map(attachment).collect(),
    };
    for edited in database.write(vec![edit], now)? {
        if let Err(error) = edited {
            tracing::debug!(%error, "a replication document was edited meanwhile");
        }
    }
    Ok(())
}

/// The body with what the replicator writes, and without what it wrote earlier.
fn with_end(body: &str, end: &End, now: Millis) -> Option<String> {
    let scanned = store::json::scan_document(body.as_bytes()).ok()?;
    let kept = scanned.members.into_iter().filter(|(name, _)| !WRITTEN.contains(&name.as_str()));
    let written =
        end.members(now).into_iter().map(|(name, value)| (name.to_owned(), value.to_string()));
    let mut text = scanned.body.strip_suffix('}')?.to_owned();
    for (name, raw) in kept.chain(written) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&json!(name).to_string());
        text.push(':');
        text.push_str(&raw);
    }
    text.push('}');
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(database: &str, body: &Value) -> Result<String, String> {
        let mut text = BodyText::from(body.to_string());
        let id = "a".parse().unwrap();
        match admit(database, &Principal::Owner, &id, false, &mut text) {
            Ok(()) => Ok(text.into_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A document that is whole but for one member.
    fn check_refused(member: &str, value: &Value, reason: &str) {
        let mut body = json!({"source": "a", "target": {"url": "http://h/b"}});
        body[member] = value.clone();
        assert_eq!(admitted("_replicator", &body), Err(reason.into()), "{member}: {value}");
        // Nobody asks elsewhere, nor of what has failed already.
        assert_eq!(admitted("replicator", &body), Ok(body.to_string()));
        body["_replication_state"] = "failed".into();
        admitted("x/_replicator", &body).unwrap();
    }

    #[test]
    fn wrong_members_are_refused_in_couchdbs_words() {
        let side = "The `source' property must exist and be either a string or an object.";
        check_refused("source", &Value::Null, side);
        check_refused("source", &json!(5), side);
        check_refused(
            "target",
            &json!({"url": ""}),
            "The url property must exist in the `target' field and must be a non-empty string.",
        );
        for (member, value, reason) in [
            ("source", json!({"url": "u", "auth": 1}), "`source.auth' must be a non-null object."),
            (
                "target",
                json!({"url": "u", "headers": null}),
                "`target.headers' must be a non-null object.",
            ),
            ("create_target", json!("yes"), "The `create_target' field must be a boolean."),
            ("continuous", json!(1), "The `continuous' field must be a boolean."),
            ("doc_ids", json!("x"), "The `doc_ids' field must be an array of strings."),
            ("selector", json!([]), "The `selector' field must be an object."),
            ("filter", json!(""), "The `filter' field must be a non-empty string."),
            ("query_params", json!(null), "The `query_params' field must be an object."),
            ("user_ctx", json!("me"), "The `user_ctx' property must be a non-null object."),
            (
                "user_ctx",
                json!({"name": ""}),
                "The `user_ctx.name' property must be a non-empty string or null.",
            ),
            (
                "user_ctx",
                json!({"roles": "all"}),
                "The `user_ctx.roles' property must be an array of strings.",
            ),
        ] {
            check_refused(member, &value, reason);
        }
        let body = json!({"source": "a", "target": "b", "doc_ids": [], "selector": {}});
        let reason = "`doc_ids' field is incompatible with `selector'.";
        assert_eq!(admitted("_replicator", &body), Err(reason.into()));
        let body = json!({"source": "a", "target": "b", "doc_ids": [], "filter": "a/b"});
        let reason = "`filter' field is incompatible with `selector' and `doc_ids'.";
        assert_eq!(admitted("_replicator", &body), Err(reason.into()));
    }

    #[test]
    fn a_document_without_an_owner_gets_one() {
        let owner = |body: Value| -> Value {
            serde_json::from_str(&admitted("_replicator", &body).unwrap()).unwrap()
        };
        let body = json!({"source": "a", "target": "b", "owner": null});
        assert_eq!(owner(body)["owner"], "owner");
        assert_eq!(owner(json!({"source": "a", "target": "b"}))["owner"], "owner");
        assert_eq!(owner(json!({"source": "a", "target": "b", "owner": "me"}))["owner"], "me");
        let mut deleted = BodyText::from("{}");
        let id = "a".parse().unwrap();
        admit("_replicator", &Principal::Owner, &id, true, &mut deleted).unwrap();
        assert_eq!(&*deleted, "{}");
        let error = admit("_replicator", &Principal::Anonymous, &id, true, &mut deleted);
        assert!(matches!(error, Err(HttpError::Forbidden)));
    }

    #[test]
    fn the_end_replaces_what_was_written_earlier() {
        let body = r#"{"source":"a","n":1.0,"_replication_state":"failed","_replication_state_reason":"x"}"#;
        let end = End::Completed { id: "i".into(), stats: json!({"docs_read": 1}) };
        assert_eq!(
            with_end(body, &end, Millis(0)).unwrap(),
            concat!(
                r#"{"source":"a","n":1.0,"_replication_state":"completed","#,
                r#""_replication_state_time":"1970-01-01T00:00:00Z","_replication_id":"i","#,
                r#""_replication_stats":{"docs_read":1}}"#,
            )
        );
        let end = End::Failed { reason: "\"".into() };
        assert_eq!(
            with_end("{}", &end, Millis(0)).unwrap(),
            concat!(
                r#"{"_replication_state":"failed","_replication_state_time":"#,
                r#""1970-01-01T00:00:00Z","_replication_state_reason":"\""}"#,
            )
        );
    }
}
