//! Reading the elements of one big array without holding more than one of them.

use std::collections::HashSet;
use std::mem::take;

use super::extent::Extent;
use super::string::unescape;
use super::{JsonError, compact};

/// Bytes that the members beside the array may take in memory.
const REST_BYTES_MAX: usize = 1 << 20;

/// Splits a JSON object that holds one big array, such as the body of `_bulk_docs`, into the
/// elements of that array while the text arrives.
///
/// All around the elements is checked in full. Of the elements only the ends are found: the
/// caller must check each, and if one fails, the whole text is no JSON. After an error the
/// splitter is of no more use.
///
/// ```
/// use store::json::{ArrayMember, ArraySplitter, JsonError};
///
/// let mut splitter = ArraySplitter::new("docs", 8 << 20);
/// let mut elements = Vec::new();
/// for chunk in [r#"{"docs":[{"a""#, r#":1}, 2],"new_edits":false}"#] {
///     splitter.push(chunk.as_bytes(), |element| {
///         elements.push(store::json::compact(element)?);
///         Ok::<(), JsonError>(())
///     })?;
/// }
/// let rest = splitter.finish()?;
/// assert_eq!(elements, [r#"{"a":1}"#, "2"]);
/// assert_eq!(rest.array, ArrayMember::Split);
/// assert_eq!(rest.members, [("new_edits".to_owned(), "false".to_owned())]);
/// # Ok::<(), JsonError>(())
/// ```
#[derive(Debug)]
pub struct ArraySplitter {
    member: &'static str,
    element_bytes_max: usize,
    state: State,
    /// How much of the text came before the current chunk, in bytes.
    offset: usize,
    /// The name of the member whose value is read or comes next.
    name: String,
    array: ArrayMember,
    rest: Vec<(String, String)>,
    rest_bytes: usize,
    /// How far the piece reaches that is being read.
    extent: Extent,
    /// Where that piece begins in the text.
    piece_offset: usize,
    /// What earlier chunks had of it.
    held: Vec<u8>,
}

/// What the text held beside the array's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The other members in order: names unescaped, values compacted. No name occurs twice; the
    /// last one stayed.
    pub members: Vec<(String, String)>,
    /// What became of the array.
    pub array: ArrayMember,
}

/// What stood where the array was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayMember {
    /// No such member.
    Absent,
    /// A value of another kind, which was dropped.
    NotAnArray,
    /// An array, all of whose elements were handed out.
    Split,
}

/// What comes next, white space aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    FirstName,
    Name,
    Colon,
    Value,
    FirstElement,
    Element,
    AfterElement,
    AfterMember,
    End,
    /// More of a piece that has begun.
    Inside(Piece),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Name,
    Value,
    Element,
}

impl ArraySplitter {
    /// Splits the array in the top-level member of that name; its elements, as written, may have
    /// up to `element_bytes_max` bytes.
    #[must_use]
    pub fn new(member: &'static str, element_bytes_max: usize) -> Self {
        Self {
            member,
            element_bytes_max,
            state: State::Start,
            offset: 0,
            name: String::new(),
            array: ArrayMember::Absent,
            rest: Vec::new(),
            rest_bytes: 0,
            extent: Extent::starting_with(b'"'),
            piece_offset: 0,
            held: Vec::new(),
        }
    }

