//! The scanner: one pass that checks and compacts; a second one where members were replaced.

mod token;

use std::ops::Range;

use super::members::{Member, cut_replaced, without};
use super::string::unescape;
use super::{DEPTH_MAX, JsonError, Scanned};

/// Scans a document; see [`super::scan_document`].
pub(super) fn document(text: &str) -> Result<Scanned, JsonError> {
    let mut scanner = Scanner::new(text);
    scanner.space();
    if scanner.peek() != b'{' {
        return value(text).and(Err(JsonError::NotAnObject));
    }
    let members = scanner.document()?;
    scanner.end()?;
    if scanner.cuts.is_empty() {
        return Ok(Scanned { body: scanner.out, members });
    }
    document(&without(text, scanner.cuts))
}

/// Scans any value; see [`super::compact`].
pub(super) fn value(text: &str) -> Result<String, JsonError> {
    let mut scanner = Scanner::new(text);
    scanner.space();
    scanner.value(0)?;
    scanner.end()?;
    if scanner.cuts.is_empty() {
        return Ok(scanner.out);
    }
    value(&without(text, scanner.cuts))
}

/// Each method begins at the first byte of what it is named after and ends just behind it, space
/// included only where it says so.
struct Scanner<'a> {
    text: &'a str,
    /// The byte to read next.
    at: usize,
    /// Text before this is in `out`, or was left out of it on purpose.
    copied: usize,
    out: String,
    /// The members met so far in every object that is still open, outermost first.
    members: Vec<Member>,
    /// Members that a later one replaces. They stay in `out`; whoever finds any must scan again.
    cuts: Vec<Range<usize>>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            copied: 0,
            out: String::with_capacity(text.len()),
            members: Vec::new(),
            cuts: Vec::new(),
        }
    }

    /// An object at the top, its underscored members not copied but returned.
    fn document(&mut self) -> Result<Vec<(String, String)>, JsonError> {
        let mut taken = Vec::new();
        let mut escaped = false;
        let mut more = self.open(b'}');
        while more {
            let start = self.at;
            escaped |= self.string()?;
            let name_end = self.at;
            let mut member = Member { start, name_end, end: 0 };
            let name = unescape(member.name(self.text));
            if name.starts_with('_') {
                self.copy_up_to(start);
                let kept = self.out.len();
                self.colon()?;
                self.leave_out(kept);
                self.value(1)?;
                self.copy_up_to(self.at);
                taken.push((name.into_owned(), self.out.split_off(kept)));
                more = self.next(b'}')?;
                self.leave_out(kept);
            } else {
                self.colon()?;
                self.value(1)?;
                more = self.next(b'}')?;
            }
            member.end = self.at;
            self.members.push(member);
        }
        cut_replaced(self.text, &self.members, escaped, &mut self.cuts);
        self.close_body();
        Ok(taken)
    }

    /// The closing brace of the body, where the last member took the real one with it.
    fn close_body(&mut self) {
        self.copy_up_to(self.at);
        if !self.out.ends_with('}') {
            if self.out.ends_with(',') {
                self.out.pop();
            }
            self.out.push('}');
        }
        // Inline attachments are often most of the text, and the body may wait long for its writer.
        if self.out.len() < self.out.capacity() / 2 {
            self.out.shrink_to_fit();
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'{' | b'[' if depth == DEPTH_MAX => Err(JsonError::Depth),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(self.expected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let outer = self.members.len();
        let mut escaped = false;
        let mut more = self.open(b'}');
        while more {
            let start = self.at;
            escaped |= self.string()?;
            let name_end = self.at;
            self.colon()?;
            self.value(depth)?;
            more = self.next(b'}')?;
            self.members.push(Member { start, name_end, end: self.at });
        }
        cut_replaced(self.text, &self.members[outer..], escaped, &mut self.cuts);
        self.members.truncate(outer);
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let mut more = self.open(b']');
        while more {
            self.value(depth)?;
            more = self.next(b']')?;
        }
        Ok(())
    }

    /// An opening bracket and the space behind it, and `close` if that follows: then there is no
    /// more to come.
    fn open(&mut self, close: u8) -> bool {
        self.at += 1;
        self.space();
        let more = self.peek() != close;
        self.at += usize::from(!more);
        more
    }

    /// Space and a comma with the space behind it, or `close`: then there is no more to come.
    #[inline]
    fn next(&mut self, close: u8) -> Result<bool, JsonError> {
        self.space();
        let byte = self.peek();
        if byte == b',' {
            self.at += 1;
            self.space();
            Ok(true)
        } else if byte == close {
            self.at += 1;
            Ok(false)
        } else {
            Err(self.expected("a comma or the end of the array or object"))
        }
    }

    /// A colon and the space around it.
    #[inline]
    fn colon(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.peek() != b':' {
            return Err(self.expected("a colon"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Nothing but space up to the end of the text.
    fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.at < self.text.len() {
            return Err(self.expected("the end of the text"));
        }
        self.copy_up_to(self.at);
        Ok(())
    }

    /// White space, possibly none; it is not copied.
    #[inline]
    fn space(&mut self) {
        if self.peek() <= b' ' {
            self.some_space();
        }
    }

    fn some_space(&mut self) {
        self.copy_up_to(self.at);
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        self.copied = self.at;
    }

    fn copy_up_to(&mut self, end: usize) {
        self.out.push_str(&self.text[self.copied..end]);
        self.copied = end;
    }

    /// Takes back what was copied beyond `kept` bytes, and copies nothing more of the text so far.
    fn leave_out(&mut self, kept: usize) {
        self.out.truncate(kept);
        self.copied = self.at;
    }

    /// The next byte; at the end of the text a zero, which is valid nowhere.
    #[inline]
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    #[cold]
    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { offset: self.at, expected }
    }
}
