//! How an app is let in: its owner approves its key, or gave it a one-time code.

use std::path::Path;
use std::time::Duration;

use http::Method;
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::control::{self, ControlError};
use crate::{AppKey, Client, ConnectError, RequestError};

/// How often the hub is asked whether the owner has decided.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// A database that an app asks for, or may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The database.
    pub name: String,
    /// Whether it may be written as well as read.
    pub write: bool,
}

impl Grant {
    /// To read a database.
    pub fn read(name: impl Into<String>) -> Self {
        Self { name: name.into(), write: false }
    }

    /// To read a database and write to it.
    pub fn write(name: impl Into<String>) -> Self {
        Self { name: name.into(), write: true }
    }
}

/// What has become of an app's wish to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enrolment {
    /// The owner has not decided: `larder app approve NAME`.
    Waiting,
    /// The app is in.
    Approved,
    /// The owner does not want it.
    Refused,
}

/// An app was not let in.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The hub is known by its address only, not by its control socket: it takes a code.
    #[error("this hub can only be asked with a code: larder app code NAME")]
    NoControlSocket,
    /// The owner does not want it.
    #[error("the owner did not let {0} in")]
    Refused(String),
    /// The hub did not do what it was asked.
    #[error(transparent)]
    Hub(#[from] ControlError),
    /// There is no connection to the hub.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The hub did not answer.
    #[error(transparent)]
    Request(#[from] RequestError),
}

#[derive(Deserialize)]
struct State {
    state: Enrolment,
}

/// Asks to be let in.
pub(crate) async fn ask(
    socket: &Path,
    key: &AppKey,
    name: &str,
    databases: &[Grant],
) -> Result<Enrolment, EnrolError> {
    let wish = json!({"name": name, "key": key.public(), "databases": databases});
    let asked = control::ask(socket, Method::POST, "/_hub/enrolments", Some(&wish));
    let State { state } = asked.await?;
    Ok(state)
}

/// Waits until the owner has decided.
pub(crate) async fn wait(socket: &Path, name: &str) -> Result<(), EnrolError> {
    let path = format!("/_hub/enrolments/{name}");
    loop {
        let State { state } = control::ask(socket, Method::GET, &path, None).await?;
        match state {
            Enrolment::Waiting => tokio::time::sleep(ASKED_EVERY).await,
            Enrolment::Approved => return Ok(()),
            Enrolment::Refused => return Err(EnrolError::Refused(name.into())),
        }
    }
}

/// Redeems a code.
pub(crate) async fn redeem(
    client: &Client,
    code: &str,
    name: &str,
) -> Result<Vec<Grant>, EnrolError> {
    #[derive(Deserialize)]
    struct Enrolled {
        databases: Vec<Grant>,
    }
    let wish = json!({"code": code, "name": name});
    let mut request = control::question(Method::POST, "/_hub/enrol", Some(&wish))?.map(Full::new);
    // The client names the hub.
    request.headers_mut().remove(http::header::HOST);
    let Enrolled { databases } = control::read(client.request(request).await?).await?;
    Ok(databases)
}
