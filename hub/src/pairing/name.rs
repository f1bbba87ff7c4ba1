//! Names that others suggest: made harmless, and looked at for what they may be taken for.

use identity::PublicKey;
use identity::pairing::Kind;
use unicode_security::{MixedScript as _, skeleton};

/// Longest name that a record has, in bytes.
const BYTES_MAX: usize = 64;

/// Longest piece of another's name that a warning repeats, in bytes.
const QUOTED_BYTES_MAX: usize = 64;

/// The name as it can be kept: without what is not seen and what turns the writing direction round, in one
/// line. One that nothing is left of is made of the key.
pub(super) fn cleaned(name: &str, kind: Kind, key: PublicKey) -> String {
    let seen: String = name.chars().filter(|letter| !is_unseen(*letter)).collect();
    let words: Vec<_> = seen.split_whitespace().collect();
    let mut name = words.join(" ").replace(['/', ':'], "-");
    name.truncate(name.floor_char_boundary(BYTES_MAX));
    let name = name.trim();
    match name.is_empty() || name.parse::<PublicKey>().is_ok() {
        true => format!("{}-{}", kind.word(), key.shortened()),
        false => name.to_owned(),
    }
}

/// What a device with this key may be called as long as nobody has named it: what its system is, made harmless,
/// unless that says nothing.
pub(crate) fn suggested(key: PublicKey) -> String {
    suggested_of(&rustix::system::uname().nodename().to_string_lossy(), key)
}

fn suggested_of(host: &str, key: PublicKey) -> String {
    // As many systems are called: the name that stands before their network's.
    let host = host.split('.').next().unwrap_or_default();
    let says_nothing = ["localhost", "(none)"].contains(&host);
    cleaned(if says_nothing { "" } else { host }, Kind::Device, key)
}

/// The name, with a number behind it where somebody has it already.
pub(super) fn free(name: String, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(&name) {
        return name;
    }
    let bare = &name[..name.floor_char_boundary(BYTES_MAX - 4)];
    let numbered = (2..1000).map(|number| format!("{bare} {number}"));
    numbered.into_iter().find(|name| !is_taken(name)).unwrap_or(name)
}

/// What the owner should know of a name, in sentences. `known` are the names of others.
pub(super) fn warnings<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut warnings = Vec::new();
    if name.contains(is_unseen) {
        warnings.push(
            "The name had characters in it that are not seen or turn the writing direction round; \
             they were left out."
                .to_owned(),
        );
    }
    let name: String = name.chars().filter(|letter| !is_unseen(*letter)).collect();
    let words = || name.split_whitespace();
    if words().any(|word| !word.is_single_script()) {
        warnings.push(
            "A word of the name mixes letters of several alphabets, some of which look alike."
                .to_owned(),
        );
    } else if words().any(pretends) {
        warnings.push(
            "The name is written in another alphabet than it looks like: its letters look like Latin ones."
                .to_owned(),
        );
    }
    let look = look_of(&name);
    let mut known = known.filter(|other| look_of(other) == look);
    if let Some(other) = known.next() {
        let mut quoted = other.to_owned();
        quoted.truncate(quoted.floor_char_boundary(QUOTED_BYTES_MAX));
        warnings.push(match other.trim() == name.trim() {
            true => format!("You know somebody called {quoted} already."),
            false => format!("The name looks like {quoted}, whom you know already."),
        });
    }
    warnings
}

/// Whether a word in other letters looks like one in plain Latin ones.
fn pretends(word: &str) -> bool {
    let others = word.chars().any(|letter| letter.is_alphabetic() && !letter.is_ascii());
    let mut look = skeleton(word).peekable();
    others && look.peek().is_some() && look.all(|letter| letter.is_ascii())
}

/// What two names have in common that look alike.
fn look_of(name: &str) -> String {
    let words: Vec<_> = name.split_whitespace().collect();
    let look: String = skeleton(&words.join(" ")).collect();
    // Capitals look like others than small letters do, so both are tried as small ones.
    skeleton(&look.to_lowercase()).collect()
}

/// Whether a character is not seen, or changes how others are.
fn is_unseen(letter: char) -> bool {
    let blank = letter == ' ';
    let steers = letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{e000}'..='\u{f8ff}'
            | '\u{e0000}'..='\u{10ffff}');
    !blank && steers
}

#[cfg(test)]
mod tests {
    use identity::DeviceKey;

    use super::*;

    fn key() -> PublicKey {
        DeviceKey::from_seed(&[7; 32]).public()
    }

    #[test]
    fn names_are_made_harmless() {
        let own = format!("friend-{}", key().shortened());
        for (name, expected) in [
            ("Anna", "Anna"),
            ("  Anna \t B\n", "Anna B"),
            ("A\u{202e}nn\u{200b}a", "Anna"),
            ("group:a/b", "group-a-b"),
            ("\u{200b}\u{feff} ", own.as_str()),
            ("", &own),
            ("José Müller", "José Müller"),
            ("<script>alert(1)</script>", "<script>alert(1)<-script>"),
            ("a\u{1b}[2Jb", "a[2Jb"),
        ] {
            assert_eq!(cleaned(name, Kind::Friend, key()), expected, "{name:?}");
        }
        let long = cleaned(&"é".repeat(100), Kind::Friend, key());
        assert_eq!(long, "é".repeat(32));
        assert!(cleaned(&key().to_string(), Kind::Device, key()).starts_with("device-"));
        let taken = ["Anna", "Anna 2"];
        assert_eq!(free("Anna".into(), |name| taken.contains(&name)), "Anna 3");
        assert_eq!(free("Bert".into(), |name| taken.contains(&name)), "Bert");
    }

    #[test]
    fn a_device_may_be_called_as_its_system_is() {
        let own = format!("device-{}", key().shortened());
        for (host, expected) in [
            ("kitchen", "kitchen"),
            ("kitchen.home.example", "kitchen"),
            ("a\u{1b}[2J\u{202e}b", "a[2Jb"),
            ("localhost", own.as_str()),
            ("localhost.localdomain", &own),
            ("(none)", &own),
            ("", &own),
            (&key().to_string(), &own),
        ] {
            assert_eq!(suggested_of(host, key()), expected, "{host:?}");
        }
    }

    #[test]
    fn names_that_look_like_others_are_flagged() {
        let check = |name: &str, sentences: &[&str]| {
            let found = warnings(name, ["Anna", "Bert", "Paypal"].into_iter());
            assert_eq!(found.len(), sentences.len(), "{name}: {found:?}");
            for (found, expected) in found.iter().zip(sentences) {
                assert!(found.contains(expected), "{name}: {found}");
            }
        };
        for fine in
            ["Clara", "José", "Müller", "Иван", "田中さん", "Anna Иванова", "Berta", "Zoë 2"]
        {
            check(fine, &[]);
        }
        check("Anna", &["somebody called Anna"]);
        check("Ann\u{200b}a", &["not seen", "somebody called Anna"]);
        // Cyrillic А and а among Latin letters; a capital I for an l; a one for an l.
        check("\u{410}nna", &["several alphabets", "looks like Anna"]);
        check("PaypaI", &["looks like Paypal"]);
        check("Paypa1", &["looks like Paypal"]);
        check("anna", &["looks like Anna"]);
        // All of it Cyrillic.
        check(
            "\u{440}\u{430}\u{443}\u{440}\u{430}\u{4cf}",
            &["another alphabet", "looks like Paypal"],
        );
        check("\u{202e}treB", &["not seen"]);
    }
}
