//! A replication whose peers are played by hand.

use replication::{
    Answer, Call, Change, ChangesBatch, Feed, Fetched, Filter, Leaves, Outcome, PeerError,
    PeerInfo, PeerSeq, Refusal, RefusalReason, Replication, ReplicationId, Request, Revision,
    RevisionAttachment, SessionId, Spec, Transfer, Wanted,
};
use store::{Millis, RevId};

/// A replication, the requests it has made that are not answered, and the time.
pub(crate) struct Script {
    pub(crate) replication: Replication,
    pub(crate) open: Vec<Request>,
    pub(crate) now: Millis,
}

impl Script {
    pub(crate) fn new(change: impl FnOnce(&mut Spec)) -> Self {
        let mut spec = Spec::new(ReplicationId::new(b"hub", "a", "b", &Filter::All, Leaves::All));
        change(&mut spec);
        let now = Millis(1_000);
        let replication = Replication::new(spec, SessionId::from_random(1), 1, now);
        let mut script = Self { replication, open: Vec::new(), now };
        script.collect();
        script
    }

    /// A replication that has shaken hands and waits for changes.
    pub(crate) fn begun(change: impl FnOnce(&mut Spec)) -> Self {
        let mut script = Self::new(change);
        for side in ["source", "target"] {
            script.answer(&format!("{side} info"), Ok(info("s")));
            script.answer(&format!("{side} read log"), Ok(Answer::Log(None)));
        }
        script
    }

    /// One that has read one change, the target lacking what `revs` says.
    pub(crate) fn fetching(revs: &[&str]) -> Self {
        let mut script = Self::begun(|_| {});
        script.answer("source changes since 0", Ok(changes(&[("a", revs)], "9")));
        script.answer("target diff", Ok(Answer::Diff(vec![wanted("a", revs)])));
        script
    }

    pub(crate) fn collect(&mut self) {
        while let Some(request) = self.replication.poll() {
            self.open.push(request);
        }
    }

    /// What is asked and not answered yet.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.open.iter().map(describe).collect()
    }

    pub(crate) fn answer(&mut self, what: &str, result: Result<Answer, PeerError>) -> Request {
        let place = self.open.iter().position(|request| describe(request) == what);
        let place = place.unwrap_or_else(|| panic!("{what} is not asked, but {:?}", self.asked()));
        let request = self.open.remove(place);
        self.replication.handle(request.id, result, self.now);
        self.collect();
        request
    }

    /// Waits until something is asked again.
    pub(crate) fn wait(&mut self) {
        self.now = self.replication.next_timeout().expect("nothing to wait for");
        self.replication.handle_timeout(self.now);
        self.collect();
    }

    pub(crate) fn checkpoint(&mut self) {
        for side in ["source", "target"] {
            self.answer(&format!("{side} commit"), Ok(Answer::Committed(Some("s".into()))));
        }
        for side in ["source", "target"] {
            self.answer(&format!("{side} write log"), Ok(Answer::LogWritten(Some("0-1".into()))));
        }
    }

    pub(crate) fn outcome(&mut self) -> String {
        match self.replication.take_outcome() {
            None => "none".into(),
            Some(Outcome::Completed(report)) => format!(
                "completed: {} written, {} failed",
                report.stats.docs_written, report.stats.doc_write_failures
            ),
            Some(Outcome::Cancelled) => "cancelled".into(),
            Some(Outcome::Failed(failure)) => failure.to_string(),
        }
    }
}

pub(crate) fn describe(request: &Request) -> String {
    let side = request.side;
    match &request.call {
        Call::Info => format!("{side} info"),
        Call::Create => format!("{side} create"),
        Call::ReadLog => format!("{side} read log"),
        Call::WriteLog(_) => format!("{side} write log"),
        Call::Commit => format!("{side} commit"),
        Call::Changes(query) if query.feed == Feed::Longpoll => {
            format!("{side} wait since {}", query.since)
        }
        Call::Changes(query) => format!("{side} changes since {}", query.since),
        Call::Diff(_) => format!("{side} diff"),
        Call::Fetch { wanted, .. } => {
            let one = |one: &Wanted| {
                let revs: Vec<_> = one.revs.iter().map(ToString::to_string).collect();
                format!("{}@{}{}", one.id, revs.join(","), if one.whole { " whole" } else { "" })
            };
            format!("{side} fetch {}", wanted.iter().map(one).collect::<Vec<_>>().join(" "))
        }
        Call::Write(revisions) => format!("{side} write {}", revisions.len()),
    }
}

pub(crate) fn info(instance: &str) -> Answer {
    Answer::Info(PeerInfo { update_seq: seq("9"), instance: Some(instance.into()) })
}

pub(crate) fn seq(json: &str) -> PeerSeq {
    PeerSeq::from_json(json).unwrap()
}

pub(crate) fn revs(revs: &[&str]) -> Vec<RevId> {
    revs.iter().map(|rev| rev.parse().unwrap()).collect()
}

pub(crate) fn changes(rows: &[(&str, &[&str])], last_seq: &str) -> Answer {
    let change =
        |(id, leaves): &(&str, &[&str])| Change { id: id.parse().unwrap(), leaves: revs(leaves) };
    Answer::Changes(ChangesBatch {
        changes: rows.iter().map(change).collect(),
        last_seq: seq(last_seq),
        pending: Some(0),
        more: false,
        unreadable: 0,
    })
}

pub(crate) fn wanted(id: &str, missing: &[&str]) -> Wanted {
    Wanted { id: id.parse().unwrap(), revs: revs(missing), ancestors: revs(&["1-x"]), whole: false }
}

/// A revision with an attachment that came with the first one.
pub(crate) fn revision(id: &str, rev: &str) -> Revision {
    Revision {
        id: id.parse().unwrap(),
        path: revs(&[rev, "1-x"]),
        deleted: false,
        body: "{}".into(),
        attachments: vec![RevisionAttachment {
            name: "f".into(),
            content_type: "text/plain".into(),
            revpos: 1,
            digest: None,
            length: Some(1),
            encoding: None,
            encoded_length: None,
            transfer: Transfer::Bytes,
        }],
    }
}

pub(crate) fn fetched(revisions: Vec<Revision>) -> Result<Answer, PeerError> {
    Ok(Answer::Fetched(Fetched { revisions, ..Fetched::default() }))
}

pub(crate) fn written(refusals: &[(&str, &str, RefusalReason)]) -> Result<Answer, PeerError> {
    let refusal = |(id, rev, reason): &(&str, &str, RefusalReason)| Refusal {
        id: id.parse().unwrap(),
        rev: rev.parse().unwrap(),
        reason: reason.clone(),
    };
    Ok(Answer::Written(refusals.iter().map(refusal).collect()))
}

pub(crate) fn unreachable() -> PeerError {
    PeerError::Unreachable("gone".into())
}
