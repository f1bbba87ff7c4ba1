use proptest::prelude::*;

use super::*;

/// A tree in few characters.
fn shown(node: &Node) -> String {
    match node {
        Node::All => "all".into(),
        Node::Exists(field) => format!("{field}?"),
        Node::Term { field, text } => format!("{field}={text}"),
        Node::Phrase { field, text, slop } => format!("{field}='{text}'{slop}"),
        Node::Wildcard { field, pattern } => format!("{field}~{}", pattern.beginning()),
        Node::Expression { field, expression } => {
            format!("{field}/{}", expression.beginning(str::to_owned))
        }
        Node::Fuzzy { field, text, edits } => format!("{field}≈{text} {edits:?}"),
        Node::Range { field, low, high } => {
            let end = |bound: &Option<Bound>| match bound {
                None => "*".into(),
                Some(Bound { text, inclusive: true }) => format!("={text}"),
                Some(Bound { text, inclusive: false }) => text.clone(),
            };
            format!("{field}[{} {}]", end(low), end(high))
        }
        Node::Boost(node, boost) => format!("{}^{boost}", shown(node)),
        Node::Group(clauses) => {
            let clause = |(occur, node): &(Occur, Node)| {
                let sign = match occur {
                    Occur::Should => "",
                    Occur::Must => "+",
                    Occur::MustNot => "-",
                };
                format!("{sign}{}", shown(node))
            };
            format!("({})", clauses.iter().map(clause).collect::<Vec<_>>().join(" "))
        }
    }
}

fn check(query: &str, expected: &str) {
    let found = parse(query).map_or_else(|error| error.to_string(), |node| shown(&node));
    assert_eq!(found, expected, "{query}");
}

#[test]
fn queries_as_couchdb_documents_them() {
    check("class:bird", "class=bird");
    check("l*", "default~l");
    check("class:bird AND diet:carnivore", "(+class=bird +diet=carnivore)");
    check("l* AND diet:herbivore", "(+default~l +diet=herbivore)");
    check("min_length:[1 TO 3] AND diet:herbivore", "(+min_length[=1 =3] +diet=herbivore)");
    check("min_length:[-Infinity TO 2]", "min_length[=-Infinity =2]");
    check("latin_name:\"Meles meles\"", "latin_name='Meles meles'0");
    check(
        "diet:(herbivore OR omnivore) AND class:mammal",
        "(+(diet=herbivore diet=omnivore) +class=mammal)",
    );
    check("*:*", "all");
    check("look~", "default≈look Count(2)");
    check("mod_date:[\"20170101\" TO \"20171231\"]", "mod_date[=20170101 =20171231]");
    check("dat?", "default~dat");
}

#[test]
fn the_rest_of_the_syntax() {
    check("a b", "(default=a default=b)");
    check("a OR b AND c", "(default=a +default=b +default=c)");
    check("+a -b !c NOT d", "(+default=a -default=b -default=c -default=d)");
    check("a && b || c", "(+default=a +default=b default=c)");
    check("NOT a", "(-default=a)");
    check("a AND NOT b", "(+default=a -default=b)");
    check("\"a b\"~3^2.5", "default='a b'3^2.5");
    check(
        "a^4 b~0.5 c~1 d~9",
        "(default=a^4 default≈b Similarity(0.5) default≈c Count(1) default≈d Count(2))",
    );
    check("x:{a TO b]", "x[a =b]");
    check("x:[* TO b}", "x[* b]");
    check("x:*", "x?");
    check("x:(a \"b c\" y:d)", "(x=a x='b c'0 y=d)");
    check(r"a\:b\*c \(d\) e\\f", r"(default=a:b*c default=(d) default=e\f)");
    check(r"na\:me:a", "na:me=a");
    check("x:-5", "x=-5");
    check("well-known a+b", "(default=well-known default=a+b)");
    check("ANDREW or NOTE", "(default=ANDREW default=or default=NOTE)");
    check("  a  ", "default=a");
    check("/ab/ x:/b[a c]\\/d/ a", "(default/ab x/b default=a)");
    check("(a)", "default=a");
    check("é:日本", "é=日本");
}

#[test]
fn what_is_no_query() {
    for bad in [
        "",
        " ",
        "()",
        "(",
        ")",
        "a)",
        "(a",
        "\"a",
        "a AND",
        "AND a",
        "a OR OR b",
        "NOT",
        "+",
        "x:",
        "x:[a TO b",
        "x:[a b]",
        "x:[a TO]",
        "x:[TO b]",
        "a^",
        "a^x",
        "a:b:c",
        "\\",
        "*a",
        "?a",
        "/a",
        "/(/",
        "/a\\/",
        "a~1.5",
        "[a TO b",
        "a\"",
        "^2",
        "~",
        ":a",
        "x:\"",
        "a^1.2.3",
        "-",
        "{",
        "]",
    ] {
        if let Ok(node) = parse(bad) {
            // A quotation mark begins another clause.
            panic!("{bad}: {}", shown(&node));
        }
    }
}

#[test]
fn queries_are_bounded() {
    assert!(parse(&"a ".repeat(CLAUSES_MAX)).is_ok());
    assert_eq!(parse(&"a ".repeat(CLAUSES_MAX + 1)), Err(QuestionError::TooMany("clauses")));
    assert_eq!(
        parse(&"a".repeat(QUERY_BYTES_MAX + 1)),
        Err(QuestionError::TooLong(QUERY_BYTES_MAX))
    );
    let word = |letters| "a".repeat(letters);
    assert!(parse(&word(WORD_LETTERS_MAX)).is_ok());
    let too_long = Err(QuestionError::TooMany("letters in a word"));
    assert_eq!(parse(&word(WORD_LETTERS_MAX + 1)), too_long);
    assert_eq!(parse(&"a?".repeat(WORD_LETTERS_MAX)), too_long);
    check("\"a b\"~100000", "default='a b'255");
    let expression = |letters| format!("/{}/", word(letters));
    assert!(parse(&expression(WORD_LETTERS_MAX)).is_ok());
    assert!(parse(&expression(WORD_LETTERS_MAX + 1)).is_err());
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(DEPTH_MAX)).is_ok());
    assert!(parse(&nested(DEPTH_MAX + 1)).is_err());
}

proptest! {
    #[test]
    fn nothing_breaks_the_parser(query in "[ab+!(){}\\[\\]^\"~*?:\\\\/&|T0.1 -]{0,40}") {
        let _outcome = parse(&query);
    }

    #[test]
    fn escaped_text_is_one_word(text in "[^ \\pC\\pZ]{1,12}") {
        let escaped: String = text.chars().flat_map(|letter| ['\\', letter]).collect();
        let field = "default".to_owned();
        prop_assert_eq!(parse(&escaped), Ok(Node::Term { field, text }));
    }
}
