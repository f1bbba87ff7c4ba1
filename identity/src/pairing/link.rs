//! Links that let one hub be paired with, once.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::secret::{SECRET_BYTES, Secret};
use super::{FindSecret, Kind, REACH_MAX, text};
use crate::{Authority, AuthorityError, HttpKeyUrl, HttpKeyUrlError, PublicKey};

/// Longest link that is read, in bytes.
pub const LINK_BYTES_MAX: usize = 2048;

/// What a link begins with.
const SCHEME: &str = "larder:";

/// The version of a link, and of one that holds what finds the hub as well, which earlier releases refuse as
/// newer than they are.
const VERSION: &str = "1";
const FINDING_VERSION: &str = "2";

/// Where a window's name is derived from a secret.
const WINDOW: &str = "larder pairing 1 window";

/// A link: `larder:<httpkey URL>#1/kind:device/secret:<26 characters>/until:<Unix seconds>/at:<authority>…`.
///
/// It holds the whole key of the hub that waits, the ways to it in the order in which it likes them (the URL's
/// own, then those of `at`), and a secret of 128 bits that is good once. What is secret stands behind the
/// `#`, which programs that follow links keep to themselves.
///
/// Where the hub's onion service is found by those alone whom it knows, the link is of version 2 and holds what
/// finds it, too: `#2/kind:device/secret:<26 characters>/find:<26 characters>/until:<Unix seconds>…`.
///
/// Letters may be in either case, so that a QR code can hold it in upper case, which takes less room.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingLink {
    /// What the two hubs become.
    pub kind: Kind,
    /// Who waits.
    pub key: PublicKey,
    /// Where, the way to try first first; never empty.
    pub reach: Vec<Authority>,
    /// What only whoever has the link knows.
    pub secret: LinkSecret,
    /// What finds the onion service among the ways, where not everybody does.
    pub find: Option<FindSecret>,
    /// When it ends, in Unix seconds.
    pub until_s: u64,
}

/// A text is no link that could be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Longer than any that is read.
    #[error("the link is longer than {LINK_BYTES_MAX} bytes")]
    TooLong,
    /// It is a link of another kind, or none.
    #[error("the link does not begin with {SCHEME}; it is not for pairing")]
    Scheme,
    /// Nothing, or something else, says where and who.
    #[error("the link does not say whom to pair with: {0}")]
    Url(#[from] HttpKeyUrlError),
    /// It means something at that hub.
    #[error("the link names a path; one for pairing names a hub alone")]
    Path,
    /// There is no `#` in it.
    #[error("the link has lost what follows its `#`, which is needed")]
    NoFragment,
    /// It is of a later release.
    #[error(
        "the link is of another version than {VERSION} or {FINDING_VERSION}; the other hub is newer, or older"
    )]
    Version,
    /// A member that is not there.
    #[error("the link lacks its {0}")]
    Missing(&'static str),
    /// A member that is there twice.
    #[error("the link has its {0} twice")]
    Repeated(&'static str),
    /// A member that its version does not have.
    #[error("the link has a member that its version does not have; the other hub may be newer")]
    Unknown,
    /// A member that does not mean anything.
    #[error("the link's {0} is damaged")]
    Damaged(&'static str),
    /// A further way that leads nowhere.
    #[error("one of the link's ways leads nowhere: {0}")]
    Reach(#[from] AuthorityError),
    /// More ways than a hub has.
    #[error("the link names more than {REACH_MAX} ways")]
    TooManyWays,
    /// Its time is over.
    #[error("the link has expired; have the other side make a new one")]
    Expired,
}

impl PairingLink {
    /// The link, unless it has ended by now, in Unix milliseconds.
    ///
    /// # Errors
    /// [`LinkError::Expired`].
    pub fn current(self, now_ms: u64) -> Result<Self, LinkError> {
        if now_ms / 1000 < self.until_s { Ok(self) } else { Err(LinkError::Expired) }
    }

    /// The ways as httpkey URLs.
    pub fn urls(&self) -> Vec<HttpKeyUrl> {
        let url = |at: &Authority| HttpKeyUrl::new(at.clone(), self.key, "").ok();
        self.reach.iter().filter_map(url).collect()
    }

    /// The whole link, secret included: for the one who is to have it.
    #[allow(clippy::inherent_to_string, reason = "with `Display`, logs would show secrets")]
    pub fn to_string(&self) -> String {
        let Self { kind, reach, secret, find, until_s, .. } = self;
        let url = self.urls().into_iter().next().map(|url| url.to_string()).unwrap_or_default();
        let further = reach.iter().skip(1);
        let further: String = further.map(|at| format!("/at:{}", at.to_string())).collect();
        let (kind, secret) = (kind.word(), text::encode(secret.bytes()));
        let (version, find) = match find {
            None => (VERSION, String::new()),
            Some(find) => (FINDING_VERSION, format!("/find:{}", text::encode(find.bytes()))),
        };
        format!(
            "{SCHEME}{url}#{version}/kind:{kind}/secret:{secret}{find}/until:{until_s}{further}"
        )
    }
}

/// Shows as much as a log may.
impl fmt::Debug for PairingLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingLink").field("key", &self.key).finish_non_exhaustive()
    }
}

impl FromStr for PairingLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        if text.len() > LINK_BYTES_MAX {
            return Err(LinkError::TooLong);
        }
        let text = text.trim().to_ascii_lowercase();
        let rest = text.strip_prefix(SCHEME).ok_or(LinkError::Scheme)?;
        let (url, fragment) = rest.split_once('#').ok_or(LinkError::NoFragment)?;
        let url: HttpKeyUrl = url.parse()?;
        if url.path() != "/" {
            return Err(LinkError::Path);
        }
        let members = Members::of(fragment)?;
        let mut reach = vec![url.authority().clone()];
        reach.extend(members.at);
        if reach.len() > REACH_MAX {
            return Err(LinkError::TooManyWays);
        }
        Ok(Self {
            kind: members.kind.ok_or(LinkError::Missing("kind"))?,
            key: url.key(),
            reach,
            secret: members.secret.ok_or(LinkError::Missing("secret"))?,
            find: match members.finds {
                true => Some(members.find.ok_or(LinkError::Missing("second secret"))?),
                false => None,
            },
            until_s: members.until_s.ok_or(LinkError::Missing("time"))?,
        })
    }
}

