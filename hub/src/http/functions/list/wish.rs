//! What a list function wishes for while it runs on its thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use query::{Functions, ListPart, SandboxError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::clock;

/// What is said within so long, or in so many bytes, is handed on together.
const CHUNK_TIME: Duration = Duration::from_millis(100);
const CHUNK_BYTES: usize = 16 * 1024;

/// How long a reader may take nothing before its answer is given up, so that readers who stall
/// cannot hold all threads.
const STALL_MAX: Duration = Duration::from_secs(60);

/// What a list function wishes for.
pub(super) enum Wish {
    /// More rows, each as JSON; where none are left, none.
    Rows(oneshot::Sender<Vec<String>>),
    /// That the answer begins so.
    Start(String),
    /// That this is sent.
    Chunk(String),
}

/// Where wishes are heard.
pub(super) struct Wishes {
    sender: mpsc::Sender<Wish>,
    runtime: Handle,
    chunk: String,
    since: Instant,
}

/// Runs a list function: its name, what it is told of the view, and the request.
pub(super) fn run(
    functions: &mut Functions,
    (name, head, request): (&str, &str, &str),
    wishes: Wishes,
) -> Result<(), SandboxError> {
    let wishes = Rc::new(RefCell::new(wishes));
    let (asking, mut waiting) = (Rc::clone(&wishes), VecDeque::new());
    let next_row = move || {
        if waiting.is_empty() {
            waiting.extend(asking.borrow_mut().rows());
        }
        waiting.pop_front()
    };
    let saying = Rc::clone(&wishes);
    let say = move |part: ListPart<'_>| match part {
        ListPart::Start(response) => saying.borrow_mut().wish(Wish::Start(response.to_owned())),
        ListPart::Chunk(chunk) => saying.borrow_mut().say(chunk),
    };
    functions.list(name, head, request, Box::new(next_row), say)?;
    // Whoever has gone misses nothing.
    let _gone = wishes.borrow_mut().flush();
    Ok(())
}

impl Wishes {
    pub(super) fn new(sender: mpsc::Sender<Wish>, runtime: Handle) -> Self {
        Self { sender, runtime, chunk: String::new(), since: clock::instant() }
    }

    /// Hands a piece of the answer on, or keeps it for a moment; false when nobody wants it.
    fn say(&mut self, chunk: &str) -> bool {
        self.chunk.push_str(chunk);
        let due = self.chunk.len() >= CHUNK_BYTES || self.since.elapsed() >= CHUNK_TIME;
        !due || self.flush()
    }

    fn rows(&mut self) -> Vec<String> {
        let (giving, given) = oneshot::channel();
        if !self.wish(Wish::Rows(giving)) {
            return Vec::new();
        }
        self.runtime.block_on(given).unwrap_or_default()
    }

    fn flush(&mut self) -> bool {
        self.since = clock::instant();
        let chunk = std::mem::take(&mut self.chunk);
        chunk.is_empty() || self.wish(Wish::Chunk(chunk))
    }

    /// Whether the wish was heard.
    fn wish(&self, wish: Wish) -> bool {
        // The time is the runtime's, so it is asked for there.
        let wishing = async { timeout(STALL_MAX, self.sender.send(wish)).await };
        matches!(self.runtime.block_on(wishing), Ok(Ok(())))
    }
}
