//! What functions may use.

use std::time::Duration;

/// What the functions of a sandbox may use, each call or all of them together.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Memory of all that lives in one sandbox.
    pub memory_bytes: usize,
    /// Stack of the engine; a thread that has a sandbox needs some more for itself.
    pub stack_bytes: usize,
    /// Time that one call takes: a document mapped, values reduced, a row of a list answered.
    pub call: Duration,
    /// Text that one call gives back.
    pub output_bytes: usize,
    /// Rows that one document emits.
    pub emits_max: usize,
    /// Lines that one call logs; what it logs beyond is dropped.
    pub log_lines_max: usize,
    /// Whether what a reduce function returns has to be shorter than what it was given.
    pub reduce_limit: bool,
    /// Up to this length, a reduce function returns what it likes.
    pub reduce_threshold_bytes: usize,
}

impl Default for Limits {
    /// CouchDB's `os_process_timeout`, `reduce_limit` and `reduce_limit_threshold`, and what suits
    /// a device of its owner.
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            stack_bytes: 512 << 10,
            call: Duration::from_secs(5),
            output_bytes: 32 << 20,
            emits_max: 100_000,
            log_lines_max: 100,
            reduce_limit: true,
            reduce_threshold_bytes: 4906,
        }
    }
}
