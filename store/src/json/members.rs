//! Members of the same name: the last one stays.

use std::collections::HashSet;
use std::ops::Range;

use super::string::unescape;

/// Where a member of an object stands in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// The opening quote of its name.
    pub(super) start: usize,
    /// Just behind the closing quote of its name.
    pub(super) name_end: usize,
    /// Where the next member begins; of no meaning in the last one.
    pub(super) end: usize,
}

impl Member {
    /// Its name as written, without the quotes.
    pub(super) fn name(self, text: &str) -> &str {
        &text[self.start + 1..self.name_end - 1]
    }
}

/// Up to this many members, comparing each with each is cheaper than hashing.
const FEW: usize = 16;

/// Adds to `cuts` every one of an object's `members` that a later one of the same name replaces.
///
/// `escaped` says that a name may hold escapes.
pub(super) fn cut_replaced(
    text: &str,
    members: &[Member],
    escaped: bool,
    cuts: &mut Vec<Range<usize>>,
) {
    if members.len() <= FEW && !escaped {
        for (i, member) in members.iter().enumerate() {
            let name = member.name(text);
            if members[i + 1..].iter().any(|later| later.name(text) == name) {
                cuts.push(member.start..member.end);
            }
        }
        return;
    }
    let mut seen = HashSet::with_capacity(members.len());
    for member in members.iter().rev() {
        if !seen.insert(unescape(member.name(text))) {
            cuts.push(member.start..member.end);
        }
    }
}

/// `text` without the `cuts`, which may lie within one another.
pub(super) fn without(text: &str, mut cuts: Vec<Range<usize>>) -> String {
    cuts.sort_unstable_by_key(|cut| cut.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for cut in cuts {
        out.push_str(&text[at..at.max(cut.start)]);
        at = at.max(cut.end);
    }
    out.push_str(&text[at..]);
    out
}
