//! Who sends a request.

use std::sync::Arc;

use acl::Caller;
use identity::{ProvenKey, PublicKey};
use onion::Service;

use super::app::{App, OWNER};
use super::policies::LivePolicies;
use super::way::Way;

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) enum Principal {
    /// Nobody that the hub knows, on this device.
    Anonymous,
    /// Nobody that the hub knows, from another device and without a key.
    Unproven,
    /// Whoever holds the owner's token or this hub's own key, or speaks over the owner-only socket.
    Owner,
    /// A local app with a token or a key of its own.
    App(Arc<App>),
    /// Whoever has proven a key: a device of the owner's, a friend, a stranger.
    Key(Arc<KeyHolder>),
}

/// Whoever has proven a key.
#[derive(Debug)]
pub(crate) struct KeyHolder {
    /// The key that was proven.
    device: PublicKey,
    /// Whom it was of when it came: a friend whose device it is, else itself.
    person: PublicKey,
    proven: ProvenKey,
    /// The person's key in base32.
    name: String,
    way: Way,
    policies: Arc<LivePolicies>,
}

impl KeyHolder {
    /// The holder of this key, who came this way.
    pub(crate) fn new(key: &ProvenKey, way: Way, policies: &Arc<LivePolicies>) -> Self {
        let (proven, device) = (*key, key.key());
        let person = policies.person(device);
        let name = person.to_string();
        Self { device, person, proven, name, way, policies: Arc::clone(policies) }
    }

    /// Whose rights it has: the person's, for as long as it is one of theirs.
    fn key(&self) -> PublicKey {
        let is_theirs =
            self.person == self.device || self.policies.person(self.device) == self.person;
        if is_theirs { self.person } else { self.device }
    }

    /// Whether it is one of the owner's own devices, as of now.
    fn is_own(&self) -> bool {
        !self.is_stranger()
            && self.policies.now().principals().get(&self.device).is_some_and(|notes| notes.own)
    }

    /// Whether it came by the door for those whom the hub does not know, where everybody is one.
    fn is_stranger(&self) -> bool {
        self.way == Way::Onion(Service::Strangers)
    }
}

impl Principal {
    /// The name in `userCtx`.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Anonymous | Self::Unproven => None,
            Self::Owner => Some(OWNER),
            Self::App(app) => Some(app.name()),
            Self::Key(holder) => Some(&holder.name),
        }
    }

    /// The key of whoever came, where it is a key and no app's: of a friend's further device the friend's.
    pub(crate) fn key(&self) -> Option<PublicKey> {
        match self {
            Self::Anonymous | Self::Unproven | Self::Owner | Self::App(_) => None,
            Self::Key(holder) => Some(holder.key()),
        }
    }

    /// The key that was proven, where it is a key that came and no app's.
    pub(crate) fn device(&self) -> Option<PublicKey> {
        match self {
            Self::Anonymous | Self::Unproven | Self::Owner | Self::App(_) => None,
            Self::Key(holder) => Some(holder.device),
        }
    }

    /// The same with what tells the connection from others on which it was proven.
    pub(crate) fn proven(&self) -> Option<ProvenKey> {
        match self {
            Self::Anonymous | Self::Unproven | Self::Owner | Self::App(_) => None,
            Self::Key(holder) => Some(holder.proven),
        }
    }

    /// Whether this is the owner, one of the owner's devices, or an app that may do whatever the owner
    /// may.
    pub(crate) fn is_admin(&self) -> bool {
        match self {
            Self::Anonymous | Self::Unproven => false,
            Self::Owner => true,
            Self::App(app) => app.is_admin(),
            Self::Key(holder) => holder.is_own(),
        }
    }

    /// Whether it speaks from another device.
    pub(crate) fn is_elsewhere(&self) -> bool {
        match self {
            Self::Anonymous | Self::Owner | Self::App(_) => false,
            Self::Unproven | Self::Key(_) => true,
        }
    }

    /// Whether it is from another device, and none of the owner's: then it has a space of its own for
    /// local documents, and gets what the table of routes has for keys.
    pub(crate) fn is_guest(&self) -> bool {
        self.is_elsewhere() && !self.is_admin()
    }

    /// Whether it came by the door for those whom the hub does not know, where everybody is one, be it
    /// a device of the owner's.
    pub(crate) fn is_stranger(&self) -> bool {
        match self {
            Self::Anonymous | Self::Unproven | Self::Owner | Self::App(_) => false,
            Self::Key(holder) => holder.is_stranger(),
        }
    }

    /// Whether it is still known: an app that was removed or changed is not, and what it began,
    /// for instance a feed, ends.
    pub(crate) fn is_current(&self) -> bool {
        match self {
            // Keys are asked after each time.
            Self::Anonymous | Self::Unproven | Self::Owner | Self::Key(_) => true,
            Self::App(app) => app.is_current(),
        }
    }

    /// As policies see it.
    pub(crate) fn caller(&self) -> Caller<'_> {
        match self {
            Self::Anonymous | Self::Unproven => Caller::Anonymous,
            Self::Owner => Caller::Owner,
            Self::App(app) => Caller::App {
                name: app.name(),
                admin: app.is_admin(),
                grants: &app.document().databases,
            },
            Self::Key(holder) => Caller::Key(holder.key()),
        }
    }
}
