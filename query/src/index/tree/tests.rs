//! A tree is its rows in order, whatever was done to it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;
use store::{Direction, MemoryPages, PageId};

use super::*;
use crate::index::reduce::Builtin;
use crate::index::{Cut, Range, ReduceError};
use crate::{Collation, CollationKey};

/// Says every row it was given, in order.
struct Joined;

impl Reduce for Joined {
    fn reduce(&self, rows: &[Row<'_>]) -> Result<Vec<u8>, ReduceError> {
        let said: Vec<_> =
            rows.iter().map(|row| format!("{}={},", row.id, row.value.len())).collect();
        Ok(said.concat().into_bytes())
    }

    fn rereduce(&self, reductions: &[&[u8]]) -> Result<Vec<u8>, ReduceError> {
        Ok(reductions.concat())
    }
}

const REDUCERS: [&dyn Reduce; 3] = [&Builtin::Count, &Joined, &Builtin::Last];
const JOINED: usize = 1;

/// A key, a document's id and a number; and the value, or that it goes.
type Change = ((String, String, u32), Option<String>);

type Model = BTreeMap<Vec<u8>, (String, String, String)>;

fn collated(key: &str) -> CollationKey {
    CollationKey::of_json(key, Collation::Standard).unwrap()
}

fn actions(changes: &[Change], model: &mut Model) -> Vec<Action> {
    let mut actions = BTreeMap::new();
    for ((key, id, duplicate), value) in changes {
        let collated = collated(key);
        let action = match value {
            Some(value) => Action::put(collated.as_bytes(), id, *duplicate, key, value),
            None => Action::remove(collated.as_bytes(), id, *duplicate),
        };
        match value {
            Some(value) => {
                model.insert(action.place.clone(), (key.clone(), id.clone(), value.clone()));
            }
            None => {
                model.remove(&action.place);
            }
        }
        actions.insert(action.place.clone(), action);
    }
    actions.into_values().collect()
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..40_u32).prop_map(|number| number.to_string()),
        (0..4_u32, 0..4_u32).prop_map(|(one, other)| format!("[{one},{other}]")),
        (0..4_u32).prop_map(|one| format!("[{one}]")),
        "[a-c]{0,2}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        2 => Just(None),
        3 => (1..9_usize).prop_map(|length| Some(format!("\"{}\"", "x".repeat(length)))),
        2 => (1..1500_usize).prop_map(|length| Some(format!("\"{}\"", "y".repeat(length)))),
        1 => (7000..20_000_usize).prop_map(|length| Some(format!("\"{}\"", "z".repeat(length)))),
    ];
    ((key(), "[a-d]{1,2}", prop_oneof![Just(0), 0..3_u32]), value)
}

fn batches() -> impl Strategy<Value = Vec<Vec<Change>>> {
    prop::collection::vec(prop::collection::vec(change(), 0..120), 1..6)
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        Just(Cut::start()),
        Just(Cut::end()),
        key().prop_map(|key| Cut::before_key(&collated(&key))),
        key().prop_map(|key| Cut::after_key(&collated(&key))),
        (key(), "[a-d]{1,2}").prop_map(|(key, id)| Cut::before_document(&collated(&key), &id)),
        (key(), "[a-d]{1,2}").prop_map(|(key, id)| Cut::after_document(&collated(&key), &id)),
    ]
}

fn said(row: &Row<'_>) -> (String, String, String) {
    (row.key.into(), row.id.clone().into_owned(), row.value.into())
}

/// Follows all pages; how many there are.
fn check_pages(pages: &MemoryPages, child: &Child, low: &[u8], high: Option<&[u8]>) -> usize {
    match read_node(pages, child.view(), LEVELS_MAX).unwrap() {
        Node::Leaf(leaf) => {
            let places: Vec<_> = leaf.entries().map(|(place, _)| place).collect();
            assert!(places.is_sorted());
            assert!(places[0] >= low);
            assert!(high.is_none_or(|high| places[places.len() - 1] < high));
            1
        }
        Node::Inner(inner) => {
            let children: Vec<_> =
                inner.children().map(|child| child.to_child().unwrap()).collect();
            let mut pages_below = 1;
            for (number, child) in children.iter().enumerate() {
                let low = if number == 0 { low } else { &child.low };
                let high = children.get(number + 1).map_or(high, |next| Some(&next.low));
                pages_below += check_pages(pages, child, low, high);
            }
            pages_below
        }
    }
}

fn check_tree(tree: &Tree<'_>, pages: &MemoryPages, model: &Model) {
    assert_eq!(tree.total(), model.len() as u64);
    let pages_used = tree.root.as_ref().map_or(0, |root| check_pages(pages, root, &[], None));
    assert_eq!(pages_used, pages.count());
    let mut rows = Vec::new();
    let mut show = |row: &Row<'_>| {
        rows.push(said(row));
        ControlFlow::Continue(())
    };
    tree.range(pages, &Range::all(), Direction::Ascending, (0, u64::MAX), &mut show).unwrap();
    assert!(rows.iter().eq(model.values()));
}

