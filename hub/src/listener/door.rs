//! The way a request came in, and what is asked of it there.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use identity::{Authority, Host, HttpKeyUrl, ProvenKey};
use onion::Service;

use super::tls::is_closed_to;
use crate::access::{CrossOrigin, LocalDoor, LogIn, Principal, Proof, Renewal, Way};
use crate::app::App;
use crate::clock;
use crate::config::HttpConfig;
use crate::http::answered::Asked;
use crate::http::incoming::Incoming;
use crate::http::timing::timed;
use crate::http::{HttpError, Reply, answer, cors};
use crate::mesh;
use crate::pairing;

/// The way a connection came in.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Plain HTTP from this machine: whoever asks must prove who it is.
    Local(Arc<LocalDoor>),
    /// TLS: whoever has shown a key is that key.
    Tls(Arc<Visit>),
    /// The owner-only socket, whose other end runs as our own user: the owner.
    Control,
}

/// A connection over TLS.
#[derive(Debug)]
pub(super) struct Visit {
    /// Where it came from.
    pub(super) way: Way,
    /// The key that its handshake has proven.
    pub(super) key: Option<ProvenKey>,
    /// What programs of this machine have to pass.
    pub(super) local: Arc<LocalDoor>,
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
        match self {
            Self::Control => answer(app, Principal::Owner, request, asked).await,
            Self::Local(door) => admit(app, door, Proven::Nothing, request, asked).await,
            Self::Tls(visit) => match visit.normalise(&app, request) {
                Err(error) => error.reply(),
                Ok(request) => visit.admit(app, request, asked).await,
            },
        }
    }
}

impl Visit {
    async fn admit(&self, app: Arc<App>, request: Request<Incoming>, asked: &mut Asked) -> Reply {
        let refused = self.key.as_ref().filter(|key| app.access.is_blocked(key));
        if let Some(key) = refused.map(ProvenKey::key)
            && !pairing::returns_by(&app, key, &request)
        {
            let reason = mesh::refusal(&app, key);
            return reason.map_or(HttpError::Forbidden, HttpError::Removed).reply();
        }
        if let Some(key) = self.key.as_ref().map(ProvenKey::key)
            && is_closed_to(&app, self.way, Some(key))
            && !pairing::comes_by(&app, key, &request)
        {
            return HttpError::Forbidden.reply();
        }
        let way = self.way_of(request.headers());
        let proven = self.key.as_ref().map_or(Proven::Nothing, |key| Proven::Key(key, way));
        match way {
            // A hub that came by a forwarded port or another name: pages have no part in it.
            Way::Local if self.is_hub(&app, request.headers()) => {
                authenticated(app, proven, None, request, asked).await
            }
            Way::Local => admit(app, &self.local, proven, request, asked).await,
            // Only hubs and apps come from elsewhere. A page would act with its reader's key.
            Way::Lan | Way::Onion(_) if request.headers().contains_key(header::ORIGIN) => {
                HttpError::ForbiddenBecause("Pages use the hub of their own device.").reply()
            }
            Way::Lan | Way::Onion(_) => match self.key {
                Some(_) => authenticated(app, proven, None, request, asked).await,
                None if credentials(request.headers()) => HttpError::KeysOnly.reply(),
                None => answer(app, Principal::Unproven, request, asked).await,
            },
        }
    }

    /// Whether another hub that the owner has named sends this, and no page: browsers that could show the
    /// key of one say so in every request. A rebound name gets a page nothing here: it has no key of a hub's.
    fn is_hub(&self, app: &App, headers: &HeaderMap) -> bool {
        let is_of_browser = |name: &HeaderName| {
            *name == header::ORIGIN || *name == header::REFERER || name.as_str().starts_with("sec-")
        };
        self.key.as_ref().is_some_and(|key| app.mesh.peers().now().contains_key(&key.key()))
            && !headers.keys().any(is_of_browser)
    }

    /// Where a request comes from. One for an onion address has come through Tor, also where a Tor of this
    /// machine publishes the listener: no name that a page can make its own looks like that.
    fn way_of(&self, headers: &HeaderMap) -> Way {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = host.and_then(|host| host.parse::<Authority>().ok());
        match authority.map(|authority| authority.host) {
            Some(Host::Onion(_)) if self.way == Way::Local => Way::Onion(Service::Main),
            _ => self.way,
        }
    }

