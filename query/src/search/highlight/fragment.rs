//! Text in fragments, of which those with the most words come first.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::search::analyzer::Word;

/// A text whose words are marked or not.
pub(super) struct Fragments<'t> {
    pub(super) text: &'t str,
    pub(super) words: &'t [Word],
    pub(super) marked: &'t [bool],
}

#[derive(Clone, Debug)]
struct Fragment {
    bytes: Range<usize>,
    /// Different words that are marked.
    score: usize,
}

impl Fragments<'_> {
    /// The best fragments, at most `number` of about `size` letters. Those that stand together are one,
    /// and take one along that has nothing to show where there are not enough.
    pub(super) fn best(
        &self,
        number: usize,
        size: usize,
        pre_tag: &str,
        post_tag: &str,
    ) -> Vec<String> {
        if !self.marked.contains(&true) {
            return Vec::new();
        }
        let mut fragments: Vec<(usize, Fragment)> =
            self.all(size).into_iter().enumerate().collect();
        fragments.sort_by_key(|(place, fragment)| (usize::MAX - fragment.score, *place));
        fragments.truncate(number);
        fragments.sort_by_key(|(place, _)| *place);
        let mut joined: Vec<Fragment> = Vec::new();
        for (_, fragment) in fragments {
            match joined.last_mut() {
                Some(last) if last.bytes.end == fragment.bytes.start => {
                    last.bytes.end = fragment.bytes.end;
                    last.score = last.score.max(fragment.score);
                }
                _ => joined.push(fragment),
            }
        }
        joined.retain(|fragment| fragment.score > 0);
        joined.sort_by_key(|fragment| (usize::MAX - fragment.score, fragment.bytes.start));
        joined.iter().map(|fragment| self.show(fragment, pre_tag, post_tag)).collect()
    }

    /// All fragments. One begins behind the word before the first word that does not fit.
    fn all(&self, size: usize) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        let (mut start, mut end, mut letters) = (0, 0, 0);
        let mut found: BTreeSet<&str> = BTreeSet::new();
        for (word, marked) in self.words.iter().zip(self.marked) {
            // Words that are cut stand in one place.
            let behind = end.max(word.bytes.end);
            letters += self.text[end..behind].chars().count();
            if letters >= size.saturating_mul(fragments.len() + 1) && end > start {
                fragments.push(Fragment { bytes: start..end, score: found.len() });
                found.clear();
                start = end;
            }
            if *marked {
                found.insert(&word.text);
            }
            end = behind;
        }
        fragments.push(Fragment { bytes: start..self.text.len(), score: found.len() });
        fragments
    }

    /// A fragment, its marked words between tags.
    fn show(&self, fragment: &Fragment, pre_tag: &str, post_tag: &str) -> String {
        let Range { start, end } = fragment.bytes;
        let mut shown = String::new();
        let mut at = start;
        for (word, marked) in self.words.iter().zip(self.marked) {
            if *marked && word.bytes.start >= at && word.bytes.end <= end {
                shown.push_str(&self.text[at..word.bytes.start]);
                shown.push_str(pre_tag);
                shown.push_str(&self.text[word.bytes.clone()]);
                shown.push_str(post_tag);
                at = word.bytes.end;
            }
        }
        shown.push_str(&self.text[at..end]);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks words that begin with a capital letter.
    fn check(text: &str, (number, size): (usize, usize), expected: &[&str]) {
        let (mut words, mut start) = (Vec::new(), 0);
        for (position, word) in text.split(' ').enumerate() {
            let bytes = start..start + word.len();
            start = bytes.end + 1;
            words.push(Word { position, bytes, text: word.into() });
        }
        let capital = |word: &Word| word.text.starts_with(char::is_uppercase);
        let marked: Vec<bool> = words.iter().map(capital).collect();
        let fragments = Fragments { text, words: &words, marked: &marked };
        assert_eq!(fragments.best(number, size, "<", ">"), expected, "{text}");
    }

    #[test]
    fn the_best_fragments_come_first() {
        check("no capitals", (3, 100), &[]);
        check("one Word of it", (1, 100), &["one <Word> of it"]);
        check("A and B", (1, 100), &["<A> and <B>"]);
        check("aa Bb cc dd Ee Ff", (1, 6), &[" <Ee> <Ff>"]);
        check("aa Bb cc dd Ee Ff", (2, 6), &[" <Ee> <Ff>", "aa <Bb>"]);
        check("aa Bb cc dd Ee Ff", (9, 6), &["aa <Bb> cc dd <Ee> <Ff>"]);
        check("é Ü ö", (1, 2), &[" <Ü>"]);
        check("", (1, 1), &[]);
    }
}
