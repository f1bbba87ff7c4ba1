//! Queries in Lucene's syntax: what is understood means the same when it is written again, and marks
//! words of any text.

use std::fmt::Write as _;

use serde_json::json;

use super::definition::SearchIndex;
use super::error::QuestionError;
use super::highlight::Highlighter;
use super::question::Highlighting;
use super::syntax::{self, Bound, Edits, Node, Occur, Piece};

/// Analyzers of which one, as the text is long, makes its words.
const ANALYZERS: [&str; 7] =
    ["standard", "keyword", "simple_asciifolding", "whitespace", "email", "classic", "english"];

/// A query in the first line, a text in those after it.
///
/// # Panics
/// When the query reads otherwise once it is written again, or the text is not the same without what
/// marks its words.
pub(crate) fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (query, text) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(node) = syntax::parse(query) else { return };
    let mut printed = String::new();
    match &node {
        Node::Group(clauses) => print_clauses(clauses, &mut printed),
        other => print(other, &mut printed),
    }
    match syntax::parse(&printed) {
        Ok(again) => assert_eq!(again, node, "{printed:?}"),
        Err(QuestionError::TooLong(_)) => {}
        Err(error) => panic!("{printed:?}: {error}"),
    }
    mark(&node, text);
}

fn mark(query: &Node, text: &str) {
    let analyzer = ANALYZERS[text.len() % ANALYZERS.len()];
    let design = json!({"indexes": {"i": {"index": "doc => 0", "analyzer": analyzer}}});
    let design = design.as_object().expect("an object");
    let indexes = SearchIndex::all_of_design(design, false);
    let index = indexes.iter().next().expect("an index");
    let options = Highlighting {
        fields: vec!["default".into()],
        pre_tag: "\u{1}".into(),
        post_tag: "\u{2}".into(),
        number: text.len() % 5,
        size: query_size(query),
    };
    // What has too large an expression is refused.
    let Ok(highlighter) = Highlighter::new(&options, query, index) else { return };
    let text = text.replace(['\u{1}', '\u{2}'], "");
    let shown = highlighter.highlight(&json!({"default": text}).to_string());
    for fragment in shown.values().flatten() {
        assert_eq!(fragment.matches('\u{1}').count(), fragment.matches('\u{2}').count());
        let plain = fragment.replace(['\u{1}', '\u{2}'], "");
        assert!(text.contains(&plain), "{fragment:?} of {text:?}");
    }
}

/// Some size that follows from the query.
fn query_size(query: &Node) -> usize {
    match query {
        Node::Group(clauses) => 7 * clauses.len(),
        Node::Term { text, .. } => text.len(),
        _ => 0,
    }
}

fn print(node: &Node, out: &mut String) {
    let written = match node {
        Node::All => {
            out.push_str("*:*");
            Ok(())
        }
        Node::Exists(field) => write!(out, "{}:*", escaped(field)),
        Node::Term { field, text } => write!(out, "{}:{}", escaped(field), escaped(text)),
        Node::Phrase { field, text, slop } => {
            write!(out, "{}:\"{}\"~{slop}", escaped(field), escaped(text))
        }
        Node::Wildcard { field, pattern } => {
            let pieces = pattern.pieces().iter().map(|piece| match piece {
                Piece::Letter(letter) => format!("\\{letter}"),
                Piece::AnyLetter => "?".into(),
                Piece::Letters => "*".into(),
            });
            write!(out, "{}:{}", escaped(field), pieces.collect::<String>())
        }
        Node::Expression { field, expression } => {
            write!(out, "{}:/{}/", escaped(field), expression.text())
        }
        Node::Fuzzy { field, text, edits } => {
            let edits = match edits {
                Edits::Count(count) => count.to_string(),
                Edits::Similarity(similarity) => similarity.to_string(),
            };
            write!(out, "{}:{}~{edits}", escaped(field), escaped(text))
        }
        Node::Range { field, low, high } => {
            let end = |bound: &Option<Bound>| match bound {
                None => ("*".into(), true),
                Some(Bound { text, inclusive }) => (format!("\"{}\"", escaped(text)), *inclusive),
            };
            let ((low, with_low), (high, with_high)) = (end(low), end(high));
            let (open, close) =
                (["{", "["][usize::from(with_low)], ["}", "]"][usize::from(with_high)]);
            write!(out, "{}:{open}{low} TO {high}{close}", escaped(field))
        }
        Node::Boost(inner, boost) => {
            // What is boosted twice has parentheses between.
            let is_boosted = matches!(**inner, Node::Boost(..));
            out.push_str(if is_boosted { "(" } else { "" });
            print(inner, out);
            write!(out, "{}^{boost}", if is_boosted { ")" } else { "" })
        }
        Node::Group(clauses) => {
            out.push('(');
            print_clauses(clauses, out);
            out.push(')');
            Ok(())
        }
    };
    written.expect("memory");
}

fn print_clauses(clauses: &[(Occur, Node)], out: &mut String) {
    for (occur, node) in clauses {
        out.push_str(match occur {
            Occur::Should => " ",
            Occur::Must => " +",
            Occur::MustNot => " -",
        });
        print(node, out);
    }
}

/// Text each of whose letters stands for itself.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|letter| ['\\', letter]).collect()
}
