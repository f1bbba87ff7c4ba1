//! Indexes kept in step with their documents, and asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use store::{Database, Edit, IndexFolder, Lineage, Millis, Options, Purge, RevId, Store};

use super::*;
use crate::Limits;

const NOW: Millis = Millis(1_700_000_000_000);

struct Indexed {
    database: Arc<Database>,
    folder: Arc<IndexFolder>,
    index: Arc<SearchIndex>,
    _store: Arc<Store>,
    _directory: tempfile::TempDir,
}

impl Indexed {
    fn new(dialect: Dialect, definition: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { writer_threads: 0, open_databases_max: 2, device: [7; 32] };
        let store = Store::open(directory.path(), &options).unwrap();
        let database = store.create(&"db".parse().unwrap(), NOW).unwrap();
        let member = if dialect == Dialect::Search { "indexes" } else { "nouveau" };
        let design = json!({member: {"i": definition}});
        let indexes = SearchIndex::all_of_design(design.as_object().unwrap(), false);
        let index = indexes.find(dialect, "i").cloned().unwrap().unwrap();
        let folder = database.search_index(&index.signature).unwrap();
        Self { database, folder, index, _store: store, _directory: directory }
    }

    fn put(&self, id: &str, document: &Value) {
        self.write(id, &document.to_string(), false);
    }

    fn delete(&self, id: &str) {
        self.write(id, "{}", true);
    }

    fn write(&self, id: &str, body: &str, deleted: bool) {
        let edit = Edit {
            id: id.parse().unwrap(),
            lineage: Lineage::Child(self.rev(id)),
            deleted,
            body: body.into(),
            attachments: Vec::new(),
        };
        self.database.write(vec![edit], NOW).unwrap();
    }

    fn rev(&self, id: &str) -> Option<RevId> {
        let id = id.parse().unwrap();
        let head = self.database.read::<_, store::Error>(|snapshot| snapshot.head(&id)).unwrap();
        head.map(|head| head.rev)
    }

    fn update(&self) {
        self.try_update().unwrap();
    }

    fn try_update(&self) -> Result<(), SearchError> {
        SearchUpdate {
            database: &self.database,
            folder: &self.folder,
            index: &self.index,
            limits: &Limits::default(),
            log: |_| {},
            wanted: &|| true,
            progress: &|_, _| {},
        }
        .run()
    }

    fn purge(&self, id: &str) {
        let purge = Purge { id: id.parse().unwrap(), revs: vec![self.rev(id).unwrap()] };
        self.database.purge(vec![purge]).unwrap();
    }

    fn find(&self, question: &Question) -> Answer {
        find(&self.folder, &self.index, question).unwrap()
    }

    #[track_caller]
    fn check(&self, query: &str, expected: &[&str]) {
        let ids: BTreeSet<String> = self.ids(query);
        assert_eq!(ids, expected.iter().map(|id| (*id).to_owned()).collect(), "{query}");
    }

    fn ids(&self, query: &str) -> BTreeSet<String> {
        let question = Question { query: query.into(), limit: 200, ..Question::default() };
        let answer = self.find(&question);
        assert_eq!(answer.total, answer.hits.len() as u64, "{query}");
        answer.hits.into_iter().map(|hit| hit.id).collect()
    }
}

fn animals() -> Indexed {
    let function = "function (doc) {
        index('default', doc.text, {store: true});
        if (doc.class) index('class', doc.class, {facet: true});
        if (typeof doc.length === 'number') index('length', doc.length, {store: true});
    }";
    let indexed = Indexed::new(Dialect::Search, &json!({"index": function}));
    for (id, text, class, length) in [
        ("badger", "The badger is Meles meles, a digging mammal", "mammal", 0.6),
        ("lemur", "Lemurs leap; lemur catta", "mammal", 0.95),
        ("llama", "Llama glama lives in herds", "mammal", 1.7),
        ("kookaburra", "A laughing bird, meles it is not", "bird", 0.28),
    ] {
        indexed.put(id, &json!({"text": text, "class": class, "length": length}));
    }
    indexed.put("none", &json!({"class": "bird"}));
    indexed.update();
    indexed
}

