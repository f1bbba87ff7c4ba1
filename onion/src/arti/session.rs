//! One child, from its start to its end, as its parent sees it.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::control::{self, ControlError, Reader, Writer};
use super::log;
use super::message::{Secret, Start, ToChild, ToParent, keys_of};
use crate::way::{Dialler, EVENTS_MAX, Event, Live, Order};
use crate::{ArtiSettings, Dial, DialError, OnionStream, Pending};

/// Streams that are being opened at once.
const DIALS_MAX: usize = 256;

/// Starts a child.
///
/// # Errors
/// For a person to read.
pub(super) fn start(arti: &ArtiSettings, start: Start) -> Result<Live, String> {
    let (ours, theirs) = StdStream::pair().map_err(|error| error.to_string())?;
    let mut child = spawn(arti, theirs)
        .map_err(|error| format!("could not start {}: {error}", arti.program.display()))?;
    let (reader, writer) = control::split(ours).map_err(|error| error.to_string())?;
    let (events_to, events) = mpsc::channel(EVENTS_MAX);
    let (orders, orders_from) = mpsc::channel(EVENTS_MAX);
    let (dials, dials_from) = mpsc::channel(DIALS_MAX);
    let pid = child.id();
    let mut tasks = JoinSet::new();
    if let Some(stderr) = child.stderr.take() {
        tasks.spawn(log::pass_on(stderr));
    }
    let answers = Answers::default();
    tasks.spawn(write(writer, start, orders_from, dials_from, Arc::clone(&answers)));
    tasks.spawn(read(reader, child, events_to, answers));
    Ok(Live {
        events,
        orders,
        dialler: Arc::new(ByChild { dials }),
        child: pid,
        held: Box::new(tasks),
    })
}

fn spawn(arti: &ArtiSettings, control: StdStream) -> io::Result<Child> {
    let mut command = Command::new(&arti.program);
    command.args(&arti.arguments).stdin(OwnedFd::from(control)).stdout(Stdio::null());
    command.stderr(Stdio::piped()).kill_on_drop(true);
    // Ctrl-C in a terminal is for the parent, which ends the child in good order.
    command.process_group(0);
    for (name, _) in std::env::vars_os() {
        // A passphrase may be among them.
        if name.to_string_lossy().starts_with("LARDER_") {
            command.env_remove(name);
        }
    }
    command.spawn()
}

/// Who waits for the stream of which dial.
type Answers = Arc<std::sync::Mutex<HashMap<u64, Answer>>>;
type Answer = oneshot::Sender<Result<OnionStream, DialError>>;

fn lock(answers: &Answers) -> std::sync::MutexGuard<'_, HashMap<u64, Answer>> {
    answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A stream that is wanted, and who wants it.
struct Wanted {
    dial: Dial,
    circuits: String,
    answer: Answer,
}

#[derive(Debug)]
struct ByChild {
    dials: mpsc::Sender<Wanted>,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.dial.fmt(f)
    }
}

impl Dialler for ByChild {
    fn dial(
        &self,
        dial: Dial,
        circuits: String,
    ) -> Pending<'static, Result<OnionStream, DialError>> {
        let dials = self.dials.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let sent = dials.try_send(Wanted { dial, circuits, answer });
            sent.map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => DialError::Busy,
                mpsc::error::TrySendError::Closed(_) => child_gone(),
            })?;
            answered.await.unwrap_or_else(|_gone| Err(child_gone()))
        })
    }
}

fn child_gone() -> DialError {
    DialError::NotReady("it is being started anew".into())
}

/// Tells the child what it is to do, in order.
async fn write(
    mut writer: Writer,
    start: Start,
    mut orders: mpsc::Receiver<Order>,
    mut dials: mpsc::Receiver<Wanted>,
    answers: Answers,
) {
    let mut dialled = 0;
    let mut message = Some(ToChild::Start(Box::new(start)));
    loop {
        if let Some(message) = message
            && writer.send(&message, None).await.is_err()
        {
            // The reader hears of a child that is gone.
            return;
        }
        message = tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Discovery(discovery)) => Some(ToChild::Discovery(keys_of(&discovery))),
                Some(Order::Drain(grace)) => {
                    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
                    Some(ToChild::Drain { grace_ms })
                }
                None => return,
            },
            Some(wanted) = dials.recv() => {
                dialled += 1;
                ask(wanted, dialled, &answers)
            }
        };
    }
}

/// What asks the child for a stream, unless too many are being opened.
fn ask(wanted: Wanted, id: u64, answers: &Answers) -> Option<ToChild> {
    let Wanted { dial, circuits, answer } = wanted;
    let mut answers = lock(answers);
    // Whoever has given up is not waited for.
    answers.retain(|_, answer| !answer.is_closed());
    if answers.len() >= DIALS_MAX {
        let _gave_up = answer.send(Err(DialError::Busy));
        return None;
    }
    answers.insert(id, answer);
    let Dial { address, port, secret, .. } = dial;
    let secret = secret.map(|secret| Secret::of(secret.bytes()));
    Some(ToChild::Dial { id, address, port, circuits, secret })
}

/// Hears what the child says until it ends or makes no sense, and ends it then.
async fn read(mut reader: Reader, mut child: Child, events: mpsc::Sender<Event>, answers: Answers) {
    let reason = loop {
        let (message, stream) = match reader.receive::<ToParent>().await {
            Ok(Some(received)) => received,
            Ok(None) => break ended(child.wait().await),
            Err(ControlError::Io(error)) if is_end(&error) => break ended(child.wait().await),
            Err(error) => break format!("Tor's process said what makes no sense: {error}"),
        };
        let stream = match stream.map(open).transpose() {
            Ok(stream) => stream,
            Err(error) => break format!("Tor's process sent a stream that is none: {error}"),
        };
        let event = match (message, stream) {
            (ToParent::Failed(reason), _) => break reason,
            (ToParent::Dialled { id }, Some(stream)) => {
                answer(&answers, id, Ok(stream));
                continue;
            }
            (ToParent::NotDialled { id, error }, _) => {
                answer(&answers, id, Err(error));
                continue;
            }
            (ToParent::Incoming { service, port }, Some(stream)) => {
                Event::Incoming { stream, service, port }
            }
            (ToParent::Bootstrapping { percent, blocked }, _) => {
                Event::Bootstrapping { percent: percent.min(100), blocked }
            }
            (ToParent::Bootstrapped, _) => Event::Bootstrapped,
            (ToParent::Published, _) => Event::Published,
            (ToParent::Effective(effective), _) => Event::Effective(effective),
            (ToParent::Trouble(text), _) => Event::Trouble(log::shortened(&text).into()),
            (ToParent::Incoming { .. } | ToParent::Dialled { .. }, None) => continue,
        };
        if events.send(event).await.is_err() {
            break String::new();
        }
    };
    lock(&answers).clear();
    // One that has not ended by itself is killed by being dropped.
    drop(child);
    let _nobody_listens = events.send(Event::Broken(log::shortened(&reason).into())).await;
}

fn answer(answers: &Answers, id: u64, outcome: Result<OnionStream, DialError>) {
    if let Some(answer) = lock(answers).remove(&id) {
        // Whoever has given up needs no stream.
        let _gave_up = answer.send(outcome);
    }
}

/// A handle as a stream. One that is no socket fails here or when it is first used.
fn open(handle: OwnedFd) -> io::Result<OnionStream> {
    let stream = StdStream::from(handle);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream).map(OnionStream::from)
}

/// Killed, a child may leave half its words unread.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn ended(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("Tor's process ended ({status})"),
        Err(error) => format!("Tor's process ended ({error})"),
    }
}
