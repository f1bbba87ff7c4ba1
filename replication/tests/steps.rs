//! The protocol step by step: what is asked after which answer, and what an error leads to.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "steps/script.rs"]
mod script;

use replication::{
    Answer, Call, ChangesBatch, LocalDocument, Outcome, PeerError, RefusalReason, Side, State,
    Transfer,
};
use script::{Script, changes, fetched, info, revision, seq, unreachable, written};

#[test]
fn asks_both_sides_at_once() {
    let script = Script::new(|_| {});
    assert_eq!(
        script.asked(),
        ["source info", "source read log", "target info", "target read log"]
    );
    let script = Script::new(|spec| spec.use_checkpoints = false);
    assert_eq!(script.asked(), ["source info", "target info"]);
}

#[test]
fn moves_documents_and_remembers() {
    let mut script = Script::fetching(&["2-a", "2-b"]);
    let revisions = vec![revision("a", "2-a"), revision("a", "2-b")];
    script.answer("source fetch a@2-a,2-b", fetched(revisions));
    assert_eq!(script.asked(), ["target write 2"]);
    script.answer("target write 2", written(&[]));
    script.checkpoint();
    assert_eq!(script.outcome(), "completed: 2 written, 0 failed");
    assert_eq!(script.replication.progress().state, State::Ended);
    assert_eq!(script.replication.progress().through_seq, seq("9"));
}

#[test]
fn creates_the_target_only_when_told() {
    let mut script = Script::new(|spec| spec.create_target = true);
    script.answer("target read log", Err(PeerError::NoDatabase));
    script.answer("target info", Err(PeerError::NoDatabase));
    script.answer("target create", Ok(Answer::Created));
    script.answer("target info", Ok(info("t")));
    script.answer("source info", Ok(info("s")));
    script.answer("source read log", Ok(Answer::Log(None)));
    assert_eq!(script.asked(), ["source changes since 0"]);

    for side in ["source", "target"] {
        let mut script = Script::new(|spec| spec.create_target = side == "source");
        script.answer(&format!("{side} info"), Err(PeerError::NoDatabase));
        assert_eq!(script.outcome(), format!("{side}: database does not exist"));
        assert!(script.replication.poll().is_none());
    }
}