#[test]
fn documents_are_found() {
    let animals = animals();
    animals.check("*:*", &["badger", "kookaburra", "lemur", "llama"]);
    animals.check("meles", &["badger", "kookaburra"]);
    animals.check("MELES", &["badger", "kookaburra"]);
    animals.check("\"meles meles\"", &["badger"]);
    animals.check("\"badger mammal\"", &[]);
    animals.check("\"badger mammal\"~5", &["badger"]);
    animals.check("class:bird", &["kookaburra"]);
    animals.check("class:bird AND meles", &["kookaburra"]);
    animals.check("meles NOT class:bird", &["badger"]);
    animals.check("NOT meles", &[]);
    animals.check("+meles -digging", &["kookaburra"]);
    animals.check("l*", &["kookaburra", "lemur", "llama"]);
    animals.check("lem?r", &["lemur"]);
    animals.check("LEM*S", &["lemur"]);
    animals.check("bodger~", &["badger"]);
    animals.check("bxxxer~1", &[]);
    animals.check("/lem(ur|on)s/", &["lemur"]);
    animals.check("/M[ea]mmal/ AND /.*g/", &["badger"]);
    animals.check("class:/b.{3}/", &["kookaburra"]);
    animals.check("length:[0.5 TO 1]", &["badger", "lemur"]);
    animals.check("length:{0.6 TO 1.7}", &["lemur"]);
    animals.check("length:[0.6 TO 1.7}", &["badger", "lemur"]);
    animals.check("length:[-Infinity TO 0.3]", &["kookaburra"]);
    animals.check("length:[1 TO *]", &["llama"]);
    animals.check("length:1.7", &["llama"]);
    animals.check("length:*", &["badger", "kookaburra", "lemur", "llama"]);
    animals.check("class:[a TO c]", &["kookaburra"]);
    animals.check("class:(bird OR mammal) AND length:[1 TO 2]", &["llama"]);
    animals.check("the", &[]);
    animals.check("other:meles", &[]);
}

#[test]
fn hits_are_sorted_and_paged() {
    let animals = animals();
    let ask = |sort: &str, bookmark: Option<String>| {
        animals.find(&Question {
            query: "*:*".into(),
            limit: 1,
            sort: vec![sort.parse().unwrap()],
            bookmark,
            ..Question::default()
        })
    };
    for (sort, expected) in [
        ("length<number>", "kookaburra badger lemur llama"),
        ("-length<double>", "llama lemur badger kookaburra"),
        ("class<string>", "kookaburra badger lemur llama"),
        ("-class<string>", "badger lemur llama kookaburra"),
        ("nothing<string>", "badger kookaburra lemur llama"),
        ("<score>", "badger kookaburra lemur llama"),
    ] {
        let (mut bookmark, mut ids) = (None, Vec::new());
        loop {
            let answer = ask(sort, bookmark.take());
            assert_eq!(answer.total, 4);
            let Some(hit) = answer.hits.first() else { break };
            ids.push(hit.id.clone());
            bookmark = Some(answer.bookmark);
        }
        assert_eq!(ids.join(" "), expected, "{sort}");
    }
    let best =
        animals.find(&Question { query: "lemur badger".into(), limit: 9, ..Question::default() });
    assert!(matches!(best.hits[0].order[..], [OrderValue::Number(score)] if score > 0.0));
    let fields: Value = serde_json::from_str(&best.show(&best.hits[0]).unwrap().fields).unwrap();
    assert!(fields["length"].is_number() && fields["default"].is_string());
}

#[test]
fn values_are_counted() {
    let animals = animals();
    let range = |label: &str, range: &str| CountedRange {
        field: "length".into(),
        label: label.into(),
        range: range.into(),
    };
    let question = Question {
        query: "meles OR llama".into(),
        counts: vec!["class".into(), "nothing".into(), "class".into()],
        ranges: vec![range("short", "[0 TO 0.5]"), range("long", "{0.5 TO Infinity]")],
        ..Question::default()
    };
    let answer = animals.find(&question);
    let counts = json!(answer.counts);
    assert_eq!(counts, json!({"class": {"bird": 1, "mammal": 2}, "nothing": {}}));
    assert_eq!((answer.total, answer.hits.len(), answer.ranges), (3, 0, vec![1, 2]));
    let drilldown = vec![("class".to_owned(), vec!["bird".to_owned()])];
    assert_eq!(animals.find(&Question { drilldown, ..question }).total, 1);
}

