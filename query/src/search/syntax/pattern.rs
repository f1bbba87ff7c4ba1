//! Words with wildcards.

/// Letters and wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::search) struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::search) enum Piece {
    /// This letter.
    Letter(char),
    /// `?`: one letter.
    AnyLetter,
    /// `*`: letters, or none.
    Letters,
}

impl Pattern {
    /// Several `*` in a row are one.
    pub(super) fn new(mut pieces: Vec<Piece>) -> Self {
        pieces.dedup_by(|a, b| *a == Piece::Letters && *b == Piece::Letters);
        Self(pieces)
    }

    pub(in crate::search) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether everything matches.
    pub(super) fn is_any(&self) -> bool {
        self.0 == [Piece::Letters]
    }

    /// The text, where there are no wildcards.
    pub(super) fn text(&self) -> Option<String> {
        let letter = |piece: &Piece| match piece {
            Piece::Letter(letter) => Some(*letter),
            Piece::AnyLetter | Piece::Letters => None,
        };
        self.0.iter().map(letter).collect()
    }

    /// What stands before the first wildcard.
    pub(in crate::search) fn beginning(&self) -> String {
        let letters = self.0.iter().map_while(|piece| match piece {
            Piece::Letter(letter) => Some(*letter),
            Piece::AnyLetter | Piece::Letters => None,
        });
        letters.collect()
    }

    /// The same with its letters, runs of them, changed.
    pub(in crate::search) fn map_letters(&self, change: impl Fn(&str) -> String) -> Self {
        let mut pieces = Vec::with_capacity(self.0.len());
        let mut run = String::new();
        let flush = |run: &mut String, pieces: &mut Vec<Piece>| {
            pieces.extend(change(run).chars().map(Piece::Letter));
            run.clear();
        };
        for piece in &self.0 {
            match piece {
                Piece::Letter(letter) => run.push(*letter),
                wildcard => {
                    flush(&mut run, &mut pieces);
                    pieces.push(*wildcard);
                }
            }
        }
        flush(&mut run, &mut pieces);
        Self(pieces)
    }

    /// Whether text matches as a whole. Takes at most the product of both lengths.
    pub(in crate::search) fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut at = 0;
        // Where to go on when a star has to take one letter more.
        let mut star: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (self.0.get(at), rest.next()) {
                (Some(Piece::Letters), _) => {
                    rest = before.clone();
                    at += 1;
                    star = Some((at, before));
                }
                (Some(Piece::AnyLetter), Some(_)) => at += 1,
                (Some(Piece::Letter(wanted)), Some(letter)) if *wanted == letter => at += 1,
                (None, None) => return true,
                _ => {
                    let Some((behind, from)) = &mut star else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    at = *behind;
                    rest = from.clone();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        let piece = |letter| match letter {
            '*' => Piece::Letters,
            '?' => Piece::AnyLetter,
            letter => Piece::Letter(letter),
        };
        Pattern::new(text.chars().map(piece).collect())
    }

    proptest! {
        #[test]
        fn patterns_match_as_regular_expressions_do(glob in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let expression = format!("^{}$", glob.replace('*', ".*").replace('?', "."));
            let expected = regex::Regex::new(&expression).unwrap().is_match(&text);
            prop_assert_eq!(pattern(&glob).matches(&text), expected);
        }
    }

    #[test]
    fn parts() {
        assert_eq!(pattern("ab*c").beginning(), "ab");
        assert_eq!(pattern("abc").text().as_deref(), Some("abc"));
        assert_eq!(pattern("A?B**C").map_letters(str::to_lowercase), pattern("a?b*c"));
    }
}
