//! Sources that send what no source should.

use std::collections::VecDeque;

use bytes::Bytes;
use replication::sync::{
    Action, Arrival, BatchWriter, Begin, Carriage, Encoder, Event, Frame, Misbehaviour, Mode,
    Packer, ParcelHeader, Question, SkipReason, SyncError, SyncOutcome, Withheld,
};
use store::rev_tree::{BodyId, Node, Stored};
use store::{Attachment, ContentHash, Epoch, Md5Digest, RevId, Seq, UpdateSeq};

use crate::random::Random;
use crate::site::Site;
use crate::wire::{Faults, Wire};

const EPOCH: Epoch = Epoch([9; 8]);

fn begin(update_seq: u64) -> Frame {
    Frame::Begin(Begin {
        since: Seq(0),
        mode: Mode::Copy,
        update_seq: UpdateSeq { seq: Seq(update_seq), epoch: EPOCH },
        documents: 1,
        bytes: 1,
    })
}

fn rev(text: &str) -> RevId {
    text.parse().unwrap()
}

fn path(revs: &[&str]) -> Vec<Node> {
    let node = |text: &&str| Node {
        rev: rev(text),
        parent: None,
        deleted: false,
        stored: Some(Stored::new(BodyId(1), 1)),
    };
    revs.iter().map(node).collect()
}

fn picture(name: &str, content: [u8; 32], length: u64) -> Attachment {
    Attachment {
        name: name.into(),
        content_type: "image/png".into(),
        revpos: 1,
        digest: Md5Digest([0; 16]),
        length,
        content: ContentHash(content),
        encoding: None,
        encoded_length: None,
    }
}

/// A batch of documents of which each has one leaf, from so far to so far.
fn batch(from: u64, documents: &[(u64, &str, &[&str], &str)], through: u64) -> Frame {
    let mut writer = BatchWriter::new(Seq(from));
    for (seq, id, revs, body) in documents {
        writer.document(Seq(*seq), &id.parse().unwrap(), 1);
        writer.sent(path(revs).iter(), usize::MAX, body, 0);
    }
    packed(&mut writer, through)
}

fn packed(writer: &mut BatchWriter, through: u64) -> Frame {
    let packed = writer.finish(Seq(through), 0, |content| Packer::new().pack(content));
    Frame::Batch(packed)
}

fn bytes(frames: &[Frame]) -> Vec<Bytes> {
    let mut encoder = Encoder::default();
    frames.iter().map(|frame| encoder.encode(frame)).collect()
}

/// Pulls from a source that answers the question for changes with these bytes, and by name with those.
fn pull(site: &Site, feed: &[Bytes], named: &[Bytes]) -> SyncOutcome {
    let elsewhere = Site::new(99);
    let wire = Wire::new(&elsewhere, site);
    let target = wire.target();
    let mut spec = wire.spec.clone();
    spec.documents_max = 1000;
    let mut pull = replication::sync::Pull::new(spec, site.now());
    let mut events = VecDeque::new();
    for _ in 0..100_000 {
        if let Some(outcome) = pull.take_outcome() {
            return outcome;
        }
        let Some(action) = pull.poll() else {
            let event = events.pop_front().expect("a pull that is not over waits for something");
            pull.handle(event, site.now());
            continue;
        };
        match action {
            Action::Look => pull.handle(Event::Looked(target.look()), site.now()),
            Action::Take(id, delivery) => {
                let taken = target.take(delivery, site.now());
                pull.handle(Event::Taken(id, taken), site.now());
            }
            Action::Remember(checkpoint) => {
                let remembered = target.remember(&checkpoint);
                pull.handle(Event::Remembered(remembered), site.now());
            }
            Action::Drop(_) => {}
            Action::Ask(id, question) => {
                let answer = match question {
                    Question::Sync(_) => feed,
                    Question::Wanted(_) => named,
                };
                let mut inflow = target.inflow();
                answer.iter().for_each(|bytes| inflow.push(bytes));
                loop {
                    match inflow.next() {
                        Ok(Some(arrival)) => {
                            let over = matches!(arrival, Arrival::End(_) | Arrival::Refused(_));
                            events.push_back(Event::Arrived(id, arrival));
                            if over {
                                break;
                            }
                        }
                        Ok(None) => {
                            let cut = inflow.end().expect_err("the answer has no end");
                            events.push_back(Event::Broken(id, cut));
                            break;
                        }
                        Err(error) => {
                            events.push_back(Event::Broken(id, error));
                            break;
                        }
                    }
                }
            }
        }
    }
    panic!("the pull goes round in circles");
}

