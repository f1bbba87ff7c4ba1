//! The drivers: jobs and bodies on Tokio, between stores on disk.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use replication::PeerError;
use replication::sync::{
    AnswerStream, Ask, Checkpoint, PullSpec, Question, RefusalCode, Source, SyncBody, SyncError,
    SyncFilter, SyncJob, SyncRefusal, Target, Visible,
};
use store::{Database, DocumentLimits, Edit, Lineage, Millis, Options, Store};

use crate::wire::{options, trees};

/// A source in the same process.
struct Here {
    database: Arc<Database>,
    /// Whether it goes silent after its first pieces.
    pieces_max: usize,
}

impl Ask for Here {
    fn ask(
        &self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<AnswerStream, PeerError>> + Send + '_>> {
        let options = options(replication::sync::BatchSize::default());
        let body = SyncBody::new(Source::new(Arc::clone(&self.database), question, options));
        let pieces_max = self.pieces_max;
        Box::pin(async move {
            let pieces = body.map(Ok::<Bytes, PeerError>).take(pieces_max);
            let silence = match pieces_max {
                usize::MAX => stream::empty().boxed(),
                _ => stream::pending().boxed(),
            };
            Ok(pieces.chain(silence).boxed())
        })
    }
}

fn store(folder: &Path) -> Arc<Store> {
    let options = Options { writer_threads: 1, open_databases_max: 4, device: [1; 32] };
    Store::open(folder, &options).unwrap()
}

fn database(store: &Store) -> Arc<Database> {
    store.create(&"notes".parse().unwrap(), Millis(1)).unwrap()
}

