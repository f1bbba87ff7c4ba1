//! Analyzers: text into words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tantivy::tokenizer::{Language, RawTokenizer, Stemmer, StopWordFilter, TextAnalyzer};
use unicode_segmentation::UnicodeSegmentation as _;

use super::Dialect;
use super::error::DefinitionError;

/// Characters of a word; a longer one is several.
const WORD_CHARS_MAX: usize = 255;

/// Bytes of text that is one word as a whole; longer text is not found.
const KEYWORD_BYTES_MAX: usize = 32_766;

/// Stop words of an analyzer, and fields with an analyzer of their own.
const NAMES_MAX: usize = 10_000;

/// A word and its place among the words of its text, stop words counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) position: usize,
    pub(super) text: String,
}

/// What makes words of an index's text, field by field.
#[derive(Clone, Debug)]
pub struct Analyzers {
    default: Analyzer,
    fields: BTreeMap<String, Analyzer>,
}

/// How text becomes words.
#[derive(Clone, Debug)]
pub struct Analyzer {
    kind: Kind,
    stop_words: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Standard,
    Classic,
    Email,
    Keyword,
    Simple,
    Folding,
    Whitespace,
    Stemmed(Language),
}

impl Analyzers {
    /// Reads the `analyzer` of a search index: a name, or an object with name and stop words, or one
    /// per field.
    pub(super) fn of_search(given: Option<&Value>) -> Result<Self, DefinitionError> {
        let one = |given: Option<&Value>| Analyzer::parse(given, Dialect::Search);
        let Some(Value::Object(members)) = given else {
            return Ok(Self::all(one(given)?));
        };
        if members.get("name").and_then(Value::as_str) != Some("perfield") {
            return Ok(Self::all(one(given)?));
        }
        let fields = members.get("fields").and_then(Value::as_object);
        Ok(Self { default: one(members.get("default"))?, fields: per_field(fields, one)? })
    }

    /// Reads the `default_analyzer` and `field_analyzers` of a nouveau index.
    pub(super) fn of_nouveau(index: &Map<String, Value>) -> Result<Self, DefinitionError> {
        let one = |given: Option<&Value>| Analyzer::parse(given, Dialect::Nouveau);
        let fields = index.get("field_analyzers").and_then(Value::as_object);
        Ok(Self { default: one(index.get("default_analyzer"))?, fields: per_field(fields, one)? })
    }

    fn all(default: Analyzer) -> Self {
        Self { default, fields: BTreeMap::new() }
    }

    pub(super) fn of_field(&self, name: &str) -> &Analyzer {
        self.fields.get(name).unwrap_or(&self.default)
    }
}

fn per_field(
    fields: Option<&Map<String, Value>>,
    one: impl Fn(Option<&Value>) -> Result<Analyzer, DefinitionError>,
) -> Result<BTreeMap<String, Analyzer>, DefinitionError> {
    let fields = fields.into_iter().flatten().take(NAMES_MAX);
    fields.map(|(name, given)| Ok((name.clone(), one(Some(given))?))).collect()
}

impl Analyzer {
    /// Reads a name, or an object with a name and stop words; `standard` where nothing is given.
    ///
    /// # Errors
    /// [`DefinitionError::Analyzer`] for a name that is none.
    pub fn parse(given: Option<&Value>, dialect: Dialect) -> Result<Self, DefinitionError> {
        let unknown = |given: &Value| DefinitionError::Analyzer(given.to_string());
        let (name, stop_words) = match given {
            None | Some(Value::Null) => ("standard", None),
            Some(Value::String(name)) => (name.as_str(), None),
            Some(Value::Object(members)) => {
                let name = members.get("name").and_then(Value::as_str);
                let stop_words = members.get("stopwords").and_then(Value::as_array);
                (name.ok_or_else(|| unknown(&Value::Object(members.clone())))?, stop_words)
            }
            Some(other) => return Err(unknown(other)),
        };
        let kind = kind(name).ok_or_else(|| DefinitionError::Analyzer(name.into()))?;
        let stop_words = match (stop_words, kind, dialect) {
            (_, Kind::Keyword | Kind::Simple | Kind::Whitespace | Kind::Folding, _) => [].into(),
            (Some(words), ..) => {
                let words = words.iter().filter_map(Value::as_str).take(NAMES_MAX);
                words.map(str::to_lowercase).collect()
            }
            (None, Kind::Standard | Kind::Classic | Kind::Email, Dialect::Search) => {
                STOP_WORDS.split_whitespace().map(str::to_owned).collect()
            }
            (None, ..) => [].into(),
        };
        Ok(Self { kind, stop_words })
    }

