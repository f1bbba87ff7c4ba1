//! What an app needs to talk to the hub of its person, and to nobody else.
//!
//! ```no_run
//! use http::Request;
//! use larder_client::{AppKey, Forwarder, Grant, Hub};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let key = AppKey::load_or_make("notes-app.key".as_ref())?;
//! let hub = Hub::find(None)?;
//! // Waits until the owner says `larder app approve notes-app`; the next time it is done at once.
//! hub.enrol(&key, "notes-app", &[Grant::write("notes")]).await?;
//! let client = hub.connect(&key).await?;
//! let answer = client.request(Request::get("/notes").body(String::new())?).await?;
//! assert!(answer.status().is_success());
//! // For libraries that take no TLS identity, such as couch_rs:
//! let forwarder = Forwarder::start(client).await?;
//! let url = forwarder.url(); // http://app:TOKEN@127.0.0.1:PORT/
//! # drop(url);
//! # Ok(())
//! # }
//! ```

mod address;
mod app_key;
mod client;
mod connector;
mod control;
mod discovery;
mod enrol;
mod forwarder;
mod hub;
mod private_file;

pub use address::AddressError;
pub use app_key::{AppKey, AppKeyError};
pub use client::{Body, BoxError, Client, RequestError};
pub use connector::{ConnectError, Connector, Stream};
pub use control::ControlError;
pub use discovery::FindError;
pub use enrol::{EnrolError, Enrolment, Grant};
pub use forwarder::{Forwarder, ForwarderError};
pub use hub::Hub;
pub use identity::PublicKey;
pub use private_file::PrivateFileError;
