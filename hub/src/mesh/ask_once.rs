//! One question to a hub that is not followed.

use std::time::Duration;

use http::Method;
use identity::HttpKeyUrl;
use tokio::time::timeout;

use super::link::{Link, Refused};
use crate::app::App;

/// How long the answer may take, once there is a connection.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Asks a hub something once, over a connection of its own.
///
/// # Errors
/// A sentence that says what was in the way.
pub(crate) async fn ask_once(
    app: &App,
    url: &HttpKeyUrl,
    method: Method,
    path: &str,
    body: String,
) -> Result<(), String> {
    let link = Link::dial(app, url).await.map_err(|trouble| trouble.text)?;
    match timeout(ANSWER_MAX, link.ask(method, path, Some(body))).await {
        Ok(Ok(_answer)) => Ok(()),
        Ok(Err(Refused::Unasked(trouble))) => Err(trouble.text),
        Ok(Err(Refused::Removed(why))) => Err(why),
        Ok(Err(Refused::Answered(status, reason))) => Err(format!("it answers {status}: {reason}")),
        Err(_late) => Err("it does not answer".into()),
    }
}
