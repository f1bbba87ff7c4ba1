//! What a person can set: `larder.toml`, the environment and the command line.

mod mesh;
mod tls;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use store::ConflictPolicy;

pub(crate) use self::mesh::{MeshConfig, QuotasConfig};
pub(crate) use self::tls::{TlsAddress, TlsConfig};
use crate::observe::LogConfig;
use crate::onion::OnionConfig;

/// Everything a person can set; what is not set is safe.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The listener for this machine's programs.
    pub(crate) http: HttpConfig,
    /// The listener for keys.
    pub(crate) tls: TlsConfig,
    /// How much one request may ask for.
    pub(crate) limits: LimitsConfig,
    /// How databases are kept.
    pub(crate) databases: DatabasesConfig,
    /// What is logged, and how.
    pub(crate) log: LogConfig,
    /// When databases are compacted unasked.
    pub(crate) compaction: CompactionConfig,
    /// Backups that are made unasked.
    pub(crate) backup: BackupConfig,
    /// How other servers are reached.
    pub(crate) replication: ReplicationConfig,
    /// How much other hubs may send, and when it is fetched.
    pub(crate) mesh: MeshConfig,
    /// How much others may bring.
    pub(crate) quotas: QuotasConfig,
    /// How this hub is reached through Tor, and reaches others.
    pub(crate) onion: OnionConfig,
}

/// How other servers are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReplicationConfig {
    /// Certificates, as PEM, of authorities that are trusted beside the platform's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// The listener for this machine's programs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpConfig {
    /// Where to listen; port 0 is any free port.
    pub(crate) address: HttpAddress,
    /// Pages of these origins may call the hub, for instance `app://obsidian.md`.
    pub(crate) origins: Vec<PageOrigin>,
    /// `Host` headers accepted besides the listener's own, for instance `hub.test:5984`.
    pub(crate) hosts: Vec<String>,
    /// Fauxton's pages, served at `/_utils/`: the folder `dist/release` of the npm package.
    pub(crate) utils_dir: Option<PathBuf>,
}

/// How much one request may ask for, and how many may ask. What is named here is an upper bound of
/// what CouchDB's settings may allow; what is not follows them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// Largest document, attachments aside, in bytes.
    pub(crate) document_bytes_max: Option<u64>,
    /// Largest attachment, in bytes.
    pub(crate) attachment_bytes_max: Option<u64>,
    /// Largest request body, in bytes; CouchDB's `max_http_request_size`.
    pub(crate) request_bytes_max: Option<u64>,
    /// Memory that the bodies of all requests may take together, with what is read from them.
    pub(crate) request_memory_bytes_max: u64,
    /// Connections open at a time; for the next one the longest idle one is closed.
    pub(crate) connections_max: usize,
}

/// How much one request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Largest document, attachments aside, in bytes.
    pub(crate) document_bytes_max: u64,
    /// Largest attachment, in bytes.
    pub(crate) attachment_bytes_max: u64,
    /// Largest request body, in bytes.
    pub(crate) request_bytes_max: u64,
}

/// How databases are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DatabasesConfig {
    /// Databases whose files are kept open at a time.
    pub(crate) open_max: usize,
    /// Threads that commit writes.
    pub(crate) writer_threads: usize,
    /// After so many seconds without a question, and at most twice as many, an index's file is closed.
    pub(crate) index_idle_s: NonZeroU32,
    /// Days for which a deleted database can be brought back; 0 deletes it for good at once.
    pub(crate) trash_days: u32,
    /// What becomes of conflicts in databases that apps make.
    pub(crate) app_conflicts: AppConflicts,
    /// Days for which an edit that lost to a later one can be brought back...
    pub(crate) overwritten_days: u32,
    /// ... and how many bytes all of them may take, and in each database again.
    pub(crate) overwritten_bytes_max: u64,
}

/// What becomes of conflicts in databases that apps make, as CouchDB's clients do: `keep`, unless set
/// otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct AppConflicts(pub(crate) ConflictPolicy);

