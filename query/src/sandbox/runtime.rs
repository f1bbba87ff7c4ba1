//! One engine a thread, and the watch over what runs in it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rquickjs::Runtime;

use super::error::Error;
use super::limits::Limits;
use super::list::ListIo;
use super::pulse::Pulse;

/// A place for functions of design documents; it stays on the thread that made it.
///
/// What broke its limits is thrown away with the whole engine: everything that lives in the sandbox
/// compiles itself again when it is used next.
#[derive(Clone)]
pub struct Sandbox(Rc<Shared>);

struct Shared {
    limits: Limits,
    log: Rc<dyn Fn(&str)>,
    engine: RefCell<Option<Rc<Engine>>>,
    pulse: RefCell<Option<Arc<Pulse>>>,
}

/// The engine, and whether it has to be replaced.
pub(super) struct Engine {
    pub(super) runtime: Runtime,
    pub(super) watch: Rc<Watch>,
    broken: Cell<bool>,
}

/// What a call may still do, and what it has done.
pub(super) struct Watch {
    pub(super) limits: Limits,
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    overflown: Cell<bool>,
    lines: Cell<usize>,
    log: Rc<dyn Fn(&str)>,
    pulse: RefCell<Option<Arc<Pulse>>>,
    pub(super) emits: RefCell<Emits>,
    pub(super) list: RefCell<Option<ListIo>>,
}

/// Keys and values that a document's functions have emitted, one after the other.
#[derive(Default)]
pub(super) struct Emits {
    pub(super) text: String,
    /// For each row the end of its key and the end of its value.
    pub(super) ends: Vec<(usize, usize)>,
}

impl Emits {
    /// Forgets a document's rows, and gives back what an unusual one has taken.
    pub(super) fn clear(&mut self) {
        const KEPT_BYTES_MAX: usize = 64 << 10;
        self.text.clear();
        self.ends.clear();
        self.text.shrink_to(KEPT_BYTES_MAX);
        self.ends.shrink_to(KEPT_BYTES_MAX / 16);
    }

    /// Where the next row begins.
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.text.len(), self.ends.len())
    }

    /// Forgets the rows since a mark.
    pub(super) fn take_back(&mut self, (text, ends): (usize, usize)) {
        self.text.truncate(text);
        self.ends.truncate(ends);
    }
}

impl Sandbox {
    /// Makes a place; the engine comes with the first function. `log` is given what functions log.
    #[must_use]
    pub fn new(limits: Limits, log: impl Fn(&str) + 'static) -> Self {
        Self(Rc::new(Shared {
            limits,
            log: Rc::new(log),
            engine: RefCell::default(),
            pulse: RefCell::default(),
        }))
    }

    /// Memory that the engine has taken.
    #[must_use]
    pub fn memory_used_bytes(&self) -> usize {
        let engine = self.0.engine.borrow();
        let used = engine.as_ref().map(|engine| engine.runtime.memory_usage().malloc_size);
        used.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0)
    }

    /// Tells another thread from now on when the engine is entered and left.
    pub(super) fn set_pulse(&self, pulse: Option<Arc<Pulse>>) {
        if let Some(engine) = self.0.engine.borrow().as_ref() {
            engine.watch.pulse.replace(pulse.clone());
        }
        self.0.pulse.replace(pulse);
    }

    /// Whether the engine is to be replaced when it is needed next.
    pub(super) fn is_broken(&self) -> bool {
        self.0.engine.borrow().as_ref().is_some_and(|engine| engine.is_broken())
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The engine, a new one when the last was broken.
    pub(super) fn engine(&self) -> Result<Rc<Engine>, Error> {
        let mut held = self.0.engine.borrow_mut();
        if let Some(engine) = held.as_ref().filter(|engine| !engine.is_broken()) {
            return Ok(Rc::clone(engine));
        }
        // Before the new one takes memory, the old one gives back what nobody else holds.
        *held = None;
        let engine = Rc::new(Engine::new(&self.0.limits, &self.0.log)?);
        engine.watch.pulse.replace(self.0.pulse.borrow().clone());
        *held = Some(Rc::clone(&engine));
        Ok(engine)
    }
}

impl Engine {
    fn new(limits: &Limits, log: &Rc<dyn Fn(&str)>) -> Result<Self, Error> {
        let runtime = Runtime::new().map_err(|error| Error::Engine(error.to_string()))?;
        runtime.set_memory_limit(limits.memory_bytes);
        runtime.set_max_stack_size(limits.stack_bytes);
        let watch = Rc::new(Watch::new(limits.clone(), Rc::clone(log)));
        let watching = Rc::clone(&watch);
        runtime.set_interrupt_handler(Some(Box::new(move || watching.look())));
        Ok(Self { runtime, watch, broken: Cell::new(false) })
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    pub(super) fn break_down(&self) {
        self.broken.set(true);
    }
}

impl Watch {
    fn new(limits: Limits, log: Rc<dyn Fn(&str)>) -> Self {
        Self {
            limits,
            deadline: Cell::new(None),
            expired: Cell::new(false),
            overflown: Cell::new(false),
            lines: Cell::new(0),
            log,
            pulse: RefCell::default(),
            emits: RefCell::default(),
            list: RefCell::new(None),
        }
    }

    /// Begins a call, or what of it has a time of its own.
    pub(super) fn start(&self) {
        if let Some(pulse) = self.pulse.borrow().as_ref() {
            pulse.enter();
        }
        self.deadline.set(Instant::now().checked_add(self.limits.call));
    }

    /// Stops the clock of a call, whether it has ended or waits for others.
    pub(super) fn stop(&self) {
        self.deadline.set(None);
        if let Some(pulse) = self.pulse.borrow().as_ref() {
            pulse.leave();
        }
    }

    /// Begins a call that nothing has happened in.
    pub(super) fn reset(&self) {
        self.expired.set(false);
        self.overflown.set(false);
        self.lines.set(0);
        self.start();
    }

    /// Whether the call has to end now.
    pub(super) fn look(&self) -> bool {
        if self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline) {
            self.expired.set(true);
        }
        self.expired.get() || self.overflown.get()
    }

    pub(super) fn overflow(&self) {
        self.overflown.set(true);
    }

    /// What ended the call, if it was not the function itself.
    pub(super) fn verdict(&self) -> Option<Error> {
        if self.expired.get() {
            Some(Error::Timeout)
        } else if self.overflown.get() {
            Some(Error::Output)
        } else {
            None
        }
    }

    pub(super) fn log(&self, line: &str) {
        const LINE_MAX: usize = 4096;
        let lines = self.lines.get();
        if lines < self.limits.log_lines_max {
            self.lines.set(lines + 1);
            (self.log)(&line[..line.floor_char_boundary(LINE_MAX)]);
        }
    }

    /// Whether that much more text may come from this call.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        bytes <= self.limits.output_bytes
    }
}
