//! The one place where errors become CouchDB's status, error word and reason.

mod question;

use http::{HeaderValue, StatusCode, header};
use identity::ProfileError;
use identity::key_file::KeyFileError;
use identity::pairing::PairingError;
use query::Refused;
use query::view::ViewError;
use serde_json::json;
use store::json::JsonError;
use store::{
    DbNameError, DocError, DocIdError, EditError, Error, MalformedSeq, ParseRevError,
    PartitionError, PartitionedIdError,
};

use super::reply::{self, Reply};
use crate::access::{AclError, AppsError, EnrolmentError};
use crate::causes::with_causes;
use crate::couch_config::CouchConfigError;
use crate::file_error::FileError;
use crate::onion::{ClientsError, OnionError};
use crate::quota::QuotaError;

/// When a client may come again whose request needs more memory than there is.
const RETRY_AFTER_S: u64 = 5;

/// What other hubs are answered by one whose owner has paused being in step.
pub(crate) const PAUSED: &str = "paused";

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The database does not exist.
    #[error("Database does not exist.")]
    NoDatabase,
    /// The document, revision, attachment or page does not exist; the reason says which.
    #[error("{0}")]
    NotFound(&'static str),
    /// No node of the cluster has this name.
    #[error("no such node: {0}")]
    NoNode(String),
    /// A request that cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// A query option that cannot be understood.
    #[error("{0}")]
    Query(String),
    /// An underscore member that documents do not have, or one of the wrong type.
    #[error("{0}")]
    DocValidation(String),
    /// A document id that cannot be.
    #[error("{0}")]
    IllegalDocId(String),
    /// A database name that cannot be.
    #[error("{0}")]
    IllegalDatabaseName(String),
    /// A database name longer than one may be.
    #[error("{0}")]
    DatabaseNameTooLong(String),
    /// A partition's name that cannot be.
    #[error("{0}")]
    IllegalPartition(String),
    /// A database that exists already.
    #[error("The database could not be created, the file already exists.")]
    FileExists,
    /// What is to be made is there already.
    #[error("{0}")]
    Exists(String),
    /// A write whose base is no leaf.
    #[error("Document update conflict.")]
    Conflict,
    /// A stub for an attachment that no ancestor has.
    #[error("{0}")]
    MissingStub(String),
    /// The wrong method for a path; the list of right ones.
    #[error("Only {0} allowed")]
    MethodNotAllowed(String),
    /// A body of another type than JSON.
    #[error("Content-Type must be application/json")]
    BadContentType,
    /// A form is wanted.
    #[error("Content-Type must be multipart/form-data")]
    NotAForm,
    /// Bytes that have another digest than their sender says.
    #[error("Possible message corruption.")]
    Md5Mismatch,
    /// A body in an encoding that the hub does not read.
    #[error("{0}")]
    BadContentEncoding(&'static str),
    /// An attachment is written to a revision that is not there.
    #[error("missing_rev")]
    MissingRev,
    /// Nobody is logged in.
    #[error("You are not authorized to access this db.")]
    LogIn,
    /// Name or password are wrong, or the session has ended.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// A name, a token or a cookie where only a key counts.
    #[error("A key that the connection has proven is all that counts here: send no credentials.")]
    KeysOnly,
    /// Too many wrong passwords; seconds until the next try is looked at.
    #[error("Too many failed attempts; try again in {0} s.")]
    TooManyAttempts(u64),
    /// The `Host` header names somebody else: a page of a name that was made to point here.
    #[error("The hub is not known by this host name; `hosts` in larder.toml lists others.")]
    WrongHost,
    /// Logged in without the right.
    #[error("You are not allowed to access this db.")]
    Forbidden,
    /// Refused for another reason.
    #[error("{0}")]
    ForbiddenBecause(&'static str),
    /// One of the owner's devices that is refused now; the reason says why.
    #[error("{0}")]
    Removed(String),
    /// Another hub that was to be asked was not reached, or said no; the reason says why.
    #[error("The other hub could not be asked: {0}")]
    Unreached(String),
    /// A document larger than the limit; its id.
    #[error("{0}")]
    DocumentTooLarge(String),
    /// An attachment larger than the limit; its name.
    #[error("{0}")]
    AttachmentTooLarge(String),
    /// A request body larger than the limit.
    #[error("the request entity is too large")]
    RequestTooLarge,
    /// Another hub asks while the owner has paused being in step.
    #[error("This hub is paused by its owner.")]
    Paused,
    /// The requests of all clients take all the memory that they may.
    #[error("The hub is busy with other large requests; try again.")]
    Overloaded,
    /// More revisions from the future are held of whoever brings this one than may be.
    #[error("Too many revisions from the future are held; try again when some are due.")]
    TooManyHeld,
    /// A pairing does not go on so.
    #[error("{0}")]
    Pairing(#[from] PairingError),
    /// Whoever writes has brought as much as it may; what may be brought where.
    #[error("{0}")]
    OverQuota(String),
    /// The same of what a replication brings: it has to come again, and not to take this for the end.
    #[error("{0}; try again later")]
    NoRoomYet(String),
    /// A byte range outside the attachment of this length.
    #[error("Requested range not satisfiable")]
    RangeNotSatisfiable(u64),
    /// A part of CouchDB's API that this release does not have.
    #[error("{0}")]
    NotImplemented(&'static str),
    /// A design document that cannot be one.
    #[error("{0}")]
    InvalidDesign(String),
    /// A function of a design document failed: how it names the failure, and what it says of it.
    #[error("{reason}")]
    Function {
        /// Status to answer with.
        status: StatusCode,
        /// CouchDB's error word, or the function's own.
        word: String,
        /// What the function says.
        reason: String,
    },
    /// An index cannot be read or written.
    #[error("an index cannot be read")]
    Index(#[source] ViewError),
    /// The peer of a replication refused or could not be reached.
    #[error("{reason}")]
    Replication {
        /// Status to answer with.
        status: StatusCode,
        /// CouchDB's error word.
        word: String,
        /// What a person can do something with; holds no credentials.
        reason: String,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
    /// The client's body ended early or its connection broke.
    #[error("the request body could not be read")]
    BodyLost,
    /// The fault is ours.
    #[error("could not {action}")]
    Internal {
        /// What was being done.
        action: &'static str,
        /// The cause, for the log only.
        cause: String,
    },
}

impl HttpError {
    /// Status, error word and reason.
    pub(crate) fn parts(&self) -> (StatusCode, &str, String) {
        use StatusCode as S;
        let reason = self.to_string();
        match self {
            Self::NoDatabase | Self::NotFound(_) | Self::NoNode(_) => {
                (S::NOT_FOUND, "not_found", reason)
            }
            Self::BadRequest(_) | Self::BodyLost => (S::BAD_REQUEST, "bad_request", reason),
            Self::Query(_) => (S::BAD_REQUEST, "query_parse_error", reason),
            Self::DocValidation(_) => (S::BAD_REQUEST, "doc_validation", reason),
            Self::IllegalDocId(_) => (S::BAD_REQUEST, "illegal_docid", reason),
            Self::IllegalDatabaseName(_) => (S::BAD_REQUEST, "illegal_database_name", reason),
            Self::DatabaseNameTooLong(_) => (S::BAD_REQUEST, "database_name_too_long", reason),
            Self::IllegalPartition(_) => (S::BAD_REQUEST, "illegal_partition", reason),
            Self::FileExists => (S::PRECONDITION_FAILED, "file_exists", reason),
            Self::Exists(_) => (S::CONFLICT, "conflict", reason),
            Self::Conflict => (S::CONFLICT, "conflict", reason),
            Self::MissingStub(_) => (S::PRECONDITION_FAILED, "missing_stub", reason),
            Self::MethodNotAllowed(_) => (S::METHOD_NOT_ALLOWED, "method_not_allowed", reason),
            Self::Md5Mismatch => (S::BAD_REQUEST, "content_md5_mismatch", reason),
            Self::BadContentType | Self::NotAForm | Self::BadContentEncoding(_) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "bad_content_type", reason)
            }
            Self::Pairing(error) => (pairing_status(*error), error.code(), reason),
            Self::MissingRev => (S::CONFLICT, "not_found", reason),
            Self::LogIn | Self::Unauthorized(_) | Self::KeysOnly => {
                (S::UNAUTHORIZED, "unauthorized", reason)
            }
            Self::TooManyAttempts(_) => (S::TOO_MANY_REQUESTS, "too_many_requests", reason),
            Self::WrongHost => (S::MISDIRECTED_REQUEST, "misdirected_request", reason),
            Self::Forbidden | Self::ForbiddenBecause(_) => (S::FORBIDDEN, "forbidden", reason),
            Self::Removed(_) => (S::FORBIDDEN, "removed", reason),
            Self::Unreached(_) => (S::BAD_GATEWAY, "not_reached", reason),
            Self::DocumentTooLarge(_) => (S::PAYLOAD_TOO_LARGE, "document_too_large", reason),
            Self::AttachmentTooLarge(_) => (S::PAYLOAD_TOO_LARGE, "attachment_too_large", reason),
            Self::RequestTooLarge => (S::PAYLOAD_TOO_LARGE, "too_large", reason),
            Self::OverQuota(_) => (S::PAYLOAD_TOO_LARGE, "over_quota", reason),
            Self::Overloaded | Self::TooManyHeld | Self::NoRoomYet(_) => {
                (S::SERVICE_UNAVAILABLE, "service unavailable", reason)
            }
            Self::Paused => (S::SERVICE_UNAVAILABLE, PAUSED, reason),
            Self::RangeNotSatisfiable(_) => {
                (S::RANGE_NOT_SATISFIABLE, "requested_range_not_satisfiable", reason)
            }
            Self::NotImplemented(_) => (S::NOT_IMPLEMENTED, "not_implemented", reason),
            Self::InvalidDesign(_) => (S::BAD_REQUEST, "invalid_design_doc", reason),
            Self::Function { status, word, .. } | Self::Replication { status, word, .. } => {
                (*status, word, reason)
            }
            Self::Internal { .. } | Self::Index(_) => internal(),
            Self::Store(error) => store_parts(error, reason),
        }
    }

    /// The error in words for the log, without what may name a database or a document.
    pub(crate) fn unnamed(&self) -> String {
        match self {
            Self::Store(error) | Self::Index(ViewError::Store(error)) => error.unnamed(),
            Self::Internal { .. } | Self::Index(ViewError::Index(_)) => self.chain(),
            // Its reason is made of what a client sent.
            other => other.parts().1.into(),
        }
    }

    /// The error with all its causes.
    fn chain(&self) -> String {
        match self {
            Self::Internal { cause, .. } => format!("{self}: {cause}"),
            _ => with_causes(self),
        }
    }

    /// The answer; what is our own fault is logged with its cause.
    pub(crate) fn reply(&self) -> Reply {
        let (status, word, reason) = self.parts();
        let ours = !matches!(self, Self::Function { .. });
        if status == StatusCode::INTERNAL_SERVER_ERROR && ours {
            tracing::error!(error = self.unnamed(), "request failed");
            tracing::debug!(error = self.chain(), "request failed");
        }
        let mut reply = reply::json(status, &json!({"error": word, "reason": reason}));
        let headers = reply.headers_mut();
        match self {
            Self::MethodNotAllowed(methods) => {
                if let Ok(methods) = HeaderValue::from_str(methods) {
                    headers.insert(header::ALLOW, methods);
                }
            }
            Self::Overloaded | Self::TooManyHeld | Self::NoRoomYet(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            }
            Self::TooManyAttempts(seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Self::RangeNotSatisfiable(length) => {
                if let Ok(range) = HeaderValue::from_str(&format!("bytes */{length}")) {
                    headers.insert(header::CONTENT_RANGE, range);
                }
            }
            _ => {}
        }
        reply
    }
}

fn pairing_status(error: PairingError) -> StatusCode {
    use PairingError as P;
    match error {
        P::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        P::Malformed | P::Version | P::Card(_) => StatusCode::BAD_REQUEST,
        P::OutOfTurn | P::Replayed | P::Taken | P::KindDiffers | P::ProofNotOffered => {
            StatusCode::CONFLICT
        }
        P::Seal | P::WrongSecret | P::WrongCode | P::Commitment | P::Transcript => {
            StatusCode::FORBIDDEN
        }
        P::Expired | P::Over => StatusCode::GONE,
    }
}

fn internal() -> (StatusCode, &'static str, String) {
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_server_error",
        "The hub could not do this; its log says why.".into(),
    )
}

fn store_parts(error: &Error, reason: String) -> (StatusCode, &'static str, String) {
    use StatusCode as S;
    match error {
        Error::DatabaseExists(_) => {
            (S::PRECONDITION_FAILED, "file_exists", HttpError::FileExists.to_string())
        }
        Error::NoDatabase => (S::NOT_FOUND, "not_found", HttpError::NoDatabase.to_string()),
        Error::Busy | Error::Closing | Error::CompactionRunning | Error::OutOfHandles => {
            (S::SERVICE_UNAVAILABLE, "service unavailable", reason)
        }
        Error::AttachmentTooLarge(_) => (S::PAYLOAD_TOO_LARGE, "attachment_too_large", reason),
        Error::NotGzip => (S::BAD_REQUEST, "bad_request", reason),
        Error::DiskFull => (S::INSUFFICIENT_STORAGE, "insufficient_storage", reason),
        Error::Damaged(_) | Error::NewerFormat { .. } => {
            (S::INTERNAL_SERVER_ERROR, "database_unreadable", reason)
        }
        Error::Sqlite { .. } | Error::Io { .. } => internal(),
    }
}

impl From<AppsError> for HttpError {
    fn from(error: AppsError) -> Self {
        match error {
            AppsError::Exists(_) | AppsError::Conflict => Self::Exists(error.to_string()),
            AppsError::Unknown(_) => Self::NotFound("there is no app of that name"),
            AppsError::Store(error) => Self::Store(error),
        }
    }
}

impl From<OnionError> for HttpError {
    fn from(error: OnionError) -> Self {
        Self::Internal { action: "begin with Tor", cause: with_causes(&error) }
    }
}

impl From<ClientsError> for HttpError {
    fn from(error: ClientsError) -> Self {
        match error {
            ClientsError::Unknown => Self::BadRequest(error.to_string()),
            ClientsError::TooMany => Self::Exists(error.to_string()),
            ClientsError::Store(error) => error.into(),
        }
    }
}

impl From<EnrolmentError> for HttpError {
    fn from(error: EnrolmentError) -> Self {
        match error {
            EnrolmentError::NameTaken => Self::Exists(error.to_string()),
            EnrolmentError::TooMany => Self::Overloaded,
            EnrolmentError::WrongCode => {
                Self::ForbiddenBecause("The code is wrong, has run out, or was used.")
            }
        }
    }
}

impl From<AclError> for HttpError {
    fn from(error: AclError) -> Self {
        match error {
            AclError::Document(_) | AclError::Refused(_) => Self::BadRequest(error.to_string()),
            AclError::Unknown(reason) => Self::NotFound(reason),
            AclError::Conflict => Self::Exists(error.to_string()),
            AclError::Store(error) => Self::Store(error),
        }
    }
}

impl From<CouchConfigError> for HttpError {
    fn from(error: CouchConfigError) -> Self {
        match error {
            CouchConfigError::Refused(reason) => Self::BadRequest(reason.into()),
            CouchConfigError::File(error) => {
                Self::Internal { action: "keep a setting", cause: error.source.to_string() }
            }
            CouchConfigError::Damaged(_) => {
                Self::Internal { action: "read the settings", cause: error.to_string() }
            }
        }
    }
}

impl From<FileError> for HttpError {
    fn from(error: FileError) -> Self {
        Self::Internal { action: "write a file of the hub's", cause: error.source.to_string() }
    }
}

impl From<ProfileError> for HttpError {
    fn from(error: ProfileError) -> Self {
        Self::Internal { action: "sign what friends are told", cause: error.to_string() }
    }
}

impl From<Refused> for HttpError {
    fn from(refused: Refused) -> Self {
        let (status, word) = match refused {
            Refused::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Refused::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Refused::Failed(error) => return error.into(),
        };
        Self::Function { status, word: word.into(), reason: refused.to_string() }
    }
}

impl From<KeyFileError> for HttpError {
    fn from(error: KeyFileError) -> Self {
        Self::Internal { action: "make a token", cause: error.to_string() }
    }
}

impl From<DbNameError> for HttpError {
    fn from(error: DbNameError) -> Self {
        let reason = error.to_string();
        match error {
            DbNameError::Characters(_) => Self::IllegalDatabaseName(reason),
            DbNameError::TooLong(_) => Self::DatabaseNameTooLong(reason),
        }
    }
}

impl From<PartitionError> for HttpError {
    fn from(error: PartitionError) -> Self {
        Self::IllegalPartition(error.to_string())
    }
}

impl From<PartitionedIdError> for HttpError {
    fn from(error: PartitionedIdError) -> Self {
        match error {
            PartitionedIdError::Form => Self::IllegalDocId(error.to_string()),
            PartitionedIdError::Partition(error) => error.into(),
            PartitionedIdError::Rest(error) => error.into(),
        }
    }
}

impl From<DocIdError> for HttpError {
    fn from(error: DocIdError) -> Self {
        Self::IllegalDocId(error.to_string())
    }
}

impl From<ParseRevError> for HttpError {
    fn from(error: ParseRevError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<MalformedSeq> for HttpError {
    fn from(error: MalformedSeq) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<JsonError> for HttpError {
    fn from(error: JsonError) -> Self {
        tracing::debug!(%error, "request text refused");
        // CouchDB's words to the letter: clients compare them.
        Self::BadRequest("invalid UTF-8 JSON".into())
    }
}

impl From<DocError> for HttpError {
    fn from(error: DocError) -> Self {
        let reason = error.to_string();
        match error {
            DocError::Json(error) => error.into(),
            DocError::Id(error) => error.into(),
            DocError::Rev(error) => error.into(),
            DocError::IdNotText => Self::IllegalDocId(reason),
            DocError::Member(_) | DocError::Revisions(_) => Self::DocValidation(reason),
            DocError::NotAnObject
            | DocError::AttachmentName(_)
            | DocError::AttachmentData(_)
            | DocError::AttachmentFollows(_) => Self::BadRequest(reason),
            DocError::TooLarge(id) => Self::DocumentTooLarge(id),
            DocError::AttachmentTooLarge(name) => Self::AttachmentTooLarge(name),
        }
    }
}

impl From<QuotaError> for HttpError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::TooMany => Self::BadRequest(error.to_string()),
            QuotaError::Store(error) => error.into(),
        }
    }
}

impl From<EditError> for HttpError {
    fn from(error: EditError) -> Self {
        let reason = error.to_string();
        match error {
            EditError::Conflict => Self::Conflict,
            EditError::MissingStub { .. } => Self::MissingStub(reason),
            EditError::InvalidPath => Self::BadRequest(reason),
            EditError::TooManyHeld => Self::TooManyHeld,
            EditError::Partition(error) => error.into(),
        }
    }
}