impl TryFrom<String> for AppConflicts {
    type Error = <ConflictPolicy as FromStr>::Err;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// File handles of an open database: five connections to its file and their log, and what they share.
const HANDLES_OF_A_DATABASE: u64 = 11;

impl Config {
    /// Has no more open at a time than so many file handles allow: half of them for connections, a
    /// quarter for databases, an eighth for streams through Tor, the rest for what all of them need
    /// while they work.
    pub(crate) fn fit_into(&mut self, handles: u64) {
        let share = |handles: u64| usize::try_from(handles.max(1)).unwrap_or(usize::MAX);
        let open_max = &mut self.databases.open_max;
        *open_max = (*open_max).min(share(handles / 4 / HANDLES_OF_A_DATABASE));
        let connections_max = &mut self.limits.connections_max;
        *connections_max = (*connections_max).min(share(handles / 2));
        let streams = NonZeroU32::new(u32::try_from(handles / 8).unwrap_or(u32::MAX));
        let streams_max = &mut self.onion.streams_max;
        *streams_max = (*streams_max).min(streams.unwrap_or(NonZeroU32::MIN));
    }
}

/// When databases are compacted unasked.
///
/// Source: the ratio and the slack of CouchDB's `smoosh`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CompactionConfig {
    /// Whether they are at all.
    pub(crate) automatic: bool,
    /// The least share of superseded revisions, in percent of a database's JSON...
    pub(crate) superseded_percent: u8,
    /// ... and the least size of them, in bytes.
    pub(crate) bytes_min: u64,
    /// Bytes of superseded revisions that are worth it whatever their share.
    pub(crate) slack_bytes: u64,
    /// Bytes that are copied in an hour, on average.
    pub(crate) bytes_per_hour: NonZeroU64,
}

/// Backups that are made unasked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BackupConfig {
    /// Where they go; none are made where this is not set. Its parent must be there.
    pub(crate) folder: Option<AbsolutePath>,
    /// Hours between two.
    pub(crate) interval_h: NonZeroU64,
    /// How many are kept.
    pub(crate) keep: NonZeroUsize,
}

/// A path that means the same wherever the hub was started.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PathBuf")]
pub(crate) struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path.
    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }
}

/// The path depends on where the hub was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` does not begin with /", .0.display())]
pub(crate) struct RelativePath(PathBuf);

impl TryFrom<PathBuf> for AbsolutePath {
    type Error = RelativePath;

    fn try_from(path: PathBuf) -> Result<Self, RelativePath> {
        if path.is_absolute() { Ok(Self(path)) } else { Err(RelativePath(path)) }
    }
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self {
            automatic: true,
            superseded_percent: 50,
            bytes_min: 1 << 20,
            slack_bytes: 512 << 20,
            bytes_per_hour: NonZeroU64::new(4 << 30).unwrap_or(NonZeroU64::MAX),
        }
    }
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            folder: None,
            interval_h: NonZeroU64::new(24).unwrap_or(NonZeroU64::MIN),
            keep: NonZeroUsize::new(7).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            document_bytes_max: None,
            attachment_bytes_max: None,
            request_bytes_max: None,
            request_memory_bytes_max: 536_870_912,
            // Room for a thousand live feeds and as many requests beside them.
            connections_max: 2048,
        }
    }
}

impl Default for DatabasesConfig {
    fn default() -> Self {
        let index_idle_s = NonZeroU32::new(60).unwrap_or(NonZeroU32::MAX);
        Self {
            open_max: 32,
            writer_threads: 2,
            index_idle_s,
            trash_days: 30,
            app_conflicts: AppConflicts::default(),
            overwritten_days: 90,
            overwritten_bytes_max: 1 << 30,
        }
    }
}

/// Where to listen for plain HTTP: on this machine only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum HttpAddress {
    /// `localhost:PORT`: 127.0.0.1, and `[::1]` where there is one.
    Localhost(u16),
    /// One loopback address and no other.
    Loopback(SocketAddr),
}

/// CouchDB's port.
const PORT: u16 = 5984;

impl Default for HttpAddress {
    fn default() -> Self {
        Self::Localhost(PORT)
    }
}

impl HttpAddress {
    /// The address that must be bound; its port is the one that counts.
    pub(crate) fn first(self) -> SocketAddr {
        match self {
            Self::Localhost(port) => (IpAddr::V4(Ipv4Addr::LOCALHOST), port).into(),
            Self::Loopback(address) => address,
        }
    }

    /// The address to bind where that is possible, once the port is known.
    pub(crate) fn second(self, port: u16) -> Option<SocketAddr> {
        match self {
            Self::Localhost(_) => Some((IpAddr::V6(Ipv6Addr::LOCALHOST), port).into()),
            Self::Loopback(_) => None,
        }
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::Loopback(address) => write!(f, "{address}"),
        }
    }
}