    /// The words of a text, as `_search_analyze` shows them.
    #[must_use]
    pub fn words(&self, text: &str) -> Vec<String> {
        self.analyze(text).into_iter().map(|word| word.text).collect()
    }

    pub(super) fn analyze(&self, text: &str) -> Vec<Word> {
        let mut pipeline = self.pipeline();
        let mut words = Vec::new();
        for (position, text) in self.split(text).into_iter().enumerate() {
            if self.stop_words.contains(&text) {
                continue;
            }
            match &mut pipeline {
                None => words.push(Word { position, text }),
                Some(pipeline) => pipeline.token_stream(&text).process(&mut |token| {
                    words.push(Word { position, text: token.text.clone() });
                }),
            }
        }
        words
    }

    /// A part of a word, such as stands before a wildcard, as it is looked for among words.
    pub(super) fn normalize(&self, part: &str) -> String {
        match self.kind {
            Kind::Keyword | Kind::Whitespace => part.to_owned(),
            Kind::Folding => fold(&part.to_lowercase()),
            _ => part.to_lowercase(),
        }
    }

    fn split(&self, text: &str) -> Vec<String> {
        match self.kind {
            Kind::Keyword if text.len() > KEYWORD_BYTES_MAX || text.is_empty() => Vec::new(),
            Kind::Keyword => vec![text.to_owned()],
            Kind::Whitespace => text.split_whitespace().flat_map(pieces).collect(),
            Kind::Simple => letters(&text.to_lowercase()),
            Kind::Folding => letters(&fold(&text.to_lowercase())),
            Kind::Email => {
                let chunks = text.split_whitespace();
                chunks
                    .flat_map(|chunk| {
                        email(chunk).map_or_else(
                            || unicode_words(chunk),
                            |email| pieces(&email.to_lowercase()),
                        )
                    })
                    .collect()
            }
            Kind::Classic => {
                let mut words = unicode_words(text);
                for word in &mut words {
                    if let Some(short) = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s"))
                    {
                        *word = short.to_owned();
                    }
                }
                words
            }
            Kind::Standard | Kind::Stemmed(_) => unicode_words(text),
        }
    }

    /// What takes stop words of a language out and suffixes off.
    fn pipeline(&self) -> Option<TextAnalyzer> {
        let Kind::Stemmed(language) = self.kind else { return None };
        let words = TextAnalyzer::builder(RawTokenizer::default()).dynamic();
        let words = match StopWordFilter::new(language) {
            Some(filter) if self.stop_words.is_empty() => words.filter_dynamic(filter),
            _ => words,
        };
        Some(words.filter_dynamic(Stemmer::new(language)).build())
    }
}

/// The kind of analyzer of a name. Languages without a stemmer are split into words, and no more.
fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "standard" => Kind::Standard,
        "classic" => Kind::Classic,
        "email" => Kind::Email,
        "keyword" => Kind::Keyword,
        "simple" => Kind::Simple,
        "simple_asciifolding" => Kind::Folding,
        "whitespace" => Kind::Whitespace,
        "arabic" => Kind::Stemmed(Language::Arabic),
        "danish" => Kind::Stemmed(Language::Danish),
        "dutch" => Kind::Stemmed(Language::Dutch),
        "english" => Kind::Stemmed(Language::English),
        "finnish" => Kind::Stemmed(Language::Finnish),
        "french" => Kind::Stemmed(Language::French),
        "german" => Kind::Stemmed(Language::German),
        "greek" => Kind::Stemmed(Language::Greek),
        "hungarian" => Kind::Stemmed(Language::Hungarian),
        "italian" => Kind::Stemmed(Language::Italian),
        "norwegian" => Kind::Stemmed(Language::Norwegian),
        "portuguese" | "portugese" | "brazilian" => Kind::Stemmed(Language::Portuguese),
        "romanian" => Kind::Stemmed(Language::Romanian),
        "russian" => Kind::Stemmed(Language::Russian),
        "spanish" => Kind::Stemmed(Language::Spanish),
        "swedish" => Kind::Stemmed(Language::Swedish),
        "turkish" => Kind::Stemmed(Language::Turkish),
        "armenian" | "basque" | "bulgarian" | "catalan" | "chinese" | "cjk" | "czech"
        | "galician" | "hindi" | "indonesian" | "irish" | "japanese" | "latvian" | "persian"
        | "polish" | "thai" => Kind::Standard,
        _ => return None,
    })
}

