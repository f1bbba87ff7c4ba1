//! The policy of a database: CouchDB's security object, with lists of our own.

use std::collections::BTreeSet;

use identity::PublicKey;
use serde_json::{Map, Value, json};

use crate::documents::DocumentError;
use crate::rights::Rights;
use crate::word::{self, Who};

/// Most principals and groups that the lists of one policy name together.
pub const POLICY_WORDS_MAX: usize = 10_000;

/// What people read to know which database a policy is of; no part of the security object.
const LABEL: &str = "name";

/// Who may read which view.
const VIEWS: &str = "views";

/// The lists, and what each gives.
pub(crate) const LISTS: [(&str, Rights); 4] = [
    ("readers", Rights::READERS),
    ("members", Rights::MEMBERS),
    ("designers", Rights::DESIGN_VIEWS),
    ("admins", Rights::ADMINS),
];

/// What a document `database/<uuid>` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// The document as it was written, without what CouchDB adds to every document.
    document: Map<String, Value>,
    /// This hub's own key: groups of others are nobody's.
    hub: Option<PublicKey>,
    /// Who is named in which of [`LISTS`].
    pub(crate) lists: [Vec<Who>; LISTS.len()],
    /// Who is named for which view.
    pub(crate) views: Vec<ViewList>,
}

/// Who may read one view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ViewList {
    pub(crate) design: Box<str>,
    pub(crate) view: Box<str>,
    pub(crate) who: Vec<Who>,
}

/// What can be given to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To read.
    Read,
    /// To read, and write documents.
    Write,
    /// To read, write documents, and write views.
    Views,
    /// All of that, and to write any design document.
    Admin,
}

impl Right {
    /// The lists that say so.
    fn lists(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["readers"],
            Self::Write => &["members"],
            // Only those who may write documents make views.
            Self::Views => &["members", "designers"],
            Self::Admin => &["admins"],
        }
    }
}

/// Where something is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In the whole database.
    Database,
    /// In one view; only reading is given there.
    View {
        /// The design document's id behind `_design/`.
        design: &'a str,
        /// The view's name in it.
        view: &'a str,
    },
}

impl Policy {
    /// Reads the document, or a security object. `hub` is this hub's own key: URLs of groups of others
    /// name nobody.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(body: &str, hub: Option<PublicKey>) -> Result<Self, DocumentError> {
        match serde_json::from_str(body)? {
            Value::Object(document) => Self::of(document, hub),
            _ => Err(DocumentError::NoObject),
        }
    }

    /// Reads a security object that is to become the policy of the database called `label`.
    ///
    /// # Errors
    /// [`DocumentError`], also of members that no document can have.
    pub fn from_security(
        body: &str,
        label: &str,
        hub: Option<PublicKey>,
    ) -> Result<Self, DocumentError> {
        let mut policy = Self::parse(body, hub)?;
        if let Some(name) = policy.document.keys().find(|name| name.starts_with('_')) {
            return Err(DocumentError::Reserved(name.clone()));
        }
        policy.document.insert(LABEL.into(), label.into());
        Ok(policy)
    }

    fn of(mut document: Map<String, Value>, hub: Option<PublicKey>) -> Result<Self, DocumentError> {
        document.retain(|name, _| name != "_id" && name != "_rev");
        let mut lists: [Vec<Who>; LISTS.len()] = Default::default();
        let mut words_left = POLICY_WORDS_MAX;
        for ((name, _), list) in LISTS.iter().zip(&mut lists) {
            if let Some(value) = document.get(*name) {
                let couch = matches!(*name, "members" | "admins");
                let object = value.as_object().ok_or(match couch {
                    true => DocumentError::NoList,
                    false => DocumentError::NoListOf(name),
                })?;
                *list = read_list(object, hub, &mut words_left)?;
            }
        }
        let views = match document.get(VIEWS) {
            None => Vec::new(),
            Some(Value::Object(views)) => read_views(views, hub, &mut words_left)?,
            Some(_) => return Err(DocumentError::NoListOf(VIEWS)),
        };
        Ok(Self { document, hub, lists, views })
    }

    /// The document as it is to be stored.
    pub fn document(&self) -> String {
        Value::Object(self.document.clone()).to_string()
    }

    /// The name that the database had when this was written.
    pub fn label(&self) -> Option<&str> {
        self.document.get(LABEL)?.as_str()
    }

    /// CouchDB's security object: all that was written but the label.
    pub fn security(&self) -> Value {
        let members = self.document.iter().filter(|(name, _)| *name != LABEL);
        Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Gives somebody something; nothing that anybody has already is taken away.
    ///
    /// # Errors
    /// [`DocumentError::TooManyWords`].
    pub fn grant(
        &mut self,
        who: &Who,
        right: Right,
        place: Place<'_>,
    ) -> Result<(), DocumentError> {
        let mut document = self.document.clone();
        match place {
            Place::Database => {
                for name in right.lists() {
                    edit(&mut document, name, |list| add(list, who));
                }
            }
            Place::View { design, view } => edit(&mut document, VIEWS, |views| {
                edit(views, &view_word(design, view), |list| add(list, who));
            }),
        }
        *self = Self::of(document, self.hub)?;
        Ok(())
    }

    /// Who is given what where, by name: of a database the strongest right of each.
    pub fn given(&self) -> Vec<(Who, Right, Place<'_>)> {
        const RIGHTS: [Right; LISTS.len()] =
            [Right::Read, Right::Write, Right::Views, Right::Admin];
        let mut of_database = std::collections::BTreeMap::new();
        for (list, right) in self.lists.iter().zip(RIGHTS) {
            // The lists come in the order of what they give.
            of_database.extend(list.iter().map(|who| (who, right)));
        }
        let of_database =
            of_database.into_iter().map(|(who, right)| (who.clone(), right, Place::Database));
        let of_views = self.views.iter().flat_map(|list| {
            let place = Place::View { design: &list.design, view: &list.view };
            list.who.iter().map(move |who| (who.clone(), Right::Read, place))
        });
        of_database.chain(of_views).collect()
    }

    /// Takes from somebody all that this policy gives by name: of one view, or of the database and every
    /// view. Whether there was anything.
    ///
    /// # Errors
    /// [`DocumentError`] never comes of a policy that was read.
    pub fn revoke(&mut self, who: &Who, place: Place<'_>) -> Result<bool, DocumentError> {
        let (mut document, hub) = (self.document.clone(), self.hub);
        let mut removed = false;
        if place == Place::Database {
            for (name, _) in LISTS {
                removed |= remove(document.get_mut(name), who, hub);
            }
        }
        let views = document.get_mut(VIEWS).and_then(Value::as_object_mut);
        for (name, list) in views.into_iter().flatten() {
            let meant = match place {
                Place::Database => true,
                Place::View { design, view } => {
                    cut_view(name).is_some_and(|cut| cut == (design.into(), view.into()))
                }
            };
            if meant {
                removed |= remove(Some(list), who, hub);
            }
        }
        *self = Self::of(document, hub)?;
        Ok(removed)
    }
}