/// The text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpAddressError {
    /// Not of the form ADDRESS:PORT.
    #[error("`{0}` is not an address; write 127.0.0.1:5984, [::1]:5984 or localhost:5984")]
    Malformed(String),
    /// An address that other machines reach.
    #[error("{0} is not a loopback address: plain HTTP is for this machine only")]
    NotLoopback(IpAddr),
}

impl FromStr for HttpAddress {
    type Err = HttpAddressError;

    fn from_str(text: &str) -> Result<Self, HttpAddressError> {
        let malformed = || HttpAddressError::Malformed(text.into());
        if let Some(port) = text.strip_prefix("localhost:") {
            return port.parse().map(Self::Localhost).map_err(|_| malformed());
        }
        let address: SocketAddr = text.parse().map_err(|_| malformed())?;
        if !address.ip().is_loopback() {
            return Err(HttpAddressError::NotLoopback(address.ip()));
        }
        Ok(Self::Loopback(address))
    }
}

impl TryFrom<String> for HttpAddress {
    type Error = HttpAddressError;

    fn try_from(text: String) -> Result<Self, HttpAddressError> {
        text.parse()
    }
}

/// The origin of a page as browsers send it: scheme and authority, no path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PageOrigin(String);

impl From<PageOrigin> for String {
    fn from(origin: PageOrigin) -> Self {
        origin.0
    }
}

impl FromStr for PageOrigin {
    type Err = PageOriginError;

    fn from_str(text: &str) -> Result<Self, PageOriginError> {
        text.to_owned().try_into()
    }
}

impl PageOrigin {
    /// As browsers send it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no origin that could be told from others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin; write scheme://host or scheme://host:port, never `*`")]
pub(crate) struct PageOriginError(String);

impl TryFrom<String> for PageOrigin {
    type Error = PageOriginError;

    fn try_from(text: String) -> Result<Self, PageOriginError> {
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"/*,\"".contains(&b))
        };
        match text.split_once("://") {
            Some((scheme, authority)) if plain(scheme) && plain(authority) => {
                Ok(Self(text.to_ascii_lowercase()))
            }
            _ => Err(PageOriginError(text)),
        }
    }
}