/// The model's rows in a range.
fn in_range(model: &Model, range: &Range) -> Vec<(String, String, String)> {
    let rows = model
        .iter()
        .filter(|(place, _)| !range.low.is_behind(place) && range.high.is_behind(place));
    rows.map(|(_, row)| row.clone()).collect()
}

fn joined(rows: &[(String, String, String)]) -> String {
    rows.iter().map(|(_, id, value)| format!("{id}={},", value.len())).collect()
}

fn check_range(
    tree: &Tree<'_>,
    pages: &MemoryPages,
    model: &Model,
    range: &Range,
    page: (u64, u64),
) {
    let mut expected = in_range(model, range);
    assert_eq!(tree.count(pages, range).unwrap(), expected.len() as u64);
    let reduced = tree.reduce(pages, range, JOINED).unwrap();
    let reduced = reduced.map(|text| String::from_utf8(text).unwrap());
    assert_eq!(reduced, (!expected.is_empty()).then(|| joined(&expected)));
    let before = model.keys().filter(|place| range.low.is_behind(place)).count() as u64;
    let behind = model.keys().filter(|place| !range.high.is_behind(place)).count() as u64;
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut rows = Vec::new();
        let mut show = |row: &Row<'_>| {
            rows.push(said(row));
            ControlFlow::Continue(())
        };
        let offset = tree.range(pages, range, direction, page, &mut show).unwrap();
        let (skip, limit) = (page.0 as usize, page.1 as usize);
        assert!(rows.iter().eq(expected.iter().skip(skip).take(limit)), "{direction:?}");
        if !expected.is_empty() {
            let outside = if direction == Direction::Ascending { before } else { behind };
            assert_eq!(offset, outside + page.0.min(expected.len() as u64));
        }
        expected.reverse();
    }
}

fn group_of(key: &str, level: GroupLevel) -> String {
    let elements: Option<Vec<u32>> = serde_json::from_str(key).ok();
    match (elements, level) {
        (Some(mut elements), GroupLevel::Elements(count)) => {
            elements.truncate(count);
            serde_json::to_string(&elements).unwrap()
        }
        _ => key.into(),
    }
}