#[test]
fn a_document_is_counted_once_and_not_too_many_texts() {
    let function = "doc => { for (let i = 0; i < doc.times; i++) {
        index('same', 'a', {facet: true}); index('own', `${doc._id} ${i}`, {facet: true}); } }";
    let indexed = Indexed::new(Dialect::Search, &json!({"index": function}));
    indexed.put("a", &json!({"times": 2}));
    let each = 500;
    for document in 1..=counts::COUNTED_MAX / each {
        indexed.put(&format!("b{document}"), &json!({"times": each}));
    }
    indexed.update();
    let of = |field: &str| Question {
        query: "*:*".into(),
        counts: vec![field.into()],
        ..Question::default()
    };
    assert_eq!(json!(indexed.find(&of("same")).counts), json!({"same": {"a": 21}}));
    let many = find(&indexed.folder, &indexed.index, &of("own"));
    assert!(matches!(many, Err(SearchError::Question(QuestionError::Facets(_)))), "{many:?}");
}

#[test]
fn hits_are_grouped() {
    let animals = animals();
    let ask = |field: &str, sort: &str, limit| {
        let sort: Vec<SortField> = vec![sort.parse().unwrap()];
        let grouping = Grouping { field: field.into(), limit, sort: sort.clone() };
        let question = Question {
            query: "*:*".into(),
            limit: 2,
            sort,
            grouping: Some(grouping),
            ..Question::default()
        };
        let answer = find(&animals.folder, &animals.index, &question)?;
        let groups = answer.groups.iter().map(|group| {
            let ids: Vec<&str> = group.hits.iter().map(|hit| hit.id.as_str()).collect();
            format!("{:?} {} {}", group.by.as_deref(), group.total, ids.join(" "))
        });
        Ok::<_, SearchError>((answer.total, groups.collect::<Vec<_>>().join(", ")))
    };
    let check = |field: &str, sort: &str, limit, expected: &str| {
        assert_eq!(ask(field, sort, limit).unwrap(), (4, expected.into()), "{field} {sort}");
    };
    let (birds, mammals) = (r#"Some("bird") 1 kookaburra"#, r#"Some("mammal") 3"#);
    check("class", "length", 9, &format!("{birds}, {mammals} badger lemur"));
    check("class<string>", "-length", 9, &format!("{mammals} llama lemur, {birds}"));
    check("class", "-length", 1, &format!("{mammals} llama lemur"));
    check("nothing", "length", 9, "None 4 kookaburra badger");
    for (field, what) in [
        ("class<number>", "Group by number not supported. Group by string terms only."),
        ("class<date>", "Unrecognized group_field value: class<date>"),
        ("-<string>", "Unrecognized group_field parameter: -<string>"),
    ] {
        assert_eq!(ask(field, "length", 1).unwrap_err().to_string(), what);
    }
    assert!(ask("class", "length", 10_000).is_err());
}

#[test]
fn words_are_highlighted() {
    let animals = animals();
    let highlighting = Highlighting {
        fields: vec!["default".into(), "length".into(), "class".into()],
        pre_tag: "<".into(),
        post_tag: ">".into(),
        number: 1,
        size: 0,
    };
    let ask = |query: &str| {
        let question = Question {
            query: query.into(),
            limit: 1,
            highlighting: Some(highlighting.clone()),
            ..Question::default()
        };
        let answer = animals.find(&question);
        let shown = answer.show(&answer.hits[0]).unwrap().highlights.unwrap();
        assert_eq!((&shown["length"], &shown["class"]), (&Vec::new(), &Vec::new()));
        shown["default"].join("|")
    };
    assert_eq!(ask("badger"), "The <badger> is Meles meles, a digging mammal");
    assert_eq!(ask("\"meles meles\""), "The badger is <Meles> <meles>, a digging mammal");
    assert_eq!(ask("\"badger mammal\"~5"), "The <badger> is Meles meles, a digging <mammal>");
    assert_eq!(ask("lemur NOT digging"), "Lemurs leap; <lemur> catta");
    assert_eq!(ask("class:mammal AND lem*s"), "<Lemurs> leap; lemur catta");
    assert_eq!(ask("/LEMURS?/ AND leep~1"), "<Lemurs> <leap>; <lemur> catta");
    assert_eq!(ask("class:mammal AND badger"), "The <badger> is Meles meles, a digging <mammal>");
    assert_eq!(ask("length:[1 TO 2]"), "");
}

#[test]
fn what_counts_more_comes_first() {
    let function = "doc => index('default', 'fox', {boost: doc.boost})";
    let indexed = Indexed::new(Dialect::Search, &json!({"index": function}));
    for (id, boost) in [("c", 8.0), ("b", 1.0), ("d", 0.5), ("a", -1.0)] {
        indexed.put(id, &json!({"boost": boost}));
    }
    indexed.update();
    let question = Question { query: "fox".into(), limit: 9, ..Question::default() };
    let hits = indexed.find(&question).hits;
    let ids: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
    assert_eq!(ids, ["c", "a", "b", "d"]);
    let score = |place: usize| match hits[place].order[0] {
        OrderValue::Number(score) => score,
        _ => 0.0,
    };
    assert!((score(0) / score(1) - 8.0).abs() < 0.001, "{hits:?}");
}

#[test]
fn typed_fields_are_found_as_they_were_given() {
    let function = "doc => { index('string', 'tag', doc.tag); index('text', 'title', doc.title);
        index('double', 'n', doc.n, {store: true}); index('stored', 'extra', doc.tag); }";
    let definition = json!({"index": function, "field_analyzers": {"title": "english"}});
    let indexed = Indexed::new(Dialect::Nouveau, &definition);
    indexed.put("a", &json!({"tag": "New York", "title": "Running foxes", "n": 5}));
    indexed.put("b", &json!({"tag": "York", "title": "The fox ran", "n": -5}));
    indexed.update();
    indexed.check("tag:\"New York\"", &["a"]);
    indexed.check("tag:New\\ York", &["a"]);
    indexed.check("tag:York", &["b"]);
    indexed.check("tag:new*", &[]);
    indexed.check("tag:New*", &["a"]);
    indexed.check("title:fox", &["a", "b"]);
    indexed.check("title:run", &["a"]);
    indexed.check("n:[-10 TO 0]", &["b"]);
    let all = Question { query: "n:5".into(), limit: 1, ..Question::default() };
    let found = indexed.find(&all);
    let fields: Value = serde_json::from_str(&found.show(&found.hits[0]).unwrap().fields).unwrap();
    assert_eq!(fields, json!({"n": 5.0, "extra": "New York"}));
}

