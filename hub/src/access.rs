//! Who asks, what they may do, and how they prove who they are.

mod app;
mod apps;
mod attempts;
mod door;
mod enrolments;
mod gate;
mod links;
mod login;
mod page_session;
mod policies;
mod principal;
mod session;
mod token;
mod way;

pub(crate) use acl::{Action, Grant, GrantError, Scope};
pub(crate) use app::{AppDocument, AppName, OWNER};
pub(crate) use apps::{AppsError, DATABASE as APPS_DATABASE, add, remove};
pub(crate) use attempts::Attempts;
pub(crate) use door::{CrossOrigin, LocalDoor};
pub(crate) use enrolments::{CODE_MINUTES_MAX, EnrolmentError};
pub(crate) use gate::{Target, is_done_here};
pub(crate) use links::GOOD_FOR as LINK_GOOD_FOR;
#[cfg(any(test, fuzzing))]
pub(crate) use login::Credentials;
pub(crate) use login::{Access, LogIn, Proof};
pub(crate) use policies::{
    AclError, Change, DATABASE as ACL_DATABASE, LivePolicies, change, change_all, change_in,
    documents, forget, hand_on, move_security_objects, noted_as_own, policy_id, set_security,
};
pub(crate) use principal::{KeyHolder, Principal};
#[cfg(any(test, fuzzing))]
pub(crate) use session::Sessions;
pub(crate) use session::{Renewal, ended};
pub(crate) use token::{Token, TokenHash};
pub(crate) use way::Way;
