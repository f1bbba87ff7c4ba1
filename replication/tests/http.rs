//! Replication with other servers, over HTTP: a well-behaved one, and ones that are not.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "http/hostile.rs"]
mod hostile;
#[path = "pair/random.rs"]
mod random;
#[path = "http/server.rs"]
mod server;
#[path = "pair/site.rs"]
mod site;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderMap;
use random::Random;
use replication::{
    Filter, HttpClient, HttpPeer, Job, Leaves, Outcome, Peer, PeerError, PeerUrl, ReplicationId,
    Report, Spec, State, Surroundings, Timeouts,
};
use server::{Pipe, Server};
use site::{Site, agree};
use store::Millis;

const URL: &str = "http://anna:s%253aecret@couch.example/prefix/my%2Fdb";

fn http_peer(server: &Arc<Server>, url: &str) -> Arc<HttpPeer> {
    let client = HttpClient::new(Arc::new(Pipe(Arc::clone(server))), Timeouts::default());
    Arc::new(HttpPeer::new(client, url.parse().unwrap(), HeaderMap::new()))
}

fn surroundings(random: &mut Random) -> Surroundings {
    Surroundings { clock: Arc::new(|| Millis(1_000_000)), random: u128::from(random.next()) }
}

fn spec(name: &str) -> Spec {
    Spec::new(ReplicationId::new(b"hub", name, "target", &Filter::All, Leaves::All))
}

async fn run(
    spec: Spec,
    source: Arc<dyn Peer>,
    target: Arc<dyn Peer>,
    random: &mut Random,
) -> Report {
    match Job::start(spec, source, target, surroundings(random)).outcome().await {
        Outcome::Completed(report) => report,
        outcome => panic!("{outcome:?}"),
    }
}

/// Two sites that have the same documents with conflicts, and went on editing.
fn sites(random: &mut Random) -> Vec<Site> {
    let sites: Vec<Site> = (0..2).map(Site::new).collect();
    for _ in 0..6 {
        sites.iter().for_each(|site| site.edit_some(random));
    }
    sites
}

/// Pulls and pushes between a site and the server of another, several times.
async fn in_step(bulk_get: bool) {
    let mut uploads = 0;
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let sites = sites(&mut random);
        let server = Server::new(sites[1].local());
        server.bulk_get.store(bulk_get, Ordering::Relaxed);
        for _ in 0..3 {
            let (here, there) = (sites[0].peer(), http_peer(&server, URL));
            run(spec("pull"), there, here, &mut random).await;
            let (here, there) = (sites[0].peer(), http_peer(&server, URL));
            run(spec("push"), here, there, &mut random).await;
            agree(&sites);
            sites.iter().for_each(|site| site.edit_some(&mut random));
        }
        assert_eq!(server.count("open_revs") > 0, !bulk_get);
        uploads += server.count("?new_edits=false");
    }
    assert!(uploads > 20, "{uploads}");
}

#[tokio::test]
async fn pulls_and_pushes() {
    in_step(true).await;
}

#[tokio::test]
async fn pulls_from_servers_without_bulk_get() {
    in_step(false).await;
}

#[tokio::test]
async fn pulls_winners_without_bulk_get_because_that_is_asked_for() {
    let mut random = Random::new(4);
    let sites = sites(&mut random);
    let server = Server::new(sites[1].local());
    let client = HttpClient::new(Arc::new(Pipe(Arc::clone(&server))), Timeouts::default());
    let peer = HttpPeer::new(client, URL.parse().unwrap(), HeaderMap::new()).without_bulk_get();
    let spec = Spec { leaves: Leaves::Winner, ..spec("winners") };
    let report = run(spec, Arc::new(peer), sites[0].peer(), &mut random).await;
    assert!(report.stats.docs_written > 0);
    assert_eq!(report.stats.bulk.attempts, 0);
    let seen = server.seen.lock().unwrap().clone();
    assert!(seen.iter().any(|request| request.contains("style=main_only")), "{seen:?}");
    assert!(!seen.iter().any(|request| request.contains("_bulk_get")), "{seen:?}");
}

#[tokio::test]
async fn replicates_between_two_servers() {
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let sites = sites(&mut random);
        let servers: Vec<_> = sites.iter().map(|site| Server::new(site.local())).collect();
        for (a, b) in [(0, 1), (1, 0)] {
            let (source, target) = (http_peer(&servers[a], URL), http_peer(&servers[b], URL));
            run(spec("one"), source, target, &mut random).await;
        }
        agree(&sites);
    }
}

