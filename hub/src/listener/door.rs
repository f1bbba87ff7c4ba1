//! The way a request came in, and what is asked of it there.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, header};

use crate::access::{CrossOrigin, LocalDoor, LogIn, Principal, Proof, Renewal};
use crate::app::App;
use crate::clock;
use crate::config::HttpConfig;
use crate::http::answered::Asked;
use crate::http::incoming::Incoming;
use crate::http::timing::timed;
use crate::http::{Reply, answer, cors};

/// The way a connection came in.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Plain HTTP from this machine: whoever asks must prove who it is.
    Local(Arc<LocalDoor>),
    /// The owner-only socket, whose other end runs as our own user: the owner.
    Control,
}

impl Door {
    /// The door of the listener on this port.
    pub(super) fn local(config: &HttpConfig, port: u16) -> Self {
        Self::Local(Arc::new(LocalDoor::new(config, port)))
    }

    /// Answers a request: lets it in or not, finds out who asks, hands it to the router.
    pub(super) async fn answer(&self, app: Arc<App>, request: Request<Incoming>) -> Reply {
        let mut asked = Asked::now(request.method());
        let (reply, waited) = timed(self.admit(Arc::clone(&app), request, &mut asked)).await;
        asked.answered(&app, reply, waited)
    }

    async fn admit(&self, app: Arc<App>, request: Request<Incoming>, asked: &mut Asked) -> Reply {
        let door = match self {
            Self::Control => return answer(app, Principal::Owner, request, asked).await,
            Self::Local(door) => door,
        };
        let rules = app.couch_config.obeyed();
        let admitted = door.admit(request.uri(), request.headers(), &rules.cors);
        drop(rules);
        match admitted {
            Err(error) => error.reply(),
            Ok(None) => authenticated(app, request, asked).await,
            Ok(Some(page)) => cross_origin(app, request, &page, asked).await,
        }
    }
}

async fn cross_origin(
    app: Arc<App>,
    mut request: Request<Incoming>,
    page: &CrossOrigin,
    asked: &mut Asked,
) -> Reply {
    let rules = app.couch_config.obeyed().cors.of_host(&page.host).clone();
    if request.method() == Method::OPTIONS
        && let Some(reply) = cors::preflight(page, &rules, request.headers())
    {
        return reply;
    }
    let mut reply = match cors::restrict(page, request.headers_mut()) {
        Ok(()) => authenticated(Arc::clone(&app), request, asked).await,
        Err(error) => error.reply(),
    };
    cors::allow(page, &rules, reply.headers_mut());
    reply
}

async fn authenticated(app: Arc<App>, request: Request<Incoming>, asked: &mut Asked) -> Reply {
    let LogIn { principal, proof } = match app.access.authenticate(request.headers(), clock::now())
    {
        Ok(log_in) => log_in,
        Err(error) => return error.reply(),
    };
    if proof != Proof::Cookie(Renewal::Due) {
        return answer(app, principal, request, asked).await;
    }
    let mut reply = answer(Arc::clone(&app), principal.clone(), request, asked).await;
    renew(&app, &principal, &mut reply);
    reply
}

/// Sends a fresh cookie, unless the answer begins or ends a session itself.
fn renew(app: &App, principal: &Principal, reply: &mut Reply) {
    if reply.headers().contains_key(header::SET_COOKIE) {
        return;
    }
    let cookie = app.access.cookie(principal, clock::now());
    if let Some(Ok(cookie)) = cookie.map(|cookie| HeaderValue::from_str(&cookie)) {
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
