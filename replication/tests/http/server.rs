//! A small CouchDB over a database in memory, reached through pipes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming as RequestBody;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use replication::{
    BoxedIo, ChangesQuery, Connect, Feed, Filter, Leaves, LocalDatabase, LocalDocument, PeerError,
    PeerSeq, Revision, Wanted,
};
use serde_json::{Value, json};
use store::{Document, DocumentLimits, EditError, Lineage, Millis};

/// What every request must say.
pub(crate) const AUTHORIZATION: &str = "Basic YW5uYTpzJTNhZWNyZXQ=";

/// A small CouchDB.
pub(crate) struct Server {
    pub(crate) database: LocalDatabase,
    /// Whether it knows `_bulk_get`.
    pub(crate) bulk_get: AtomicBool,
    /// Requests answered with 503 before the next one is answered well.
    pub(crate) unavailable: Mutex<usize>,
    /// Methods and paths of the requests that came.
    pub(crate) seen: Mutex<Vec<String>>,
}

/// The way to a [`Server`].
pub(crate) struct Pipe(pub(crate) Arc<Server>);

type Answer = (u16, Bytes);

impl Server {
    pub(crate) fn new(database: LocalDatabase) -> Arc<Self> {
        Arc::new(Self {
            database,
            bulk_get: AtomicBool::new(true),
            unavailable: Mutex::new(0),
            seen: Mutex::default(),
        })
    }

    /// How many requests came whose line holds this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }
}

impl Connect for Pipe {
    fn connect(&self, _: Uri) -> Pin<Box<dyn Future<Output = io::Result<BoxedIo>> + Send>> {
        let server = Arc::clone(&self.0);
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.serve(request).await) }
        });
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(TokioIo::new(theirs), service));
        Box::pin(async move { Ok(Box::new(ours) as BoxedIo) })
    }
}

impl Server {
    async fn serve(&self, request: Request<RequestBody>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        self.seen.lock().unwrap().push(format!("{} {}", head.method, head.uri));
        let body = body.collect().await.unwrap().to_bytes();
        let authorized =
            head.headers.get(header::AUTHORIZATION).is_some_and(|value| value == AUTHORIZATION);
        let unavailable = {
            let mut left = self.unavailable.lock().unwrap();
            *left = left.saturating_sub(1);
            *left > 0
        };
        let (status, body) = match () {
            () if !authorized => refusal(401, "unauthorized", "Name or password is incorrect."),
            () if unavailable => refusal(503, "service_unavailable", "later"),
            () => self.answer(&head.method, &head.uri, &body),
        };
        Response::builder().status(status).body(Full::new(body)).unwrap()
    }

