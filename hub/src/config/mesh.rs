//! How much other hubs may send and bring, and when.

use std::num::NonZeroU64;

use replication::{ParseWindowError, Window};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// How much other hubs may send, and when it is fetched. What hubs need themselves, who may do what for
/// instance, comes in any case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MeshConfig {
    /// Bytes of people's databases that come from other hubs in an hour; no limit where it is not set.
    pub(crate) bytes_per_hour_max: Option<NonZeroU64>,
    /// Whether what comes is paid for by the byte.
    pub(crate) metered: bool,
    /// The same limit where it is.
    pub(crate) metered_bytes_per_hour_max: NonZeroU64,
    /// When people's databases are fetched: `02:00-06:00`, by the clock on the wall, or `:10+5`, five minutes
    /// of every hour; always where there are none.
    pub(crate) windows: Vec<WindowText>,
    /// Below so many percent people's databases are not fetched while the device runs on its battery; 0
    /// fetches them always. At most 100.
    #[serde(deserialize_with = "percent")]
    pub(crate) battery_percent_min: u8,
    /// Whether hubs of the same network are dialled where they say that they are, and told where this one is.
    pub(crate) lan: bool,
}

/// A window as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct WindowText(pub(crate) Window);

impl TryFrom<String> for WindowText {
    type Error = ParseWindowError;

    fn try_from(text: String) -> Result<Self, ParseWindowError> {
        text.parse().map(Self)
    }
}

/// A share in percent.
fn percent<'de, D: Deserializer<'de>>(value: D) -> Result<u8, D::Error> {
    let percent = u8::deserialize(value)?;
    match percent {
        0..=100 => Ok(percent),
        _ => Err(D::Error::custom("at most 100 percent")),
    }
}

/// How much others may bring, where nothing else is set by `larder quota set`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QuotasConfig {
    /// Bytes that each friend may bring, over all databases that it may write to.
    pub(crate) friend_bytes_max: u64,
    /// Bytes that all friends together may bring into one database; no limit where it is not set.
    pub(crate) database_bytes_max: Option<u64>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            bytes_per_hour_max: None,
            metered: false,
            metered_bytes_per_hour_max: NonZeroU64::new(20_000_000).unwrap_or(NonZeroU64::MIN),
            windows: Vec::new(),
            battery_percent_min: 15,
            lan: false,
        }
    }
}

impl Default for QuotasConfig {
    fn default() -> Self {
        Self { friend_bytes_max: 10_000_000_000, database_bytes_max: None }
    }
}