    /// Takes the whole httpkey URL in a request line, where it is this hub's, for the path in it.
    ///
    /// Source: the httpkey scheme asks for that form; CouchDB's clients send the path alone.
    fn normalise(
        &self,
        app: &App,
        mut request: Request<Incoming>,
    ) -> Result<Request<Incoming>, HttpError> {
        if request.uri().scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("httpkey")) {
            let text = request.uri().to_string();
            let (url, query) = text.split_at(text.find('?').unwrap_or(text.len()));
            let url: HttpKeyUrl = url.parse().map_err(|error| {
                HttpError::BadRequest(format!("the request line's URL: {error}"))
            })?;
            if url.key() != app.device.public() {
                return Err(HttpError::WrongHost);
            }
            let uri = format!("{}{query}", url.path()).parse();
            *request.uri_mut() = uri.map_err(|_| HttpError::WrongHost)?;
        }
        Ok(request)
    }
}

/// What the connection itself has proven.
#[derive(Clone, Copy)]
enum Proven<'a> {
    Nothing,
    Key(&'a ProvenKey, Way),
}

/// A request of this machine: `Host` and `Origin` first, then who asks.
async fn admit(
    app: Arc<App>,
    door: &LocalDoor,
    proven: Proven<'_>,
    request: Request<Incoming>,
    asked: &mut Asked,
) -> Reply {
    let rules = app.couch_config.obeyed();
    let by_app = |origin: &str| app.access.apps().trust(origin);
    let admitted = door.admit(request.uri(), request.headers(), &rules.cors, by_app);
    drop(rules);
    match admitted {
        Err(error) => error.reply(),
        Ok(None) => authenticated(app, proven, None, request, asked).await,
        Ok(Some(page)) => cross_origin(app, proven, request, &page, asked).await,
    }
}

async fn cross_origin(
    app: Arc<App>,
    proven: Proven<'_>,
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
        Ok(()) => authenticated(Arc::clone(&app), proven, Some(page), request, asked).await,
        Err(error) => error.reply(),
    };
    cors::allow(page, &rules, reply.headers_mut());
    reply
}

async fn authenticated(
    app: Arc<App>,
    proven: Proven<'_>,
    page: Option<&CrossOrigin>,
    mut request: Request<Incoming>,
    asked: &mut Asked,
) -> Reply {
    let LogIn { principal, proof } = match identified(&app, proven, page, request.headers()) {
        Ok(log_in) => log_in,
        Err(error) => return error.reply(),
    };
    request.extensions_mut().insert(proof);
    if !matches!(proof, Proof::Cookie(Renewal::Due) | Proof::Page(_, Renewal::Due)) {
        return answer(app, principal, request, asked).await;
    }
    let mut reply = answer(Arc::clone(&app), principal.clone(), request, asked).await;
    renew(&app, &principal, proof, &mut reply);
    reply
}

/// Who sends a request, if the page it comes from may send it as that.
fn identified(
    app: &App,
    proven: Proven<'_>,
    page: Option<&CrossOrigin>,
    headers: &HeaderMap,
) -> Result<LogIn, HttpError> {
    let now = clock::now();
    let log_in = match proven {
        // Whoever shows two identities is not asked which one was meant.
        Proven::Key(..) if credentials(headers) => return Err(HttpError::KeysOnly),
        Proven::Key(key, way) => {
            LogIn { principal: app.access.principal_of(key, way), proof: Proof::Key }
        }
        // Pages of other origins never have a session of the hub's own.
        Proven::Nothing => match app.access.of_page(headers, now).filter(|_| page.is_none()) {
            Some(log_in) => log_in,
            None => app.access.authenticate(headers, now)?,
        },
    };
    if let Some(page) = page {
        page.admit(&log_in.principal)?;
    }
    if let Principal::App(program) = &log_in.principal {
        program.note_use(now);
    }
    Ok(log_in)
}

/// Whether the headers hold what only programs without a key use.
fn credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
}

/// Sends a fresh cookie, unless the answer begins or ends a session itself.
fn renew(app: &App, principal: &Principal, proof: Proof, reply: &mut Reply) {
    if reply.headers().contains_key(header::SET_COOKIE) {
        return;
    }
    let now = clock::now();
    let cookie = match proof {
        Proof::Page(session, _) => Some(app.access.pages().cookie(session, now)),
        _ => app.access.cookie(principal, now),
    };
    if let Some(Ok(cookie)) = cookie.map(|cookie| HeaderValue::from_str(&cookie)) {
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
