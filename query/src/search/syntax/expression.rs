//! Regular expressions as Lucene writes them: they match words as a whole, and know neither anchors
//! nor classes with names.
//!
//! Source: Lucene's `RegExp`, but for its operators `~`, `&`, `<…>` and `#`.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// Bytes of an expression made ready to match.
const MATCHER_BYTES_MAX: usize = 256 << 10;

/// Bytes in which a matcher remembers what it has seen.
const MATCHER_CACHE_BYTES_MAX: usize = 256 << 10;

/// A regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::search) struct Expression {
    /// As it was written.
    text: String,
}

impl Expression {
    /// An expression that was written so, and makes sense.
    pub(super) fn parse(text: String) -> Result<Self, &'static str> {
        let expression = Self { text };
        expression.matcher(str::to_owned)?;
        Ok(expression)
    }

    /// As it was written.
    #[cfg(any(test, fuzzing))]
    pub(in crate::search) fn text(&self) -> &str {
        &self.text
    }

    /// What matches words as this does once its letters are changed as those of words are.
    pub(in crate::search) fn matcher(
        &self,
        change: impl Fn(&str) -> String,
    ) -> Result<Regex, &'static str> {
        let text = change(&self.text);
        let mut parser = Parser { letters: text.chars().peekable() };
        let translated = parser.alternatives()?;
        if parser.letters.next().is_some() {
            return Err("a parenthesis of a regular expression is not open");
        }
        let matcher = RegexBuilder::new(&format!("^(?:{translated})$"))
            .dot_matches_new_line(true)
            .size_limit(MATCHER_BYTES_MAX)
            .dfa_size_limit(MATCHER_CACHE_BYTES_MAX)
            .build();
        matcher.map_err(|_| "a regular expression is none, or too large")
    }

    /// Letters that all that matches begins with, changed likewise.
    pub(in crate::search) fn beginning(&self, change: impl Fn(&str) -> String) -> String {
        let text = change(&self.text);
        if text.contains('|') {
            return String::new();
        }
        let mut beginning: String =
            text.chars().take_while(|letter| letter.is_alphanumeric()).collect();
        if text[beginning.len()..].starts_with(['?', '*', '+', '{']) {
            // It says how often the last letter stands, which may be never.
            beginning.pop();
        }
        beginning
    }
}

/// Writes an expression as another engine reads it.
struct Parser<'t> {
    letters: Peekable<Chars<'t>>,
}

impl Parser<'_> {
    /// Parts of which one matches, up to a closing parenthesis.
    fn alternatives(&mut self) -> Result<String, &'static str> {
        let mut all = String::new();
        loop {
            match self.letters.peek() {
                None | Some(')') => return Ok(all),
                Some('|') => {
                    self.letters.next();
                    all.push('|');
                }
                Some(_) => {
                    let repeated = self.repeated()?;
                    all.push_str(&repeated);
                }
            }
        }
    }

    /// A part and how often it stands.
    fn repeated(&mut self) -> Result<String, &'static str> {
        let mut part = self.part()?;
        while let Some(letter) = self.letters.next_if(|letter| "?*+{".contains(*letter)) {
            let times = match letter {
                '{' => self.times()?,
                letter => letter.to_string(),
            };
            part = format!("(?:{part}){times}");
        }
        Ok(part)
    }

    /// How often: `2}`, `2,}` or `2,3}`.
    fn times(&mut self) -> Result<String, &'static str> {
        let mut times = "{".to_owned();
        while let Some(letter) = self.letters.next_if(|c| c.is_ascii_digit() || *c == ',') {
            times.push(letter);
        }
        match self.letters.next() {
            Some('}') => Ok(times + "}"),
            _ => Err("a count of a regular expression is not closed"),
        }
    }

    fn part(&mut self) -> Result<String, &'static str> {
        match self.letters.next() {
            Some('.') => Ok(".".into()),
            Some('@') => Ok(".*".into()),
            Some('(') => {
                let inner = self.alternatives()?;
                match self.letters.next() {
                    Some(_) => Ok(format!("(?:{inner})")),
                    None => Err("a parenthesis of a regular expression is not closed"),
                }
            }
            Some('[') => self.class(),
            Some('"') => {
                let mut quoted = String::new();
                loop {
                    match self.letters.next() {
                        Some('"') => return Ok(format!("(?:{})", regex::escape(&quoted))),
                        Some(letter) => quoted.push(letter),
                        None => {
                            return Err("a quotation mark of a regular expression is not closed");
                        }
                    }
                }
            }
            Some('?' | '*' | '+' | '{') => Err("a regular expression repeats nothing"),
            Some('~' | '&' | '<' | '#') => {
                Err("`~`, `&`, `<` and `#` are not supported in regular expressions")
            }
            Some('\\') => {
                let letter = self.letters.next().ok_or("a backslash escapes nothing")?;
                Ok(regex::escape(&letter.to_string()))
            }
            Some(letter) => Ok(regex::escape(&letter.to_string())),
            None => Err("a regular expression ends too early"),
        }
    }

    /// `a-z_]`, or all other letters where a `^` stands first.
    fn class(&mut self) -> Result<String, &'static str> {
        let mut class = "[".to_owned();
        if self.letters.next_if_eq(&'^').is_some() {
            class.push('^');
        }
        let mut is_empty = true;
        while let Some(low) = self.letters.next_if(|letter| is_empty || *letter != ']') {
            is_empty = false;
            let low = self.member(low)?;
            let mut high = low;
            if self.letters.next_if_eq(&'-').is_some() {
                let letter = self.letters.next().ok_or(OPEN_CLASS)?;
                high = self.member(letter)?;
            }
            let (low, high) = (u32::from(low), u32::from(high));
            if write!(class, r"\x{{{low:x}}}-\x{{{high:x}}}").is_err() {
                return Err(OPEN_CLASS);
            }
        }
        match self.letters.next() {
            Some(_) => Ok(class + "]"),
            None => Err(OPEN_CLASS),
        }
    }

    /// A letter of a class, which may be escaped.
    fn member(&mut self, letter: char) -> Result<char, &'static str> {
        match letter {
            '\\' => self.letters.next().ok_or(OPEN_CLASS),
            letter => Ok(letter),
        }
    }
}

