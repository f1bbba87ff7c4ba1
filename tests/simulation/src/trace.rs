//! What happens in a run, line by line, for whoever wants to follow it.

use std::fmt;

/// Told of each line.
pub type Sink = Box<dyn FnMut(&str)>;

/// Where lines go, if anywhere.
#[derive(Default)]
pub(crate) struct Trace(Option<Sink>);

impl Trace {
    pub(crate) fn new(sink: Option<Sink>) -> Self {
        Self(sink)
    }

    /// Writes a line, made only where somebody follows.
    pub(crate) fn line(&mut self, now: u64, line: impl FnOnce() -> String) {
        if let Some(sink) = &mut self.0 {
            sink(&format!("{now:>13} {}", line()));
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}
