//! Whom and which place the owner means by a word on the command line.

use std::sync::Arc;

use acl::{Place, Who};
use store::{Database, DbName};

use crate::app::App;
use crate::http::HttpError;

/// Whom a word means: a key, an httpkey URL, a petname, the name of an app, or `group:NAME`. One that
/// means several is refused with all that it could mean.
pub(super) fn find(app: &App, word: &str) -> Result<Who, HttpError> {
    let bad = |reason: String| HttpError::BadRequest(reason);
    let policies = app.access.policies().now();
    match Who::parse(word).map_err(|error| bad(error.to_string()))? {
        // Whoever names a friend's device means the friend.
        Some(Who::Key(key)) => return Ok(Who::Key(policies.person(key))),
        Some(Who::Group(name)) if policies.groups().contains_key(&name) => {
            return Ok(Who::Group(name));
        }
        Some(Who::Group(name)) => {
            let reason = format!("there is no group {name}; `larder group create {name}` makes it");
            return Err(bad(reason));
        }
        Some(Who::App(_)) | None => {}
    }
    let named = policies.principals().iter().filter(|(_, notes)| notes.name == word);
    let mut meanings: Vec<Who> = named.map(|(key, _)| Who::Key(*key)).collect();
    if app.access.apps().get(word).is_some() {
        meanings.push(Who::App(word.into()));
    }
    if meanings.len() > 1 {
        let described = |who: &Who| match who {
            Who::Key(key) => format!("the key {key}"),
            Who::App(name) => format!("the app {name}"),
            Who::Group(name) => format!("the group {name}"),
        };
        let meanings: Vec<_> = meanings.iter().map(described).collect();
        return Err(bad(format!("`{word}` means more than one: {}", meanings.join(", "))));
    }
    meanings.pop().ok_or_else(|| {
        bad(format!("`{word}` is no key, no httpkey URL, no petname, no app and no group:NAME"))
    })
}

/// A database, and the view of it where one is meant.
#[derive(Debug)]
pub(super) struct Meant {
    pub(super) database: Arc<Database>,
    view: Option<(String, String)>,
}

impl Meant {
    /// The place in the database's policy.
    pub(super) fn place(&self) -> Place<'_> {
        match &self.view {
            None => Place::Database,
            Some((design, view)) => Place::View { design, view },
        }
    }

    /// The design document, without `_design/`, and the view in it, where one is meant.
    pub(super) fn view(&self) -> Option<(&str, &str)> {
        self.view.as_ref().map(|(design, view)| (design.as_str(), view.as_str()))
    }

    /// What `DB` or `DB/DESIGN/VIEW` means among the databases that there are, whose names may hold
    /// slashes too; a slash within the name of a view is written `%2F`.
    pub(super) fn find(app: &App, text: &str) -> Result<Self, HttpError> {
        let database = |name: &str| app.store.database(&DbName::of_existing(name).ok()?);
        let ends = text.match_indices('/').map(|(at, _)| at).chain([text.len()]);
        let meanings = ends.filter_map(|at| {
            let (name, rest) = text.split_at(at);
            let view = if rest.is_empty() { None } else { Some(view(rest)?) };
            Some(Self { database: database(name)?, view })
        });
        let mut meanings: Vec<Self> = meanings.collect();
        if meanings.len() > 1 {
            let described: Vec<_> = meanings.iter().map(Self::describe).collect();
            let reason = format!("`{text}` means more than one: {}", described.join(", "));
            return Err(HttpError::BadRequest(reason));
        }
        meanings.pop().ok_or(HttpError::NotFound("there is no such database"))
    }

    fn describe(&self) -> String {
        let name = self.database.name();
        match &self.view {
            None => format!("the database {name}"),
            Some((design, view)) => format!("the view {view} of _design/{design} in {name}"),
        }
    }
}

/// `/DESIGN/VIEW`, with or without `_design/` before.
fn view(rest: &str) -> Option<(String, String)> {
    let rest = rest.strip_prefix('/')?;
    let (design, view) = rest.strip_prefix("_design/").unwrap_or(rest).split_once('/')?;
    if design.is_empty() || view.is_empty() || view.contains('/') {
        return None;
    }
    let decoded = |text: &str| Some(crate::http::path::percent_decode(text).ok()?.into_owned());
    Some((decoded(design)?, decoded(view)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views() {
        let view = |text| view(text).map(|(design, view)| format!("{design} {view}"));
        assert_eq!(view("/d/v").as_deref(), Some("d v"));
        assert_eq!(view("/_design/d/v").as_deref(), Some("d v"));
        assert_eq!(view("/a%2Fb/v").as_deref(), Some("a/b v"));
        for bad in ["/d", "/d/", "//v", "/d/v/w", "d/v"] {
            assert_eq!(view(bad), None, "{bad}");
        }
    }
}
