//! Who asks, what they may do, and how they prove who they are.

mod app;
mod apps;
mod attempts;
mod door;
mod login;
mod principal;
mod session;
mod token;

pub(crate) use app::{AppDocument, AppName, Grant, GrantError, OWNER};
pub(crate) use apps::{AppsError, DATABASE as APPS_DATABASE, add, remove};
pub(crate) use door::{CrossOrigin, LocalDoor};
#[cfg(any(test, fuzzing))]
pub(crate) use login::Credentials;
pub(crate) use login::{Access, LogIn, Proof};
pub(crate) use principal::{Action, Decision, Principal, decide};
#[cfg(any(test, fuzzing))]
pub(crate) use session::Sessions;
pub(crate) use session::{Renewal, ended};
pub(crate) use token::{Token, TokenHash};
