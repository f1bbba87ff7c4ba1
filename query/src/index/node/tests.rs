//! Pages come back, and damaged ones do no harm.

use proptest::prelude::*;
use store::PageId;

use super::*;

proptest! {
    #[test]
    fn leaves_come_back(
        mut places in prop::collection::btree_set(prop::collection::vec(0..3_u8, 0..9), 1..20),
        payload: Vec<u8>,
    ) {
        places.remove(&Vec::new());
        let entries: Vec<(&[u8], &[u8])> =
            places.iter().map(|place| (place.as_slice(), payload.as_slice())).collect();
        let page = Leaf::encode(&entries);
        match Node::decode(&page) {
            Some(Node::Leaf(leaf)) => prop_assert!(leaf.entries().eq(entries.iter().copied())),
            Some(Node::Inner(_)) => prop_assert!(false),
            None => prop_assert!(entries.is_empty()),
        }
    }

    #[test]
    fn damaged_pages_do_no_harm(kind in 0..4_u8, entries in prop::collection::vec(0..9_u8, 0..40)) {
        let mut page = vec![kind];
        page.extend(entries);
        match Node::decode(&page) {
            Some(Node::Leaf(leaf)) => {
                let _rows = (0..leaf.len()).filter_map(|row| leaf.row(row)).count();
            }
            Some(Node::Inner(inner)) => {
                let _children = inner.children().filter_map(ChildView::to_child).count();
                let _count = inner.count();
            }
            None => {}
        }
    }

    #[test]
    fn splits_have_everything_in_order(
        sizes in prop::collection::vec(prop_oneof![20..200_usize, 20..9000_usize], 0..200),
        entries_min in 1..5_usize,
        last: bool,
    ) {
        let filling = if last { Filling::Last } else { Filling::Within };
        let pages = split(&sizes, entries_min, filling);
        prop_assert!(pages.iter().cloned().flatten().eq(0..sizes.len()));
        for (number, page) in pages.iter().enumerate() {
            prop_assert!(page.len() >= entries_min || number + 1 == pages.len());
            let bytes: usize = sizes[page.clone()].iter().sum();
            prop_assert!(bytes <= PAGE_BYTES_MAX || page.len() <= entries_min);
        }
    }
}

#[test]
fn inner_pages_come_back() {
    let child = |low: &[u8], page, count, reductions: &[&[u8]]| Child {
        low: low.to_vec(),
        page: PageId(page),
        count,
        reductions: reductions.iter().map(|reduction| reduction.to_vec()).collect(),
    };
    let mut children = vec![
        child(b"left out", 3, 1, &[b"1", b""]),
        child(b"b", 200, 1 << 40, &[b"2", b"x"]),
        child(b"ba", 1, 7, &[b"3", b"y"]),
    ];
    let Some(Node::Inner(inner)) = Node::decode(&Inner::encode(&children)) else {
        panic!("not an inner page")
    };
    children[0].low.clear();
    let decoded: Vec<_> = inner.children().map(|child| child.to_child().unwrap()).collect();
    assert_eq!(decoded, children);
    assert_eq!(inner.child(1).reduction(1), Some(&b"x"[..]));
    assert_eq!(inner.child(1).reduction(2), None);
    assert_eq!(inner.count(), Some((1 << 40) + 8));
    let root = Child { low: Vec::new(), ..children[1].clone() };
    assert_eq!(Child::decode(&root.encode()), Some(root));
}

#[test]
fn separators_lie_between() {
    for (before, place, expected) in
        [("", "a", "a"), ("a", "ab", "ab"), ("ab", "b", "b"), ("abc", "abdef", "abd")]
    {
        let separator = separator(before.as_bytes(), place.as_bytes());
        assert_eq!(separator, expected.as_bytes());
        assert!(
            before.as_bytes() < separator.as_slice() && separator.as_slice() <= place.as_bytes()
        );
    }
}