/// A feed that is refused for this, and of which so many documents were written.
fn check(frames: &[Frame], expected: &Misbehaviour, documents: usize) {
    check_bytes(&bytes(frames), expected, documents);
}

fn check_bytes(feed: &[Bytes], expected: &Misbehaviour, documents: usize) {
    let site = Site::new(1);
    let outcome = pull(&site, feed, &[]);
    let Err(SyncError::Misbehaved(found)) = &outcome.ending else {
        panic!("{expected}: {:?}", outcome.ending)
    };
    assert_eq!(found, expected);
    assert_eq!(site.documents().len(), documents, "{expected}");
    let through = outcome.progress.checkpointed.map_or(0, |through| through.seq.0);
    assert_eq!(through, documents as u64, "{expected}");
}

#[test]
fn sequences_that_do_not_go_forward() {
    let good = || batch(0, &[(1, "a", &["1-a"], "{}")], 1);
    check(&[begin(9), good(), batch(0, &[(2, "b", &["1-b"], "{}")], 2)], &Misbehaviour::Order, 1);
    check(&[begin(9), good(), batch(3, &[(4, "b", &["1-b"], "{}")], 4)], &Misbehaviour::Order, 1);
    check(&[begin(9), good(), batch(1, &[], 1)], &Misbehaviour::Order, 1);
    check(&[begin(9), good(), batch(1, &[(4, "b", &["1-b"], "{}")], 3)], &Misbehaviour::Order, 1);
    let twice: &[(u64, &str, &[&str], &str)] =
        &[(2, "b", &["1-b"], "{}"), (2, "c", &["1-c"], "{}")];
    check(&[begin(9), good(), batch(1, twice, 3)], &Misbehaviour::Order, 1);
    check(&[begin(9), good(), Frame::End(Seq(1))], &Misbehaviour::Order, 1);
    check(&[begin(1), good(), batch(1, &[(2, "b", &["1-b"], "{}")], 2)], &Misbehaviour::Endless, 1);
}

#[test]
fn a_feed_without_end() {
    let mut frames = vec![begin(u64::MAX)];
    let id = |n: u64| format!("doc{n}");
    let ids: Vec<String> = (1..=1100).map(id).collect();
    frames
        .extend((0..1100).zip(&ids).map(|(n, id)| batch(n, &[(n + 1, id, &["1-a"], "{}")], n + 1)));
    check(&frames, &Misbehaviour::Endless, 1000);
}

