//! Keys as bytes, and what trees read back of them.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use store::{Direction, MemoryPages, PageId, PagesMut as _};

use crate::index::key::{group_len, unescape, value_len};
use crate::index::node::Node;
use crate::index::reduce::Builtin;
use crate::index::{
    DocRows, Emitted, GroupLevel, IndexError, Progress, Range, Row, View, apply_batch, progress,
    tree,
};
use crate::value::LEVELS_MAX;
use crate::{Collation, CollationKey, Value, compare};

/// Keys taken from one input: each is compared with each.
const KEYS_MAX: usize = 12;

/// Ends the keys: no text has it.
const KEYS_END: u8 = 0xff;

/// Elements that groups of keys have in common, up to this many.
const GROUP_ELEMENTS_MAX: usize = 3;

/// JSON values, one a line, then, behind a byte that is in no text, bytes as a damaged disk may give them
/// back. The bytes of keys are in the order of the values, in both collations; a tree gives rows back in
/// it; what is damaged is told or read, and no more.
///
/// # Panics
/// When that does not hold.
pub fn key(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == KEYS_END);
    let text = parts.next().unwrap_or_default();
    let damage = parts.next().unwrap_or_default();
    read_damaged(damage);
    let Ok(text) = std::str::from_utf8(text) else { return };
    for collation in [Collation::Standard, Collation::Raw] {
        let keys: Vec<_> =
            text.lines().filter_map(|line| keyed(line, collation)).take(KEYS_MAX).collect();
        for one in &keys {
            for other in &keys {
                let expected = reference(collation, &one.value, &other.value);
                let found = one.key.cmp(&other.key);
                assert_eq!(found, expected, "{collation:?}: {} and {}", one.text, other.text);
            }
        }
        let pages = kept(&keys, collation);
        read_damaged_tree(&pages, &keys, collation, damage);
    }
}

/// A key in all its forms.
struct Keyed<'a> {
    text: &'a str,
    value: Value<'a>,
    key: CollationKey,
}

/// What a text and its value have as key, which is the same.
fn keyed(text: &str, collation: Collation) -> Option<Keyed<'_>> {
    let value = Value::parse(text, LEVELS_MAX).ok();
    let key = CollationKey::of_json(text, collation).ok();
    assert_eq!(value.is_some(), key.is_some(), "{text}");
    let (value, key) = (value?, key?);
    assert_eq!(CollationKey::of_value(&value, collation), key, "{text}");
    let printed = value.to_string();
    assert_eq!(CollationKey::of_json(&printed, collation).ok().as_ref(), Some(&key), "{text}");
    let bytes = key.as_bytes();
    assert_eq!(value_len(bytes), Some(bytes.len()), "{text}");
    for elements in 0..=GROUP_ELEMENTS_MAX {
        assert!(group_len(bytes, elements).is_some_and(|length| length <= bytes.len()), "{text}");
    }
    Some(Keyed { text, value, key })
}

fn reference(collation: Collation, one: &Value<'_>, other: &Value<'_>) -> Ordering {
    match collation {
        Collation::Standard => compare(one, other),
        Collation::Raw => compare_raw(one, other),
    }
}

/// Erlang's order over JSON terms.
pub(crate) fn compare_raw(one: &Value<'_>, other: &Value<'_>) -> Ordering {
    let class = |value: &Value<'_>| match value {
        Value::Number(_) => 0,
        Value::Bool(false) => 1,
        Value::Null => 2,
        Value::Bool(true) => 3,
        Value::Object(_) => 4,
        Value::Array(_) => 5,
        Value::String(_) => 6,
    };
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.compare(*other),
        (Value::String(one), Value::String(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other).map(|(one, other)| compare_raw(one, other));
            pairs.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
        }
        (Value::Object(one), Value::Object(other)) => {
            let pairs = one.iter().zip(other).map(|((name, one), (other_name, other))| {
                name.as_bytes().cmp(other_name.as_bytes()).then(compare_raw(one, other))
            });
            pairs.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
        }
        _ => class(one).cmp(&class(other)),
    }
}

/// A view of one tree.
fn view(collation: Collation) -> [View<'static>; 1] {
    [View { collation, reducers: &[&Builtin::Count, &Builtin::Last] }]
}