/// What is wrong where a class begins and does not end.
const OPEN_CLASS: &str = "a bracket of a regular expression is not closed";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, matching: &[&str], other: &[&str]) {
        let expression = Expression::parse(expression.into()).unwrap();
        let matcher = expression.matcher(str::to_lowercase).unwrap();
        let beginning = expression.beginning(str::to_lowercase);
        for word in matching {
            assert!(
                matcher.is_match(word) && word.starts_with(&beginning),
                "{expression:?} {word}"
            );
        }
        for word in other {
            assert!(!matcher.is_match(word), "{expression:?} {word}");
        }
    }

    #[test]
    fn expressions_match_whole_words() {
        check("[mb]oat", &["moat", "boat"], &["boats", "oat", "aboat"]);
        check("BOAT", &["boat"], &["boa"]);
        check("ab?c", &["ac", "abc"], &["abbc"]);
        check("ab|cd", &["ab", "cd"], &["abd"]);
        check("(ab){2,3}", &["abab", "ababab"], &["ab"]);
        check("a.*", &["a", "aé\nb"], &["b"]);
        check("a@", &["a", "abc"], &["b"]);
        check("a+?", &["", "a", "aa"], &["b"]);
        check("[^a-c]", &["d", "^"], &["a", "c"]);
        check(r"[\]a&&b]", &["]", "a", "&", "b"], &["c"]);
        check("[]a]", &["]", "a"], &["b"]);
        check(r"\d\.", &["d."], &["1."]);
        check("^a$", &["^a$"], &["a"]);
        check("\"a.b\"*", &["", "a.b", "a.ba.b"], &["axb"]);
        check("()", &[""], &["a"]);
        check("x{2}", &["xx"], &["x", "xxx"]);
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in [
            "(",
            ")",
            "a)",
            "[",
            "[a",
            "[^",
            "[b-a]",
            "\\",
            "[\\",
            "\"",
            "*",
            "(?i)a",
            "a{",
            "a{b}",
            "a{2,1}",
            "~a",
            "a&b",
            "<1-5>",
            "#",
            "[a-",
            "(((.{1,99}){1,99}){1,99})",
            "a{,}",
        ] {
            assert!(Expression::parse(bad.into()).is_err(), "{bad}");
        }
        let nested = "(".repeat(255);
        assert!(Expression::parse(nested).is_err());
        let repeated = format!("a{}", "?".repeat(254));
        let _outcome = Expression::parse(repeated);
    }
}