fn check_groups(tree: &Tree<'_>, pages: &MemoryPages, model: &Model, range: &Range) {
    for level in [GroupLevel::Exact, GroupLevel::Elements(1), GroupLevel::Elements(2)] {
        let mut expected: Vec<(String, Vec<_>)> = Vec::new();
        for row in in_range(model, range) {
            let group = group_of(&row.0, level);
            match expected.last_mut() {
                Some((last, rows)) if *last == group => rows.push(row),
                _ => expected.push((group, vec![row])),
            }
        }
        let mut expected: Vec<(String, String)> =
            expected.into_iter().map(|(group, rows)| (group, joined(&rows))).collect();
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut groups = Vec::new();
            let mut show = |key: &str, reduction: &[u8]| {
                groups.push((key.to_owned(), String::from_utf8(reduction.to_vec()).unwrap()));
                ControlFlow::Continue(())
            };
            tree.group(pages, range, level, JOINED, direction, &mut show).unwrap();
            assert_eq!(groups, expected, "{level:?} {direction:?}");
            expected.reverse();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_tree_is_its_rows_in_order(
        batches in batches(),
        ranges in prop::collection::vec((cut(), cut()), 1..6),
        page in (0..30_u64, prop_oneof![0..9_u64, Just(u64::MAX)]),
    ) {
        let mut pages = MemoryPages::default();
        let mut model = Model::new();
        for batch in &batches {
            let actions = actions(batch, &mut model);
            let mut tree = Tree::open(&pages, "tree", &REDUCERS).unwrap();
            tree.apply(&mut pages, &actions).unwrap();
            let tree = Tree::open(&pages, "tree", &REDUCERS).unwrap();
            check_tree(&tree, &pages, &model);
        }
        let tree = Tree::open(&pages, "tree", &REDUCERS).unwrap();
        let all = (Cut::start(), Cut::end());
        for (low, high) in ranges.into_iter().chain([all]) {
            let range = Range { low, high };
            check_range(&tree, &pages, &model, &range, page);
            check_groups(&tree, &pages, &model, &range);
        }

        let mut built = MemoryPages::default();
        let everything: Vec<Change> = batches.concat();
        let actions = actions(&everything, &mut Model::new());
        let mut tree = Tree::open(&built, "tree", &REDUCERS).unwrap();
        tree.apply(&mut built, &actions).unwrap();
        check_tree(&tree, &built, &model);
    }

    #[test]
    fn a_damaged_tree_does_no_harm(
        batch in prop::collection::vec(change(), 50..200),
        damage in prop::collection::vec((0..40_u64, any::<prop::sample::Index>(), 0..4_u8), 1..4),
        more in prop::collection::vec(change(), 0..50),
    ) {
        let mut pages = MemoryPages::default();
        let actions = actions(&batch, &mut Model::new());
        Tree::open(&pages, "tree", &REDUCERS).unwrap().apply(&mut pages, &actions).unwrap();
        for (page, at, with) in damage {
            let mut bytes = Vec::new();
            pages.page(PageId(page), &mut |page| bytes = page.to_vec()).unwrap();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = with;
                pages.put_page(PageId(page), &bytes).unwrap();
            }
        }
        let mut tree = Tree::open(&pages, "tree", &REDUCERS).unwrap();
        let show: &mut dyn FnMut(&Row<'_>) -> _ = &mut |_| ControlFlow::Continue(());
        let _rows = tree.range(&pages, &Range::all(), Direction::Descending, (3, u64::MAX), show);
        let range = Range::of_key(&collated("[1,2]"));
        let _count = tree.count(&pages, &range);
        let _reduction = tree.reduce(&pages, &range, JOINED);
        let go: &mut dyn FnMut(&str, &[u8]) -> _ = &mut |_, _| ControlFlow::Continue(());
        let _groups =
            tree.group(&pages, &Range::all(), GroupLevel::Exact, 0, Direction::Ascending, go);
        let _applied = tree.apply(&mut pages, &self::actions(&more, &mut Model::new()));
    }
}

/// `count` rows, of which each document has one.
fn many(count: u32) -> Vec<Change> {
    let row = |number: u32| {
        ((format!("{number}"), format!("doc-{number:06}"), 0), Some(format!("{}", number % 7)))
    };
    (0..count).map(row).collect()
}

#[test]
fn rows_in_order_fill_their_pages() {
    let bytes = |pages: &MemoryPages| {
        let mut bytes = 0;
        for page in 0..10_000 {
            pages.page(PageId(page), &mut |page| bytes += page.len()).unwrap();
        }
        bytes
    };
    let check = |pages: &MemoryPages, model: &Model| {
        let tree = Tree::open(pages, "tree", &[]).unwrap();
        check_tree(&tree, pages, model);
        let average = bytes(pages) / pages.count();
        assert!(average > 3300, "{average} bytes a page");
    };
    let (mut model, changes) = (Model::new(), many(20_000));
    let actions = actions(&changes, &mut model);
    let mut built = MemoryPages::default();
    Tree::open(&built, "tree", &[]).unwrap().apply(&mut built, &actions).unwrap();
    check(&built, &model);
    let mut grown = MemoryPages::default();
    for actions in actions.chunks(50) {
        Tree::open(&grown, "tree", &[]).unwrap().apply(&mut grown, actions).unwrap();
    }
    check(&grown, &model);
}

#[test]
fn rows_that_go_give_their_pages_back() {
    let mut pages = MemoryPages::default();
    let (mut model, changes) = (Model::new(), many(20_000));
    let actions = actions(&changes, &mut model);
    Tree::open(&pages, "tree", &REDUCERS).unwrap().apply(&mut pages, &actions).unwrap();
    let full = pages.count();
    let removals = |step: usize| -> Vec<Change> {
        changes.iter().step_by(step).map(|(place, _)| (place.clone(), None)).collect()
    };
    for step in [2, 1] {
        for part in removals(step).chunks(1000) {
            let actions = self::actions(part, &mut model);
            Tree::open(&pages, "tree", &REDUCERS).unwrap().apply(&mut pages, &actions).unwrap();
        }
        let tree = Tree::open(&pages, "tree", &REDUCERS).unwrap();
        check_tree(&tree, &pages, &model);
        assert!(pages.count() <= if step == 2 { full * 2 / 3 } else { 0 }, "{step}");
    }
}

#[test]
fn what_is_there_already_costs_no_write() {
    let mut pages = MemoryPages::default();
    let actions = actions(&many(5000), &mut Model::new());
    let mut tree = Tree::open(&pages, "tree", &REDUCERS).unwrap();
    tree.apply(&mut pages, &actions).unwrap();
    let mut second = ReadOnly(pages);
    Tree::open(&second.0, "tree", &REDUCERS).unwrap().apply(&mut second, &actions).unwrap();
}

/// Refuses every page that is written.
struct ReadOnly(MemoryPages);

impl Pages for ReadOnly {
    fn page(&self, id: PageId, look: &mut dyn FnMut(&[u8])) -> Result<bool, store::Error> {
        self.0.page(id, look)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, store::Error> {
        self.0.meta(key)
    }

    fn document(&self, id: &str) -> Result<Option<Vec<u8>>, store::Error> {
        self.0.document(id)
    }
}

impl PagesMut for ReadOnly {
    fn new_page(&mut self) -> Result<PageId, store::Error> {
        Err(store::Error::Closing)
    }

    fn put_page(&mut self, _: PageId, _: &[u8]) -> Result<(), store::Error> {
        Err(store::Error::Closing)
    }

    fn free_page(&mut self, _: PageId) -> Result<(), store::Error> {
        Err(store::Error::Closing)
    }

    fn set_meta(&mut self, _: &str, _: &[u8]) -> Result<(), store::Error> {
        Ok(())
    }

    fn put_document(&mut self, _: &str, _: &[u8]) -> Result<(), store::Error> {
        Err(store::Error::Closing)
    }

    fn remove_document(&mut self, _: &str) -> Result<(), store::Error> {
        Err(store::Error::Closing)
    }
}
