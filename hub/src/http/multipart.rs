//! Bodies of several parts: their boundary, and a parser that holds none of them.
//!
//! Source: RFC 2046 §5.1. Lines end in CR LF and nothing else.

use super::HttpError;

/// Bytes of one part's headers.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Headers of one part.
const HEADERS_MAX: usize = 32;

/// Bytes before the first boundary.
const PREAMBLE_BYTES_MAX: usize = 16 * 1024;

/// White space between a boundary and the end of its line.
const PADDING_BYTES_MAX: usize = 64;

/// Characters of a boundary, as RFC 2046 has it.
const BOUNDARY_BYTES_MAX: usize = 70;

/// A body that is not what its boundary says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MultipartError {
    /// The content type names no boundary, or one that cannot be.
    #[error("multipart without a valid boundary")]
    Boundary,
    /// Too much before the first boundary.
    #[error("multipart body does not begin with its boundary")]
    Preamble,
    /// A boundary with something behind it on its line.
    #[error("multipart boundary is not on a line of its own")]
    Delimiter,
    /// Headers that are none, or too many.
    #[error("multipart part has invalid headers")]
    Headers,
    /// The body ended before the closing boundary.
    #[error("multipart body ends before its closing boundary")]
    Unfinished,
}

impl From<MultipartError> for HttpError {
    fn from(error: MultipartError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

/// What stands between parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Boundary(String);

impl Boundary {
    /// One that no content has.
    pub(crate) fn random() -> Result<Self, HttpError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| HttpError::Internal {
            action: "make a boundary",
            cause: error.to_string(),
        })?;
        Ok(Self(format!("{:032x}", u128::from_le_bytes(bytes))))
    }

    /// The boundary of this content type when it is of `media_type`, else `None`.
    pub(crate) fn of(content_type: &str, media_type: &str) -> Result<Option<Self>, MultipartError> {
        let (given, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !given.trim().eq_ignore_ascii_case(media_type) {
            return Ok(None);
        }
        let boundary = parameter(parameters, "boundary").ok_or(MultipartError::Boundary)?;
        let printable = boundary.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if boundary.is_empty()
            || boundary.len() > BOUNDARY_BYTES_MAX
            || boundary.ends_with(' ')
            || !printable
        {
            return Err(MultipartError::Boundary);
        }
        Ok(Some(Self(boundary)))
    }

    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A parameter of a header, its quotes undone.
fn parameter(mut parameters: &str, wanted: &str) -> Option<String> {
    loop {
        let (name, rest) = parameters.split_once('=')?;
        let rest = rest.trim_start();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (value, rest) = rest.split_once(';').unwrap_or((rest, ""));
                (value.trim_end().to_owned(), rest)
            }
        };
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        parameters = rest;
    }
}

/// What stands before the closing quote, and what behind it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// The headers of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartHeaders(Vec<(String, String)>);

impl PartHeaders {
    fn parse(block: &[u8]) -> Result<Self, MultipartError> {
        let block = std::str::from_utf8(block).map_err(|_| MultipartError::Headers)?;
        let lines = block.split("\r\n").filter(|line| !line.is_empty());
        let header = |line: &str| {
            let (name, value) = line.split_once(':').ok_or(MultipartError::Headers)?;
            let token = |byte: u8| byte.is_ascii_graphic();
            if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
                return Err(MultipartError::Headers);
            }
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.map(header).collect::<Result<_, _>>()?;
        if headers.len() > HEADERS_MAX { Err(MultipartError::Headers) } else { Ok(Self(headers)) }
    }

    /// The header of this name, in small letters.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The names of the field and of the file that a form's `Content-Disposition` gives.
    pub(crate) fn field(&self) -> [Option<String>; 2] {
        let parameters = self.find("content-disposition").and_then(|text| text.split_once(';'));
        ["name", "filename"].map(|wanted| parameter(parameters?.1, wanted))
    }

    /// The file name in `Content-Disposition`, which CouchDB writes with no escapes, and others
    /// with.
    pub(crate) fn file_names(&self) -> Option<[String; 2]> {
        let disposition = self.find("content-disposition")?;
        let (_, parameters) = disposition.split_once(';')?;
        let escaped = parameter(parameters, "filename")?;
        let verbatim = disposition.split_once("filename=\"").map(|(_, quoted)| quoted);
        let verbatim = verbatim.and_then(|quoted| quoted.strip_suffix('"'));
        Some([verbatim.map_or_else(|| escaped.clone(), str::to_owned), escaped])
    }
}

/// What comes in of a body, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A part begins.
    Begin(PartHeaders),
    /// Bytes of it.
    Data(&'a [u8]),
    /// It ends.
    End,
}

