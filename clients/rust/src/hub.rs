//! The hub of an app's person.

use std::path::{Path, PathBuf};

use identity::PublicKey;

use crate::address::{Address, AddressError};
use crate::connector::Connector;
use crate::discovery::{self, FindError, Found};
use crate::enrol::{self, EnrolError};
use crate::{AppKey, Client, ConnectError, Enrolment, Grant};

/// A hub: where it is, and the key that it has to prove there.
#[derive(Clone, Debug)]
pub struct Hub {
    address: Address,
    key: PublicKey,
    control_socket: Option<PathBuf>,
}

impl Hub {
    /// Finds the hub that runs on this data directory; none means `LARDER_DATA_DIR`, else the platform's.
    ///
    /// # Errors
    /// [`FindError`], when none runs or what it says of itself cannot be trusted.
    pub fn find(data_dir: Option<&Path>) -> Result<Self, FindError> {
        let default = || discovery::default_data_dir().ok_or(FindError::NoDataDir);
        let data_dir = data_dir.map_or_else(default, |chosen| Ok(chosen.into()))?;
        let Found { address, key, control_socket } = discovery::find(&data_dir)?;
        Ok(Self { address, key, control_socket: Some(control_socket) })
    }

    /// The hub at `https://HOST:PORT/` that holds this key, as somebody has told us.
    ///
    /// # Errors
    /// [`AddressError`], when the text is no such address.
    pub fn at(url: &str, key: PublicKey) -> Result<Self, AddressError> {
        Ok(Self { address: Address::parse(url)?, key, control_socket: None })
    }

    /// The key that it proves.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Where it is: `https://HOST:PORT/`.
    pub fn url(&self) -> String {
        self.address.to_string()
    }

    /// Asks to be let in and waits until the owner has decided; done at once when that was before.
    ///
    /// # Errors
    /// [`EnrolError`]: among others, when the owner does not want the app.
    pub async fn enrol(
        &self,
        key: &AppKey,
        name: &str,
        databases: &[Grant],
    ) -> Result<(), EnrolError> {
        match self.ask_to_enrol(key, name, databases).await? {
            Enrolment::Waiting => enrol::wait(self.control_socket()?, name).await,
            Enrolment::Approved => Ok(()),
            Enrolment::Refused => Err(EnrolError::Refused(name.into())),
        }
    }

    /// Asks to be let in, and says how it stands; asking again changes nothing.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn ask_to_enrol(
        &self,
        key: &AppKey,
        name: &str,
        databases: &[Grant],
    ) -> Result<Enrolment, EnrolError> {
        enrol::ask(self.control_socket()?, key, name, databases).await
    }

    /// Enrols with a code that the owner made (`larder app code NAME --db DB:rw`), and says what it is
    /// good for.
    ///
    /// # Errors
    /// [`EnrolError`]: among others, when the code is wrong, used or too old.
    pub async fn enrol_with_code(
        &self,
        key: &AppKey,
        name: &str,
        code: &str,
    ) -> Result<Vec<Grant>, EnrolError> {
        enrol::redeem(&self.connect(key).await?, code, name).await
    }

    /// Connects under the app's key, and makes sure that the hub is who it should be.
    ///
    /// # Errors
    /// [`ConnectError`]; [`ConnectError::NotTheHub`] when something else has taken its place.
    pub async fn connect(&self, key: &AppKey) -> Result<Client, ConnectError> {
        let connector = Connector::new(self.address.clone(), self.key, key)?;
        connector.open().await?;
        Ok(Client::new(connector))
    }

    fn control_socket(&self) -> Result<&Path, EnrolError> {
        self.control_socket.as_deref().ok_or(EnrolError::NoControlSocket)
    }
}