    fn answer(&self, method: &Method, uri: &Uri, body: &Bytes) -> Answer {
        let path = uri.path().strip_prefix("/prefix/my%2Fdb/").unwrap_or("?");
        let segments: Vec<String> = path.split('/').map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let options: HashMap<String, String> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), decode(value)))
            .collect();
        let json = || serde_json::from_slice::<Value>(body).unwrap();
        let result = match (method.as_str(), &segments[..]) {
            ("GET", [""]) => self.info(),
            ("PUT", [""]) => Ok(refusal(412, "file_exists", "exists")),
            ("POST", ["_ensure_full_commit"]) => {
                Ok((201, r#"{"ok":true,"instance_start_time":"7"}"#.into()))
            }
            ("GET", ["_local", id]) => self.read_local(id),
            ("PUT", ["_local", id]) => self.write_local(id, &json()),
            ("GET" | "POST", ["_changes"]) => self.changes(&options, body),
            ("POST", ["_revs_diff"]) => self.revs_diff(&json()),
            ("POST", ["_bulk_get"]) if self.bulk_get.load(Ordering::Relaxed) => {
                self.bulk_get(&json())
            }
            ("POST", ["_bulk_docs"]) => Ok(self.bulk_docs(&json())),
            ("GET", [id]) => self.open_revs(id, &options["open_revs"]),
            ("GET", ["_design", id]) => {
                self.open_revs(&format!("_design/{id}"), &options["open_revs"])
            }
            ("PUT", ["_design", _] | [_]) => Ok(match self.write(body) {
                Ok(()) => (201, r#"{"ok":true}"#.into()),
                Err(EditError::MissingStub { .. }) => refusal(412, "missing_stub", "?"),
                Err(error) => refusal(409, "conflict", &error.to_string()),
            }),
            ("GET", ["_design", id, name @ ..]) => {
                self.attachment(&format!("_design/{id}"), &options["rev"], &name.join("/"))
            }
            ("GET", [id, name @ ..]) => self.attachment(id, &options["rev"], &name.join("/")),
            _ => Ok(refusal(405, "method_not_allowed", "?")),
        };
        result.unwrap_or_else(|error| match error {
            PeerError::UnknownSeq(reason) => refusal(400, "bad_request", &reason),
            error => refusal(500, "internal_server_error", &error.to_string()),
        })
    }

    fn info(&self) -> Result<Answer, PeerError> {
        let update_seq = self.database.info()?.update_seq;
        let info = format!(r#"{{"update_seq":{update_seq},"instance_start_time":"7"}}"#);
        Ok((200, info.into()))
    }

    fn read_local(&self, id: &str) -> Result<Answer, PeerError> {
        let id = format!("_local/{id}").parse().unwrap();
        Ok(match self.database.local(&id)? {
            None => refusal(404, "not_found", "missing"),
            Some(local) => {
                let mut document: Value = serde_json::from_str(&local.body).unwrap();
                document["_id"] = json!(id.to_string());
                document["_rev"] = json!(local.rev);
                answer(200, &document)
            }
        })
    }

    fn write_local(&self, id: &str, document: &Value) -> Result<Answer, PeerError> {
        let id = format!("_local/{id}").parse().unwrap();
        let mut document = document.clone();
        let members = document.as_object_mut().unwrap();
        members.remove("_id");
        let rev = members.remove("_rev").and_then(|rev| Some(rev.as_str()?.to_owned()));
        let body = document.to_string();
        let rev = self.database.write_local(id, LocalDocument { rev, body })?;
        Ok(answer(201, &json!({"ok": true, "rev": rev})))
    }

    fn changes(&self, options: &HashMap<String, String>, body: &[u8]) -> Result<Answer, PeerError> {
        let since = &options["since"];
        let since = if since == "0" { since.clone() } else { format!("\"{since}\"") };
        let filter = match options.get("filter").map(String::as_str) {
            Some("_doc_ids") => {
                let body: Value = serde_json::from_slice(body).unwrap();
                let ids = body["doc_ids"].as_array().unwrap().iter();
                Filter::DocIds(ids.map(|id| id.as_str().unwrap().parse().unwrap()).collect())
            }
            _ => Filter::All,
        };
        let batch = self.database.changes(&ChangesQuery {
            since: PeerSeq::from_json(&since).unwrap(),
            limit: options["limit"].parse().unwrap(),
            feed: Feed::Normal,
            filter,
            leaves: match options["style"].as_str() {
                "main_only" => Leaves::Winner,
                _ => Leaves::All,
            },
        })?;
        let row = |change: &replication::Change| {
            let leaf = |rev: &store::RevId| json!({"rev": rev.to_string()});
            let leaves: Vec<Value> = change.leaves.iter().map(leaf).collect();
            json!({"seq": null, "id": change.id.to_string(), "changes": leaves})
        };
        let rows: Vec<Value> = batch.changes.iter().map(row).collect();
        let last_seq: Value = serde_json::from_str(batch.last_seq.as_json()).unwrap();
        let answered = json!({"results": rows, "last_seq": last_seq, "pending": batch.pending});
        Ok(answer(200, &answered))
    }

    fn revs_diff(&self, asked: &Value) -> Result<Answer, PeerError> {
        let change = |(id, revs): (&String, &Value)| replication::Change {
            id: id.parse().unwrap(),
            leaves: revs.as_array().unwrap().iter().map(parse_rev).collect(),
        };
        let asked: Vec<_> = asked.as_object().unwrap().iter().map(change).collect();
        let mut diff = json!({});
        for wanted in self.database.revs_diff(&asked)? {
            let text = |revs: &[store::RevId]| -> Vec<String> {
                revs.iter().map(ToString::to_string).collect()
            };
            diff[wanted.id.as_str()] = json!({
                "missing": text(&wanted.revs),
                "possible_ancestors": text(&wanted.ancestors),
            });
        }
        Ok(answer(200, &diff))
    }

    fn bulk_get(&self, asked: &Value) -> Result<Answer, PeerError> {
        let mut results = Vec::new();
        for one in asked["docs"].as_array().unwrap() {
            let id = one["id"].as_str().unwrap();
            let docs = self.revisions(id, vec![parse_rev(&one["rev"])])?;
            results.push(json!({"id": id, "docs": docs}));
        }
        Ok(answer(200, &json!({"results": results})))
    }

    fn open_revs(&self, id: &str, revs: &str) -> Result<Answer, PeerError> {
        let revs: Vec<Value> = serde_json::from_str(revs).unwrap();
        let found = self.revisions(id, revs.iter().map(parse_rev).collect())?;
        Ok(answer(200, &Value::from(found)))
    }

    fn revisions(&self, id: &str, revs: Vec<store::RevId>) -> Result<Vec<Value>, PeerError> {
        let id = id.parse().unwrap();
        let wanted = Wanted { id, revs, ancestors: vec![], whole: false };
        let fetched = self.database.revisions(&[wanted], usize::MAX)?;
        Ok(fetched.revisions.iter().map(|revision| json!({"ok": rendered(revision)})).collect())
    }

    fn attachment(&self, id: &str, rev: &str, name: &str) -> Result<Answer, PeerError> {
        let (id, rev) = (id.parse().unwrap(), rev.parse().unwrap());
        let (reader, described) = self.database.attachment(&id, &rev, name)?;
        let mut bytes = Vec::new();
        reader.decoded(&described).read_to_end(&mut bytes).unwrap();
        Ok((200, bytes.into()))
    }

    fn bulk_docs(&self, request: &Value) -> Answer {
        assert_eq!(request["new_edits"], false);
        let mut rows = Vec::new();
        for document in request["docs"].as_array().unwrap() {
            if document["forbidden"] == true {
                let row = json!({"id": document["_id"], "rev": document["_rev"],
                    "error": "forbidden", "reason": "no"});
                rows.push(row);
            } else {
                self.write(document.to_string().as_bytes()).unwrap();
            }
        }
        answer(201, &Value::from(rows))
    }

    fn write(&self, text: &[u8]) -> Result<(), EditError> {
        let document = Document::parse(text, DocumentLimits::default()).unwrap();
        let id = document.id.as_ref().unwrap().to_string().parse().unwrap();
        let lineage = Lineage::Path(document.revs.clone());
        let edit = document
            .into_edit(id, lineage, self.database.database(), &store::Compression::none())
            .unwrap();
        self.database.database().write(vec![edit], Millis(5)).unwrap().remove(0).map(|_| ())
    }
}

fn rendered(revision: &Revision) -> Value {
    let mut document: Value = serde_json::from_str(&revision.body).unwrap();
    let rev = revision.rev().unwrap();
    let ids: Vec<String> = revision.path.iter().map(|rev| rev.signature.to_string()).collect();
    document["_id"] = json!(revision.id.to_string());
    document["_rev"] = json!(rev.to_string());
    document["_revisions"] = json!({"start": rev.generation, "ids": ids});
    if revision.deleted {
        document["_deleted"] = json!(true);
    }
    for one in &revision.attachments {
        document["_attachments"][&one.name] = json!({"stub": true, "revpos": one.revpos,
            "content_type": one.content_type, "length": one.length, "digest": one.digest});
    }
    document
}

fn parse_rev(rev: &Value) -> store::RevId {
    rev.as_str().unwrap().parse().unwrap()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn answer(status: u16, body: &Value) -> Answer {
    (status, body.to_string().into())
}

fn refusal(status: u16, error: &str, reason: &str) -> Answer {
    answer(status, &json!({"error": error, "reason": reason}))
}
