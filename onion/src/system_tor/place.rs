//! Where a Tor is controlled, and how it is found there.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::authenticate::{AuthenticateError, authenticate};
use super::control::Control;
use super::version::Version;
use crate::ControlAddress;

/// How long a place on this machine may take to let somebody in.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Debian's socket under both its names, the usual port, and that of Tor Browser.
///
/// At a port any program of this machine may listen while no Tor does. It would learn the key of the
/// onion service, which proves nothing: who a hub is, TLS proves.
const SOCKETS: [&str; 2] = ["/run/tor/control", "/var/run/tor/control"];
const PORTS: [u16; 2] = [9051, 9151];

/// A Tor that may be controlled.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) control: Control,
    pub(super) version: Version,
    pub(super) place: String,
}

/// No Tor that may be controlled was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum FindError {
    #[error("no Tor that can be controlled is running: nothing listens at {0}")]
    Nowhere(String),
    #[error(
        "a Tor may be running, but its control socket {0} may not be opened by this user; on Debian, \
         add the user to the group `debian-tor`"
    )]
    NotAllowed(String),
    #[error("what listens at {place} does not let anybody in: {source}")]
    Connect { place: String, source: io::Error },
    #[error("the Tor at {place} cannot be used: {source}")]
    Authenticate { place: String, source: AuthenticateError },
}

/// Looks for a Tor there, or else at the usual places, and takes the first that lets us control it.
pub(super) async fn find(control: Option<&ControlAddress>) -> Result<Found, FindError> {
    let places = control.map_or_else(usual_places, |place| vec![place.clone()]);
    let mut wrong = None;
    for place in &places {
        match find_at(place).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            // What is wrong with the first that listens is what a person should see to.
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    let names: Vec<_> = places.iter().map(|place| Name(place).to_string()).collect();
    Err(wrong.unwrap_or_else(|| FindError::Nowhere(names.join(", "))))
}

fn usual_places() -> Vec<ControlAddress> {
    let sockets = SOCKETS.map(|path| ControlAddress::Unix(path.into()));
    let ports = PORTS.map(|port| ControlAddress::Tcp(([127, 0, 0, 1], port).into()));
    sockets.into_iter().chain(ports).collect()
}

/// What is there; `None` where nothing listens.
async fn find_at(place: &ControlAddress) -> Result<Option<Found>, FindError> {
    let name = Name(place).to_string();
    let mut control = match timeout(CONNECT_MAX, connect(place)).await {
        Ok(Ok(control)) => control,
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
            io::ErrorKind::PermissionDenied => return Err(FindError::NotAllowed(name)),
            _ => return Err(FindError::Connect { place: name, source: error }),
        },
        Err(_late) => {
            let source = io::ErrorKind::TimedOut.into();
            return Err(FindError::Connect { place: name, source });
        }
    };
    match authenticate(&mut control).await {
        Ok(version) => Ok(Some(Found { control, version, place: name })),
        Err(source) => Err(FindError::Authenticate { place: name, source }),
    }
}

async fn connect(place: &ControlAddress) -> io::Result<Control> {
    Ok(match place {
        ControlAddress::Tcp(address) => Control::new(TcpStream::connect(address).await?),
        ControlAddress::Unix(path) => Control::new(UnixStream::connect(path).await?),
    })
}

/// A place as people write it.
struct Name<'a>(&'a ControlAddress);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ControlAddress::Tcp(address) => write!(f, "{address}"),
            ControlAddress::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::*;

    #[tokio::test]
    async fn where_nothing_listens_there_is_no_tor() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control");
        let error = find(Some(&ControlAddress::Unix(socket.clone()))).await.unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with(&format!("nothing listens at {}", socket.display())), "{text}");
        // One that nobody listens at any more.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let error = find(Some(&ControlAddress::Unix(socket))).await.unwrap_err();
        assert!(matches!(error, FindError::Nowhere(_)), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_tor_is_said_to_be_none() {
        let script = Script::new().answer("PROTOCOLINFO", "HTTP/1.1 400 Bad Request\r\n\r\n");
        let place = script.listen().await;
        let error = find(Some(&ControlAddress::Tcp(place))).await.unwrap_err().to_string();
        assert!(error.contains(&place.to_string()) && error.contains("does not speak"), "{error}");
    }
}