/// Rows of these keys, each of a document of its own.
fn batch(keys: &[Keyed<'_>]) -> Vec<DocRows> {
    let row = |key: &str| Emitted { view: 0, key: key.to_owned(), value: "null".to_owned() };
    let document =
        |(id, key): (usize, &Keyed<'_>)| DocRows { id: id.to_string(), rows: vec![row(key.text)] };
    keys.iter().enumerate().map(document).collect()
}

/// An index of these keys, which has them in order.
fn kept(keys: &[Keyed<'_>], collation: Collation) -> MemoryPages {
    let mut pages = MemoryPages::default();
    let to = Progress { update_seq: 1, purge_seq: 0 };
    apply_batch(&mut pages, &view(collation), &batch(keys), to).expect("keys that were read");
    let tree = tree(&pages, 0, view(collation)[0]).expect("a tree that was written");
    assert_eq!(tree.total(), keys.len() as u64);
    let mut last: Option<CollationKey> = None;
    let mut visit = |row: &Row<'_>| {
        let key = CollationKey::of_bytes(row.collation_key);
        assert_eq!(CollationKey::of_json(row.key, collation).ok().as_ref(), Some(&key));
        assert!(last.as_ref().is_none_or(|last| *last <= key), "{} comes too late", row.key);
        last = Some(key);
        ControlFlow::Continue(())
    };
    let all = (0, u64::MAX);
    tree.range(&pages, &Range::all(), Direction::Ascending, all, &mut visit).expect("rows");
    for one in keys {
        let equal = keys.iter().filter(|other| other.key == one.key).count();
        let counted = tree.count(&pages, &Range::of_key(&one.key)).expect("a count");
        assert_eq!(counted, equal as u64, "{}", one.text);
    }
    pages
}

fn read_damaged(damage: &[u8]) {
    let _ends = (value_len(damage), group_len(damage, GROUP_ELEMENTS_MAX), unescape(damage));
    for at in 0..=damage.len().min(8) {
        let (place, payload) = damage.split_at(at);
        let _rows = (Row::read(place, payload), Row::read(payload, place));
    }
    match Node::decode(damage) {
        Some(Node::Leaf(leaf)) => {
            let _rows = (0..leaf.len()).filter_map(|row| leaf.row(row)).count();
        }
        Some(Node::Inner(inner)) => {
            let _children = inner.children().filter_map(|child| child.to_child()).count();
        }
        None => {}
    }
}

/// Puts the damage in the place of everything that an index keeps, one after the other.
fn read_damaged_tree(pages: &MemoryPages, keys: &[Keyed<'_>], collation: Collation, damage: &[u8]) {
    for page in 1..=pages.count() as u64 {
        let mut damaged = pages.clone();
        damaged.put_page(PageId(page), damage).expect("memory");
        read_all(damaged, keys, collation);
    }
    for name in ["view-0", "progress"] {
        let mut damaged = pages.clone();
        damaged.set_meta(name, damage).expect("memory");
        read_all(damaged, keys, collation);
    }
    let mut damaged = pages.clone();
    damaged.put_document("0", damage).expect("memory");
    read_all(damaged, keys, collation);
}

/// Reads an index in every way, then writes to it; whether that succeeds is all the same.
fn read_all(mut pages: MemoryPages, keys: &[Keyed<'_>], collation: Collation) {
    let _progress = progress(&pages);
    let _read = read_rows(&pages, collation);
    let to = Progress { update_seq: 2, purge_seq: 0 };
    let mut others = batch(keys);
    others.iter_mut().for_each(|document| document.rows.clear());
    let _written = apply_batch(&mut pages, &view(collation), &others, to);
}

fn read_rows(pages: &MemoryPages, collation: Collation) -> Result<(), IndexError> {
    let tree = tree(pages, 0, view(collation)[0])?;
    let levels = [GroupLevel::Exact, GroupLevel::Elements(1), GroupLevel::Elements(2)];
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut rows = |_: &Row<'_>| ControlFlow::Continue(());
        let _rows = tree.range(pages, &Range::all(), direction, (1, u64::MAX), &mut rows);
        for level in levels {
            let mut groups = |_: &str, _: &[u8]| ControlFlow::Continue(());
            let _groups = tree.group(pages, &Range::all(), level, 0, direction, &mut groups);
        }
    }
    tree.reduce(pages, &Range::all(), 1)?;
    Ok(())
}
