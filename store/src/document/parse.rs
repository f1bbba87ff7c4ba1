//! The text of a document, as clients send it, taken apart.

use serde::Deserialize;

use super::{BodyText, DocError, Following, ParsedAttachment, ParsedContent, attachments};
use crate::{
    Compression, Content, Database, DocId, DocIdError, Edit, Error, Intake, Lineage, LocalId,
    NewAttachment, RevId, Signature, Staged, json,
};

/// How large a document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentLimits {
    /// Bytes of its body, attachments not counted.
    pub body_bytes_max: u64,
    /// Bytes of each attachment.
    pub attachment_bytes_max: u64,
}

/// CouchDB's `max_document_size` and `max_attachment_size`.
impl Default for DocumentLimits {
    fn default() -> Self {
        Self { body_bytes_max: 8_000_000, attachment_bytes_max: 1 << 30 }
    }
}

/// Most revisions that `_revisions` may list: a hundred times CouchDB's `revs_limit`, whose owner
/// may have raised it.
const REVISIONS_MAX: usize = 100_000;

/// A document as a client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// `_id`.
    pub id: Option<DocumentId>,
    /// The revision it names and its ancestors, newest first: `_revisions`, else `_rev` alone;
    /// empty when it names none.
    pub revs: Vec<RevId>,
    /// `_deleted`.
    pub deleted: bool,
    /// `_attachments`.
    pub attachments: Vec<ParsedAttachment>,
    /// The JSON object without the members above, compacted.
    pub body: BodyText,
}

/// The id a document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentId {
    /// A replicated document's.
    Replicated(DocId),
    /// A local document's.
    Local(LocalId),
}

impl Document {
    /// Reads the text of one document.
    ///
    /// # Errors
    /// [`DocError`] when it is not JSON, breaks one of CouchDB's rules for documents, or is larger
    /// than `limits` allow.
    pub fn parse(text: &[u8], limits: DocumentLimits) -> Result<Self, DocError> {
        let document = Self::parse_first_part(text, limits)?;
        let follows = document.following().next().map(|(name, _)| name.to_owned());
        follows.map_or(Ok(document), |name| Err(DocError::AttachmentFollows(name)))
    }

    /// Reads the text of one document whose attachments may follow it in later parts.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_first_part(text: &[u8], limits: DocumentLimits) -> Result<Self, DocError> {
        let json::Scanned { mut body, members } = json::scan_document(text)?;
        let mut document = Self {
            id: None,
            revs: Vec::new(),
            deleted: false,
            attachments: Vec::new(),
            body: BodyText::from(""),
        };
        let mut revisions = None;
        for (name, raw) in members {
            match name.as_str() {
                "_id" => document.id = Some(parse_id(&raw)?),
                "_rev" => document.revs = vec![parse_rev(&raw)?],
                "_revisions" => revisions = Some(parse_revisions(&raw)?),
                "_deleted" if raw == "true" => document.deleted = true,
                "_deleted" if raw == "false" => document.deleted = false,
                "_attachments" => {
                    let parsed = attachments::parse(&raw);
                    document.attachments = parsed.ok_or(DocError::Member(name))??;
                }
                // What reading shows may be sent back.
                "_revs_info" | "_conflicts" | "_deleted_conflicts" | "_local_seq" => {}
                // What CouchDB's replicator writes into its own documents stays part of them.
                "_replication_id"
                | "_replication_state"
                | "_replication_state_time"
                | "_replication_state_reason"
                | "_replication_stats" => append_member(&mut body, &name, &raw),
                _ => return Err(DocError::Member(name)),
            }
        }
        if let Some(revisions) = revisions {
            document.revs = revisions;
        }
        document.body = body.into();
        document.check_sizes(limits)?;
        Ok(document)
    }

    fn check_sizes(&self, limits: DocumentLimits) -> Result<(), DocError> {
        if self.body.len() as u64 > limits.body_bytes_max {
            let id = self.id.as_ref().map(ToString::to_string);
            return Err(DocError::TooLarge(id.unwrap_or_default()));
        }
        let too_large = self.attachments.iter().find(|attachment| match &attachment.content {
            ParsedContent::Stub | ParsedContent::Follows(_) => false,
            ParsedContent::Inline(bytes) => bytes.len() as u64 > limits.attachment_bytes_max,
        });
        too_large
            .map_or(Ok(()), |attachment| Err(DocError::AttachmentTooLarge(attachment.name.clone())))
    }

    /// The attachments that follow in later parts, in order, each with its name.
    pub fn following(&self) -> impl Iterator<Item = (&str, &Following)> {
        self.attachments.iter().filter_map(|attachment| match &attachment.content {
            ParsedContent::Follows(following) => Some((attachment.name.as_str(), following)),
            ParsedContent::Stub | ParsedContent::Inline(_) => None,
        })
    }

    /// The edit that writes this document under `id`, its inline attachments staged, and compressed
    /// where `compression` says.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn into_edit(
        self,
        id: DocId,
        lineage: Lineage,
        database: &Database,
        compression: &Compression,
    ) -> Result<Edit, Error> {
        self.into_edit_with(id, lineage, database, compression, Vec::new())
    }

    /// As [`Self::into_edit`], with what came in later parts: one for each of [`Self::following`],
    /// in its order. One that did not come counts as a stub.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn into_edit_with(
        self,
        id: DocId,
        lineage: Lineage,
        database: &Database,
        compression: &Compression,
        followed: Vec<Staged>,
    ) -> Result<Edit, Error> {
        if let Lineage::Child(_) = lineage {
            // Its revision id will want it, and here nobody waits for a commit.
            self.body.hash();
        }
        let mut followed = followed.into_iter();
        let attachments = self.attachments.into_iter().map(|attachment| {
            let content = match attachment.content {
                ParsedContent::Stub => Content::Stub,
                ParsedContent::Inline(bytes) => {
                    let content_type = attachment.content_type.as_deref();
                    let intake = compression.intake(content_type.unwrap_or_default());
                    stage(&bytes, database, intake)?
                }
                ParsedContent::Follows(_) => followed.next().map_or(Content::Stub, Content::Staged),
            };
            Ok(NewAttachment {
                name: attachment.name,
                content_type: attachment.content_type,
                revpos: attachment.revpos,
                content,
            })
        });
        Ok(Edit {
            id,
            lineage,
            deleted: self.deleted,
            attachments: attachments.collect::<Result<_, Error>>()?,
            body: self.body,
        })
    }
}

