//! The settings that a hub does what they say: read once for each change, then looked at freely.
//!
//! A value that cannot be understood counts as if nobody had written it, as in CouchDB.

use store::Compression;

use super::cors::CorsRules;
use super::{COMPRESSIBLE_TYPES, Settings};
use crate::config::{Config, Limits, LimitsConfig};
use crate::uuids::Algorithm;

/// What the settings come to, together with `larder.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obeyed {
    /// How much one request may ask for.
    pub(crate) limits: Limits,
    /// Which pages may call the hub, and how.
    pub(crate) cors: CorsRules,
    /// Ids for documents without one.
    pub(crate) uuids: UuidSettings,
    /// Which attachments are kept compressed.
    pub(crate) compression: Compression,
    /// Cookies.
    pub(crate) session: SessionSettings,
    /// What keeps load balancers away, where something does.
    pub(crate) maintenance: Option<Maintenance>,
    /// Most databases of one `POST /_dbs_info`.
    pub(crate) dbs_info_max: usize,
    /// How much is logged, where a client said.
    pub(crate) log_level: Option<tracing::level_filters::LevelFilter>,
}

/// `uuids`: how ids are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UuidSettings {
    /// In which manner.
    pub(crate) algorithm: Algorithm,
    /// Most ids of one request.
    pub(crate) count_max: u64,
}

/// `chttpd_auth`: how long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionSettings {
    /// Seconds without a request.
    pub(crate) timeout_s: u64,
    /// Whether a browser keeps the cookie when it is closed.
    pub(crate) persistent: bool,
}

/// `couchdb/maintenance_mode`, as `/_up` tells load balancers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maintenance {
    /// `true`.
    On,
    /// `nolb`: only load balancers are to keep away.
    NoLoadBalancer,
}

/// CouchDB's defaults, and the hub's own for attachments, which CouchDB does not limit.
const DOCUMENT_BYTES: u64 = 8_000_000;
const ATTACHMENT_BYTES: u64 = 1 << 30;
const REQUEST_BYTES: u64 = 4 << 30;

/// The largest document that a client may allow: each is held in memory. `larder.toml` may go
/// further.
const DOCUMENT_BYTES_MAX: u64 = 128 << 20;

/// Most ids that a client may allow at a time: an answer of a few megabytes.
const UUIDS_MAX: u64 = 100_000;

/// Most databases that a client may allow to be asked for at a time.
const DBS_INFO_MAX: u64 = 10_000;

/// The longest session that a client may allow: a year, in seconds.
const SESSION_S_MAX: u64 = 365 * 86_400;

/// CouchDB's default, of zlib's levels.
const COMPRESSION_LEVEL: u64 = 8;

impl Obeyed {
    /// Reads them.
    pub(super) fn of(written: &Settings, config: &Config) -> Self {
        let read = Reader(written);
        Self {
            limits: limits(&read, &config.limits),
            cors: CorsRules::of(written, &config.http.origins),
            uuids: UuidSettings {
                algorithm: algorithm(&read),
                count_max: read.number("uuids", "max_count").unwrap_or(1000).min(UUIDS_MAX),
            },
            compression: compression(&read),
            session: SessionSettings {
                timeout_s: read
                    .auth("timeout")
                    .and_then(|text| text.parse().ok())
                    .filter(|&seconds| seconds > 0)
                    .map_or(600, |seconds: u64| seconds.min(SESSION_S_MAX)),
                persistent: read.auth("allow_persistent_cookies") != Some("false"),
            },
            maintenance: match read.text("couchdb", "maintenance_mode") {
                Some("true") => Some(Maintenance::On),
                Some("nolb") => Some(Maintenance::NoLoadBalancer),
                _ => None,
            },
            dbs_info_max: read
                .number("chttpd", "max_db_number_for_dbs_info_req")
                .map_or(100, |most| usize::try_from(most.min(DBS_INFO_MAX)).unwrap_or(100)),
            log_level: read.text("log", "level").and_then(log_level),
        }
    }
}

