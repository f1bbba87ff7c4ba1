//! Which design documents somebody may write.

use serde_json::{Map, Value};
use store::{Database, Edit};

use crate::http::HttpError;

/// Members of a design document that make views and nothing else: no function of theirs decides what
/// others may write, or what they are shown.
const VIEWS: [&str; 3] = ["views", "language", "options"];

/// Which design documents somebody may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DesignRight {
    /// Any.
    All,
    /// Those that have views and nothing else, also before.
    Views,
    /// None.
    None,
}

impl DesignRight {
    /// Whether it covers this edit of a design document. May block.
    pub(super) fn admit(self, database: &Database, edit: &Edit) -> Result<(), HttpError> {
        let covers = match self {
            Self::All => true,
            Self::Views => {
                let added = !edit.deleted && edit.attachments.is_empty() && makes_views(&edit.body);
                added && replaces_views(database, edit)?
            }
            Self::None => false,
        };
        if covers { Ok(()) } else { Err(HttpError::Forbidden) }
    }
}

/// Whether what is there now, if anything, has views and nothing else.
fn replaces_views(database: &Database, edit: &Edit) -> Result<bool, store::Error> {
    database.read(|snapshot| {
        let Some(head) = snapshot.head(&edit.id)? else { return Ok(true) };
        let body = snapshot.body(head.body)?;
        Ok(body.is_none_or(|body| {
            head.deleted || (body.attachments.is_empty() && makes_views(&body.json))
        }))
    })
}

fn makes_views(body: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(body)
        .is_ok_and(|members| members.keys().all(|name| VIEWS.contains(&name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_and_nothing_else() {
        for good in ["{}", r#"{"views":{}}"#, r#"{"language":"query","views":{},"options":{}}"#] {
            assert!(makes_views(good), "{good}");
        }
        for bad in [
            r#"{"validate_doc_update":"x"}"#,
            r#"{"views":{},"filters":{}}"#,
            r#"{"Views":{}}"#,
            "[]",
            "",
        ] {
            assert!(!makes_views(bad), "{bad}");
        }
    }
}
