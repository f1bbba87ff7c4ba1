//! The table of routes: what a path and method mean, and which right they need.

use std::future::Future;
use std::pin::Pin;

use http::Request;

use super::incoming::Incoming;
#[cfg(feature = "search")]
use super::search;
use super::{Call, HttpError, Reply};
use super::{
    all_docs, attachment, bulk, changes, database, document, find, functions, local, partition,
    revisions, server, session, view,
};
use crate::access::Action;
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
    /// Who answers.
    pub(crate) handler: Handler,
}

macro_rules! route {
    ($method:ident $path:literal $action:ident $handler:path) => {
        Route {
            method: stringify!($method),
            path: $path,
            action: Action::$action,
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
            handler: Handler::Rewrite(|call| Box::pin(functions::rewrite(call))),
        }
    };
}

/// Every request the hub can name; whatever is not here is refused.
pub(crate) static ROUTES: &[Route] = &[
    route!(GET "/" Greet server::welcome),
    route!(GET "/_up" Greet server::up),
    route!(GET "/_session" Greet session::show),
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
    route!(GET "/_hub/apps" AdministerServer crate::control::list_apps),
    route!(POST "/_hub/apps" AdministerServer crate::control::add_app),
    route!(DELETE "/_hub/apps/{doc}" AdministerServer crate::control::remove_app),
    route!(POST "/_hub/backup" AdministerServer crate::control::backup),
    route!(POST "/_hub/import" AdministerServer crate::import::serve),
    route!(POST "/_hub/verify" AdministerServer crate::control::verify),
    route!(GET "/{db}" Read database::info),
    route!(PUT "/{db}" Create database::create),
    route!(DELETE "/{db}" Administer database::delete),
    route!(POST "/{db}" Write document::post),
    route!(GET "/{db}/_all_docs" Read all_docs::get),
    route!(POST "/{db}/_all_docs" Read all_docs::post),
    route!(POST "/{db}/_all_docs/queries" Read all_docs::queries),
    route!(GET "/{db}/_design_docs" Read all_docs::get_design),
    route!(POST "/{db}/_design_docs" Read all_docs::post_design),
    route!(POST "/{db}/_design_docs/queries" Read all_docs::queries_design),
    route!(GET "/{db}/_local_docs" Read all_docs::get_local),
    route!(POST "/{db}/_local_docs" Read all_docs::post_local),
    route!(POST "/{db}/_local_docs/queries" Read all_docs::queries_local),
    route!(POST "/{db}/_bulk_docs" Write bulk::bulk_docs),
    route!(POST "/{db}/_bulk_get" Read bulk::bulk_get),
    route!(GET "/{db}/_changes" Read changes::get),
    route!(POST "/{db}/_changes" Read changes::post),
    route!(POST "/{db}/_revs_diff" Read revisions::revs_diff),
    route!(POST "/{db}/_missing_revs" Read revisions::missing_revs),
    route!(GET "/{db}/_revs_limit" Read database::revs_limit),
    route!(PUT "/{db}/_revs_limit" Administer database::set_revs_limit),
    route!(POST "/{db}/_ensure_full_commit" Read database::ensure_full_commit),
    route!(POST "/{db}/_compact" Write database::compact),
    route!(POST "/{db}/_compact/{design}" Write database::compact_views),
    route!(POST "/{db}/_view_cleanup" Write database::clean_up_views),
    route!(GET "/{db}/_shards" Read database::shards),
    route!(GET "/{db}/_shards/{doc}" Read database::shard_of),
    route!(POST "/{db}/_sync_shards" Administer database::sync_shards),
    route!(POST "/{db}/_purge" Administer database::purge),
    route!(GET "/{db}/_purged_infos" Administer database::purged_infos),
    route!(GET "/{db}/_purged_infos_limit" Read database::purged_infos_limit),
    route!(PUT "/{db}/_purged_infos_limit" Administer database::set_purged_infos_limit),
    route!(GET "/{db}/_partition/{partition}" Read partition::info),
    route!(GET "/{db}/_partition/{partition}/_all_docs" Read partition::all_docs),
    route!(POST "/{db}/_partition/{partition}/_all_docs" Read partition::all_docs_posted),
    route!(GET "/{db}/_partition/{partition}/_design/{design}/_view/{view}" Read view::get_partition),
    route!(POST "/{db}/_partition/{partition}/_design/{design}/_view/{view}" Read view::post_partition),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_partition/{partition}/_design/{design}/_search/{index}" Read search::get),
    #[cfg(feature = "search")]
    route!(POST "/{db}/_partition/{partition}/_design/{design}/_search/{index}" Read search::post),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_partition/{partition}/_design/{design}/_nouveau/{index}" Read search::get_nouveau),
    #[cfg(feature = "search")]
    route!(POST "/{db}/_partition/{partition}/_design/{design}/_nouveau/{index}" Read search::post_nouveau),
    route!(POST "/{db}/_partition/{partition}/_find" Read find::find_in_partition),
    route!(POST "/{db}/_partition/{partition}/_explain" Read find::explain_in_partition),
    route!(POST "/{db}/_find" Read find::find),
    route!(POST "/{db}/_explain" Read find::explain_find),
    route!(GET "/{db}/_index" Read find::list),
    route!(POST "/{db}/_index" WriteDesign find::create),
    route!(POST "/{db}/_index/_bulk_delete" WriteDesign find::bulk_delete),
    route!(DELETE "/{db}/_index/_design/{design}/{key}/{function}" WriteDesign find::remove),
    route!(DELETE "/{db}/_index/{design}/{key}/{function}" WriteDesign find::remove),
    route!(GET "/{db}/_security" Read database::security),
    route!(PUT "/{db}/_security" Administer database::set_security),
    route!(GET "/{db}/_local/{local}" Read local::get),
    route!(PUT "/{db}/_local/{local}" Write local::put),
    route!(DELETE "/{db}/_local/{local}" Write local::delete),
    route!(GET "/{db}/_design/{design}" Read document::get),
    route!(PUT "/{db}/_design/{design}" WriteDesign document::put),
    route!(POST "/{db}/_design/{design}" WriteDesign document::upload),
    route!(DELETE "/{db}/_design/{design}" WriteDesign document::delete),
    route!(COPY "/{db}/_design/{design}" Write document::copy),
    route!(GET "/{db}/_design/{design}/_info" Read view::info),
    route!(GET "/{db}/_design/{design}/_view/{view}" Read view::get),
    route!(POST "/{db}/_design/{design}/_view/{view}" Read view::post),
    route!(POST "/{db}/_design/{design}/_view/{view}/queries" Read view::queries),
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
    route!(GET "/{db}/_design/{design}/_search/{index}" Read search::get),
    #[cfg(feature = "search")]
    route!(POST "/{db}/_design/{design}/_search/{index}" Read search::post),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_design/{design}/_search_info/{index}" Read search::info),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_design/{design}/_nouveau/{index}" Read search::get_nouveau),
    #[cfg(feature = "search")]
    route!(POST "/{db}/_design/{design}/_nouveau/{index}" Read search::post_nouveau),
    #[cfg(feature = "search")]
    route!(GET "/{db}/_design/{design}/_nouveau_info/{index}" Read search::nouveau_info),
    route!(GET "/{db}/_design/{design}/{att}" Read attachment::get),
    route!(PUT "/{db}/_design/{design}/{att}" WriteDesign attachment::put),
    route!(DELETE "/{db}/_design/{design}/{att}" WriteDesign attachment::delete),
    route!(GET "/{db}/{doc}" Read document::get),
    route!(PUT "/{db}/{doc}" Write document::put),
    route!(POST "/{db}/{doc}" Write document::upload),
    route!(DELETE "/{db}/{doc}" Write document::delete),
    route!(COPY "/{db}/{doc}" Write document::copy),
    route!(GET "/{db}/{doc}/{att}" Read attachment::get),
    route!(PUT "/{db}/{doc}/{att}" Write attachment::put),
    route!(DELETE "/{db}/{doc}/{att}" Write attachment::delete),
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
