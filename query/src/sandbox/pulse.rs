//! Whether what a thread does still ends, seen from another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The life of one piece of work: it waits, runs, and is in the engine at times.
#[derive(Default)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Clone, Copy, Default)]
enum State {
    /// No thread has begun.
    #[default]
    Waiting,
    /// Whoever asked has gone before it began.
    Cancelled,
    /// A thread works on it, outside of the engine.
    Outside,
    /// The engine has been at it since then.
    Inside(Instant),
    /// Whoever asked has given the thread up.
    GivenUp,
}

impl Pulse {
    /// Begins the work, unless nobody wants it any more.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.state();
        let wanted = matches!(*state, State::Waiting);
        if wanted {
            *state = State::Outside;
        }
        wanted
    }

    pub(super) fn enter(&self) {
        self.change(State::Inside(Instant::now()));
    }

    pub(super) fn leave(&self) {
        self.change(State::Outside);
    }

    /// Whether the engine has been at it for longer than that.
    pub(super) fn is_older(&self, age: Duration) -> bool {
        matches!(*self.state(), State::Inside(since) if since.elapsed() > age)
    }

    /// Takes the work back; false when it has begun.
    pub(super) fn cancel(&self) -> bool {
        let mut state = self.state();
        let waiting = matches!(*state, State::Waiting);
        if waiting {
            *state = State::Cancelled;
        }
        waiting
    }

    /// Gives the thread up; false when it has come out of the engine meanwhile.
    pub(super) fn give_up(&self) -> bool {
        let mut state = self.state();
        let inside = matches!(*state, State::Inside(_));
        if inside {
            *state = State::GivenUp;
        }
        inside
    }

    pub(super) fn is_given_up(&self) -> bool {
        matches!(*self.state(), State::GivenUp)
    }

    fn change(&self, to: State) {
        let mut state = self.state();
        if matches!(*state, State::Outside | State::Inside(_)) {
            *state = to;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
