//! Analyzers: text into words.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use frostem::{Algorithm, Stemmer};
use serde_json::{Map, Value};
use tantivy::tokenizer::{Language, RawTokenizer, StopWordFilter, TextAnalyzer};
use unicode_segmentation::UnicodeSegmentation as _;

use super::Dialect;
use super::error::DefinitionError;

/// Characters of a word; a longer one is several.
const WORD_CHARS_MAX: usize = 255;

/// Bytes of text that is one word as a whole; longer text is not found.
const KEYWORD_BYTES_MAX: usize = 32_766;

/// Stop words of an analyzer, and fields with an analyzer of their own.
const NAMES_MAX: usize = 10_000;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Its place among the words, stop words counted.
    pub(super) position: usize,
    /// Where it stands in the text, in bytes.
    pub(super) bytes: Range<usize>,
    /// What of it is looked up.
    pub(super) text: String,
}

/// Where something stands in a text, and what of it is looked up.
type Part = (Range<usize>, String);

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
    Stemmed(Algorithm),
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
        let stemmer = match self.kind {
            Kind::Stemmed(algorithm) => Some(Stemmer::new(algorithm)),
            _ => None,
        };
        let mut without_stop_words = self.without_stop_words();
        let mut words = Vec::new();
        for (position, (bytes, text)) in self.split(text).into_iter().enumerate() {
            let is_stop_word = match &mut without_stop_words {
                Some(words) => !words.token_stream(&text).advance(),
                None => self.stop_words.contains(&text),
            };
            if !is_stop_word {
                let text = match stemmer {
                    Some(stemmer) => stemmer.stem(&text).into_owned(),
                    None => text,
                };
                words.push(Word { position, bytes, text });
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

    fn split(&self, text: &str) -> Vec<Part> {
        let lower = |word: &str| word.to_lowercase();
        match self.kind {
            Kind::Keyword if text.len() > KEYWORD_BYTES_MAX || text.is_empty() => Vec::new(),
            Kind::Keyword => vec![(0..text.len(), text.to_owned())],
            Kind::Whitespace => parts(runs(text, |c| !c.is_whitespace()), str::to_owned),
            Kind::Simple => parts(runs(text, char::is_alphabetic), lower),
            Kind::Folding => parts(runs(text, char::is_alphabetic), |word| fold(&lower(word))),
            Kind::Email => {
                let chunks = runs(text, |c| !c.is_whitespace()).into_iter();
                let words = chunks.flat_map(|(at, chunk)| match email(chunk) {
                    Some((before, address)) => vec![(at + before, address)],
                    None => chunk.unicode_word_indices().map(|(i, word)| (at + i, word)).collect(),
                });
                parts(words, lower)
            }
            Kind::Classic => {
                let short = |word: &str| {
                    let word = word.to_lowercase();
                    let short = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s"));
                    short.unwrap_or(&word).to_owned()
                };
                parts(text.unicode_word_indices(), short)
            }
            Kind::Standard | Kind::Stemmed(_) => parts(text.unicode_word_indices(), lower),
        }
    }

    /// What takes the stop words of a language out, unless others were given.
    fn without_stop_words(&self) -> Option<TextAnalyzer> {
        let Kind::Stemmed(algorithm) = self.kind else { return None };
        if !self.stop_words.is_empty() {
            return None;
        }
        let filter = StopWordFilter::new(language(algorithm)?)?;
        Some(TextAnalyzer::builder(RawTokenizer::default()).filter(filter).build())
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
        "arabic" => Kind::Stemmed(Algorithm::Arabic),
        "danish" => Kind::Stemmed(Algorithm::Danish),
        "dutch" => Kind::Stemmed(Algorithm::Dutch),
        "english" => Kind::Stemmed(Algorithm::English),
        "finnish" => Kind::Stemmed(Algorithm::Finnish),
        "french" => Kind::Stemmed(Algorithm::French),
        "german" => Kind::Stemmed(Algorithm::German),
        "greek" => Kind::Stemmed(Algorithm::Greek),
        "hungarian" => Kind::Stemmed(Algorithm::Hungarian),
        "italian" => Kind::Stemmed(Algorithm::Italian),
        "norwegian" => Kind::Stemmed(Algorithm::Norwegian),
        "portuguese" | "portugese" | "brazilian" => Kind::Stemmed(Algorithm::Portuguese),
        "romanian" => Kind::Stemmed(Algorithm::Romanian),
        "russian" => Kind::Stemmed(Algorithm::Russian),
        "spanish" => Kind::Stemmed(Algorithm::Spanish),
        "swedish" => Kind::Stemmed(Algorithm::Swedish),
        "turkish" => Kind::Stemmed(Algorithm::Turkish),
        "armenian" => Kind::Stemmed(Algorithm::Armenian),
        "basque" => Kind::Stemmed(Algorithm::Basque),
        "catalan" => Kind::Stemmed(Algorithm::Catalan),
        "czech" => Kind::Stemmed(Algorithm::Czech),
        "hindi" => Kind::Stemmed(Algorithm::Hindi),
        "indonesian" => Kind::Stemmed(Algorithm::Indonesian),
        "irish" => Kind::Stemmed(Algorithm::Irish),
        "persian" => Kind::Stemmed(Algorithm::Persian),
        "polish" => Kind::Stemmed(Algorithm::Polish),
        "bulgarian" | "chinese" | "cjk" | "galician" | "japanese" | "latvian" | "thai" => {
            Kind::Standard
        }
        _ => return None,
    })
}