#[test]
fn what_is_gone_is_not_found() {
    let animals = animals();
    animals.delete("badger");
    animals.put("lemur", &json!({"text": "meles by mistake"}));
    animals.put("none", &json!({"text": "meles at last"}));
    animals.check("meles", &["badger", "kookaburra"]);
    animals.update();
    animals.check("meles", &["kookaburra", "lemur", "none"]);
    animals.check("lemurs", &[]);
    animals.purge("lemur");
    animals.update();
    animals.check("meles", &["kookaburra", "none"]);
    let counts = SearchUpdate::counts(&animals.folder).unwrap();
    assert_eq!((counts.documents, counts.reached.purge_seq), (3, 1));
}

#[test]
fn purges_that_are_forgotten_leave_nothing_to_find() {
    let animals = animals();
    animals.database.set_purged_infos_limit(1).unwrap();
    animals.purge("badger");
    animals.purge("llama");
    animals.database.compact(&mut |_, _| {}).unwrap();
    animals.update();
    animals.check("*:*", &["kookaburra", "lemur"]);
    let counts = SearchUpdate::counts(&animals.folder).unwrap();
    assert_eq!((counts.documents, counts.reached.purge_seq), (2, 2));
}

#[test]
fn what_was_indexed_before_a_failure_stays() {
    let function = "doc => {
        if (doc.fails) { const held = []; for (;;) held.push(new Array(10000).fill(0)); }
        index('default', doc.text);
    }";
    let indexed = Indexed::new(Dialect::Search, &json!({"index": function}));
    indexed.put("a", &json!({"text": "first"}));
    indexed.put("b", &json!({"fails": true}));
    indexed.put("c", &json!({"text": "last"}));
    let failed = indexed.try_update();
    assert!(matches!(failed, Err(SearchError::Function(_))), "{failed:?}");
    indexed.check("*:*", &["a"]);
    indexed.put("b", &json!({"text": "mended"}));
    indexed.update();
    indexed.check("*:*", &["a", "b", "c"]);
}

