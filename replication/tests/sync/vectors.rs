//! The test vectors of `docs/sync-protocol.md`.

use bytes::Bytes;
use replication::sync::{
    BatchWriter, Begin, Carriage, Decoder, Encoder, Frame, LeafContent, Mode, Packer, ParcelHeader,
    Withheld,
};
use store::rev_tree::{BodyId, Node, Stored};
use store::{Attachment, ContentHash, DocumentLimits, Epoch, Md5Digest, RevId, Seq, UpdateSeq};

const DOCUMENT: &str = include_str!("../../../docs/sync-protocol.md");

/// The hexadecimal digits of the vectors, and whatever else stands beside them.
fn written() -> Vec<(String, Vec<u8>)> {
    let (_, section) = DOCUMENT.split_once("## Test vectors").unwrap();
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    let mut vectors: Vec<(String, Vec<u8>)> = Vec::new();
    for line in lines {
        match line.strip_suffix(':') {
            Some(name) => vectors.push((name.to_owned(), Vec::new())),
            None => {
                let digits: Vec<u8> = line.bytes().filter(|b| b.is_ascii_hexdigit()).collect();
                let byte = |pair: &[u8]| {
                    u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()
                };
                vectors.last_mut().unwrap().1.extend(digits.chunks(2).map(byte));
            }
        }
    }
    vectors
}

fn rev(text: &str) -> RevId {
    text.parse().unwrap()
}

/// The content of the batch in the vectors.
fn content() -> Vec<u8> {
    let node = |text: &str| Node {
        rev: rev(text),
        parent: None,
        deleted: false,
        stored: Some(Stored::new(BodyId(1), 1)),
    };
    let picture = |name: &str, bytes: &[u8]| Attachment {
        name: name.into(),
        content_type: "text/plain".into(),
        revpos: 2,
        digest: Md5Digest([0; 16]),
        length: bytes.len() as u64,
        content: ContentHash(*blake3::hash(bytes).as_bytes()),
        encoding: None,
        encoded_length: None,
    };
    let mut writer = BatchWriter::new(Seq(4));
    writer.document(Seq(5), &"a".parse().unwrap(), 1);
    let path = [node("2-000102030405060708090a0b0c0d0e0f"), node("1-first")];
    writer.sent(path.iter(), 50, r#"{"n":1}"#, 2);
    writer.attachment(&picture("x", b"hello"), &Carriage::Inline(Bytes::from_static(b"hello")));
    writer.attachment(&picture("y", b"elsewhere"), &Carriage::Before);
    writer.document(Seq(7), &"b".parse().unwrap(), 2);
    writer.listed(&rev("3-ffffffffffffffffffffffffffffffff"), true);
    writer.withheld(&rev("1-00000000000000000000000000000000"), false, Withheld::TooLarge);
    writer.finish(Seq(7), 3, <[u8]>::to_vec)
}

fn frames() -> Vec<Frame> {
    let update_seq = UpdateSeq { seq: Seq(7), epoch: Epoch([0xab; 8]) };
    let header = ParcelHeader {
        content: *blake3::hash(b"elsewhere").as_bytes(),
        stored_length: 9,
        encoding: None,
    };
    vec![
        Frame::Begin(Begin {
            since: Seq(4),
            mode: Mode::Send,
            update_seq,
            documents: 2,
            bytes: 99,
        }),
        Frame::Parcel(header),
        Frame::Chunk("elsewhere".into()),
        Frame::Batch(Packer::raw().pack(&content())),
        Frame::End(Seq(7)),
    ]
}

#[test]
fn the_vectors_are_what_is_sent() {
    let mut encoder = Encoder::default();
    let mut made = vec![("content of the batch".to_owned(), content())];
    let names = ["begin", "attachment", "chunk", "batch", "end"];
    for (name, frame) in names.iter().zip(frames()) {
        made.push(((*name).to_owned(), encoder.encode(&frame).to_vec()));
    }
    let shown = |vectors: Vec<(String, Vec<u8>)>| -> Vec<String> {
        let hex =
            |bytes: Vec<u8>| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        vectors.into_iter().map(|(name, bytes)| format!("{name}: {}", hex(bytes))).collect()
    };
    assert_eq!(shown(made).join("\n"), shown(written()).join("\n"));
}

#[test]
fn the_vectors_are_read() {
    let mut decoder = Decoder::new(DocumentLimits::default());
    let bytes = written().into_iter().skip(1).flat_map(|(_, bytes)| bytes);
    let mut read = Vec::new();
    for byte in bytes {
        decoder.push(&[byte]);
        read.extend(decoder.next().unwrap());
    }
    assert!(decoder.is_between_frames());
    assert_eq!(read, frames());
    let Frame::Batch(batch) = &read[3] else { panic!("no batch") };
    let batch = batch.open(DocumentLimits::default()).unwrap();
    assert_eq!((batch.from, batch.through, batch.pending), (Seq(4), Seq(7), 3));
    let [a, b] = &batch.documents[..] else { panic!("{batch:?}") };
    assert_eq!((a.seq, a.id.as_str(), a.leaves.len()), (Seq(5), "a", 1));
    let LeafContent::Sent(revision) = &a.leaves[0].content else { panic!("{a:?}") };
    assert_eq!(revision.path, [rev("2-000102030405060708090a0b0c0d0e0f"), rev("1-first")]);
    assert_eq!(revision.body.as_ref().map(|body| &**body), Ok(r#"{"n":1}"#));
    let carriages: Vec<_> = revision.attachments.iter().map(|one| one.carriage.clone()).collect();
    assert_eq!(carriages, [Carriage::Inline("hello".into()), Carriage::Before]);
    assert_eq!((b.seq, b.leaves.len(), b.leaves[0].deleted), (Seq(7), 2, true));
    assert_eq!(b.leaves[1].content, LeafContent::Withheld(Withheld::TooLarge));
}