#[tokio::test]
async fn a_second_run_costs_three_requests_a_side() {
    let mut random = Random::new(1);
    let sites = sites(&mut random);
    let server = Server::new(sites[1].local());
    let pull = async |random: &mut Random| {
        run(spec("pull"), http_peer(&server, URL), sites[0].peer(), random).await
    };
    let first = pull(&mut random).await;
    assert!(first.stats.docs_written > 0 && first.stats.bulk.attempts > 0);
    server.seen.lock().unwrap().clear();
    let second = pull(&mut random).await;
    assert!(second.is_unchanged());
    let seen = server.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test]
async fn attachments_travel_once() {
    let mut random = Random::new(3);
    let sites = sites(&mut random);
    let server = Server::new(sites[1].local());
    let attachment_requests = || server.count("?rev=");
    run(spec("pull"), http_peer(&server, URL), sites[0].peer(), &mut random).await;
    let before = attachment_requests();
    assert!(before > 0);
    for _ in 0..20 {
        sites[1].edit_bodies();
        run(spec("pull"), http_peer(&server, URL), sites[0].peer(), &mut random).await;
    }
    assert_eq!(attachment_requests(), before);
}

#[tokio::test]
async fn refused_documents_are_counted() {
    let mut random = Random::new(1);
    let sites: Vec<Site> = (0..2).map(Site::new).collect();
    sites[0].write("a", r#"{"forbidden":true}"#);
    sites[0].write("b", "{}");
    let server = Server::new(sites[1].local());
    let report = run(spec("push"), sites[0].peer(), http_peer(&server, URL), &mut random).await;
    assert_eq!((report.stats.docs_written, report.stats.doc_write_failures), (1, 1));
    assert!(report.to_json().contains(r#""doc_write_failures":1"#));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_is_waited_for() {
    let mut random = Random::new(1);
    let sites = sites(&mut random);
    let server = Server::new(sites[1].local());
    *server.unavailable.lock().unwrap() = 9;
    // A clock that does not move needs no wait that it would have to end.
    let clock = tokio::time::Instant::now();
    let now = move || Millis(1_000_000 + clock.elapsed().as_millis() as u64);
    let surroundings = Surroundings { clock: Arc::new(now), random: 1 };
    let (source, target) = (http_peer(&server, URL), sites[0].peer());
    let outcome = Job::start(spec("pull"), source, target, surroundings).outcome().await;
    assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
    assert!(server.count("GET") > 9);
}

#[tokio::test]
async fn wrong_credentials_end_it_and_stay_secret() {
    let mut random = Random::new(1);
    let sites = sites(&mut random);
    let server = Server::new(sites[1].local());
    let peer = http_peer(&server, "http://anna:secret@couch.example/prefix/my%2Fdb");
    assert!(!format!("{peer:?}").contains("secret"));
    assert_eq!(peer.name(), "http://anna:*****@couch.example/prefix/my%2Fdb/");
    let job = Job::start(spec("pull"), peer, sites[0].peer(), surroundings(&mut random));
    let Outcome::Failed(failure) = job.outcome().await else { panic!() };
    assert!(matches!(failure.error, PeerError::Unauthorized(_)));
    assert_eq!(failure.to_string(), "source: unauthorized: Name or password is incorrect.");
}

#[tokio::test]
async fn follows_a_feed_until_cancelled() {
    let sites: Vec<Site> = (0..2).map(Site::new).collect();
    let mut random = Random::new(5);
    let spec = Spec { continuous: true, checkpoint_interval_ms: 10, ..spec("push") };
    let start = std::time::Instant::now();
    let now = move || Millis(1_000_000 + start.elapsed().as_millis() as u64);
    let surroundings = Surroundings { clock: Arc::new(now), random: 1 };
    let server = Server::new(sites[1].local());
    let job = Job::start(spec, sites[0].peer(), http_peer(&server, URL), surroundings);
    let mut progress = job.progress();
    for _ in 0..5 {
        sites[0].edit_some(&mut random);
        let here = sites[0].seq();
        let caught_up = progress.wait_for(|progress| {
            progress.checkpointed_source_seq == here && progress.state == State::Idle
        });
        tokio::time::timeout(std::time::Duration::from_secs(10), caught_up).await.unwrap().unwrap();
        agree(&sites);
    }
    job.cancel();
    assert!(matches!(job.outcome().await, Outcome::Cancelled));
}

#[test]
fn urls_parse_on_their_own() {
    let url: PeerUrl = URL.parse().unwrap();
    assert_eq!(url.endpoint(), "http://couch.example/prefix/my%2Fdb");
}
