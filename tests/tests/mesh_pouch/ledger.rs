//! What was acknowledged, by whom.

/// One edit that somebody acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    /// Who did.
    pub(crate) peer: &'static str,
    /// The database.
    pub(crate) database: &'static str,
    /// The document.
    pub(crate) id: String,
    /// The revision that it made.
    pub(crate) rev: String,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Ledger {
    edits: Vec<Acknowledged>,
    /// Whose edits need not have reached anybody.
    forgotten: Option<&'static str>,
}

impl Ledger {
    /// Adds one.
    pub(crate) fn note(&mut self, edit: Acknowledged) {
        self.edits.push(edit);
    }

    /// A peer is lost: what it acknowledged last may be, too.
    pub(crate) fn forget(&mut self, peer: &'static str) {
        self.forgotten = Some(peer);
    }

    /// Those of one database.
    pub(crate) fn of(&self, database: &str) -> impl Iterator<Item = &Acknowledged> {
        self.edits.iter().filter(move |edit| edit.database == database)
    }

    /// Whether an edit need not be anywhere.
    pub(crate) fn is_forgotten(&self, edit: &Acknowledged) -> bool {
        self.forgotten == Some(edit.peer)
    }

    /// Whether somebody wrote a revision.
    pub(crate) fn has(&self, database: &str, id: &str, rev: &str) -> bool {
        self.of(database).any(|edit| edit.id == id && edit.rev == rev)
    }

    /// Whether PouchDB wrote it, whose revisions tell no time.
    pub(crate) fn is_pouchdbs(&self, database: &str, id: &str, rev: &str) -> bool {
        let mut edits = self.of(database);
        edits.any(|edit| matches!(edit.peer, "server" | "app") && edit.id == id && edit.rev == rev)
    }
}
