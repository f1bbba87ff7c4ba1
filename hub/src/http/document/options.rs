//! What a request for a document asks for.

use http::{HeaderMap, header};
use serde_json::Value;
use store::{RevId, Show, ShowAttachments};

use crate::http::{HttpError, Query};

/// The options of a read. As in CouchDB an option counts when it is `true` and is passed over when
/// it is any other word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadOptions {
    /// `rev`: this revision instead of the winner.
    pub(crate) rev: Option<RevId>,
    /// `open_revs`: these revisions, as a list.
    pub(crate) open_revs: Option<OpenRevs>,
    /// `latest`: the leaves that the revisions led to.
    pub(crate) latest: bool,
    /// `deleted`: the winner even when it is a tombstone.
    pub(crate) deleted: bool,
    /// What is shown.
    pub(crate) show: Show,
}

/// Which revisions `open_revs` wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OpenRevs {
    /// Each leaf.
    All,
    /// These; never empty.
    These(Vec<RevId>),
}

impl ReadOptions {
    /// Reads the query options.
    pub(crate) fn parse(query: &Query) -> Result<Self, HttpError> {
        let open_revs = match query.text("open_revs") {
            None => None,
            Some("all") => Some(OpenRevs::All),
            Some(_) => query
                .json("open_revs")?
                .map(|list| revs(&list))
                .transpose()?
                .filter(|revs| !revs.is_empty())
                .map(OpenRevs::These),
        };
        let atts_since = query.json("atts_since")?.map(|list| revs(&list)).transpose()?;
        let attachments = match atts_since {
            Some(revs) => ShowAttachments::Since(revs),
            None if query.is_true("attachments") => ShowAttachments::All,
            None => ShowAttachments::Stubs,
        };
        let meta = query.is_true("meta");
        Ok(Self {
            rev: query.text("rev").map(str::parse).transpose()?,
            open_revs,
            latest: query.is_true("latest"),
            deleted: query.is_true("deleted"),
            show: Show {
                revs: query.is_true("revs"),
                revs_info: meta || query.is_true("revs_info"),
                conflicts: meta || query.is_true("conflicts"),
                deleted_conflicts: meta || query.is_true("deleted_conflicts"),
                local_seq: query.is_true("local_seq"),
                attachments,
                encoding_info: query.is_true("att_encoding_info"),
                follow: false,
            },
        })
    }
}

fn revs(list: &Value) -> Result<Vec<RevId>, HttpError> {
    let Value::Array(list) = list else {
        return Err(HttpError::BadRequest("Invalid list of revisions".into()));
    };
    let rev = |rev: &Value| Ok(rev.as_str().ok_or(store::ParseRevError)?.parse::<RevId>()?);
    list.iter().map(rev).collect()
}

/// The revisions that a write builds on, newest first: those in the document itself, else `rev`,
/// else `If-Match`. Where more than one says something they must say the same.
pub(crate) fn rev_options(
    in_document: Vec<RevId>,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Vec<RevId>, HttpError> {
    let asked = query.text("rev").map(str::parse::<RevId>).transpose()?;
    let matched = headers.get(header::IF_MATCH).map(if_match).transpose()?;
    let contradiction = |reason: &str| Err(HttpError::BadRequest(reason.into()));
    if let (Some(first), Some(asked)) = (in_document.first(), &asked)
        && first != asked
    {
        return contradiction(
            "Document rev from request body and query string have different values",
        );
    }
    let said = in_document.first().or(asked.as_ref());
    if let (Some(said), Some(matched)) = (said, &matched)
        && said != matched
    {
        return contradiction("Document rev and etag have different values");
    }
    if in_document.is_empty() {
        Ok(asked.or(matched).into_iter().collect())
    } else {
        Ok(in_document)
    }
}

fn if_match(value: &http::HeaderValue) -> Result<RevId, HttpError> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| store::ParseRevError)?;
    Ok(text.trim_matches('"').parse::<RevId>()?)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(query: &str) -> Result<ReadOptions, String> {
        let query = Query::parse(Some(query)).unwrap();
        ReadOptions::parse(&query).map_err(|error| error.to_string())
    }

    fn rev(text: &str) -> RevId {
        text.parse().unwrap()
    }

    #[test]
    fn read_options() {
        assert_eq!(parse("revs=yes&attachments=1&foo=bar"), Ok(ReadOptions::default()));
        let all = parse("meta=true&revs=true&local_seq=true&latest=true&attachments=true").unwrap();
        assert!(all.latest && all.show.revs && all.show.revs_info && all.show.local_seq);
        assert!(all.show.conflicts && all.show.deleted_conflicts);
        assert_eq!(all.show.attachments, ShowAttachments::All);
        assert_eq!(parse("open_revs=all").unwrap().open_revs, Some(OpenRevs::All));
        assert_eq!(parse("open_revs=[]").unwrap().open_revs, None);
        assert_eq!(
            parse(r#"open_revs=["1-a","2-b"]"#).unwrap().open_revs,
            Some(OpenRevs::These(vec![rev("1-a"), rev("2-b")]))
        );
        assert_eq!(
            parse(r#"atts_since=["1-a"]&attachments=true"#).unwrap().show.attachments,
            ShowAttachments::Since(vec![rev("1-a")])
        );
        assert_eq!(parse("rev=1-a").unwrap().rev, Some(rev("1-a")));
    }

    #[test]
    fn refuses_malformed_revisions() {
        for bad in ["rev=", "rev=x", r#"open_revs=[1]"#, r#"atts_since=["x"]"#] {
            assert_eq!(parse(bad).unwrap_err(), "Invalid rev format", "{bad}");
        }
        assert_eq!(parse("open_revs={}").unwrap_err(), "Invalid list of revisions");
        assert_eq!(parse("open_revs=x").unwrap_err(), "invalid UTF-8 JSON");
    }

    fn check(body: &[&str], query: &str, if_match: Option<&'static str>, expected: &str) {
        let query = Query::parse(Some(query)).unwrap();
        let if_match = if_match.map(|tag| (header::IF_MATCH, HeaderValue::from_static(tag)));
        let headers = HeaderMap::from_iter(if_match);
        let body = body.iter().map(|text| rev(text)).collect();
        let shown = match rev_options(body, &query, &headers) {
            Ok(revs) => revs.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_write_names_its_base_in_three_places() {
        check(&[], "", None, "");
        check(&["2-b", "1-a"], "", None, "2-b,1-a");
        check(&[], "rev=1-a", None, "1-a");
        check(&[], "", Some("\"1-a\""), "1-a");
        check(&[], "", Some("1-a"), "1-a");
        check(&["1-a"], "rev=1-a", Some("\"1-a\""), "1-a");
        let with_query = "Document rev from request body and query string have different values";
        check(&["1-a"], "rev=1-b", None, with_query);
        let with_header = "Document rev and etag have different values";
        check(&["1-a"], "", Some("1-b"), with_header);
        check(&[], "rev=1-a", Some("1-b"), with_header);
        check(&[], "", Some("*"), "Invalid rev format");
    }
}
