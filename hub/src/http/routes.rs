//! The table of routes: what a path and method mean, and which right they need.

mod options;

use std::future::Future;
use std::pin::Pin;

use http::Request;

#[cfg(feature = "search")]
use self::options::SEARCH;
use self::options::{
    ATTACHMENT, BULK_GET, CHANGES, DOCUMENT, FEED, ForKeys, INDEXES, LISTING, NONE, VIEW,
};
use super::incoming::Incoming;
#[cfg(feature = "search")]
use super::search;
use super::{Call, HttpError, Reply};
use super::{
    all_docs, attachment, bulk, changes, database, document, find, functions, local, partition,
    revisions, server, session, view,
};
use crate::access::Action;
use crate::conflicts::serve as conflicts;
use crate::held;
use crate::overwritten::serve as overwritten;
use crate::pairing::serve as pairing;
use crate::registry::serve as registry;
use crate::replicate::scheduler;

/// What becomes of a request, once that is known.
type Outcome<T> = Pin<Box<dyn Future<Output = Result<T, HttpError>> + Send>>;

/// What is done with a request.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// It is answered.
    Answer(fn(Call) -> Outcome<Reply>),
    /// A design document makes another one of it.
    Rewrite(fn(Call) -> Outcome<Next>),
}

/// What a design document makes of a request.
pub(crate) enum Next {
    /// The answer.
    Reply(Reply),
    /// Another request.
    Request(Box<Request<Incoming>>),
}

/// One row: requests of this method and path pattern do this action.
pub(crate) struct Route {
    /// Methods are case-sensitive; `HEAD` is answered by the `GET` row without the body.
    pub(crate) method: &'static str,
    /// Literal segments, and `{db}`, `{doc}`, `{design}`, `{local}`, `{att}`, `{partition}`, `{node}`,
    /// `{section}`, `{key}`, `{job}`, `{replicator}`, `{function}`, `{view}`, `{index}`, `{other}`,
    /// `{rest}`. The resource is the database where the pattern begins with `{db}`, else the server.
    pub(crate) path: &'static str,
    /// What is done to the resource.
    pub(crate) action: Action,
    /// The query options of those who are of another device, whose right is a key's; `None` where
    /// they may not ask at all.
    pub(crate) for_keys: ForKeys,
    /// Who answers.
    pub(crate) handler: Handler,
}

macro_rules! route {
    ($method:ident $path:literal $action:ident $handler:path) => {
        route!(@ $method $path $action $handler, None)
    };
    ($method:ident $path:literal $action:ident $handler:path, $options:ident) => {
        route!(@ $method $path $action $handler, Some($options))
    };
    (@ $method:ident $path:literal $action:ident $handler:path, $for_keys:expr) => {
        Route {
            method: stringify!($method),
            path: $path,
            action: Action::$action,
            for_keys: $for_keys,
            handler: Handler::Answer(|call| Box::pin($handler(call))),
        }
    };
}

macro_rules! rewrite {
    ($method:ident $path:literal) => {
        Route {
            method: stringify!($method),
            path: $path,
            action: Action::Read,
            for_keys: None,
            handler: Handler::Rewrite(|call| Box::pin(functions::rewrite(call))),
        }
    };
}