/// The language whose stop words are known.
fn language(stemmed: Algorithm) -> Option<Language> {
    Some(match stemmed {
        Algorithm::Danish => Language::Danish,
        Algorithm::Dutch => Language::Dutch,
        Algorithm::English => Language::English,
        Algorithm::Finnish => Language::Finnish,
        Algorithm::French => Language::French,
        Algorithm::German => Language::German,
        Algorithm::Hungarian => Language::Hungarian,
        Algorithm::Italian => Language::Italian,
        Algorithm::Norwegian => Language::Norwegian,
        Algorithm::Portuguese => Language::Portuguese,
        Algorithm::Russian => Language::Russian,
        Algorithm::Spanish => Language::Spanish,
        Algorithm::Swedish => Language::Swedish,
        _ => return None,
    })
}

/// Words that stand somewhere, changed; one that is too long is several, in the same place.
fn parts<'t>(
    words: impl IntoIterator<Item = (usize, &'t str)>,
    change: impl Fn(&str) -> String,
) -> Vec<Part> {
    let mut parts = Vec::new();
    for (at, word) in words {
        let bytes = at..at + word.len();
        let word = change(word);
        if word.len() <= WORD_CHARS_MAX {
            parts.push((bytes, word));
            continue;
        }
        let letters: Vec<char> = word.chars().collect();
        let pieces = letters.chunks(WORD_CHARS_MAX);
        parts.extend(pieces.map(|piece| (bytes.clone(), piece.iter().collect())));
    }
    parts
}

/// Letters of a kind that stand together, each time with where they begin.
fn runs(text: &str, is_of_kind: impl Fn(char) -> bool) -> Vec<(usize, &str)> {
    let ends = |letter: char| !is_of_kind(letter);
    let mut runs = Vec::new();
    let mut at = 0;
    for part in text.split_inclusive(ends) {
        let run = part.trim_end_matches(ends);
        if !run.is_empty() {
            runs.push((at, run));
        }
        at += part.len();
    }
    runs
}

/// The address that text without spaces is but for what stands around it, and how much that is before.
fn email(chunk: &str) -> Option<(usize, &str)> {
    let around = |letter: char| !letter.is_alphanumeric();
    let behind = chunk.trim_start_matches(around);
    let address = behind.trim_end_matches(around);
    let (name, host) = address.split_once('@')?;
    let plain = |part: &str, others: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || others.contains(c))
    };
    let is_address = plain(name, "._%+-") && plain(host, ".-") && host.contains('.');
    is_address.then_some((chunk.len() - behind.len(), address))
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
        check(&json!("bulgarian"), "Котките тичат", "котките|тичат");
        check(&json!({"name": "standard", "stopwords": ["Foo"]}), "foo the bar", "the|bar");
        check(&json!("standard"), "", "");
        check(&json!("standard"), "東京 is", "東|京");
    }

    #[test]
    fn words_are_stemmed() {
        for (language, several, stems) in [
            ("armenian", "քաղաքներ քաղաք", "քաղ|քաղ"),
            ("basque", "etxeak etxe", "etxe|etxe"),
            ("catalan", "gats gat", "gat|gat"),
            ("czech", "kočky kočkách", "kočk|kočk"),
            ("hindi", "लड़कियाँ लड़की", "लड़क|लड़क"),
            ("indonesian", "makanan dimakan", "makan|makan"),
            ("irish", "bhfear fear", "fear|fear"),
            ("persian", "کتاب‌ها کتاب", "کتاب|کتاب"),
            ("polish", "koty kotami", "kot|kot"),
        ] {
            check(&json!(language), several, stems);
        }
    }

    #[test]
    fn words_tell_where_they_stand() {
        let text = "Ärger: (an) Å.B@example.org, Élan's";
        for (kind, expected) in [
            ("standard", "Ärger|Å.B|example.org|Élan's"),
            ("classic", "Ärger|Å.B|example.org|Élan's"),
            ("email", "Ärger|Å.B@example.org|Élan's"),
            ("simple_asciifolding", "Ärger|an|Å|B|example|org|Élan|s"),
            ("whitespace", "Ärger:|(an)|Å.B@example.org,|Élan's"),
            ("keyword", text),
            ("english", "Ärger|Å.B|example.org|Élan's"),
        ] {
            let analyzer = Analyzer::parse(Some(&json!(kind)), Dialect::Search).unwrap();
            let words = analyzer.analyze(text);
            let shown: Vec<&str> = words.iter().map(|word| &text[word.bytes.clone()]).collect();
            assert_eq!(shown.join("|"), expected, "{kind}");
        }
    }

    #[test]
    fn stop_words_keep_their_places() {
        let standard = Analyzer::parse(None, Dialect::Search).unwrap();
        let words = standard.analyze("cats and dogs");
        assert_eq!(words[1], Word { position: 2, bytes: 9..13, text: "dogs".into() });
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