/// Takes a body apart, in whatever pieces it comes; holds at most one part's headers.
#[derive(Debug)]
pub(crate) struct Parser {
    /// CR LF, two hyphens, boundary.
    delimiter: Vec<u8>,
    /// What could not be judged yet.
    held: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary; so many bytes were passed over.
    Preamble(usize),
    /// Right behind a boundary.
    Delimiter,
    Headers,
    Data,
    Epilogue,
}

/// How far the beginning of some bytes could be judged.
enum Judged {
    /// So many bytes are used up, and this comes next.
    Used(usize, State),
    /// So many bytes are used up; the rest must wait for more.
    Waits(usize),
}

impl Parser {
    /// For a body with this boundary.
    pub(crate) fn new(boundary: &Boundary) -> Self {
        // The first boundary needs no line before it: the body begins as if there were one.
        let delimiter = format!("\r\n--{}", boundary.0).into_bytes();
        Self { delimiter, held: b"\r\n".to_vec(), state: State::Preamble(0) }
    }

    /// Takes the next bytes and says what they hold.
    pub(crate) fn feed<E: From<MultipartError>>(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut input = std::mem::take(&mut self.held);
        input.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            match self.judge(&input[at..], &mut take)? {
                Judged::Used(used, state) => {
                    at += used;
                    self.state = state;
                }
                Judged::Waits(used) => {
                    self.held = input.split_off(at + used);
                    return Ok(());
                }
            }
        }
    }

    /// Ends the body.
    pub(crate) fn finish(self) -> Result<(), MultipartError> {
        match self.state {
            State::Epilogue => Ok(()),
            _ => Err(MultipartError::Unfinished),
        }
    }

    fn judge<E: From<MultipartError>>(
        &self,
        input: &[u8],
        take: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Judged, E> {
        match self.state {
            State::Preamble(passed) => {
                let (before, found) = self.find_delimiter(input);
                if passed + before > PREAMBLE_BYTES_MAX {
                    return Err(MultipartError::Preamble.into());
                }
                Ok(match (found, before) {
                    (true, _) => Judged::Used(before + self.delimiter.len(), State::Delimiter),
                    (false, 0) => Judged::Waits(0),
                    (false, _) => Judged::Used(before, State::Preamble(passed + before)),
                })
            }
            State::Delimiter => Ok(after_delimiter(input)?),
            State::Headers => {
                let Some(length) = headers_length(input) else {
                    if input.len() > HEADER_BYTES_MAX {
                        return Err(MultipartError::Headers.into());
                    }
                    return Ok(Judged::Waits(0));
                };
                if length > HEADER_BYTES_MAX {
                    return Err(MultipartError::Headers.into());
                }
                take(Event::Begin(PartHeaders::parse(&input[..length])?))?;
                Ok(Judged::Used(length, State::Data))
            }
            State::Data => {
                let (before, found) = self.find_delimiter(input);
                if before > 0 {
                    take(Event::Data(&input[..before]))?;
                }
                if found {
                    take(Event::End)?;
                    return Ok(Judged::Used(before + self.delimiter.len(), State::Delimiter));
                }
                Ok(Judged::Waits(before))
            }
            State::Epilogue => Ok(Judged::Waits(input.len())),
        }
    }

    /// How many bytes stand before the delimiter, or before what may become it; and whether it is
    /// there in full.
    fn find_delimiter(&self, input: &[u8]) -> (usize, bool) {
        let mut from = 0;
        while let Some(found) = input[from..].iter().position(|&byte| byte == b'\r') {
            let at = from + found;
            let rest = &input[at..];
            if rest.starts_with(&self.delimiter) {
                return (at, true);
            }
            if self.delimiter.starts_with(rest) {
                return (at, false);
            }
            from = at + 1;
        }
        (input.len(), false)
    }
}

/// Behind a boundary: two hyphens end the body, the end of the line begins a part.
fn after_delimiter(input: &[u8]) -> Result<Judged, MultipartError> {
    if input.starts_with(b"--") {
        return Ok(Judged::Used(2, State::Epilogue));
    }
    let padding = input.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if padding > PADDING_BYTES_MAX {
        return Err(MultipartError::Delimiter);
    }
    match &input[padding..] {
        [b'\r', b'\n', ..] => Ok(Judged::Used(padding + 2, State::Headers)),
        [] | [b'\r'] => Ok(Judged::Waits(0)),
        [b'-'] if padding == 0 => Ok(Judged::Waits(0)),
        _ => Err(MultipartError::Delimiter),
    }
}

/// Length of a block of headers with the empty line that ends it.
fn headers_length(input: &[u8]) -> Option<usize> {
    if input.starts_with(b"\r\n") {
        return Some(2);
    }
    input.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests;
