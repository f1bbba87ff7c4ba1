//! What a target asks: the bodies of the two requests.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{DbUuid, DocId, RevId, UpdateSeq};

use super::Hints;

/// The protocol's name and version: what a hub offers in `GET /` and names in every request.
pub const PROTOCOL: &str = "larder-sync/1";

/// The media type of answers.
pub const CONTENT_TYPE: &str = "application/vnd.larder.sync";

/// Bytes that the body of a request may have.
pub const REQUEST_BYTES_MAX: usize = 8 << 20;

/// Documents that one request may ask for by name.
pub(super) const WISHES_MAX: usize = 16_384;

/// What a source sends with the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everything in full, for a target that has little of it.
    Copy,
    /// Leaves only, for a target that may have much of it.
    Offer,
    /// Everything in full but what is older than the edit: attachments of earlier revisions, and
    /// long histories.
    Send,
}

impl Mode {
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Copy => 0,
            Self::Offer => 1,
            Self::Send => 2,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Copy, Self::Offer, Self::Send].into_iter().find(|mode| mode.byte() == byte)
    }
}

/// Which documents and attachments a target wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncFilter {
    /// Only documents whose winner this Mango selector, a JSON object, matches, and deleted ones.
    pub selector: Option<Box<str>>,
    /// No revisions that have a larger attachment, in bytes.
    pub attachment_bytes_max: Option<u64>,
}

/// What a target asks of a database's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// Behind which position; `None` for all.
    pub since: Option<UpdateSeq>,
    /// What to send with them.
    pub mode: Mode,
    /// Which documents, as JSON.
    pub selector: Option<Box<str>>,
    /// What it takes, and knows.
    pub terms: Terms,
    /// Leaves that need not be sent.
    pub have: Hints,
}

/// Revisions that a target asks for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRequest {
    /// The revisions, document by document.
    pub wishes: Vec<Wish>,
    /// What it takes, and knows.
    pub terms: Terms,
}

/// What a target takes, and knows of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Version of the conflict rule that it follows.
    pub policy_version: u64,
    /// Bytes that a body may have.
    pub body_bytes_max: u64,
    /// Bytes that an attachment may have, decoded.
    pub attachment_bytes_max: u64,
}

/// Revisions of one document that a target asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The document.
    pub id: DocId,
    /// The revisions; never empty.
    pub revs: Vec<RevId>,
    /// Revisions that the target has, which may be ancestors of those.
    pub ancestors: Vec<RevId>,
    /// Whether every attachment is to be sent, even those the target seems to have.
    pub whole: bool,
}

/// What a target asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// For changes.
    Sync(SyncRequest),
    /// For revisions by name.
    Wanted(WantedRequest),
}

/// The body is no request of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRequestError {
    /// It is not the JSON that it should be.
    #[error("the request makes no sense: {0}")]
    Malformed(String),
    /// It is one of another version.
    #[error("the protocol {0:?} is not spoken here")]
    Protocol(String),
    /// It asks for more than one request may.
    #[error("the request asks for too much at once")]
    TooMuch,
}

impl Question {
    /// The path to post it to.
    #[must_use]
    pub fn path(&self, uuid: DbUuid) -> String {
        match self {
            Self::Sync(_) => format!("/_hub/sync/{uuid}"),
            Self::Wanted(_) => format!("/_hub/sync/{uuid}/wanted"),
        }
    }

    /// The body to post.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Sync(request) => request.to_json(),
            Self::Wanted(request) => request.to_json(),
        }
    }

    /// What it says of the target.
    pub(super) fn terms(&self) -> Terms {
        match self {
            Self::Sync(request) => request.terms,
            Self::Wanted(request) => request.terms,
        }
    }
}

/// The body of a request for changes.
#[derive(Serialize, Deserialize)]
struct ChangesBody<'a> {
    protocol: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    mode: Mode,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    selector: Option<&'a RawValue>,
    policy_version: u64,
    body_bytes_max: u64,
    attachment_bytes_max: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    have: String,
}

/// The body of a request for revisions by name.
#[derive(Serialize, Deserialize)]
struct WantedBody {
    protocol: String,
    policy_version: u64,
    body_bytes_max: u64,
    attachment_bytes_max: u64,
    docs: Vec<WishBody>,
}