/// A view as a policy names it; a `/` within a name is written `%2F`, so that one text means one view.
fn view_word(design: &str, view: &str) -> String {
    let encoded = |name: &str| name.replace('%', "%25").replace('/', "%2F");
    format!("{}/{}", encoded(design), encoded(view))
}

/// The design document and the view that the word names.
fn cut_view(word: &str) -> Option<(Box<str>, Box<str>)> {
    let (design, view) = word.split_once('/')?;
    if design.is_empty() || view.is_empty() || view.contains('/') {
        return None;
    }
    let decoded = |name: &str| name.replace("%2F", "/").replace("%2f", "/").replace("%25", "%");
    Some((decoded(design).into(), decoded(view).into()))
}

fn read_views(
    views: &Map<String, Value>,
    hub: Option<PublicKey>,
    words_left: &mut usize,
) -> Result<Vec<ViewList>, DocumentError> {
    let mut lists = Vec::with_capacity(views.len().min(POLICY_WORDS_MAX));
    for (word, list) in views {
        *words_left = words_left.checked_sub(1).ok_or(DocumentError::TooManyWords)?;
        let (design, view) = cut_view(word).ok_or_else(|| DocumentError::View(word.clone()))?;
        let object = list.as_object().ok_or(DocumentError::NoListOf(VIEWS))?;
        lists.push(ViewList { design, view, who: read_list(object, hub, words_left)? });
    }
    Ok(lists)
}

fn read_list(
    object: &Map<String, Value>,
    hub: Option<PublicKey>,
    words_left: &mut usize,
) -> Result<Vec<Who>, DocumentError> {
    let mut who = BTreeSet::new();
    for part in ["names", "roles"] {
        let strings = match object.get(part) {
            None => continue,
            Some(value) => value.as_array().ok_or(DocumentError::NoStrings(part))?,
        };
        *words_left = words_left.checked_sub(strings.len()).ok_or(DocumentError::TooManyWords)?;
        for value in strings {
            let text = value.as_str().ok_or(DocumentError::NoStrings(part))?;
            who.extend(match part {
                "names" => word::name(text)?,
                _ => word::role(text, hub)?,
            });
        }
    }
    Ok(who.into_iter().collect())
}

/// Edits the object of that name, made where there is none.
fn edit(object: &mut Map<String, Value>, name: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut inner = match object.remove(name) {
        Some(Value::Object(inner)) => inner,
        Some(_) | None => Map::new(),
    };
    change(&mut inner);
    object.insert(name.into(), Value::Object(inner));
}

/// The part of a list where somebody stands, and the word for it there.
fn part_and_word(who: &Who) -> (&'static str, String) {
    match who {
        Who::Key(_) | Who::App(_) => ("names", who.to_string()),
        Who::Group(name) => ("roles", name.to_string()),
    }
}