#[test]
fn text_of_a_document_counts_up_to_a_bound() {
    let function = "doc => { index('default', 'word '.repeat(doc.words) + 'last');
        index('other', 'word', {store: true}); index('n', 5); }";
    let indexed = Indexed::new(Dialect::Search, &json!({"index": function}));
    let words = document::TEXT_BYTES_MAX / "word ".len();
    indexed.put("long", &json!({"words": words}));
    indexed.put("shorter", &json!({"words": words - 1}));
    indexed.update();
    indexed.check("word", &["long", "shorter"]);
    indexed.check("last", &["shorter"]);
    indexed.check("other:word", &[]);
    indexed.check("n:5", &["long", "shorter"]);
}

#[test]
fn damaged_indexes_are_made_again() {
    for bytes in [&b""[..], b"{", b"\xff garbage \0"] {
        let animals = animals();
        let damage = |path: &std::path::Path| {
            for entry in std::fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if !path.to_string_lossy().contains("lock") {
                    std::fs::write(path, bytes).unwrap();
                }
            }
            Ok::<_, store::Error>(())
        };
        animals.folder.write(damage).unwrap();
        let question = Question { query: "meles".into(), limit: 5, ..Question::default() };
        assert!(find(&animals.folder, &animals.index, &question).is_err());
        animals.update();
        animals.check("meles", &["badger", "kookaburra"]);
    }
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let animals = animals();
    let refused = |question: &Question| match find(&animals.folder, &animals.index, question) {
        Err(SearchError::Question(_)) => {}
        other => panic!("{question:?}: {other:?}"),
    };
    let all = || Question { query: "*:*".into(), ..Question::default() };
    refused(&Question { query: "(".into(), ..all() });
    refused(&Question { query: "a* ".repeat(33), ..all() });
    refused(&Question { query: format!("\"{}\"", "b ".repeat(1100)), ..all() });
    for bookmark in ["x", "!", "W10", "WzEsMl0", &"a".repeat(20_000)] {
        refused(&Question { bookmark: Some(bookmark.into()), ..all() });
    }
    let range = CountedRange { field: "a".into(), label: "b".into(), range: "c".into() };
    refused(&Question { ranges: vec![range.clone()], ..all() });
    refused(&Question {
        ranges: vec![CountedRange { range: "[a TO b]".into(), ..range }],
        ..all()
    });
    refused(&Question { counts: vec![String::new(); 101], ..all() });
}

/// Something that happens to a document.
#[derive(Clone, Debug)]
enum Event {
    Put(u8, String),
    Delete(u8),
    Update,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..5_u8, "[ab]( [abc]{1,2}){0,4}").prop_map(|(id, text)| Event::Put(id, text)),
        2 => (0..5_u8).prop_map(Event::Delete),
        2 => Just(Event::Update),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_word_finds_the_documents_that_have_it(events in prop::collection::vec(event(), 1..12)) {
        let function = "doc => index('default', doc.text)";
        let definition = json!({"index": function, "analyzer": "whitespace"});
        let indexed = Indexed::new(Dialect::Search, &definition);
        let mut texts = std::collections::BTreeMap::new();
        for event in events {
            match event {
                Event::Put(id, text) => {
                    indexed.put(&format!("d{id}"), &json!({"text": text}));
                    texts.insert(format!("d{id}"), text);
                }
                Event::Delete(id) => {
                    if texts.remove(&format!("d{id}")).is_some() {
                        indexed.delete(&format!("d{id}"));
                    }
                }
                Event::Update => indexed.update(),
            }
        }
        indexed.update();
        for word in ["a", "b", "c", "ab", "bc", "cc"] {
            let scanned = texts.iter().filter(|(_, text)| text.split(' ').any(|one| one == word));
            let scanned: BTreeSet<String> = scanned.map(|(id, _)| id.clone()).collect();
            prop_assert_eq!(indexed.ids(word), scanned, "{}", word);
        }
    }
}