/// One document of a request by name.
#[derive(Serialize, Deserialize)]
struct WishBody {
    id: String,
    revs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
}

impl SyncRequest {
    /// The body as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let selector = self.selector.as_deref().map(serde_json::from_str::<&RawValue>);
        let body = ChangesBody {
            protocol: PROTOCOL.into(),
            since: self.since.map(|since| since.to_string()),
            mode: self.mode,
            selector: selector.and_then(Result::ok),
            policy_version: self.terms.policy_version,
            body_bytes_max: self.terms.body_bytes_max,
            attachment_bytes_max: self.terms.attachment_bytes_max,
            have: self.have.to_string(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseRequestError`] when it is none of this version.
    pub fn parse(json: &[u8]) -> Result<Self, ParseRequestError> {
        let body: ChangesBody<'_> = parse(json)?;
        check_protocol(&body.protocol)?;
        let since = body.since.map(|since| since.parse()).transpose();
        Ok(Self {
            since: since.map_err(|_| malformed("since"))?,
            mode: body.mode,
            selector: body.selector.map(|selector| selector.get().into()),
            terms: Terms {
                policy_version: body.policy_version,
                body_bytes_max: body.body_bytes_max,
                attachment_bytes_max: body.attachment_bytes_max,
            },
            have: Hints::parse(&body.have).ok_or_else(|| malformed("have"))?,
        })
    }
}

impl WantedRequest {
    /// The body as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let body = WantedBody {
            protocol: PROTOCOL.into(),
            policy_version: self.terms.policy_version,
            body_bytes_max: self.terms.body_bytes_max,
            attachment_bytes_max: self.terms.attachment_bytes_max,
            docs: self.wishes.iter().map(Wish::to_body).collect(),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseRequestError`] when it is none of this version.
    pub fn parse(json: &[u8]) -> Result<Self, ParseRequestError> {
        let body: WantedBody = parse(json)?;
        check_protocol(&body.protocol)?;
        if body.docs.len() > WISHES_MAX {
            return Err(ParseRequestError::TooMuch);
        }
        Ok(Self {
            wishes: body.docs.into_iter().map(Wish::of_body).collect::<Result<_, _>>()?,
            terms: Terms {
                policy_version: body.policy_version,
                body_bytes_max: body.body_bytes_max,
                attachment_bytes_max: body.attachment_bytes_max,
            },
        })
    }
}

impl Wish {
    /// About how many bytes it takes in a request.
    pub(super) fn bytes(&self) -> usize {
        let revs = self.revs.iter().chain(&self.ancestors);
        // Whatever JSON makes of control characters in an id.
        6 * self.id.as_str().len()
            + revs.map(|rev| rev.signature.as_bytes().len() + 24).sum::<usize>()
    }

    fn to_body(&self) -> WishBody {
        let texts = |revs: &[RevId]| revs.iter().map(RevId::to_string).collect();
        WishBody {
            id: self.id.to_string(),
            revs: texts(&self.revs),
            ancestors: texts(&self.ancestors),
            whole: self.whole,
        }
    }