/// The configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("{} line {line}, `{text}`: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What that line says.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Config {
    /// Reads the file named, or `larder.toml` in the data directory where there is one.
    pub(crate) fn load(file: Option<&Path>, data_dir: &Path) -> Result<Self, ConfigError> {
        let path = file.map_or_else(|| data_dir.join("larder.toml"), Path::to_path_buf);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let before = text.get(..error.span().unwrap_or_default().start).unwrap_or_default();
            let line = before.matches('\n').count();
            ConfigError::Parse {
                path: path.into(),
                line: line + 1,
                text: text.lines().nth(line).unwrap_or_default().trim().into(),
                reason: error.message().replace('\n', " "),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onion::OnionMode;

    fn check(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("larder.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn few_file_handles_are_shared_out() {
        let fit = |handles| {
            let mut config = Config::default();
            config.fit_into(handles);
            let streams_max = config.onion.streams_max.get();
            (config.databases.open_max, config.limits.connections_max, streams_max)
        };
        assert_eq!(fit(u64::MAX), (32, 2048, 256));
        assert_eq!(fit(4096), (32, 2048, 256));
        assert_eq!(fit(1024), (23, 512, 128));
        assert_eq!(fit(256), (5, 128, 32));
        assert_eq!(fit(7), (1, 3, 1));
    }

    #[test]
    fn what_is_not_set_is_safe() {
        let config = check("").unwrap();
        assert_eq!(config, Config::default());
        assert!(config.http.origins.is_empty());
        assert_eq!(config.http.address.first().to_string(), "127.0.0.1:5984");
        assert_eq!(config.http.address.second(7).unwrap().to_string(), "[::1]:7");
    }

    #[test]
    fn reads_every_section() {
        let config = check(
            "[http]\naddress = '127.0.0.1:0'\norigins = ['app://Obsidian.md']\nhosts = ['h:1']\n\
             [limits]\ndocument_bytes_max = 1_000\n[databases]\nopen_max = 3\nindex_idle_s = 5\n\
             [compaction]\nautomatic = false\n[backup]\nfolder = '/mnt/backups'\nkeep = 3\n\
             [mesh]\nlan = true\n[replication]\nca_file = '/ca.pem'\n[onion]\nmode = 'off'\nstreams_max = 7\n\
             [log]\nfile = 'larder.log'\nfile_bytes_max = 9\nfiles_max = 2\n",
        )
        .unwrap();
        assert_eq!(config.http.address, HttpAddress::Loopback("127.0.0.1:0".parse().unwrap()));
        assert_eq!(config.http.address.second(1), None);
        assert_eq!(config.http.origins[0].as_str(), "app://obsidian.md");
        assert_eq!(config.limits.document_bytes_max, Some(1000));
        assert_eq!(config.limits.attachment_bytes_max, None);
        let index_idle_s = NonZeroU32::new(5).unwrap();
        let databases = DatabasesConfig { open_max: 3, index_idle_s, ..Default::default() };
        assert_eq!(config.databases, databases);
        assert!(!config.compaction.automatic);
        assert_eq!(config.compaction.superseded_percent, 50);
        let folder = config.backup.folder.unwrap();
        assert_eq!(folder.as_path(), Path::new("/mnt/backups"));
        assert_eq!((config.backup.interval_h.get(), config.backup.keep.get()), (24, 3));
        assert!(config.mesh.lan && !Config::default().mesh.lan);
        assert_eq!(config.replication.ca_file, Some("/ca.pem".into()));
        let onion = (config.onion.mode, config.onion.streams_max.get());
        assert_eq!(onion, (OnionMode::Off, 7));
        let log = (config.log.file_bytes_max.get(), config.log.files_max.get());
        assert_eq!((config.log.file, log), (Some("larder.log".into()), (9, 2)));
    }

    #[test]
    fn names_the_file_the_line_and_the_key() {
        for (text, expected) in [
            ("[http]\nadress = 'x'", "larder.toml line 2, `adress = 'x'`: unknown field `adress`"),
            ("[htpp]\n", "unknown field `htpp`"),
            ("[limits]\n\nconnections_max = 'many'", "line 3, `connections_max = 'many'`"),
            ("[limits]\nconnections_max = -1", "line 2, `connections_max = -1`"),
            ("[http]\naddress = '0.0.0.0:5984'", "plain HTTP is for this machine only"),
            ("[http]\naddress = 'localhost'", "`localhost` is not an address"),
            ("[http]\norigins = ['*']", "`*` is not an origin"),
            ("[http]\norigins = ['http://a.example/path']", "is not an origin"),
            ("[http]\norigins = ['null']", "is not an origin"),
            ("[log]\nformat = 'xml'", "line 2, `format = 'xml'`"),
            ("[log]\nlevel = 'notice'", "unknown variant `notice`"),
            ("[backup]\nfolder = 'backups'", "`backups` does not begin with /"),
            ("[log]\nfile_bytes_max = 0", "line 2, `file_bytes_max = 0`"),
            ("[log]\nfiles_max = 0", "line 2, `files_max = 0`"),
            ("[onion]\nmode = 'on'", "line 2, `mode = 'on'`: `on` is no way into Tor; write arti"),
            ("[onion]\nbridge = ''", "line 2, `bridge = ''`: unknown field `bridge`"),
            ("[onion]\ncheck_every_s = 9", "self-dials are at least 10 s apart"),
            ("[onion]\ncontrol = '9051'", "`9051` is no control port; write 127.0.0.1:9051"),
            ("[onion]\nvanguards = 'none'", "unknown variant `none`"),
            ("[[onion.pluggable_transports]]\nprotocol = 'x'", "unknown field `protocol`"),
            ("[backup]\nkeep = 0", "line 2, `keep = 0`"),
            ("[backup]\ninterval_h = 0", "line 2, `interval_h = 0`"),
            ("[compaction]\nbytes_per_hour = 0", "line 2, `bytes_per_hour = 0`"),
            ("[http", "line 1"),
        ] {
            let message = check(text).unwrap_err();
            assert!(message.contains(expected), "{text:?} gives {message:?}");
            assert!(!message.contains('\n'), "{message:?}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Config::load(None, folder.path()).unwrap(), Config::default());
        let missing = folder.path().join("other.toml");
        assert!(matches!(
            Config::load(Some(&missing), folder.path()),
            Err(ConfigError::Read { .. })
        ));
    }
}
