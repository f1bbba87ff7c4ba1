//! Query options that keys may use, by what they ask for. One that is not here is refused: who is not
//! of this device gets what somebody has thought of, and nothing else.

/// What a row is for keys: the options they may use, where they may ask at all.
pub(super) type ForKeys = Option<&'static [&'static str]>;

/// None.
pub(super) const NONE: &[&str] = &[];

/// Of reading a document, and of writing one.
pub(super) const DOCUMENT: &[&str] = &[
    "rev",
    "revs",
    "revs_info",
    "open_revs",
    "latest",
    "deleted",
    "conflicts",
    "deleted_conflicts",
    "local_seq",
    "meta",
    "attachments",
    "atts_since",
    "att_encoding_info",
    "new_edits",
    "batch",
];

/// Of reading or writing an attachment.
pub(super) const ATTACHMENT: &[&str] = &["rev"];

/// Of `_bulk_get`.
pub(super) const BULK_GET: &[&str] = &["revs", "latest", "attachments", "att_encoding_info"];

/// Of a changes feed.
pub(super) const CHANGES: &[&str] = &[
    "feed",
    "since",
    "last-event-id",
    "style",
    "limit",
    "descending",
    "include_docs",
    "conflicts",
    "attachments",
    "att_encoding_info",
    "heartbeat",
    "timeout",
    "seq_interval",
    "filter",
    "view",
    "doc_ids",
];

/// Of the feed of what has changed in all databases.
pub(super) const FEED: &[&str] = &["since", "heartbeat"];

/// Of `_all_docs` and its kin.
pub(super) const LISTING: &[&str] = &[
    "key",
    "keys",
    "startkey",
    "start_key",
    "endkey",
    "end_key",
    "inclusive_end",
    "descending",
    "skip",
    "limit",
    "update_seq",
    "include_docs",
    "conflicts",
    "attachments",
    "att_encoding_info",
    "stable",
    "update",
    "stale",
    "sorted",
];

/// Of a view.
pub(super) const VIEW: &[&str] = &[
    "key",
    "keys",
    "startkey",
    "start_key",
    "startkey_docid",
    "start_key_doc_id",
    "endkey",
    "end_key",
    "endkey_docid",
    "end_key_doc_id",
    "inclusive_end",
    "descending",
    "skip",
    "limit",
    "reduce",
    "group",
    "group_level",
    "update_seq",
    "include_docs",
    "conflicts",
    "attachments",
    "att_encoding_info",
    "stable",
    "update",
    "stale",
    "sorted",
];

/// Of a question to a full-text index.
#[cfg(feature = "search")]
pub(super) const SEARCH: &[&str] = &[
    "q",
    "query",
    "bookmark",
    "limit",
    "sort",
    "include_docs",
    "include_fields",
    "counts",
    "ranges",
    "drilldown",
    "group_by",
    "group_field",
    "group_limit",
    "group_sort",
    "highlight_fields",
    "highlight_pre_tag",
    "highlight_post_tag",
    "highlight_number",
    "highlight_size",
    "update",
    "stale",
];

/// Of the list of Mango's indexes.
pub(super) const INDEXES: &[&str] = &["limit", "skip"];