    fn of_body(body: WishBody) -> Result<Self, ParseRequestError> {
        let revs = |texts: Vec<String>| -> Result<Vec<RevId>, ParseRequestError> {
            let parsed = texts.into_iter().map(|text| text.parse());
            parsed.collect::<Result<_, _>>().map_err(|_| malformed("revision"))
        };
        if body.revs.is_empty() {
            return Err(malformed("document without revisions"));
        }
        Ok(Self {
            id: body.id.parse().map_err(|_| malformed("document id"))?,
            revs: revs(body.revs)?,
            ancestors: revs(body.ancestors)?,
            whole: body.whole,
        })
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ParseRequestError> {
    if json.len() > REQUEST_BYTES_MAX {
        return Err(ParseRequestError::TooMuch);
    }
    serde_json::from_slice(json).map_err(|error| ParseRequestError::Malformed(error.to_string()))
}

fn check_protocol(protocol: &str) -> Result<(), ParseRequestError> {
    match protocol {
        PROTOCOL => Ok(()),
        other => Err(ParseRequestError::Protocol(other.into())),
    }
}

fn malformed(what: &str) -> ParseRequestError {
    ParseRequestError::Malformed(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms =
        Terms { policy_version: 3, body_bytes_max: 8_000_000, attachment_bytes_max: 1 << 30 };

    #[test]
    fn a_request_for_changes() {
        let request = SyncRequest {
            since: Some("12-abababababababab".parse().unwrap()),
            mode: Mode::Send,
            selector: Some(r#"{"type":"note"}"#.into()),
            terms: TERMS,
            have: Hints::of([(&"a".parse().unwrap(), &"1-a".parse().unwrap())]),
        };
        let json = request.to_json();
        let start = concat!(
            r#"{"protocol":"larder-sync/1","since":"12-abababababababab","mode":"send","#,
            r#""selector":{"type":"note"},"policy_version":3,"body_bytes_max":8000000,"#,
            r#""attachment_bytes_max":1073741824,"have":""#,
        );
        assert!(json.starts_with(start), "{json}");
        assert_eq!(SyncRequest::parse(json.as_bytes()), Ok(request.clone()));
        let first = SyncRequest {
            since: None,
            mode: Mode::Copy,
            selector: None,
            have: Hints::default(),
            ..request
        };
        let json = first.to_json();
        assert!(!json.contains("since") && !json.contains("selector") && !json.contains("have"));
        assert_eq!(SyncRequest::parse(json.as_bytes()), Ok(first));
    }

    #[test]
    fn a_request_by_name() {
        let rev = |text: &str| text.parse::<RevId>().unwrap();
        let wish = Wish {
            id: "a\"b".parse().unwrap(),
            revs: vec![rev("3-c"), rev("3-d")],
            ancestors: vec![rev("2-b")],
            whole: true,
        };
        let plain = Wish { ancestors: vec![], whole: false, ..wish.clone() };
        let request = WantedRequest { wishes: vec![wish, plain], terms: TERMS };
        let json = request.to_json();
        let docs = r#""docs":[{"id":"a\"b","revs":["3-c","3-d"],"ancestors":["2-b"],"whole":true},{"id":"a\"b","revs":["3-c","3-d"]}]}"#;
        assert!(json.ends_with(docs), "{json}");
        assert_eq!(WantedRequest::parse(json.as_bytes()), Ok(request.clone()));
        let bytes: usize = request.wishes.iter().map(Wish::bytes).sum();
        assert!(docs.len() < bytes + 200, "{bytes}");
    }

    #[test]
    fn what_is_none_is_refused() {
        use ParseRequestError::{Malformed, Protocol};
        let terms = r#""policy_version":0,"body_bytes_max":1,"attachment_bytes_max":1"#;
        let sync = |members: &str| SyncRequest::parse(format!("{{{members},{terms}}}").as_bytes());
        assert!(matches!(sync(r#""mode":"send""#), Err(Malformed(_))));
        assert!(matches!(sync(r#""protocol":"larder-sync/2","mode":"send""#), Err(Protocol(_))));
        for bad in
            [r#""mode":"all""#, r#""mode":"send","since":"7""#, r#""mode":"copy","have":"AA""#]
        {
            let asked = sync(&format!(r#""protocol":"larder-sync/1",{bad}"#));
            assert!(matches!(asked, Err(Malformed(_))), "{bad}");
        }
        let wanted = |docs: &str| {
            let json = format!(r#"{{"protocol":"larder-sync/1","docs":{docs},{terms}}}"#);
            WantedRequest::parse(json.as_bytes())
        };
        assert!(wanted("[]").is_ok());
        for bad in ["{}", r#"[{"id":"a","revs":[]}]"#, r#"[{"id":"_x","revs":["1-a"]}]"#] {
            assert!(matches!(wanted(bad), Err(Malformed(_))), "{bad}");
        }
        let many = vec![r#"{"id":"a","revs":["1-a"]}"#; WISHES_MAX + 1].join(",");
        assert_eq!(wanted(&format!("[{many}]")), Err(ParseRequestError::TooMuch));
    }
}