/// Words by the rules of Unicode, in small letters.
fn unicode_words(text: &str) -> Vec<String> {
    text.unicode_words().flat_map(|word| pieces(&word.to_lowercase())).collect()
}

fn letters(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphabetic());
    words.filter(|word| !word.is_empty()).flat_map(pieces).collect()
}

/// A word in pieces that are not too long.
fn pieces(word: &str) -> Vec<String> {
    if word.len() <= WORD_CHARS_MAX {
        return vec![word.to_owned()];
    }
    let letters: Vec<char> = word.chars().collect();
    letters.chunks(WORD_CHARS_MAX).map(|piece| piece.iter().collect()).collect()
}

/// The address that text without spaces is, but for what stands around it.
fn email(chunk: &str) -> Option<&str> {
    let chunk = chunk.trim_matches(|letter: char| !letter.is_alphanumeric());
    let (name, host) = chunk.split_once('@')?;
    let plain = |part: &str, others: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || others.contains(c))
    };
    (plain(name, "._%+-") && plain(host, ".-") && host.contains('.')).then_some(chunk)
}

/// Letters without their accents, where ASCII has them.
fn fold(text: &str) -> String {
    use tantivy::tokenizer::AsciiFoldingFilter;
    let mut folding =
        TextAnalyzer::builder(RawTokenizer::default()).filter(AsciiFoldingFilter).build();
    let mut folded = String::with_capacity(text.len());
    folding.token_stream(text).process(&mut |token| folded.push_str(&token.text));
    folded
}

/// What `standard` leaves out of search indexes.
const STOP_WORDS: &str = "a an and are as at be but by for if in into is it no not of on or such that \
     the their then there these they this to was will with";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(analyzer: &Value, text: &str, expected: &str) {
        let of = Analyzer::parse(Some(analyzer), Dialect::Search).unwrap();
        assert_eq!(of.words(text).join("|"), expected, "{analyzer} {text:?}");
    }

    #[test]
    fn words() {
        let address = "Mail to ablanks@renovations.com, please";
        check(&json!("standard"), address, "mail|ablanks|renovations.com|please");
        check(&json!("email"), address, "mail|ablanks@renovations.com|please");
        check(&json!("keyword"), address, address);
        check(&json!("simple"), "It's 2 o'Clock", "it|s|o|clock");
        check(&json!("simple_asciifolding"), "Crème Brûlée", "creme|brulee");
        check(&json!("whitespace"), "The  Quick-brown\tfox.", "The|Quick-brown|fox.");
        check(&json!("classic"), "Anna's cats", "anna|cats");
        check(&json!("english"), "The running foxes", "run|fox");
        check(&json!("german"), "Die laufenden Füchse", "laufend|fuchs");
        check(&json!("czech"), "Žluťoučký kůň", "žluťoučký|kůň");
        check(&json!({"name": "standard", "stopwords": ["Foo"]}), "foo the bar", "the|bar");
        check(&json!("standard"), "", "");
        check(&json!("standard"), "東京 is", "東|京");
    }

    #[test]
    fn stop_words_keep_their_places() {
        let standard = Analyzer::parse(None, Dialect::Search).unwrap();
        let words = standard.analyze("cats and dogs");
        assert_eq!(words[1], Word { position: 2, text: "dogs".into() });
        let nouveau = Analyzer::parse(None, Dialect::Nouveau).unwrap();
        assert_eq!(nouveau.words("cats and dogs").len(), 3);
    }

    #[test]
    fn long_words_are_cut() {
        let standard = Analyzer::parse(None, Dialect::Search).unwrap();
        let lengths: Vec<usize> =
            standard.words(&"ä".repeat(600)).iter().map(|word| word.chars().count()).collect();
        assert_eq!(lengths, [255, 255, 90]);
        let keyword = Analyzer::parse(Some(&json!("keyword")), Dialect::Search).unwrap();
        assert!(keyword.words(&"a".repeat(KEYWORD_BYTES_MAX + 1)).is_empty());
    }

    #[test]
    fn unknown_ones_are_refused() {
        for bad in [json!("klingon"), json!(5), json!({"stopwords": []}), json!([])] {
            assert!(Analyzer::parse(Some(&bad), Dialect::Search).is_err(), "{bad}");
        }
    }
}