/// `attachments`: which are kept compressed, and how hard it is tried.
fn compression(read: &Reader<'_>) -> Compression {
    let level = read.number("attachments", "compression_level").unwrap_or(COMPRESSION_LEVEL);
    let types = read.text("attachments", "compressible_types").unwrap_or(COMPRESSIBLE_TYPES);
    Compression::new(u32::try_from(level).unwrap_or(u32::MAX), types)
}

fn limits(read: &Reader<'_>, config: &LimitsConfig) -> Limits {
    let size = |key| match read.text("couchdb", key) {
        Some("infinity") => Some(u64::MAX),
        _ => read.number("couchdb", key),
    };
    let request = read.http("max_http_request_size").and_then(|text| text.parse().ok());
    // What a person wrote is the most that clients may allow; what nobody wrote is theirs to set.
    let most = |said: Option<u64>, bound: Option<u64>, default: u64, open: u64| {
        said.unwrap_or_else(|| bound.unwrap_or(default)).min(bound.unwrap_or(open))
    };
    Limits {
        document_bytes_max: most(
            size("max_document_size"),
            config.document_bytes_max,
            DOCUMENT_BYTES,
            DOCUMENT_BYTES_MAX,
        ),
        attachment_bytes_max: most(
            size("max_attachment_size"),
            config.attachment_bytes_max,
            ATTACHMENT_BYTES,
            u64::MAX,
        ),
        request_bytes_max: most(request, config.request_bytes_max, REQUEST_BYTES, u64::MAX),
    }
}

fn algorithm(read: &Reader<'_>) -> Algorithm {
    match read.text("uuids", "algorithm") {
        Some("random") => Algorithm::Random,
        Some("utc_random") => Algorithm::UtcRandom,
        Some("utc_id") => {
            Algorithm::UtcId(read.text("uuids", "utc_id_suffix").unwrap_or_default().into())
        }
        _ => Algorithm::Sequential,
    }
}

/// CouchDB's levels are syslog's; a hub has fewer.
fn log_level(text: &str) -> Option<tracing::level_filters::LevelFilter> {
    use tracing::level_filters::LevelFilter;
    match text {
        "debug" => Some(LevelFilter::DEBUG),
        "info" | "notice" => Some(LevelFilter::INFO),
        "warning" | "warn" => Some(LevelFilter::WARN),
        "error" | "err" | "critical" | "crit" | "alert" | "emergency" | "emerg" => {
            Some(LevelFilter::ERROR)
        }
        "none" => Some(LevelFilter::OFF),
        _ => None,
    }
}

/// Looks settings up as CouchDB's parts do.
struct Reader<'a>(&'a Settings);

impl<'a> Reader<'a> {
    fn text(&self, section: &str, key: &str) -> Option<&'a str> {
        self.0.get(section)?.get(key).map(String::as_str)
    }

    fn number(&self, section: &str, key: &str) -> Option<u64> {
        self.text(section, key)?.parse().ok()
    }

    /// `chttpd`'s, or else the older section's.
    fn http(&self, key: &str) -> Option<&'a str> {
        self.text("chttpd", key).or_else(|| self.text("httpd", key))
    }

    /// `chttpd_auth`'s, or else the older section's.
    fn auth(&self, key: &str) -> Option<&'a str> {
        self.text("chttpd_auth", key).or_else(|| self.text("couch_httpd_auth", key))
    }
}

#[cfg(test)]
mod tests {
    use store::Intake;

    use super::*;

    fn obeyed(settings: &[(&str, &str, &str)], config: &Config) -> Obeyed {
        let mut written = Settings::new();
        for (section, key, value) in settings {
            let section = written.entry((*section).into()).or_default();
            section.insert((*key).into(), (*value).into());
        }
        Obeyed::of(&written, config)
    }

