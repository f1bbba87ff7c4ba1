//! What an app was given when it was added.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use store::DbName;

/// A database that an app may use, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The database; it need not exist yet.
    #[serde(with = "text")]
    pub name: DbName,
    /// Whether the app may write as well as read, and create the database.
    pub write: bool,
}

/// The text is no grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The part before the colon is no database name.
    #[error(transparent)]
    Name(#[from] store::DbNameError),
    /// The part after the colon is neither right.
    #[error("`{0}` is no right; write DB:r for reading, DB:rw for writing too")]
    Right(String),
    /// System databases are not granted one by one.
    #[error("{0} is a system database: only the owner and admin apps reach it")]
    System(DbName),
}

impl FromStr for Grant {
    type Err = GrantError;

    /// `DB` and `DB:r` let an app read, `DB:rw` lets it write too.
    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (name, write) = match text.rsplit_once(':') {
            None => (text, false),
            Some((name, "r")) => (name, false),
            Some((name, "rw")) => (name, true),
            Some((_, right)) => return Err(GrantError::Right(right.into())),
        };
        let name: DbName = name.parse()?;
        if name.is_system() {
            return Err(GrantError::System(name));
        }
        Ok(Self { name, write })
    }
}

mod text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use store::DbName;

    pub(super) fn serialize<S: Serializer>(name: &DbName, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(name.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DbName, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants() {
        let grant = |text: &str| text.parse::<Grant>().map(|g| (g.name.to_string(), g.write));
        assert_eq!(grant("notes"), Ok(("notes".into(), false)));
        assert_eq!(grant("notes:r"), Ok(("notes".into(), false)));
        assert_eq!(grant("a/b:rw"), Ok(("a/b".into(), true)));
        assert_eq!(grant("notes:w"), Err(GrantError::Right("w".into())));
        assert!(matches!(grant("Notes"), Err(GrantError::Name(_))));
        assert!(matches!(grant("_apps:rw"), Err(GrantError::System(_))));
    }
}