/// Every request the hub can name; whatever is not here is refused.
pub(crate) static ROUTES: &[Route] = &[
    route!(GET "/" Greet server::welcome, NONE),
    route!(GET "/_up" Greet server::up, NONE),
    route!(GET "/_session" Greet session::show, NONE),
    route!(POST "/_session" Greet session::log_in),
    route!(DELETE "/_session" Greet session::log_out),
    route!(GET "/_utils" Greet server::utils::index),
    route!(GET "/_utils/{rest}" Greet server::utils::file),
    route!(GET "/favicon.ico" Greet server::utils::icon),
    route!(GET "/_all_dbs" UseServer server::all_dbs),
    route!(GET "/_dbs_info" UseServer server::infos_of_range),
    route!(POST "/_dbs_info" UseServer server::infos_of_keys),
    route!(GET "/_uuids" UseServer server::uuids),
    route!(GET "/_active_tasks" UseServer server::active_tasks),
    route!(GET "/_db_updates" UseServer server::updates),
    route!(GET "/_membership" UseServer server::membership),
    route!(GET "/_cluster_setup" AdministerServer server::state),
    route!(POST "/_cluster_setup" AdministerServer server::set_up),
    route!(GET "/_node/{node}" AdministerServer server::node::name),
    route!(GET "/_node/{node}/_stats" AdministerServer server::metrics::stats),
    route!(GET "/_node/{node}/_stats/{rest}" AdministerServer server::metrics::stats),
    route!(GET "/_node/{node}/_prometheus" AdministerServer server::metrics::prometheus),
    route!(GET "/_node/{node}/_system" AdministerServer server::metrics::system),
    route!(GET "/_node/{node}/_versions" AdministerServer server::metrics::versions),
    route!(GET "/_node/{node}/_config" AdministerServer server::node::config),
    route!(POST "/_node/{node}/_config/_reload" AdministerServer server::node::reload),
    route!(GET "/_node/{node}/_config/{section}" AdministerServer server::node::section),
    route!(GET "/_node/{node}/_config/{section}/{key}" AdministerServer server::node::value),
    route!(PUT "/_node/{node}/_config/{section}/{key}" AdministerServer server::node::set),
    route!(DELETE "/_node/{node}/_config/{section}/{key}" AdministerServer server::node::remove),
    #[cfg(feature = "search")]
    route!(POST "/_search_analyze" UseServer search::analyze),
    #[cfg(feature = "search")]
    route!(POST "/_nouveau_analyze" UseServer search::analyze_nouveau),
    route!(POST "/_replicate" UseServer crate::replicate::replicate),
    route!(GET "/_scheduler/jobs" AdministerServer scheduler::jobs),
    route!(GET "/_scheduler/jobs/{job}" AdministerServer scheduler::job),
    route!(GET "/_scheduler/docs" AdministerServer scheduler::docs),
    route!(GET "/_scheduler/docs/{replicator}" AdministerServer scheduler::docs_of),
    route!(GET "/_scheduler/docs/{replicator}/{rest}" AdministerServer scheduler::doc),
    route!(GET "/_hub/status" AdministerServer crate::control::status),
    route!(GET "/_hub/ui" Greet server::ui::index),
    route!(GET "/_hub/ui/{rest}" Greet server::ui::file),
    route!(POST "/_hub/login" AdministerServer crate::control::pages::link),
    route!(POST "/_hub/session" Greet crate::control::pages::begin),
    route!(DELETE "/_hub/session" Greet crate::control::pages::end),
    route!(GET "/_hub/apps" AdministerServer crate::control::list_apps),
    route!(POST "/_hub/apps" AdministerServer crate::control::add_app),
    route!(DELETE "/_hub/apps/{doc}" AdministerServer crate::control::remove_app),
    route!(GET "/_hub/enrolments" AdministerServer crate::control::list_enrolments),
    route!(POST "/_hub/enrolments" AdministerServer crate::control::ask_enrolment),
    route!(GET "/_hub/enrolments/{doc}" AdministerServer crate::control::show_enrolment),
    route!(POST "/_hub/enrolments/{doc}" AdministerServer crate::control::answer_enrolment),
    route!(POST "/_hub/codes" AdministerServer crate::control::invite),
    route!(POST "/_hub/enrol" Greet crate::control::enrol, NONE),
    route!(GET "/_hub/dbs" AdministerServer registry::list),
    route!(POST "/_hub/dbs" AdministerServer registry::create),
    route!(PUT "/_hub/dbs/{doc}" AdministerServer registry::set),
    route!(POST "/_hub/dbs/{doc}/rename" AdministerServer registry::rename),
    route!(POST "/_hub/dbs/{doc}/join" AdministerServer registry::join),
    route!(POST "/_hub/trash/{doc}/restore" AdministerServer registry::restore),
    route!(DELETE "/_hub/trash/{doc}" AdministerServer registry::discard),
    route!(GET "/_hub/overwritten" AdministerServer overwritten::list),
    route!(GET "/_hub/overwritten/{doc}" AdministerServer overwritten::show),
    route!(DELETE "/_hub/overwritten/{doc}" AdministerServer overwritten::dismiss),
    route!(POST "/_hub/overwritten/{doc}/restore" AdministerServer overwritten::restore),
    route!(GET "/_hub/conflicts" AdministerServer conflicts::list),
    route!(POST "/_hub/conflicts" AdministerServer conflicts::keep),
    route!(GET "/_hub/held" AdministerServer held::list),
    route!(POST "/_hub/held/{doc}/release" AdministerServer held::let_in),
    route!(GET "/_hub/acl" AdministerServer crate::control::acl::show),
    route!(POST "/_hub/acl/grant" AdministerServer crate::control::acl::grant),
    route!(POST "/_hub/acl/revoke" AdministerServer crate::control::acl::revoke),
    route!(GET "/_hub/acl/explain" AdministerServer crate::control::acl::explain),
    route!(PUT "/_hub/groups/{doc}" AdministerServer crate::control::group::create),
    route!(POST "/_hub/groups/{doc}" AdministerServer crate::control::group::change),
    route!(DELETE "/_hub/groups/{doc}" AdministerServer crate::control::group::delete),
    route!(POST "/_hub/onion/check" AdministerServer crate::control::onion::check),
    route!(GET "/_hub/onion/clients" AdministerServer crate::control::onion::clients),
    route!(POST "/_hub/onion/clients/allow" AdministerServer crate::control::onion::allow),
    route!(POST "/_hub/onion/clients/remove" AdministerServer crate::control::onion::remove),
    route!(GET "/_hub/onion/key" AdministerServer crate::control::onion::key),
    route!(GET "/_hub/onion/address" Greet crate::control::onion::address, NONE),
    route!(PUT "/_hub/onion/client-key" Greet crate::control::onion::tell, NONE),
    route!(GET "/_hub/devices" AdministerServer crate::control::devices::list),
    route!(POST "/_hub/devices" AdministerServer crate::control::peers::add_device),
    route!(PUT "/_hub/devices/{doc}" AdministerServer crate::control::devices::rename),
    route!(DELETE "/_hub/devices/{doc}" AdministerServer crate::control::devices::remove),
    route!(POST "/_hub/devices/{doc}/confirm-removal" AdministerServer crate::control::devices::confirm),
    route!(POST "/_hub/devices/{doc}/keep" AdministerServer crate::control::devices::keep),
    route!(GET "/_hub/friends" AdministerServer crate::control::peers::friends),
    route!(POST "/_hub/friends" AdministerServer crate::control::peers::add_friend),
    route!(PUT "/_hub/friends/{doc}" AdministerServer crate::control::peers::rename_friend),
    route!(DELETE "/_hub/friends/{doc}" AdministerServer crate::control::peers::remove_friend),
    route!(POST "/_hub/friends/{doc}/block" AdministerServer crate::control::peers::block_friend),
    route!(POST "/_hub/friends/{doc}/unblock" AdministerServer crate::control::peers::unblock_friend),
    route!(GET "/_hub/friends/{doc}/databases" AdministerServer crate::control::peers::offers),
    route!(POST "/_hub/friends/{doc}/accept" AdministerServer crate::control::peers::accept),
    route!(GET "/_hub/pairing" AdministerServer pairing::list),
    route!(POST "/_hub/pairing" AdministerServer pairing::open),
    route!(POST "/_hub/pairing/join" AdministerServer pairing::join),
    route!(GET "/_hub/pairing/{doc}" AdministerServer pairing::show),
    route!(POST "/_hub/pairing/{doc}/confirm" AdministerServer pairing::confirm),
    route!(POST "/_hub/pairing/{doc}/refuse" AdministerServer pairing::refuse),
    route!(GET "/_hub/pairing/{doc}/qr" AdministerServer pairing::qr),
    route!(POST "/_hub/qr" AdministerServer crate::qr::serve),
    route!(POST "/_hub/pair/{doc}" Greet crate::pairing::receive, NONE),
    route!(GET "/_hub/rules" AdministerServer crate::control::rules::list),
    route!(PUT "/_hub/rules" AdministerServer crate::control::rules::set),
    route!(DELETE "/_hub/rules" AdministerServer crate::control::rules::remove),
    route!(GET "/_hub/quotas" AdministerServer crate::control::quotas::list),
    route!(PUT "/_hub/quotas" AdministerServer crate::control::quotas::set),
    route!(DELETE "/_hub/quotas" AdministerServer crate::control::quotas::unset),
    route!(GET "/_hub/requests" AdministerServer crate::control::requests::list),
    route!(PUT "/_hub/requests" AdministerServer crate::control::requests::open),
    route!(POST "/_hub/requests" AdministerServer crate::control::requests::send),
    route!(POST "/_hub/requests/{doc}" AdministerServer crate::control::requests::answer),
    route!(POST "/_hub/request" Greet crate::control::requests::take, NONE),
    route!(GET "/_hub/profile" AdministerServer crate::control::profile::show),
    route!(PUT "/_hub/profile" AdministerServer crate::control::profile::set),
    route!(GET "/_hub/profile/signed" Greet crate::control::profile::signed, NONE),
    route!(GET "/_hub/shares" AdministerServer crate::control::shares::list),
    route!(POST "/_hub/shares" AdministerServer crate::control::shares::give),
    route!(DELETE "/_hub/shares" AdministerServer crate::control::shares::withdraw),
    route!(GET "/_hub/invitations" AdministerServer crate::control::invitations::list),
    route!(POST "/_hub/invitations/{doc}" AdministerServer crate::control::invitations::answer),
    route!(POST "/_hub/pause" AdministerServer crate::control::pause::pause),
    route!(GET "/_hub/support" AdministerServer crate::support::serve),
    route!(GET "/_hub/reads" AdministerServer crate::reads::serve),
    route!(GET "/_hub/why" AdministerServer crate::mesh::why),
    route!(GET "/_hub/events" AdministerServer crate::mesh::events),
    route!(GET "/_hub/feed" Greet crate::mesh::feed, FEED),
    route!(POST "/_hub/reached" Greet crate::mesh::reached, NONE),
    route!(POST "/_hub/sync/{doc}" Greet crate::mesh::sync, NONE),
    route!(POST "/_hub/sync/{doc}/wanted" Greet crate::mesh::wanted, NONE),
    route!(POST "/_hub/backup" AdministerServer crate::control::backup),
    route!(POST "/_hub/import" AdministerServer crate::import::serve),
    route!(POST "/_hub/verify" AdministerServer crate::control::verify),
    route!(GET "/{db}" Read database::info, NONE),
    route!(PUT "/{db}" Create database::create),
    route!(DELETE "/{db}" Administer database::delete),
    route!(POST "/{db}" Write document::post, DOCUMENT),
    route!(GET "/{db}/_all_docs" Read all_docs::get, LISTING),
    route!(POST "/{db}/_all_docs" Read all_docs::post, LISTING),
    route!(POST "/{db}/_all_docs/queries" Read all_docs::queries, NONE),
    route!(GET "/{db}/_design_docs" Read all_docs::get_design, LISTING),
    route!(POST "/{db}/_design_docs" Read all_docs::post_design, LISTING),
    route!(POST "/{db}/_design_docs/queries" Read all_docs::queries_design, NONE),
    route!(GET "/{db}/_local_docs" Read all_docs::get_local),
    route!(POST "/{db}/_local_docs" Read all_docs::post_local),
    route!(POST "/{db}/_local_docs/queries" Read all_docs::queries_local),
    route!(POST "/{db}/_bulk_docs" Write bulk::bulk_docs, NONE),
    route!(POST "/{db}/_bulk_get" Read bulk::bulk_get, BULK_GET),
    route!(GET "/{db}/_changes" Read changes::get, CHANGES),
    route!(POST "/{db}/_changes" Read changes::post, CHANGES),
    route!(POST "/{db}/_revs_diff" Read revisions::revs_diff, NONE),
    route!(POST "/{db}/_missing_revs" Read revisions::missing_revs, NONE),
    route!(GET "/{db}/_revs_limit" Read database::revs_limit, NONE),
    route!(PUT "/{db}/_revs_limit" Administer database::set_revs_limit),
    route!(POST "/{db}/_ensure_full_commit" Read database::ensure_full_commit, NONE),
    route!(POST "/{db}/_compact" Write database::compact),
    route!(POST "/{db}/_compact/{design}" Write database::compact_views),
    route!(POST "/{db}/_view_cleanup" Write database::clean_up_views),
    route!(GET "/{db}/_shards" Read database::shards),
    route!(GET "/{db}/_shards/{doc}" Read database::shard_of),
    route!(POST "/{db}/_sync_shards" Administer database::sync_shards),
    route!(POST "/{db}/_purge" Administer database::purge),
    route!(GET "/{db}/_purged_infos" Administer database::purged_infos),
    route!(GET "/{db}/_purged_infos_limit" Read database::purged_infos_limit, NONE),
    route!(PUT "/{db}/_purged_infos_limit" Administer database::set_purged_infos_limit),
    route!(GET "/{db}/_partition/{partition}" Read partition::info, NONE),
    route!(GET "/{db}/_partition/{partition}/_all_docs" Read partition::all_docs, LISTING),
    route!(POST "/{db}/_partition/{partition}/_all_docs" Read partition::all_docs_posted, LISTING),
    route!(GET "/{db}/_partition/{partition}/_design/{design}/_view/{view}" ReadView view::get_partition, VIEW),
    route!(POST "/{db}/_partition/{partition}/_design/{design}/_view/{view}" ReadView view::post_partition, VIEW),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_partition/{partition}/_design/{design}/_search/{index}" Read search::get, SEARCH),
    #[cfg(feature = "search")]
    route!(POST "/{db}/_partition/{partition}/_design/{design}/_search/{index}" Read search::post, SEARCH),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_partition/{partition}/_design/{design}/_nouveau/{index}" Read search::get_nouveau, SEARCH),
    #[cfg(feature = "search")]
    route!(POST "/{db}/_partition/{partition}/_design/{design}/_nouveau/{index}" Read search::post_nouveau, SEARCH),
    route!(POST "/{db}/_partition/{partition}/_find" Read find::find_in_partition, NONE),
    route!(POST "/{db}/_partition/{partition}/_explain" Read find::explain_in_partition, NONE),
    route!(POST "/{db}/_find" Read find::find, NONE),
    route!(POST "/{db}/_explain" Read find::explain_find, NONE),
    route!(GET "/{db}/_index" Read find::list, INDEXES),
    route!(POST "/{db}/_index" WriteViews find::create, NONE),
    route!(POST "/{db}/_index/_bulk_delete" WriteViews find::bulk_delete),
    route!(DELETE "/{db}/_index/_design/{design}/{key}/{function}" WriteViews find::remove, NONE),
    route!(DELETE "/{db}/_index/{design}/{key}/{function}" WriteViews find::remove, NONE),
    route!(GET "/{db}/_security" Read database::security),
    route!(PUT "/{db}/_security" Administer database::set_security),
    route!(GET "/{db}/_local/{local}" Read local::get, DOCUMENT),
    route!(PUT "/{db}/_local/{local}" WriteLocal local::put, DOCUMENT),
    route!(DELETE "/{db}/_local/{local}" WriteLocal local::delete, DOCUMENT),
    route!(GET "/{db}/_design/{design}" Read document::get, DOCUMENT),
    route!(PUT "/{db}/_design/{design}" WriteViews document::put, DOCUMENT),
    route!(POST "/{db}/_design/{design}" WriteViews document::upload),
    route!(DELETE "/{db}/_design/{design}" WriteDesign document::delete, DOCUMENT),
    route!(COPY "/{db}/_design/{design}" Write document::copy),
    route!(GET "/{db}/_design/{design}/_info" Read view::info, NONE),
    route!(GET "/{db}/_design/{design}/_view/{view}" ReadView view::get, VIEW),
    route!(POST "/{db}/_design/{design}/_view/{view}" ReadView view::post, VIEW),
    route!(POST "/{db}/_design/{design}/_view/{view}/queries" ReadView view::queries, NONE),
    route!(GET "/{db}/_design/{design}/_show/{function}" Read functions::show),
    route!(POST "/{db}/_design/{design}/_show/{function}" Read functions::show),
    route!(GET "/{db}/_design/{design}/_show/{function}/{rest}" Read functions::show),
    route!(POST "/{db}/_design/{design}/_show/{function}/{rest}" Read functions::show),
    route!(GET "/{db}/_design/{design}/_list/{function}/{view}" Read functions::list),
    route!(POST "/{db}/_design/{design}/_list/{function}/{view}" Read functions::list),
    route!(GET "/{db}/_design/{design}/_list/{function}/{other}/{view}" Read functions::list),
    route!(POST "/{db}/_design/{design}/_list/{function}/{other}/{view}" Read functions::list),
    route!(POST "/{db}/_design/{design}/_update/{function}" Write functions::update),
    route!(PUT "/{db}/_design/{design}/_update/{function}" Write functions::update),
    route!(POST "/{db}/_design/{design}/_update/{function}/{rest}" Write functions::update),
    route!(PUT "/{db}/_design/{design}/_update/{function}/{rest}" Write functions::update),
    rewrite!(GET "/{db}/_design/{design}/_rewrite"),
    rewrite!(POST "/{db}/_design/{design}/_rewrite"),
    rewrite!(PUT "/{db}/_design/{design}/_rewrite"),
    rewrite!(DELETE "/{db}/_design/{design}/_rewrite"),
    rewrite!(COPY "/{db}/_design/{design}/_rewrite"),
    rewrite!(GET "/{db}/_design/{design}/_rewrite/{rest}"),
    rewrite!(POST "/{db}/_design/{design}/_rewrite/{rest}"),
    rewrite!(PUT "/{db}/_design/{design}/_rewrite/{rest}"),
    rewrite!(DELETE "/{db}/_design/{design}/_rewrite/{rest}"),
    rewrite!(COPY "/{db}/_design/{design}/_rewrite/{rest}"),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_design/{design}/_search/{index}" Read search::get, SEARCH),
    #[cfg(feature = "search")]
    route!(POST "/{db}/_design/{design}/_search/{index}" Read search::post, SEARCH),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_design/{design}/_search_info/{index}" Read search::info, NONE),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_design/{design}/_nouveau/{index}" Read search::get_nouveau, SEARCH),
    #[cfg(feature = "search")]
    route!(POST "/{db}/_design/{design}/_nouveau/{index}" Read search::post_nouveau, SEARCH),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_design/{design}/_nouveau_info/{index}" Read search::nouveau_info, NONE),
    route!(GET "/{db}/_design/{design}/{att}" Read attachment::get, ATTACHMENT),
    route!(PUT "/{db}/_design/{design}/{att}" WriteDesign attachment::put, ATTACHMENT),
    route!(DELETE "/{db}/_design/{design}/{att}" WriteDesign attachment::delete, ATTACHMENT),
    route!(GET "/{db}/{doc}" Read document::get, DOCUMENT),
    route!(PUT "/{db}/{doc}" Write document::put, DOCUMENT),
    route!(POST "/{db}/{doc}" Write document::upload),
    route!(DELETE "/{db}/{doc}" Write document::delete, DOCUMENT),
    route!(COPY "/{db}/{doc}" Write document::copy),
    route!(GET "/{db}/{doc}/{att}" Read attachment::get, ATTACHMENT),
    route!(PUT "/{db}/{doc}/{att}" Write attachment::put, ATTACHMENT),
    route!(DELETE "/{db}/{doc}/{att}" Write attachment::delete, ATTACHMENT),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What `docs/compat.md` says is done or partly done: rows whose first cell is one method and path.
    fn documented() -> BTreeSet<String> {
        let page = include_str!("../../../docs/compat.md");
        let rows = page.lines().filter_map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            let [endpoint, _, "done" | "partly", _] = cells[..] else { return None };
            let endpoint = endpoint.trim_start_matches("| ").trim_matches('`');
            Some(endpoint.to_owned())
        });
        rows.collect()
    }

    #[test]
    fn the_compatibility_page_lists_these_routes() {
        let routes = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path));
        assert_eq!(documented(), routes.collect(), "left: docs/compat.md, right: the table");
    }
}