#[test]
fn digests_that_are_wrong() {
    let good = || batch(0, &[(1, "a", &["1-a"], "{}")], 1);
    let bad = || batch(1, &[(2, "b", &["1-b"], r#"{"a":1}"#)], 2);
    let mut frames = bytes(&[begin(9), good(), bad()]);
    let mut changed = frames[2].to_vec();
    let last = changed.len() - 2;
    changed[last] ^= 1;
    frames[2] = changed.into();
    check_bytes(&frames, &Misbehaviour::Digest("a batch"), 1);

    let header = ParcelHeader { content: [1; 32], stored_length: 3, encoding: None };
    let frames = vec![begin(9), good(), Frame::Parcel(header), Frame::Chunk("abc".into())];
    check(&frames, &Misbehaviour::Digest("an attachment"), 1);

    // A piece that is lost or doubled does not go unnoticed either.
    let mut frames = bytes(&[begin(1), good(), Frame::End(Seq(1))]);
    frames.remove(0);
    check_bytes(&frames, &Misbehaviour::Unexpected("first"), 0);
    let content = *blake3::hash(b"").as_bytes();
    let empty = Frame::Parcel(ParcelHeader { content, stored_length: 0, ..header });
    let mut frames = bytes(&[begin(1), empty, good(), Frame::End(Seq(1))]);
    frames.remove(1);
    check_bytes(&frames, &Misbehaviour::Digest("the answer"), 1);
}

#[test]
fn frames_out_of_place() {
    let unexpected = Misbehaviour::Unexpected;
    let header = |stored_length| {
        Frame::Parcel(ParcelHeader { content: [0; 32], stored_length, encoding: None })
    };
    check(&[Frame::End(Seq(1))], &unexpected("first"), 0);
    check(&[begin(1), begin(1)], &unexpected("begin"), 0);
    check(&[begin(1), Frame::Chunk("a".into())], &unexpected("chunk"), 0);
    check(&[begin(1), header(1), header(1)], &unexpected("attachment"), 0);
    check(&[begin(1), header(1), Frame::End(Seq(1))], &unexpected("batch or end"), 0);
    let too_large = Misbehaviour::TooLarge("attachment");
    check(&[begin(1), header(1), Frame::Chunk("ab".into())], &too_large, 0);
    check(&[begin(1), header(u64::MAX)], &too_large, 0);
    let frame = |kind: u8, payload: &[u8]| {
        let mut bytes = vec![kind];
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
        Bytes::from(bytes)
    };
    check_bytes(&[frame(7, b"")], &Misbehaviour::UnknownFrame(7), 0);
    check_bytes(&[frame(0, b"")], &Misbehaviour::UnknownFrame(0), 0);
    // What may be passed over is.
    let mut passed = vec![frame(0x80, &[7; 100_000])];
    passed.extend(bytes(&[begin(1), begin(1)]));
    check_bytes(&passed, &unexpected("begin"), 0);
}

#[test]
fn an_answer_that_is_cut_off() {
    let site = Site::new(1);
    let feed = bytes(&[begin(9), batch(0, &[(1, "a", &["1-a"], "{}")], 1)]);
    let outcome = pull(&site, &feed, &[]);
    assert!(matches!(outcome.ending, Err(SyncError::Cut)), "{:?}", outcome.ending);
    assert_eq!(outcome.progress.checkpointed.unwrap().seq, Seq(1));
}

#[test]
fn bodies_that_are_none() {
    let site = Site::new(1);
    let bodies = [
        "",
        "[]",
        "{",
        r#"{"a":1} "#,
        r#"{"a": 1}"#,
        r#"{"_id":"x"}"#,
        r#"{"_rev":"1-a"}"#,
        r#"{"_deleted":true}"#,
        r#"{"_attachments":{}}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":1e999}"#,
        "{}",
    ];
    let ids: Vec<String> = (0..bodies.len()).map(|n| format!("doc{n:02}")).collect();
    let documents: Vec<(u64, &str, &[&str], &str)> = (1..)
        .zip(&ids)
        .zip(bodies)
        .map(|((seq, id), body)| (seq, id.as_str(), &["1-a"][..], body))
        .collect();
    let last = documents.len() as u64;
    let feed = bytes(&[begin(last), batch(0, &documents, last), Frame::End(Seq(last))]);
    let outcome = pull(&site, &feed, &[]);
    assert!(outcome.ending.is_ok(), "{:?}", outcome.ending);
    assert_eq!(outcome.skipped.len(), bodies.len() - 1);
    let unreadable = |reason: &SkipReason| matches!(reason, SkipReason::Unreadable(_));
    assert!(outcome.skipped.iter().all(|one| unreadable(&one.reason)));
    assert_eq!(site.documents().keys().collect::<Vec<_>>(), ["doc11"]);
}

#[test]
fn stubs_for_attachments_of_other_documents() {
    let site = Site::new(1);
    let secret = vec![42; 1000];
    site.write_attachment("secret", &secret);
    let content = *blake3::hash(&secret).as_bytes();
    let stub = |revs: &[&str], ends: bool| {
        let mut writer = BatchWriter::new(Seq(0));
        let seq = if ends { Seq(1) } else { Seq(0) };
        writer.document(seq, &"planted".parse().unwrap(), 1);
        writer.sent(path(revs).iter(), usize::MAX, "{}", 1);
        writer.attachment(&picture("bytes", content, 1000), &Carriage::Stub);
        packed(&mut writer, u64::from(ends))
    };
    // The target asks for the whole of it, and gets the same lie, or claims that the bytes came before.
    let feed = bytes(&[begin(1), stub(&["1-a"], true), Frame::End(Seq(1))]);
    let named = bytes(&[begin(1), stub(&["1-a"], false), Frame::End(Seq(0))]);
    let outcome = pull(&site, &feed, &named);
    assert!(outcome.ending.is_ok(), "{:?}", outcome.ending);
    assert!(matches!(&outcome.skipped[..], [one] if one.id.as_str() == "planted"));
    let mut writer = BatchWriter::new(Seq(0));
    writer.document(Seq(0), &"planted".parse().unwrap(), 1);
    writer.sent(path(&["1-a"]).iter(), usize::MAX, "{}", 1);
    writer.attachment(&picture("bytes", content, 1000), &Carriage::Before);
    let named = bytes(&[begin(1), packed(&mut writer, 0), Frame::End(Seq(0))]);
    let outcome = pull(&site, &feed, &named);
    let malformed = Misbehaviour::Malformed("attachment");
    assert!(matches!(&outcome.ending, Err(SyncError::Misbehaved(found)) if *found == malformed));
    assert_eq!(site.documents().keys().collect::<Vec<_>>(), ["secret"]);
}

#[test]
fn a_source_that_never_gives_what_it_lists() {
    let site = Site::new(1);
    let list = |from: u64, revs: &[&str], reason: Option<Withheld>, seq: u64| {
        let mut writer = BatchWriter::new(Seq(from));
        writer.document(Seq(seq), &"a".parse().unwrap(), revs.len());
        for text in revs {
            match reason {
                Some(reason) => writer.withheld(&rev(text), false, reason),
                None => writer.listed(&rev(text), false),
            }
        }
        packed(&mut writer, seq)
    };
    let revs = ["1-a", "1-b"];
    let feed = bytes(&[begin(1), list(0, &revs, None, 1), Frame::End(Seq(1))]);
    let silent = bytes(&[begin(1), Frame::End(Seq(0))]);
    let withheld = bytes(&[begin(1), list(0, &revs, Some(Withheld::Gone), 0), Frame::End(Seq(0))]);
    let again = bytes(&[begin(1), list(0, &revs, None, 0), Frame::End(Seq(0))]);
    for named in [silent, withheld, again] {
        let outcome = pull(&site, &feed, &named);
        assert!(outcome.ending.is_ok(), "{:?}", outcome.ending);
        assert_eq!(outcome.skipped_count, 2);
    }
    assert!(site.documents().is_empty());
}

#[test]
fn planted_trees_join_as_any_other() {
    let random = &mut Random::new(3);
    let (honest, site) = (Site::new(0), Site::new(1));
    honest.write("a", "{}");
    Wire::new(&honest, &site).run(Faults::NONE, random).completed();
    // A history that the honest one contradicts, as old as it may be, and one that is no history.
    let winner = site.documents()["a"].winner.clone();
    let planted: &[(u64, &str, &[&str], &str)] =
        &[(1, "a", &["3-x", &winner.replacen("1-", "2-", 1), "1-y"], r#"{"planted":true}"#)];
    let feed = bytes(&[begin(1), batch(0, planted, 1), Frame::End(Seq(1))]);
    assert!(pull(&site, &feed, &[]).ending.is_ok());
    let leaves = site.documents()["a"].leaves.len();
    assert_eq!(leaves, 2, "the honest leaf stands beside the planted one");
    let mut writer = BatchWriter::new(Seq(0));
    writer.document(Seq(1), &"b".parse().unwrap(), 1);
    writer.sent(path(&["1-x", "1-y"]).iter(), usize::MAX, "{}", 0);
    check(&[begin(1), packed(&mut writer, 1)], &Misbehaviour::Malformed("revision path"), 0);
}
