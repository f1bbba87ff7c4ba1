//! Being let in over the control socket.

#![allow(clippy::unwrap_used, reason = "a failed call is a failed test")]

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use larder_client::{AppKey, ControlError, EnrolError, Enrolment, Grant, Hub};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;

/// A hub that can only be asked to let somebody in, and gives these answers, each once.
struct Stand {
    folder: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stand {
    fn start(answers: Vec<(u16, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        fs::set_permissions(&run, Permissions::from_mode(0o700)).unwrap();
        let key = AppKey::make().unwrap().public();
        let hub = json!({"urls": ["https://127.0.0.1:1/"], "key": key, "pid": 1, "version": "1"});
        fs::write(run.join("hub.json"), hub.to_string()).unwrap();
        let listener = UnixListener::bind(run.join("control.sock")).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        tokio::spawn(serve(listener, answers, Arc::clone(&asked)));
        Self { folder, asked }
    }

    fn hub(&self) -> Hub {
        Hub::find(Some(self.folder.path())).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One connection an answer, which then closes.
async fn serve(
    listener: UnixListener,
    answers: Vec<(u16, String)>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    for (status, answer) in answers {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(|request: Request<Incoming>| async {
            let line = format!("{} {}", request.method(), request.uri());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.into()).unwrap();
            asked.lock().unwrap().push(format!("{line} {body}").trim().to_owned());
            let response = Response::builder().status(status).header("connection", "close");
            let response = response.body(Full::new(Bytes::from(answer.clone()))).unwrap();
            Ok::<_, Infallible>(response)
        });
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.unwrap();
    }
}

fn state(state: &str) -> (u16, String) {
    (202, json!({"ok": true, "state": state}).to_string())
}

#[tokio::test]
async fn an_app_waits_until_its_owner_approves() {
    let stand = Stand::start(vec![state("waiting"), state("approved")]);
    let key = AppKey::make().unwrap();
    let wanted = [Grant::write("notes"), Grant::read("photos")];
    stand.hub().enrol(&key, "notes-app", &wanted).await.unwrap();
    let asked = stand.asked();
    let (line, wish) = asked[0].split_at(asked[0].find('{').unwrap());
    assert_eq!(line, "POST /_hub/enrolments ");
    let expected = json!({
        "name": "notes-app", "key": key.public(),
        "databases": [{"name": "notes", "write": true}, {"name": "photos", "write": false}],
    });
    assert_eq!(serde_json::from_str::<Value>(wish).unwrap(), expected);
    assert_eq!(asked[1..], ["GET /_hub/enrolments/notes-app"]);
}

#[tokio::test]
async fn decisions_of_before_are_told_at_once() {
    let stand = Stand::start(vec![state("approved"), state("refused"), state("waiting")]);
    let (hub, key) = (stand.hub(), AppKey::make().unwrap());
    hub.enrol(&key, "notes-app", &[]).await.unwrap();
    let error = hub.enrol(&key, "notes-app", &[]).await.unwrap_err();
    assert!(matches!(error, EnrolError::Refused(_)), "{error:?}");
    let found = hub.ask_to_enrol(&key, "notes-app", &[]).await.unwrap();
    assert_eq!(found, Enrolment::Waiting);
    assert_eq!(stand.asked().len(), 3);
}

#[tokio::test]
async fn refusals_nonsense_and_absence() {
    let taken = json!({"error": "conflict", "reason": "the name is taken"}).to_string();
    let long = format!("{}1", " ".repeat(100_000));
    let answers = vec![(409, taken), (200, "nonsense".into()), state("perhaps"), (200, long)];
    let stand = Stand::start(answers);
    let (hub, key) = (stand.hub(), AppKey::make().unwrap());
    let error = hub.enrol(&key, "notes-app", &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "the hub refused (409 Conflict): the name is taken");
    for _ in 0..3 {
        let error = hub.enrol(&key, "notes-app", &[]).await.unwrap_err();
        assert!(matches!(error, EnrolError::Hub(ControlError::Answer(_))), "{error:?}");
    }
    fs::remove_file(stand.folder.path().join("run/control.sock")).unwrap();
    let error = hub.enrol(&key, "notes-app", &[]).await.unwrap_err();
    assert!(matches!(error, EnrolError::Hub(ControlError::Unreachable(..))), "{error:?}");
}