impl std::fmt::Display for DocumentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replicated(id) => id.fmt(f),
            Self::Local(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for DocumentId {
    type Err = DocIdError;

    fn from_str(text: &str) -> Result<Self, DocIdError> {
        if text.starts_with("_local/") {
            text.parse().map(Self::Local)
        } else {
            text.parse().map(Self::Replicated)
        }
    }
}

fn stage(bytes: &[u8], database: &Database, intake: Intake) -> Result<Content, Error> {
    let mut writer = database.stage(bytes.len() as u64, intake)?;
    std::io::Write::write_all(&mut writer, bytes).map_err(Error::io("stage an attachment"))?;
    Ok(Content::Staged(writer.finish()?))
}

fn parse_id(raw: &str) -> Result<DocumentId, DocError> {
    let id: String = serde_json::from_str(raw).map_err(|_| DocError::IdNotText)?;
    Ok(id.parse()?)
}

fn parse_rev(raw: &str) -> Result<RevId, DocError> {
    let rev: String = serde_json::from_str(raw).map_err(|_| crate::ParseRevError)?;
    Ok(rev.parse()?)
}

fn parse_revisions(raw: &str) -> Result<Vec<RevId>, DocError> {
    #[derive(Deserialize)]
    struct Revisions {
        #[serde(default)]
        start: serde_json::Value,
        #[serde(default)]
        ids: serde_json::Value,
    }
    let refuse = |reason| Err(DocError::Revisions(reason));
    // An array would do for the struct, too.
    let object = Some(raw).filter(|raw| raw.starts_with('{'));
    let Some(Revisions { start, ids }) = object.and_then(|raw| serde_json::from_str(raw).ok())
    else {
        return Err(DocError::Member("_revisions".into()));
    };
    let Some(start) = start.as_u64() else {
        return refuse("_revisions.start isn't an integer.");
    };
    let serde_json::Value::Array(ids) = ids else {
        return refuse("_revisions.ids isn't a array.");
    };
    if ids.len() > REVISIONS_MAX {
        return refuse("_revisions.ids has too many revisions.");
    }
    let generations = (1..=start).rev();
    if (ids.len() as u64) > start {
        return refuse("_revisions.ids has more revisions than _revisions.start.");
    }
    let revision = |(id, generation): (&serde_json::Value, u64)| {
        let text = id.as_str().ok_or(DocError::Revisions("RevId isn't a string"))?;
        let signature = Signature::parse(text)
            .map_err(|_| DocError::Revisions("RevId isn't a valid hexadecimal"))?;
        Ok(RevId { generation, signature })
    };
    ids.iter().zip(generations).map(revision).collect()
}

/// Appends a member to a compacted object.
fn append_member(body: &mut String, name: &str, raw: &str) {
    body.pop();
    if body.len() > 1 {
        body.push(',');
    }
    body.push('"');
    body.push_str(name);
    body.push_str("\":");
    body.push_str(raw);
    body.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DocumentLimits =
        DocumentLimits { body_bytes_max: 200, attachment_bytes_max: 3000 };

    fn check(text: &str, expected: &str) {
        let shown = match Document::parse(text.as_bytes(), LIMITS) {
            Err(error) => error.to_string(),
            Ok(document) => {
                let id = document.id.map(|id| id.to_string()).unwrap_or_default();
                let revs: Vec<_> = document.revs.iter().map(ToString::to_string).collect();
                let deleted = if document.deleted { " deleted" } else { "" };
                format!("{id}[{}]{deleted}{}", revs.join(","), &*document.body)
            }
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn takes_documents_apart() {
        check("{}", "[]{}");
        check(r#" {"_id":"a", "x": 1.50} "#, r#"a[]{"x":1.50}"#);
        check(r#"{"x":1,"_id":"é","_rev":"1-a","y":2}"#, r#"é[1-a]{"x":1,"y":2}"#);
        check(r#"{"_id":"_design/d","_deleted":true}"#, "_design/d[] deleted{}");
        check(r#"{"_id":"_local/d","_deleted":false}"#, "_local/d[]{}");
        check(r#"{"_revs_info":1,"_conflicts":[],"_deleted_conflicts":0,"_local_seq":9}"#, "[]{}");
        check(r#"{"_replication_state":"ok"}"#, r#"[]{"_replication_state":"ok"}"#);
        check(r#"{"a":1,"_replication_id":"x"}"#, r#"[]{"a":1,"_replication_id":"x"}"#);
    }

    #[test]
    fn revisions_win_over_rev() {
        let revisions = r#""_revisions":{"start":3,"ids":["c","b"]}"#;
        check(&format!("{{{revisions}}}"), "[3-c,2-b]{}");
        check(&format!(r#"{{"_rev":"9-z",{revisions}}}"#), "[3-c,2-b]{}");
        check(&format!(r#"{{{revisions},"_rev":"9-z"}}"#), "[3-c,2-b]{}");
    }

    #[test]
    fn refuses_with_couchdbs_words() {
        check(r#"{"_id":5}"#, "Document id must be a string");
        check(r#"{"_id":""}"#, "Document id must not be empty");
        check(r#"{"_id":"_x"}"#, "Only reserved document ids may start with underscore.");
        check(r#"{"_rev":"x"}"#, "Invalid rev format");
        check(r#"{"_rev":null}"#, "Invalid rev format");
        check(r#"{"_foo":1}"#, "Bad special document member: _foo");
        check(r#"{"_deleted":1}"#, "Bad special document member: _deleted");
        check(r#"{"_attachments":[]}"#, "Bad special document member: _attachments");
        check(r#"{"_revisions":[]}"#, "Bad special document member: _revisions");
        let revisions = |inside: &str| format!(r#"{{"_revisions":{inside}}}"#);
        check(&revisions("{}"), "_revisions.start isn't an integer.");
        check(&revisions(r#"{"start":1}"#), "_revisions.ids isn't a array.");
        check(&revisions(r#"{"start":1,"ids":[1]}"#), "RevId isn't a string");
        check(
            &revisions(r#"{"start":1,"ids":["b","a"]}"#),
            "_revisions.ids has more revisions than _revisions.start.",
        );
    }

    #[test]
    fn attachments_follow_in_later_parts_only() {
        let text = r#"{"_attachments":{"a":{"follows":true,"length":3},"b":{"stub":true}}}"#;
        check(text, "Attachment a follows, but the request is not multipart/related");
        let document = Document::parse_first_part(text.as_bytes(), LIMITS).unwrap();
        let names: Vec<_> = document.following().map(|(name, _)| name).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn measures_body_and_attachments_apart() {
        let body = format!(r#""x":"{}""#, "x".repeat(192));
        let attachments = |encoded: &str| {
            let data = encoded.repeat(1000);
            format!(r#""_attachments":{{"a":{{"data":"{data}"}},"b":{{"stub":true}}}}"#)
        };
        check(
            &format!(r#"{{"_id":"i",{body},{}}}"#, attachments("aaaa")),
            &format!("i[]{{{body}}}"),
        );
        check(&format!(r#"{{"_id":"i",{body},"y":1}}"#), "i");
        check(&format!(r#"{{"_id":"i",{}}}"#, attachments("aaaaaaaa")), "a");
    }
}