/// What stands behind the `#`.
#[derive(Default)]
struct Members {
    kind: Option<Kind>,
    secret: Option<LinkSecret>,
    /// Whether it is of the version that holds what finds the hub.
    finds: bool,
    find: Option<FindSecret>,
    until_s: Option<u64>,
    at: Vec<Authority>,
}

impl Members {
    fn of(fragment: &str) -> Result<Self, LinkError> {
        let mut parts = fragment.split('/');
        let version = parts.next().unwrap_or_default();
        let finds = match version {
            VERSION => false,
            FINDING_VERSION => true,
            _ => return Err(LinkError::Version),
        };
        let mut members = Self { finds, ..Self::default() };
        for part in parts {
            let (name, value) = part.split_once(':').ok_or(LinkError::Unknown)?;
            members.add(name, value)?;
        }
        Ok(members)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), LinkError> {
        match name {
            "kind" => {
                let kind = match value {
                    "device" => Kind::Device,
                    "friend" => Kind::Friend,
                    _ => return Err(LinkError::Damaged("kind")),
                };
                once(&mut self.kind, kind, "kind")
            }
            "secret" => {
                let secret = text::decode(value).ok_or(LinkError::Damaged("secret"))?;
                once(&mut self.secret, LinkSecret::from_bytes(secret), "secret")
            }
            "find" if self.finds => {
                let secret = text::decode(value).ok_or(LinkError::Damaged("second secret"))?;
                once(&mut self.find, FindSecret::from_bytes(secret), "second secret")
            }
            "until" => {
                let digits = value.bytes().all(|b| b.is_ascii_digit()) && !value.starts_with('0');
                let until = value.parse().ok().filter(|_| digits);
                once(&mut self.until_s, until.ok_or(LinkError::Damaged("time"))?, "time")
            }
            "at" => {
                self.at.push(value.parse()?);
                Ok(())
            }
            _ => Err(LinkError::Unknown),
        }
    }
}

fn once<T>(place: &mut Option<T>, value: T, name: &'static str) -> Result<(), LinkError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(LinkError::Repeated(name)),
    }
}

/// The secret of a link: 128 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSecret(Secret);

impl LinkSecret {
    /// The secret with these bytes, drawn at random.
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// A key for one purpose.
    pub(super) fn key(&self, label: &str) -> Zeroizing<[u8; 32]> {
        self.0.key(label)
    }
}

/// Behind which window of a hub a guest means to be heard: the last segment of the path that it asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowName(String);

impl WindowName {
    /// Of a link: it follows from the secret, and the secret not from it.
    pub fn of_link(secret: &LinkSecret) -> Self {
        Self(text::encode(&secret.key(WINDOW)[..SECRET_BYTES]))
    }

    /// Of the window for comparing digits.
    pub fn compare() -> Self {
        Self("compare".into())
    }

    /// Of the one for a spoken code.
    pub fn spoken() -> Self {
        Self("spoken".into())
    }

    /// As it stands in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