fn fill(database: &Database, documents: u64) {
    for thousand in 0..documents.div_ceil(1000) {
        let ids = thousand * 1000..documents.min((thousand + 1) * 1000);
        let edit = |n: u64| Edit {
            id: format!("doc{n:06}").parse().unwrap(),
            lineage: Lineage::Child(None),
            deleted: false,
            body: format!(r#"{{"n":{n},"text":"{}"}}"#, "word ".repeat(40)).into(),
            attachments: vec![],
        };
        let written = database.write(ids.map(edit).collect(), Millis(1)).unwrap();
        assert!(written.iter().all(Result::is_ok));
    }
}

fn clock() -> replication::Clock {
    Arc::new(|| Millis(1_000_000))
}

fn target(database: &Arc<Database>) -> Target {
    let limits = DocumentLimits::default();
    Target::new(Arc::clone(database), "peer", &SyncFilter::default(), limits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_brings_a_database_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (store(&folder.path().join("a")), store(&folder.path().join("b")));
    let (source, copy) = (database(&first), database(&second));
    fill(&source, 3_500);
    let ask = Arc::new(Here { database: Arc::clone(&source), pieces_max: usize::MAX });
    let job = SyncJob::start(PullSpec::new(0), target(&copy), ask, clock());
    let progress = job.progress();
    let outcome = job.outcome().await;
    assert_eq!(outcome.ending.unwrap(), source.update_seq());
    let progress = progress.borrow().clone();
    assert_eq!((progress.documents, progress.documents_total), (3_500, 3_500));
    assert_eq!((progress.revisions, progress.checkpointed), (3_500, Some(source.update_seq())));
    assert!(progress.bytes > progress.bytes_total && progress.bytes_total > 3_500 * 200);
    assert_eq!(trees(&copy), trees(&source));
    let checkpoint = target(&copy).checkpoint().unwrap();
    assert_eq!(checkpoint.map(|known: Checkpoint| known.through), Some(source.update_seq()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (store(&folder.path().join("a")), store(&folder.path().join("b")));
    let (source, copy) = (database(&first), database(&second));
    fill(&source, 3_500);
    // Its first word, two batches, then silence.
    let ask = Arc::new(Here { database: Arc::clone(&source), pieces_max: 3 });
    let job = SyncJob::start(PullSpec::new(0), target(&copy), ask, clock());
    let mut progress = job.progress();
    progress.wait_for(|progress| progress.revisions == 2_000).await.unwrap();
    job.cancel();
    let outcome = job.outcome().await;
    assert!(matches!(outcome.ending, Err(SyncError::Cancelled)), "{:?}", outcome.ending);
    assert_eq!(outcome.progress.checkpointed.unwrap().seq.0, 2_000);
    let ask = Arc::new(Here { database: Arc::clone(&source), pieces_max: usize::MAX });
    let job = SyncJob::start(PullSpec::new(0), target(&copy), ask, clock());
    let outcome = job.outcome().await;
    assert!(outcome.ending.is_ok());
    assert_eq!(outcome.progress.documents, 1_500);
    assert_eq!(trees(&copy), trees(&source));
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (store(&folder.path().join("a")), store(&folder.path().join("b")));
    let (source, copy) = (database(&first), database(&second));
    fill(&source, 10);
    let ask = Arc::new(Here { database: source, pieces_max: 1 });
    let outcome = SyncJob::start(PullSpec::new(0), target(&copy), ask, clock()).outcome().await;
    let Err(SyncError::Ask(error)) = outcome.ending else { panic!("{:?}", outcome.ending) };
    assert!(matches!(error, PeerError::TimedOut { seconds: 120, .. }) && error.is_passing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_attachment_shows_on_its_way() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (store(&folder.path().join("a")), store(&folder.path().join("b")));
    let (source, copy) = (database(&first), database(&second));
    let mut writer = source.stage(u64::MAX, store::Intake::Plain).unwrap();
    (0..80_u8).for_each(|n| writer.write_all(&[n; 100_000]).unwrap());
    let attachment = store::NewAttachment {
        name: "film".into(),
        content_type: None,
        revpos: None,
        content: store::Content::Staged(writer.finish().unwrap()),
    };
    let edit = Edit {
        id: "a".parse().unwrap(),
        lineage: Lineage::Child(None),
        deleted: false,
        body: "{}".into(),
        attachments: vec![attachment],
    };
    source.write(vec![edit], Millis(1)).unwrap()[0].as_ref().unwrap();
    // Silent in the middle of it: its first word, the attachment's, and twenty chunks.
    let ask = Arc::new(Here { database: Arc::clone(&source), pieces_max: 22 });
    let job = SyncJob::start(PullSpec::new(0), target(&copy), ask, clock());
    let mut progress = job.progress();
    let shown = progress.wait_for(|progress| progress.bytes >= 5 << 20).await.unwrap().clone();
    assert!(shown.bytes < shown.bytes_total && shown.documents == 0);
    drop(job);
    let ask = Arc::new(Here { database: Arc::clone(&source), pieces_max: usize::MAX });
    let outcome = SyncJob::start(PullSpec::new(0), target(&copy), ask, clock()).outcome().await;
    assert!(outcome.ending.is_ok());
    assert!((8_000_000..8_001_000).contains(&outcome.progress.bytes));
}

/// Rights that can be taken away.
struct Allowed(AtomicBool);

impl Visible for Allowed {
    fn check(&self) -> Result<(), SyncRefusal> {
        match self.0.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(SyncRefusal::new(RefusalCode::Forbidden, "no")),
        }
    }
}

#[tokio::test]
async fn no_piece_leaves_after_rights_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let source = database(&store);
    fill(&source, 2_500);
    let allowed = Arc::new(Allowed(AtomicBool::new(true)));
    let mut options = options(replication::sync::BatchSize::default());
    options.visible = Some(Arc::clone(&allowed) as _);
    let request = replication::sync::SyncRequest {
        since: None,
        mode: replication::sync::Mode::Copy,
        selector: None,
        terms: replication::sync::Terms {
            policy_version: 0,
            body_bytes_max: 8_000_000,
            attachment_bytes_max: 0,
        },
        have: replication::sync::Hints::default(),
    };
    let mut body = SyncBody::new(Source::new(source, Question::Sync(request), options));
    let first = body.next().await.unwrap();
    let second = body.next().await.unwrap();
    assert!(first.len() < 100 && second.len() > 10_000);
    allowed.0.store(false, Ordering::Relaxed);
    let last = body.next().await.unwrap();
    assert!(last.len() < 100 && body.next().await.is_none());
    assert_eq!(last[0], 6, "a failed frame");
}
