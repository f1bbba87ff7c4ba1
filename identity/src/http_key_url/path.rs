//! What follows the key in a URL.

/// What follows a URL's key cannot be a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A question belongs to a request, not to the name of a database.
    #[error("an httpkey URL has no query")]
    Query,
    /// Nothing is within what it names.
    #[error("an httpkey URL has no fragment")]
    Fragment,
    /// Only escaped could it stand there.
    #[error("the URL's path has characters that have to be escaped")]
    Character,
    /// A percent sign without two hexadecimal digits behind it.
    #[error("the URL's path has a broken percent escape")]
    Escape,
    /// Two slashes in a row.
    #[error("the URL's path has an empty segment")]
    EmptySegment,
    /// A segment that means another place.
    #[error("the URL's path has a segment . or ..")]
    DotSegment,
}

/// The one way to write this path, which has no slash before it: escapes in upper case, and only of
/// characters that need one or mean something else without.
pub(super) fn canonical(path: &str) -> Result<String, PathError> {
    let mut written = String::with_capacity(path.len() + 1);
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathError::EmptySegment);
        }
        written.push('/');
        let start = written.len();
        write_segment(&mut written, segment)?;
        if matches!(written.get(start..), Some("." | "..")) {
            return Err(PathError::DotSegment);
        }
    }
    Ok(written)
}

fn write_segment(written: &mut String, segment: &str) -> Result<(), PathError> {
    let mut rest = segment.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2).ok_or(PathError::Escape)?;
                rest = behind;
                write_byte(written, decode(digits).ok_or(PathError::Escape)?);
            }
            b'?' => return Err(PathError::Query),
            b'#' => return Err(PathError::Fragment),
            _ if is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte) => {
                written.push(char::from(byte));
            }
            _ => return Err(PathError::Character),
        }
    }
    Ok(())
}

fn decode(digits: &[u8]) -> Option<u8> {
    let decoded = data_encoding::HEXUPPER_PERMISSIVE.decode(digits).ok()?;
    decoded.first().copied()
}

/// Writes a byte that was escaped.
fn write_byte(written: &mut String, byte: u8) {
    if is_unreserved(byte) {
        written.push(char::from(byte));
    } else {
        written.push('%');
        data_encoding::HEXUPPER.encode_append(&[byte], written);
    }
}

/// Whether a character means the same with and without an escape.
///
/// Source: RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