#[test]
fn begins_where_both_remember_or_where_told() {
    let log = || {
        let body = r#"{"session_id":"x","source_last_seq":"5-q","history":[]}"#.into();
        Ok(Answer::Log(Some(LocalDocument { rev: Some("0-3".into()), body })))
    };
    for (since, expected) in [(None, r#""5-q""#), (Some("7"), "7")] {
        let mut script = Script::new(|spec| spec.since = since.map(seq));
        for side in ["source", "target"] {
            script.answer(&format!("{side} info"), Ok(info("s")));
            script.answer(&format!("{side} read log"), log());
        }
        assert_eq!(script.asked(), [format!("source changes since {expected}")]);
        let same = changes(&[], expected);
        script.answer(&format!("source changes since {expected}"), Ok(same));
        let Some(Outcome::Completed(report)) = script.replication.take_outcome() else { panic!() };
        assert!(report.is_unchanged());
        assert!(report.to_json().contains(r#""source_last_seq":"5-q""#));
    }
}

#[test]
fn a_position_the_source_does_not_know_leads_to_the_start() {
    let mut script = Script::begun(|spec| spec.since = Some(seq("7")));
    let unknown = || Err(PeerError::UnknownSeq("Malformed sequence".into()));
    script.answer("source changes since 7", unknown());
    script.answer("source changes since 0", unknown());
    assert_eq!(script.outcome(), "source: the sequence is unknown: Malformed sequence");
}

#[test]
fn reads_ahead_and_checkpoints_only_without_gaps() {
    let mut script = Script::begun(|spec| {
        spec.batch_changes_max = 1;
        spec.batches_max = 3;
        spec.checkpoint_interval_ms = 0;
    });
    for number in 1..=3 {
        let Answer::Changes(batch) = changes(&[("a", &["2-a"])], &number.to_string()) else {
            unreachable!()
        };
        let more = ChangesBatch { more: true, pending: None, ..batch };
        let asked = format!("source changes since {}", number - 1);
        script.answer(&asked, Ok(Answer::Changes(more)));
    }
    assert_eq!(script.asked(), ["target diff"; 3], "no more than three batches");
    // Nothing is missing of the second: it is done, but the first is not.
    let second = script.open.remove(1);
    script.replication.handle(second.id, Ok(Answer::Diff(vec![])), script.now);
    script.collect();
    assert_eq!(script.asked(), ["target diff"; 2]);
    assert!(script.replication.progress().through_seq.is_start());
    let first = script.open.remove(0);
    script.replication.handle(first.id, Ok(Answer::Diff(vec![])), script.now);
    script.collect();
    assert_eq!(script.replication.progress().through_seq, seq("2"));
    assert!(script.asked().contains(&"source commit".to_owned()));
    let commit = script.answer("source commit", Ok(Answer::Committed(None)));
    assert_eq!(commit.side, Side::Source);
}

#[test]
fn passing_errors_are_tried_again_and_bounded() {
    let mut script = Script::begun(|spec| spec.retries_max = Some(3));
    for _ in 0..3 {
        script.answer("source changes since 0", Err(unreachable()));
        assert!(script.asked().is_empty());
        let state = script.replication.progress().state;
        assert!(matches!(state, State::Retrying { .. }), "{state:?}");
        script.wait();
    }
    script.answer("source changes since 0", Err(unreachable()));
    assert_eq!(script.outcome(), "source: could not reach the peer: gone");

    let mut script = Script::begun(|spec| {
        spec.continuous = true;
        spec.retries_max = None;
    });
    for _ in 0..100 {
        script.answer("source changes since 0", Err(unreachable()));
        script.wait();
    }
    script.answer("source changes since 0", Ok(changes(&[], "0")));
    assert_eq!(script.replication.progress().state, State::Idle);
}

#[test]
fn a_lost_write_is_fetched_and_written_again() {
    let mut script = Script::fetching(&["2-a"]);
    for _ in 0..2 {
        script.answer("source fetch a@2-a", fetched(vec![revision("a", "2-a")]));
        script.answer("target write 1", Err(unreachable()));
        script.wait();
    }
    script.answer("source fetch a@2-a", fetched(vec![revision("a", "2-a")]));
    script.answer("target write 1", written(&[]));
    script.checkpoint();
    assert_eq!(script.outcome(), "completed: 1 written, 0 failed");
}

#[test]
fn an_endless_loop_of_fetch_and_failing_write_ends() {
    let mut script = Script::fetching(&["2-a"]);
    for _ in 0..5 {
        script.answer("source fetch a@2-a", fetched(vec![revision("a", "2-a")]));
        script.answer("target write 1", Err(unreachable()));
        script.wait();
    }
    script.answer("source fetch a@2-a", fetched(vec![revision("a", "2-a")]));
    script.answer("target write 1", Err(unreachable()));
    assert_eq!(script.outcome(), "target: could not reach the peer: gone");
}

#[test]
fn missing_stubs_are_sent_whole_once() {
    let stub = ("a", "2-a", RefusalReason::MissingStub);
    let mut script = Script::fetching(&["2-a"]);
    script.answer("source fetch a@2-a", fetched(vec![revision("a", "2-a")]));
    let request = script.answer("target write 1", written(std::slice::from_ref(&stub)));
    let Call::Write(revisions) = request.call else { panic!() };
    assert_eq!(revisions[0].attachments[0].transfer, Transfer::Stub);
    script.answer("source fetch a@2-a whole", fetched(vec![revision("a", "2-a")]));
    let request = script.answer("target write 1", written(&[stub]));
    let Call::Write(revisions) = request.call else { panic!() };
    assert_eq!(revisions[0].attachments[0].transfer, Transfer::Bytes);
    script.checkpoint();
    assert_eq!(script.outcome(), "completed: 0 written, 1 failed");
}

#[test]
fn refusals_are_counted_and_stop_nothing() {
    let mut script = Script::fetching(&["2-a", "2-b"]);
    let revisions = vec![revision("a", "2-a"), revision("a", "2-b")];
    script.answer("source fetch a@2-a,2-b", fetched(revisions));
    let refusal = ("a", "2-b", RefusalReason::Final("forbidden".into()));
    script.answer("target write 2", written(&[refusal]));
    script.checkpoint();
    assert_eq!(script.outcome(), "completed: 1 written, 1 failed");
}

#[test]
fn requests_too_large_are_split_down_to_one_revision() {
    let mut script = Script::fetching(&["2-a", "2-b"]);
    let too_large = || Err(PeerError::TooLarge("x".into()));
    script.answer("source fetch a@2-a,2-b", fetched(vec![revision("a", "2-a")]));
    script.answer("target write 1", too_large());
    script.answer("source fetch a@2-a", fetched(vec![revision("a", "2-a")]));
    script.answer("target write 1", too_large());
    script.answer("source fetch a@2-b", fetched(vec![revision("a", "2-b")]));
    script.answer("target write 1", written(&[]));
    script.checkpoint();
    assert_eq!(script.outcome(), "completed: 1 written, 1 failed");
}

#[test]
fn rights_taken_away_end_it() {
    for error in [PeerError::Unauthorized("x".into()), PeerError::Forbidden("x".into())] {
        let expected = format!("target: {error}");
        let mut script = Script::fetching(&["2-a"]);
        script.answer("source fetch a@2-a", fetched(vec![revision("a", "2-a")]));
        script.answer("target write 1", Err(error));
        assert_eq!(script.outcome(), expected);
    }
}

#[test]
fn a_conflict_of_logs_may_be_our_own_lost_answer() {
    let ready = || {
        let mut script = Script::begun(|_| {});
        script.answer("source changes since 0", Ok(changes(&[("a", &["2-a"])], "9")));
        script.answer("target diff", Ok(Answer::Diff(vec![])));
        for side in ["source", "target"] {
            script.answer(&format!("{side} commit"), Ok(Answer::Committed(None)));
        }
        script.answer("source write log", Ok(Answer::LogWritten(None)));
        let request = script.answer("target write log", Err(PeerError::Conflict));
        let Call::WriteLog(log) = request.call else { panic!() };
        (script, log)
    };
    let (mut script, log) = ready();
    script.answer("target read log", Ok(Answer::Log(Some(log))));
    assert_eq!(script.outcome(), "completed: 0 written, 0 failed");

    let (mut script, _) = ready();
    script.answer("target read log", Ok(Answer::Log(None)));
    script.wait();
    assert_eq!(script.asked().len(), 4, "another's log: from the beginning");
}

#[test]
fn a_database_made_anew_leads_to_another_handshake() {
    let mut script = Script::begun(|_| {});
    script.answer("source changes since 0", Ok(changes(&[("a", &["2-a"])], "9")));
    script.answer("target diff", Ok(Answer::Diff(vec![])));
    script.answer("target commit", Ok(Answer::Committed(Some("another".into()))));
    script.wait();
    assert!(script.asked().ends_with(&["target info".into(), "target read log".into()]));
}

#[test]
fn continuous_waits_and_does_not_hammer() {
    let mut script = Script::begun(|spec| spec.continuous = true);
    script.answer("source changes since 0", Ok(changes(&[], "4")));
    // Whatever the source does, it is asked once a second at most.
    for _ in 0..3 {
        let before = script.now;
        while !script.asked().contains(&"source wait since 4".to_owned()) {
            script.wait();
        }
        assert!(script.now.0 >= before.0 + 1_000);
        script.answer("source wait since 4", Ok(changes(&[], "4")));
    }
    assert_eq!(script.replication.progress().state, State::Idle);
}

#[test]
fn cancelled_it_remembers_what_is_done() {
    let mut script = Script::new(|_| {});
    script.replication.cancel(script.now);
    assert_eq!(script.outcome(), "cancelled");

    let mut script = Script::begun(|spec| spec.continuous = true);
    script.answer("source changes since 0", Ok(changes(&[("a", &["2-a"])], "9")));
    script.answer("target diff", Ok(Answer::Diff(vec![])));
    script.replication.cancel(script.now);
    script.collect();
    let before = script.asked().len();
    assert!(before >= 2, "{:?}", script.asked());
    script.checkpoint();
    assert_eq!(script.outcome(), "cancelled");
    assert_eq!(script.replication.progress().checkpointed_source_seq, seq("9"));
}

#[test]
fn one_run_ends_at_what_was_there_at_its_beginning() {
    let mut script = Script::begun(|spec| spec.batch_changes_max = 1);
    let batch = |pending| {
        let Answer::Changes(batch) = changes(&[("a", &["2-a"])], "9") else { unreachable!() };
        Ok(Answer::Changes(ChangesBatch { more: true, pending: Some(pending), ..batch }))
    };
    script.answer("source changes since 0", batch(1));
    // Somebody writes without end; two changes were there.
    script.answer("source changes since 9", batch(50));
    assert!(!script.asked().iter().any(|asked| asked.contains("changes")));
}
