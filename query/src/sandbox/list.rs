//! What a list function reads and writes while it runs.

/// Gives a list function its rows as JSON, one at a time.
pub type Rows = Box<dyn FnMut() -> Option<String>>;

/// A piece of what a list function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListPart<'a> {
    /// The response's status and headers as JSON; it comes once, before all chunks.
    Start(&'a str),
    /// A piece of the body.
    Chunk(&'a str),
}

/// Takes a piece; false when nobody wants any more.
pub(super) type Output = Box<dyn FnMut(ListPart<'_>) -> bool>;

pub(super) struct ListIo {
    rows: Rows,
    output: Output,
}

impl ListIo {
    pub(super) fn new(rows: Rows, output: Output) -> Self {
        Self { rows, output }
    }

    pub(super) fn next_row(&mut self) -> Option<String> {
        (self.rows)()
    }

    pub(super) fn output(&mut self, part: ListPart<'_>) -> bool {
        (self.output)(part)
    }
}
