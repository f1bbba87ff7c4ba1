//! What a full-text index is asked.

use std::str::FromStr;

use super::error::QuestionError;

/// A question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// The query, in Lucene's syntax.
    pub query: String,
    /// Most hits given.
    pub limit: usize,
    /// What hits are sorted by; where there is nothing, by how well they match.
    pub sort: Vec<SortField>,
    /// From where on: what an answer to the same question gave.
    pub bookmark: Option<String>,
    /// The one partition that is asked, where the index keeps documents by it.
    pub partition: Option<String>,
    /// Only documents with one of these texts in each of these fields.
    pub drilldown: Vec<(String, Vec<String>)>,
    /// Fields of which each value is counted.
    pub counts: Vec<String>,
    /// Ranges in which numbers are counted.
    pub ranges: Vec<CountedRange>,
    /// Whether hits are given in groups, each of at most `limit`; then bookmarks, counts and ranges
    /// mean nothing.
    pub grouping: Option<Grouping>,
    /// Whether hits show where the query's words stand.
    pub highlighting: Option<Highlighting>,
}

/// How hits are grouped.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// The field whose texts make the groups: `field` or `field<string>`.
    pub field: String,
    /// Most groups given.
    pub limit: usize,
    /// What groups are sorted by, each being where its first hit is; where there is nothing, by how well
    /// that matches.
    pub sort: Vec<SortField>,
}

/// How words of the query are shown in stored text.
#[derive(Clone, Debug, PartialEq)]
pub struct Highlighting {
    /// Of which fields.
    pub fields: Vec<String>,
    /// What stands before each word.
    pub pre_tag: String,
    /// What stands behind each word.
    pub post_tag: String,
    /// Most fragments of each text.
    pub number: usize,
    /// Letters of a fragment, about.
    pub size: usize,
}

impl Grouping {
    /// The name of the field.
    ///
    /// Source: Clouseau's `validateGroupField`.
    pub(super) fn field_name(&self) -> Result<&str, QuestionError> {
        let given = self.field.as_str();
        let rest = given.strip_prefix(['-', '+']).unwrap_or(given);
        let (name, kind) = match rest.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, kind)) => (name, kind),
            None => (rest, "string"),
        };
        let unrecognized = |what: &str| {
            let given: String = given.chars().take(100).collect();
            QuestionError::Group(format!("Unrecognized group_field {what}: {given}"))
        };
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(unrecognized("parameter"));
        }
        match kind {
            "string" => Ok(name),
            "number" => {
                let what = "Group by number not supported. Group by string terms only.";
                Err(QuestionError::Group(what.into()))
            }
            _ => Err(unrecognized("value")),
        }
    }
}

/// A range in which documents are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct CountedRange {
    /// Whose values.
    pub field: String,
    /// What the range is called.
    pub label: String,
    /// The range: in Lucene's syntax, `[0 TO 10}`.
    pub range: String,
}

/// What hits are sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortField {
    /// What of it.
    pub by: SortType,
    /// Whether the greatest come first.
    pub descending: bool,
}

/// What hits are compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortType {
    /// How well they match.
    Score,
    /// Numbers of a field.
    Number(String),
    /// Texts of a field.
    Text(String),
}

impl FromStr for SortField {
    type Err = QuestionError;

    /// Reads `field<type>` or `-field<type>`, where no type means numbers; `<score>`, the best first, or
    /// `-<score>`; `relevance`.
    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let bad = || QuestionError::Sort(text.chars().take(100).collect());
        let (descending, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if matches!(rest, "<score>" | "relevance") {
            return Ok(Self { by: SortType::Score, descending: !descending });
        }
        let (name, kind) = match rest.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, kind)) => (name, kind),
            None => (rest, "number"),
        };
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(bad());
        }
        let by = match kind {
            "number" | "double" => SortType::Number(name.into()),
            "string" => SortType::Text(name.into()),
            _ => return Err(bad()),
        };
        Ok(Self { by, descending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        let of = |text: &str| text.parse::<SortField>().ok().map(|f| (f.by, f.descending));
        assert_eq!(of("foo"), Some((SortType::Number("foo".into()), false)));
        assert_eq!(of("-foo<string>"), Some((SortType::Text("foo".into()), true)));
        assert_eq!(of("-foo<double>"), Some((SortType::Number("foo".into()), true)));
        assert_eq!(of("<score>"), Some((SortType::Score, true)));
        assert_eq!(of("-<score>"), Some((SortType::Score, false)));
        for bad in ["", "-", "foo<date>", "<number>", "<distance,lon,lat,1,2,km>", "a\0b"] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
