//! The header `Range`.

use super::HttpError;

/// What part of an attachment is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// One run of bytes.
    Part(Part),
    /// Several runs, in the order asked for.
    Parts(Vec<Part>),
}

/// A run of bytes within an attachment; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its first byte, counted from 0.
    pub(crate) first: u64,
    /// Its last byte.
    pub(crate) last: u64,
}

/// Runs answered in one request; whoever asks for more gets the whole, as in CouchDB.
const PARTS_MAX: usize = 9;

impl Part {
    /// How many bytes it has.
    pub(crate) fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

impl Wanted {
    /// Reads the header for an attachment of `length` bytes. What is no range of bytes asks for the
    /// whole, and so does `0-`.
    pub(crate) fn parse(range: &str, length: u64) -> Result<Self, HttpError> {
        let Some(ranges) = range.trim().strip_prefix("bytes=") else { return Ok(Self::Whole) };
        let mut parts = Vec::new();
        for range in ranges.split(',') {
            let Some((first, last)) = ends(range.trim()) else { return Ok(Self::Whole) };
            if (first, last) == (Some(0), None) {
                return Ok(Self::Whole);
            }
            match part(first, last, length) {
                Some(part) => parts.push(part),
                None => return Err(HttpError::RangeNotSatisfiable(length)),
            }
        }
        match parts.as_slice() {
            [part] => Ok(Self::Part(*part)),
            parts if parts.len() <= PARTS_MAX => Ok(Self::Parts(parts.to_vec())),
            _ => Ok(Self::Whole),
        }
    }
}

/// `first-last`, `first-` or `-suffix`.
fn ends(range: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| match text {
        "" => Some(None),
        _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        // Beyond 64 bits is beyond any attachment.
        _ => Some(Some(text.parse().unwrap_or(u64::MAX))),
    };
    let ends = (number(first)?, number(last)?);
    (ends != (None, None)).then_some(ends)
}

fn part(first: Option<u64>, last: Option<u64>, length: u64) -> Option<Part> {
    let end = length.checked_sub(1)?;
    let part = match (first, last) {
        (None, Some(suffix)) => Part { first: length.saturating_sub(suffix), last: end },
        (first, last) => Part { first: first.unwrap_or(0), last: last.unwrap_or(end).min(end) },
    };
    (part.first <= part.last).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, length: u64, expected: &str) {
        let part = |part: &Part| format!("{}-{}", part.first, part.last);
        let shown = match Wanted::parse(range, length) {
            Ok(Wanted::Whole) => "whole".to_owned(),
            Ok(Wanted::Part(one)) => part(&one),
            Ok(Wanted::Parts(parts)) => parts.iter().map(part).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{range} of {length}");
    }

    #[test]
    fn ranges() {
        check("bytes=0-4", 10, "0-4");
        check("bytes=5-", 10, "5-9");
        check("bytes=-3", 10, "7-9");
        check("bytes=-30", 10, "0-9");
        check("bytes=5-99999999999999999999999", 10, "5-9");
        check("bytes=0-0", 10, "0-0");
        check("bytes=0-1, 4-5,-1", 10, "0-1 4-5 9-9");
        check("bytes=0-", 10, "whole");
        check("bytes=0-,2-3", 10, "whole");
        check(&format!("bytes={}", ["1-2"; 10].join(",")), 10, "whole");
    }

    #[test]
    fn what_is_no_range_asks_for_the_whole() {
        for malformed in ["", "bytes", "bytes=", "bytes=x-y", "bytes=-", "items=0-1", "bytes=+1-2"]
        {
            check(malformed, 10, "whole");
        }
    }

    #[test]
    fn outside_the_attachment() {
        for outside in ["bytes=10-", "bytes=10-20", "bytes=5-4", "bytes=-0", "bytes=0-1,10-11"] {
            check(outside, 10, "Requested range not satisfiable");
        }
        check("bytes=0-0", 0, "Requested range not satisfiable");
        check("bytes=-5", 0, "Requested range not satisfiable");
    }
}
