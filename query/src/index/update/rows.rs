//! Where the rows of a document lie.

use store::varint;

use super::{DocRows, Emitted, View};
use crate::CollationKey;
use crate::index::IndexError;

/// Where a row lies, its document aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Placed {
    pub(super) view: usize,
    /// As bytes that compare as keys do.
    pub(super) key: Vec<u8>,
    /// How many rows with that key the document has before, in the order of emission.
    pub(super) duplicate: u32,
}

/// The rows of a document in the order of where they lie.
pub(super) fn place_rows<'a>(
    views: &[View<'_>],
    document: &'a DocRows,
) -> Result<Vec<(Placed, &'a Emitted)>, IndexError> {
    let mut placed = Vec::with_capacity(document.rows.len());
    for emitted in &document.rows {
        let view = views.get(emitted.view).ok_or(IndexError::NoView(emitted.view))?;
        let mut key = Vec::with_capacity(emitted.key.len() + 16);
        CollationKey::write_json(&mut key, &emitted.key, view.collation)?;
        placed.push((Placed { view: emitted.view, key, duplicate: 0 }, emitted));
    }
    // Equal ones stay in the order of emission.
    placed.sort_by(|(one, _), (other, _)| one.cmp(other));
    for number in 1..placed.len() {
        let [(before, _), (row, _)] = &mut placed[number - 1..=number] else { continue };
        if before.view == row.view && before.key == row.key {
            row.duplicate = before.duplicate.saturating_add(1);
        }
    }
    Ok(placed)
}

/// Writes where rows lie. Their duplicates follow from their order.
pub(super) fn encode_rows(placed: &[(Placed, &Emitted)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (row, _) in placed {
        varint::write(&mut out, row.view as u64);
        varint::write(&mut out, row.key.len() as u64);
        out.extend(&row.key);
    }
    out
}

/// Reads what [`encode_rows`] wrote.
pub(super) fn decode_rows(mut bytes: &[u8]) -> Result<Vec<Placed>, IndexError> {
    let mut placed: Vec<Placed> = Vec::new();
    while !bytes.is_empty() {
        let mut row = decode_row(&mut bytes).ok_or(IndexError::Damaged("a document's rows"))?;
        if let Some(before) = placed.last()
            && before.view == row.view
            && before.key == row.key
        {
            row.duplicate = before.duplicate.saturating_add(1);
        }
        placed.push(row);
    }
    Ok(placed)
}

fn decode_row(rest: &mut &[u8]) -> Option<Placed> {
    let view = usize::try_from(varint::read(rest)?).ok()?;
    let length = usize::try_from(varint::read(rest)?).ok()?;
    let (key, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(Placed { view, key: key.to_vec(), duplicate: 0 })
}