    #[test]
    fn limits_combine_with_what_a_person_wrote() {
        let mut config = Config::default();
        let limits = |settings: &[_], config: &Config| {
            let Limits { document_bytes_max, attachment_bytes_max, request_bytes_max } =
                obeyed(settings, config).limits;
            [document_bytes_max, attachment_bytes_max, request_bytes_max]
        };
        let livesync = [
            ("couchdb", "max_document_size", "50000000"),
            ("chttpd", "max_http_request_size", "9000000000"),
            ("couchdb", "max_attachment_size", "infinity"),
        ];
        assert_eq!(limits(&[], &config), [8_000_000, 1 << 30, 4 << 30]);
        assert_eq!(limits(&livesync, &config), [50_000_000, u64::MAX, 9_000_000_000]);
        let huge = [("couchdb", "max_document_size", "infinity")];
        assert_eq!(limits(&huge, &config)[0], DOCUMENT_BYTES_MAX);
        for bad in ["many", "-1", "", "1.5", "99999999999999999999"] {
            assert_eq!(limits(&[("couchdb", "max_document_size", bad)], &config)[0], 8_000_000);
        }
        let both =
            [("httpd", "max_http_request_size", "5"), ("chttpd", "max_http_request_size", "7")];
        assert_eq!(limits(&both[..1], &config)[2], 5);
        assert_eq!(limits(&both, &config)[2], 7);
        config.limits.document_bytes_max = Some(1000);
        config.limits.attachment_bytes_max = Some(2000);
        config.limits.request_bytes_max = Some(3000);
        assert_eq!(limits(&[], &config), [1000, 2000, 3000]);
        assert_eq!(limits(&livesync, &config), [1000, 2000, 3000]);
        assert_eq!(limits(&[("couchdb", "max_document_size", "10")], &config)[0], 10);
    }

    #[test]
    fn compressible_types_are_patterns() {
        let default = obeyed(&[], &Config::default()).compression;
        assert_eq!(default.intake("Text/HTML; charset=utf-8"), Intake::Compress(8));
        assert_eq!(default.intake("image/png"), Intake::Plain);
        let set = |level, types| {
            let settings = [
                ("attachments", "compression_level", level),
                ("attachments", "compressible_types", types),
            ];
            obeyed(&settings, &Config::default()).compression
        };
        assert_eq!(set("3", "image/*,*/xml").intake("image/png"), Intake::Compress(3));
        assert_eq!(set("3", "image/*").intake("text/plain"), Intake::Plain);
        assert_eq!(set("0", "image/*").intake("image/png"), Intake::Plain);
        assert_eq!(set("77", "image/*").intake("image/png"), Intake::Compress(9));
        assert_eq!(set("x", "").intake("text/plain"), Intake::Plain);
        assert_eq!(set("x", "text/*").intake("text/plain"), Intake::Compress(8));
    }

    #[test]
    fn the_rest() {
        let defaults = obeyed(&[], &Config::default());
        assert_eq!(defaults.session, SessionSettings { timeout_s: 600, persistent: true });
        assert_eq!(defaults.uuids.algorithm, Algorithm::Sequential);
        assert_eq!((defaults.maintenance, defaults.dbs_info_max), (None, 100));
        assert_eq!(defaults.log_level, None);
        let set = obeyed(
            &[
                ("couch_httpd_auth", "timeout", "30"),
                ("chttpd_auth", "allow_persistent_cookies", "false"),
                ("uuids", "algorithm", "utc_id"),
                ("uuids", "utc_id_suffix", "-hub"),
                ("uuids", "max_count", "99999999"),
                ("couchdb", "maintenance_mode", "nolb"),
                ("chttpd", "max_db_number_for_dbs_info_req", "3"),
                ("log", "level", "notice"),
            ],
            &Config::default(),
        );
        assert_eq!(set.session, SessionSettings { timeout_s: 30, persistent: false });
        assert_eq!(set.uuids.algorithm, Algorithm::UtcId("-hub".into()));
        assert_eq!(set.uuids.count_max, UUIDS_MAX);
        assert_eq!(set.maintenance, Some(Maintenance::NoLoadBalancer));
        assert_eq!(set.dbs_info_max, 3);
        assert_eq!(set.log_level, Some(tracing::level_filters::LevelFilter::INFO));
        for bad in ["0", "-1", "soon"] {
            let set = obeyed(&[("chttpd_auth", "timeout", bad)], &Config::default());
            assert_eq!(set.session.timeout_s, 600, "{bad}");
        }
    }
}
