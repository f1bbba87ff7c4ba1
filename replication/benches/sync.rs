//! `larder-sync/1` against CouchDB's protocol: 10,000 small documents from one store on disk to another,
//! both in this process, commits included; and the parts of the way.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt as _;
use replication::sync::{
    AnswerStream, Ask, Hints, Mode, PullSpec, Question, Source, SourceOptions, SyncBody,
    SyncFilter, SyncJob, SyncRequest, Target, Terms,
};
use replication::{
    Filter, Job, Leaves, LocalPeer, Outcome, PeerError, ReplicationId, Spec, Surroundings,
};
use store::{Database, DocumentLimits, Edit, Lineage, Millis, Options, Store};
use tempfile::TempDir;

const DOCUMENTS: u64 = 10_000;
const NOW: Millis = Millis(1_700_000_000_000);

/// About 300 bytes.
fn edit(number: u64) -> Edit {
    let pad = "the quick brown fox jumps over the lazy dog ".repeat(5);
    let body = format!(
        r#"{{"type":"note","n":{number},"price":{}.5,"tags":["t1","t2"],"pad":"{pad}"}}"#,
        number % 1000
    );
    Edit {
        id: format!("doc-{number:08}").parse().unwrap(),
        lineage: Lineage::Child(None),
        deleted: false,
        body: body.into(),
        attachments: Vec::new(),
    }
}

fn store(folder: &Path) -> Arc<Store> {
    let options = Options { writer_threads: 1, open_databases_max: 8, device: [7; 32] };
    Store::open(folder, &options).unwrap()
}

fn create(store: &Store) -> Arc<Database> {
    store.create(&"notes".parse().unwrap(), NOW).unwrap()
}

fn fill(database: &Database) {
    for thousand in 0..DOCUMENTS / 1000 {
        let edits = (thousand * 1000..(thousand + 1) * 1000).map(edit).collect();
        assert!(database.write(edits, NOW).unwrap().iter().all(Result::is_ok));
    }
}

/// An empty database of its own, gone afterwards.
fn empty() -> (TempDir, Arc<Store>, Arc<Database>) {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let database = create(&store);
    (folder, store, database)
}

fn request() -> Question {
    Question::Sync(SyncRequest {
        since: None,
        mode: Mode::Copy,
        selector: None,
        terms: Terms {
            policy_version: 0,
            body_bytes_max: 8_000_000,
            attachment_bytes_max: 1 << 30,
        },
        have: Hints::default(),
    })
}

fn options() -> SourceOptions {
    let batch = replication::sync::BatchSize::default();
    SourceOptions { policy_version: 0, select: None, visible: None, delivered: None, batch }
}

/// A source in the same process.
struct Here(Arc<Database>);

impl Ask for Here {
    fn ask(
        &self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<AnswerStream, PeerError>> + Send + '_>> {
        let body = SyncBody::new(Source::new(Arc::clone(&self.0), question, options()));
        Box::pin(async move { Ok(body.map(Ok).boxed()) })
    }
}

fn target(database: &Arc<Database>) -> Target {
    let limits = DocumentLimits::default();
    Target::new(Arc::clone(database), "peer", &SyncFilter::default(), limits)
}

fn sync(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let source_store = store(folder.path());
    let source = create(&source_store);
    fill(&source);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let clock: replication::Clock = Arc::new(|| NOW);
    let mut group = criterion.benchmark_group("10,000 documents");
    group.throughput(Throughput::Elements(DOCUMENTS)).sample_size(10);

    group.bench_function("larder-sync/1", |bencher| {
        bencher.iter_batched(
            empty,
            |copy| {
                let ask = Arc::new(Here(Arc::clone(&source)));
                let clock = Arc::clone(&clock);
                let outcome = runtime.block_on(async {
                    let job = SyncJob::start(PullSpec::new(0), target(&copy.2), ask, clock);
                    job.outcome().await
                });
                assert_eq!(outcome.ending.unwrap(), source.update_seq());
                copy
            },
            BatchSize::PerIteration,
        );
    });

    group.bench_function("CouchDB's protocol", |bencher| {
        bencher.iter_batched(
            empty,
            |copy| {
                let peer = |store: &Arc<Store>| {
                    let (store, name) = (Arc::clone(store), "notes".parse().unwrap());
                    let limits = DocumentLimits::default();
                    Arc::new(LocalPeer::new(store, name, limits, Arc::clone(&clock)))
                };
                let id = ReplicationId::new(b"here", "a", "b", &Filter::All, Leaves::All);
                let surroundings = Surroundings { clock: Arc::clone(&clock), random: 1 };
                let (from, to) = (peer(&source_store), peer(&copy.1));
                let outcome = runtime.block_on(async {
                    Job::start(Spec::new(id), from, to, surroundings).outcome().await
                });
                let Outcome::Completed(report) = outcome else { panic!("{outcome:?}") };
                assert_eq!(report.stats.docs_written, DOCUMENTS);
                copy
            },
            BatchSize::PerIteration,
        );
    });

    group.bench_function("larder-sync/1 without reading ahead", |bencher| {
        bencher.iter_batched(
            empty,
            |copy| {
                one_after_the_other(&source, &copy.2);
                copy
            },
            BatchSize::PerIteration,
        );
    });

    group.bench_function("source alone", |bencher| {
        bencher.iter(|| {
            let mut answer = Source::new(Arc::clone(&source), request(), options());
            while answer.next_piece().is_some() {}
            assert_eq!(answer.sent().revisions, DOCUMENTS);
        });
    });

    let mut pieces = Vec::new();
    let mut answer = Source::new(Arc::clone(&source), request(), options());
    pieces.extend(std::iter::from_fn(|| answer.next_piece()));
    group.bench_function("taking an answer apart", |bencher| {
        bencher.iter_batched(
            empty,
            |copy| {
                let mut inflow = target(&copy.2).inflow();
                for piece in &pieces {
                    inflow.push(piece);
                    while inflow.next().unwrap().is_some() {}
                }
                inflow.end().unwrap();
                copy
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Everything on this thread: what one core does.
fn one_after_the_other(source: &Arc<Database>, copy: &Arc<Database>) {
    use replication::sync::{Action, Event, Pull};
    let target = target(copy);
    let mut pull = Pull::new(PullSpec::new(0), NOW);
    let mut answer = None;
    let mut inflow = target.inflow();
    let mut asked = None;
    loop {
        if let Some(outcome) = pull.take_outcome() {
            assert_eq!(outcome.ending.unwrap(), source.update_seq());
            return;
        }
        let event = match pull.poll() {
            Some(Action::Look) => Event::Looked(target.look()),
            Some(Action::Take(id, delivery)) => Event::Taken(id, target.take(delivery, NOW)),
            Some(Action::Remember(checkpoint)) => Event::Remembered(target.remember(&checkpoint)),
            Some(Action::Ask(id, question)) => {
                asked = Some(id);
                answer = Some(Source::new(Arc::clone(source), question, options()));
                continue;
            }
            Some(Action::Drop(_)) => continue,
            None => {
                let arrival = loop {
                    match inflow.next().unwrap() {
                        Some(arrival) => break arrival,
                        None => inflow.push(&answer.as_mut().unwrap().next_piece().unwrap()),
                    }
                };
                Event::Arrived(asked.unwrap(), arrival)
            }
        };
        pull.handle(event, NOW);
    }
}

criterion_group!(benches, sync);
criterion_main!(benches);
