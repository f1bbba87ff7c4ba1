//! Batches there and back, in any form and cut anywhere.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use store::rev_tree::{BodyId, Node, Stored};
use store::{Attachment, ContentHash, DocumentLimits, Encoding, Md5Digest, RevId, Seq, Signature};

use super::*;
use crate::sync::{Decoder, Encoder, Frame, Misbehaviour, Packer};

const LIMITS: DocumentLimits =
    DocumentLimits { body_bytes_max: 100_000, attachment_bytes_max: 100_000 };

fn revs() -> impl Strategy<Value = Vec<RevId>> {
    let signature = prop_oneof![
        any::<[u8; 16]>().prop_map(Signature::Digest),
        // One of 32 bytes would be a digest, or nothing.
        "[a-zA-Z0-9]{0,28}é".prop_map(|text| Signature::Text(text.into())),
    ];
    (1_u64..1000, vec(signature, 1..6)).prop_map(|(oldest, signatures)| {
        let newest = oldest + signatures.len() as u64 - 1;
        let revs = (oldest..=newest).rev().zip(signatures);
        revs.map(|(generation, signature)| RevId { generation, signature }).collect()
    })
}

fn attachment() -> impl Strategy<Value = SentAttachment> {
    let carriage = prop_oneof![
        Just(Carriage::Stub),
        Just(Carriage::Before),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Carriage::Inline(Bytes::from(bytes))),
    ];
    let encoding = prop_oneof![Just(None), Just(Some(Encoding::Gzip))];
    ("[a-z/é]{0,9}", "[a-z/]{0,9}", any::<(u64, u64, [u8; 32])>(), encoding, carriage).prop_map(
        |(name, content_type, (revpos, length, content), encoding, carriage)| SentAttachment {
            name,
            content_type,
            revpos,
            length,
            encoding,
            content,
            carriage,
        },
    )
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let body = ("[a-z ]{0,300}", any::<i32>())
        .prop_map(|(text, number)| Ok(format!(r#"{{"text":"{text}","n":{number}}}"#).into()));
    let sent = (revs(), body, vec(attachment(), 0..3), any::<bool>());
    let content = prop_oneof![
        2 => Just(None),
        1 => Just(Some(LeafContent::Withheld(Withheld::Gone))),
        1 => Just(Some(LeafContent::Withheld(Withheld::TooLarge))),
        1 => Just(Some(LeafContent::Withheld(Withheld::AttachmentTooLarge))),
    ];
    (sent, content, any::<(bool, bool)>()).prop_map(
        |((path, body, attachments, cut), content, (deleted, is_sent))| {
            let rev = path[0].clone();
            let revision = SentRevision { path, cut, body, attachments };
            let content = match is_sent {
                true => LeafContent::Sent(revision),
                false => content.unwrap_or(LeafContent::Listed),
            };
            Leaf { rev, deleted, content }
        },
    )
}

fn batch() -> impl Strategy<Value = Batch> {
    let document = ("[a-zé]{1,20}", 1_u64..1000, vec(leaf(), 1..4));
    (0_u64..1 << 40, vec(document, 0..20), any::<u64>()).prop_map(|(from, documents, pending)| {
        let mut seq = Seq(from);
        let documents: Vec<BatchDocument> = documents
            .into_iter()
            .map(|(id, gap, leaves)| {
                seq.0 += gap;
                BatchDocument { seq, id: id.parse().unwrap(), leaves }
            })
            .collect();
        Batch { from: Seq(from), through: Seq(seq.0 + 1), pending, documents }
    })
}

/// The content of a batch, as a source writes it.
fn written(batch: &Batch) -> Vec<u8> {
    let mut writer = BatchWriter::new(batch.from);
    for document in &batch.documents {
        writer.document(document.seq, &document.id, document.leaves.len());
        for leaf in &document.leaves {
            match &leaf.content {
                LeafContent::Listed => writer.listed(&leaf.rev, leaf.deleted),
                LeafContent::Withheld(reason) => {
                    writer.withheld(&leaf.rev, leaf.deleted, *reason);
                }
                LeafContent::Sent(revision) => write(&mut writer, leaf, revision),
            }
        }
    }
    writer.finish(batch.through, batch.pending, <[u8]>::to_vec)
}

fn write(writer: &mut BatchWriter, leaf: &Leaf, revision: &SentRevision) {
    let node = |rev: &RevId| Node {
        rev: rev.clone(),
        parent: None,
        deleted: leaf.deleted,
        stored: Some(Stored::new(BodyId(1), 1)),
    };
    let mut nodes: Vec<Node> = revision.path.iter().map(node).collect();
    if revision.cut {
        nodes.push(nodes[0].clone());
    }
    let body = revision.body.as_ref().unwrap();
    writer.sent(nodes.iter(), revision.path.len(), body, revision.attachments.len());
    for one in &revision.attachments {
        let described = Attachment {
            name: one.name.clone(),
            content_type: one.content_type.clone(),
            revpos: one.revpos,
            digest: Md5Digest([0; 16]),
            length: one.length,
            content: ContentHash(one.content),
            encoding: one.encoding,
            encoded_length: None,
        };
        writer.attachment(&described, &one.carriage);
    }
}

fn read(content: &[u8]) -> Result<Batch, Misbehaviour> {
    Packer::raw().pack(content).open(LIMITS)
}

proptest! {
    #![proptest_config(
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) }
    )]

    #[test]
    fn a_batch_comes_back(batch in batch(), cut in 1_usize..200) {
        let content = written(&batch);
        for mut packer in [Packer::raw(), Packer::new()] {
            let mut encoder = Encoder::default();
            let packed = Frame::Batch(packer.pack(&content));
            let mut bytes = encoder.encode(&packed).to_vec();
            bytes.extend(encoder.encode(&Frame::End(batch.through)));
            let mut decoder = Decoder::new(LIMITS);
            let mut frames = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next().unwrap() {
                    frames.push(frame);
                }
            }
            prop_assert!(decoder.is_between_frames());
            prop_assert_eq!(&frames, &[packed, Frame::End(batch.through)]);
            let Frame::Batch(packed) = &frames[0] else { panic!("no batch") };
            let opened = packed.open(LIMITS);
            prop_assert_eq!(opened.as_ref(), Ok(&batch));
        }
    }

    #[test]
    fn what_is_cut_short_is_refused(batch in batch(), at in any::<prop::sample::Index>()) {
        let content = written(&batch);
        let at = at.index(content.len());
        prop_assert!(read(&content[..at]).is_err());
    }

    #[test]
    fn what_is_changed_is_read_or_refused(
        batch in batch(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut content = written(&batch);
        for (at, byte) in changes {
            let at = at.index(content.len());
            content[at] = byte;
        }
        let _read = read(&content);
    }

    #[test]
    fn noise_is_refused(bytes in vec(any::<u8>(), 0..300)) {
        let mut decoder = Decoder::new(LIMITS);
        decoder.push(&bytes);
        while let Ok(Some(frame)) = decoder.next() {
            if let Frame::Batch(batch) = frame {
                prop_assert!(batch.open(LIMITS).is_err());
            }
        }
        let _read = read(&bytes);
    }
}

#[test]
fn more_than_a_batch_may_hold_is_refused() {
    let list = |leaves: usize| {
        let mut writer = BatchWriter::new(Seq(0));
        writer.document(Seq(1), &"a".parse().unwrap(), leaves);
        let rev = |n: usize| RevId {
            generation: 1,
            signature: Signature::Digest((n as u128).to_be_bytes()),
        };
        (0..leaves).for_each(|n| writer.listed(&rev(n), false));
        writer.finish(Seq(1), 0, <[u8]>::to_vec)
    };
    let max = usize::try_from(REVS_MAX).unwrap();
    assert_eq!(read(&list(max)).unwrap().documents[0].leaves.len(), max);
    let too_large = Misbehaviour::TooLarge("document's number of leaves");
    assert_eq!(read(&list(max + 1)), Err(too_large));
    // A frame that says how much it unpacks to must keep to that.
    let mut packed = Packer::new();
    let content = vec![0; 1 << 20];
    let Frame::Batch(bomb) = Frame::Batch(packed.pack(&content)) else { panic!("no batch") };
    assert!(bomb.open(LIMITS).is_err());
}