    /// Takes the next part of the text, cut anywhere, and calls `on_element` with every element
    /// that it completes, as written.
    ///
    /// # Errors
    /// Whatever `on_element` returns; [`JsonError::NotAnObject`] for what begins as another value;
    /// [`JsonError`] for a fault around the elements, and for more
    /// bytes than may be held.
    pub fn push<E: From<JsonError>>(
        &mut self,
        chunk: &[u8],
        mut on_element: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            if let State::Inside(piece) = self.state {
                at += self.read_piece(piece, &chunk[at..], &mut on_element)?;
            } else if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                at += 1;
            } else {
                self.state = self.step(byte, self.offset + at)?;
                if matches!(self.state, State::Inside(_)) {
                    self.extent = Extent::starting_with(byte);
                    self.piece_offset = self.offset + at;
                } else {
                    at += 1;
                }
            }
        }
        self.offset += chunk.len();
        Ok(())
    }

    /// Splits a text that is there as a whole: its elements as written, and what is beside them.
    ///
    /// # Errors
    /// As [`Self::push`] and [`Self::finish`].
    pub fn split(mut self, text: &[u8]) -> Result<(Vec<&[u8]>, Rest), JsonError> {
        let mut elements = Vec::new();
        let start = text.as_ptr().addr();
        self.push(text, |element| {
            // Nothing is held back from an earlier chunk, so that each lies within the text.
            let from = element.as_ptr().addr() - start;
            elements.push(&text[from..from + element.len()]);
            Ok::<(), JsonError>(())
        })?;
        Ok((elements, self.finish()?))
    }

    /// Ends the text.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] if it ends too early.
    pub fn finish(mut self) -> Result<Rest, JsonError> {
        if self.state != State::End {
            return Err(JsonError::Syntax { offset: self.offset, expected: "more text" });
        }
        let mut seen = HashSet::new();
        let mut kept: Vec<bool> =
            self.rest.iter().rev().map(|(name, _)| seen.insert(name.as_str())).collect();
        self.rest.retain(|_| kept.pop().unwrap_or_default());
        Ok(Rest { members: self.rest, array: self.array })
    }

    /// What comes behind `byte`, or the piece that begins with it.
    fn step(&mut self, byte: u8, offset: usize) -> Result<State, JsonError> {
        let begins_value =
            matches!(byte, b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n');
        let expected = match (self.state, byte) {
            (State::Start, b'{') => return Ok(State::FirstName),
            (State::FirstName, b'}') => return Ok(State::End),
            (State::FirstName | State::Name, b'"') => return Ok(State::Inside(Piece::Name)),
            (State::Colon, b':') => return Ok(State::Value),
            (State::Value, b'[') if self.name == self.member => {
                self.array = ArrayMember::Split;
                return Ok(State::FirstElement);
            }
            (State::Value, _) if begins_value => return Ok(State::Inside(Piece::Value)),
            (State::FirstElement, b']') => return Ok(State::AfterMember),
            (State::FirstElement | State::Element, _) if begins_value => {
                return Ok(State::Inside(Piece::Element));
            }
            (State::AfterElement, b',') => return Ok(State::Element),
            (State::AfterElement, b']') => return Ok(State::AfterMember),
            (State::AfterMember, b',') => return Ok(State::Name),
            (State::AfterMember, b'}') => return Ok(State::End),
            (State::Start, _) if begins_value => return Err(JsonError::NotAnObject),
            (State::Start, _) => "a value",
            (State::FirstName | State::Name, _) => "a string",
            (State::Colon, _) => "a colon",
            (State::Value | State::FirstElement | State::Element, _) => "a value",
            (State::AfterElement | State::AfterMember, _) => {
                "a comma or the end of the array or object"
            }
            (State::End | State::Inside(_), _) => "the end of the text",
        };
        Err(JsonError::Syntax { offset, expected })
    }

    /// Reads on in a piece, up to its end or that of the `chunk`; returns how far.
    fn read_piece<E: From<JsonError>>(
        &mut self,
        piece: Piece,
        chunk: &[u8],
        on_element: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let end = self.extent.advance(chunk);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        self.check_room(piece, self.held.len() + part.len())?;
        if end.is_none() || !self.held.is_empty() {
            self.held.extend_from_slice(part);
        }
        if end.is_none() {
            return Ok(part.len());
        }
        let mut held = take(&mut self.held);
        let whole = if held.is_empty() { part } else { &held };
        self.state = match piece {
            Piece::Element => {
                on_element(whole)?;
                State::AfterElement
            }
            Piece::Name => {
                self.name = self.read_name(whole)?;
                State::Colon
            }
            Piece::Value => {
                self.read_value(whole)?;
                State::AfterMember
            }
        };
        held.clear();
        self.held = held;
        Ok(part.len())
    }

    fn check_room(&self, piece: Piece, bytes: usize) -> Result<(), JsonError> {
        match piece {
            Piece::Element if bytes > self.element_bytes_max => Err(JsonError::ElementTooLarge),
            Piece::Name | Piece::Value if self.rest_bytes + bytes > REST_BYTES_MAX => {
                Err(JsonError::RestTooLarge)
            }
            _ => Ok(()),
        }
    }

    fn read_name(&mut self, text: &[u8]) -> Result<String, JsonError> {
        let checked = compact(text).map_err(|error| error.shifted(self.piece_offset))?;
        let name = unescape(&checked[1..checked.len() - 1]).into_owned();
        if name == self.member && self.array != ArrayMember::Absent {
            return Err(JsonError::ArrayTwice);
        }
        self.rest_bytes += name.len();
        Ok(name)
    }

    fn read_value(&mut self, text: &[u8]) -> Result<(), JsonError> {
        let value = compact(text).map_err(|error| error.shifted(self.piece_offset))?;
        let name = take(&mut self.name);
        if name == self.member {
            self.array = ArrayMember::NotAnArray;
            return Ok(());
        }
        // Counted by what holding it costs, so that very many tiny members are bounded too.
        self.rest_bytes += value.len() + size_of::<(String, String)>();
        self.rest.push((name, value));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
