//! Sort keys of short ASCII, put together from those of single letters.
//!
//! A sort key has three levels. In the first, each letter has bytes of its own. The second and the third
//! say what is uncommon about them: of ASCII, only that a letter is a capital. How letters that are
//! common are counted is asked of the collator once, so its keys and these are the same.

use std::sync::LazyLock;

use crate::collation::root;

/// Letters of the longest text that is written here.
pub(super) const LETTERS_MAX: usize = 48;

const FIRST: u8 = b' ';
const LAST: u8 = b'~';
const LETTERS: usize = (LAST - FIRST) as usize + 1;

/// Between levels; no level has it.
const LEVEL_END: u8 = 1;

/// Writes the sort key of printable ASCII; `false`, and nothing written, of any other text.
pub(super) fn write(out: &mut Vec<u8>, text: &[u8]) -> bool {
    static TABLE: LazyLock<Option<Table>> = LazyLock::new(Table::new);
    let Some(table) = &*TABLE else { return false };
    let start = out.len();
    let is_written = text.len() <= LETTERS_MAX && table.write(out, text).is_some();
    if !is_written {
        out.truncate(start);
    }
    is_written
}

/// What sort keys of ASCII are made of.
struct Table {
    /// Of each letter, its bytes in the first level, how many of them there are, and whether it is a
    /// capital.
    letters: [Letter; LETTERS],
    /// The second level of so many letters.
    second: Vec<Vec<u8>>,
    /// The third level of so many common letters before a capital, the capital too, and at the end.
    capital_after: Vec<Vec<u8>>,
    end_after: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Default)]
struct Letter {
    bytes: [u8; 2],
    len: u8,
    is_capital: bool,
}

impl Table {
    fn new() -> Option<Self> {
        let mut table = Self {
            letters: [Letter::default(); LETTERS],
            second: Vec::new(),
            capital_after: Vec::new(),
            end_after: Vec::new(),
        };
        for count in 0..=LETTERS_MAX {
            let common = "a".repeat(count);
            let [_, second, end] = levels(&common)?;
            let [_, _, capital] = levels(&(common + "A"))?;
            table.second.push(second);
            table.end_after.push(end);
            table.capital_after.push(capital);
        }
        for (byte, letter) in (FIRST..=LAST).zip(&mut table.letters) {
            let [first, second, third] = levels(char::from(byte).encode_utf8(&mut [0; 4]))?;
            let is_capital = third == table.capital_after[0];
            if second != table.second[1] || !(is_capital || third == table.end_after[1]) {
                return None;
            }
            *letter = match first[..] {
                [one] => Letter { bytes: [one, 0], len: 1, is_capital },
                [one, other] => Letter { bytes: [one, other], len: 2, is_capital },
                _ => return None,
            };
        }
        Some(table)
    }

    fn write(&self, out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
        for byte in text {
            let letter = self.letter(*byte)?;
            out.extend(&letter.bytes[..usize::from(letter.len)]);
        }
        out.push(LEVEL_END);
        out.extend(self.second.get(text.len())?);
        out.push(LEVEL_END);
        let mut common = 0;
        for byte in text {
            common += 1;
            if self.letter(*byte)?.is_capital {
                out.extend(self.capital_after.get(common - 1)?);
                common = 0;
            }
        }
        out.extend(self.end_after.get(common)?);
        Some(())
    }

    fn letter(&self, byte: u8) -> Option<&Letter> {
        self.letters.get(usize::from(byte.checked_sub(FIRST)?))
    }
}

/// The levels of a sort key.
fn levels(text: &str) -> Option<[Vec<u8>; 3]> {
    let mut key = Vec::new();
    let Ok(()) = root()?.write_sort_key_to(text, &mut key);
    let mut levels = key.split(|byte| *byte == LEVEL_END).map(<[u8]>::to_vec);
    let all = [levels.next()?, levels.next()?, levels.next()?];
    levels.next().is_none().then_some(all)
}