fn add(list: &mut Map<String, Value>, who: &Who) {
    let (part, word) = part_and_word(who);
    let words = list.entry(part).or_insert_with(|| json!([]));
    if let Some(words) = words.as_array_mut()
        && !words.iter().any(|value| names(value, who, None))
    {
        words.push(word.into());
    }
}

fn remove(list: Option<&mut Value>, who: &Who, hub: Option<PublicKey>) -> bool {
    let (part, _) = part_and_word(who);
    let Some(words) = list.and_then(|list| list.get_mut(part)).and_then(Value::as_array_mut) else {
        return false;
    };
    let before = words.len();
    words.retain(|value| !names(value, who, hub));
    words.len() < before
}

/// Whether a word names just this principal or group, in whatever form.
fn names(word: &Value, who: &Who, hub: Option<PublicKey>) -> bool {
    let Some(text) = word.as_str() else { return false };
    let named = match who {
        Who::Key(_) | Who::App(_) => word::name(text),
        Who::Group(_) => word::role(text, hub),
    };
    named.is_ok_and(|named| named.as_ref() == Some(who))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Policy::parse(text, None).unwrap_err().to_string()
    }

    #[test]
    fn shapes() {
        for good in [
            "{}",
            r#"{"admins":{"names":["a"],"roles":[]},"members":{},"other":[1.0]}"#,
            r#"{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}"#,
            r#"{"readers":{"names":["a"]},"designers":{},"views":{"d/v":{"roles":["g"]}}}"#,
        ] {
            let policy = Policy::from_security(good, "notes", None).unwrap();
            let expected: Value = serde_json::from_str(good).unwrap();
            assert_eq!(policy.security(), expected);
            assert_eq!(policy.label(), Some("notes"));
        }
        let not_strings = "must be a JSON list of strings";
        for (bad, reason) in [
            ("[]", "Request body must be a JSON object"),
            ("\"a\"", "Request body must be a JSON object"),
            (r#"{"admins":[]}"#, "admins or members must be a JSON list of strings"),
            (r#"{"members":"a"}"#, "admins or members must be a JSON list of strings"),
            (r#"{"members":{"names":"a"}}"#, "names must be a JSON list of strings"),
            (r#"{"admins":{"roles":[1]}}"#, "roles must be a JSON list of strings"),
            (r#"{"views":{"d/v":{"roles":[1]}}}"#, not_strings),
            (r#"{"views":{"v":{}}}"#, "names no view"),
            (r#"{"views":{"a/b/c":{}}}"#, "names no view"),
            (r#"{"members":{"names":["ed25519publickey:a"]}}"#, "names no key"),
        ] {
            assert!(error(bad).contains(reason), "{bad}: {}", error(bad));
        }
        let many = json!({"members": {"names": vec!["a"; POLICY_WORDS_MAX + 1]}});
        assert!(error(&many.to_string()).contains("at most"));
        assert!(Policy::from_security(r#"{"_id":"a"}"#, "a", None).is_ok());
        assert!(Policy::from_security(r#"{"_deleted":true}"#, "a", None).is_err());
    }

    #[test]
    fn what_is_given_to_whom() {
        let policy = Policy::parse(
            r#"{"readers":{"names":["a","b"]},"members":{"names":["b"],"roles":["g"]},"views":{"d/v":{"names":["a"]}}}"#,
            None,
        );
        let policy = policy.unwrap();
        let given = policy.given();
        let given: Vec<_> = given
            .iter()
            .map(|(who, right, place)| (who.to_string(), *right, *place == Place::Database))
            .collect();
        let expected = [
            ("a", Right::Read, true),
            ("b", Right::Write, true),
            ("group:g", Right::Write, true),
            ("a", Right::Read, false),
        ];
        let expected: Vec<_> =
            expected.map(|(who, right, whole)| (who.to_owned(), right, whole)).into();
        assert_eq!(given, expected);
    }

    #[test]
    fn granted_and_revoked() {
        let (app, group) = (Who::App("a".into()), Who::Group("g".parse().unwrap()));
        let view = Place::View { design: "d/e", view: "v%" };
        let mut policy = Policy::parse(r#"{"other": 1}"#, None).unwrap();
        policy.grant(&app, Right::Views, Place::Database).unwrap();
        policy.grant(&app, Right::Views, Place::Database).unwrap();
        policy.grant(&group, Right::Read, view).unwrap();
        let expected = json!({
            "designers": {"names": ["a"]}, "members": {"names": ["a"]}, "other": 1,
            "views": {"d%2Fe/v%25": {"roles": ["g"]}},
        });
        assert_eq!(policy.security(), expected);
        assert!(policy.revoke(&app, Place::Database).unwrap());
        assert!(!policy.revoke(&app, Place::Database).unwrap());
        assert!(!policy.revoke(&group, Place::View { design: "d", view: "v" }).unwrap());
        assert!(policy.revoke(&group, Place::Database).unwrap());
        assert_eq!(policy.views[0].who, []);
    }
}
