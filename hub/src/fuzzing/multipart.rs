//! Bodies of several parts.

use crate::http::multipart::{Boundary, Event, MultipartError, Parser};

/// Lines before the body: the content type.
const CONTENT_TYPE_BYTES_MAX: usize = 200;

/// A content type on the first line, a body behind it. However the body is cut, it has the same
/// parts; parts begin and end in turns; and what was written between boundaries comes out again.
///
/// # Panics
/// When that does not hold.
pub fn multipart(bytes: &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (content_type, body) = bytes.split_at(end.min(CONTENT_TYPE_BYTES_MAX));
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let content_type = std::str::from_utf8(content_type).unwrap_or_default();
    let boundary = match Boundary::of(content_type, "multipart/related") {
        Ok(Some(boundary)) => boundary,
        Ok(None) | Err(_) => match Boundary::of("m/r;boundary=b", "m/r") {
            Ok(Some(boundary)) => boundary,
            other => panic!("a plain boundary: {other:?}"),
        },
    };
    let whole = parse(&boundary, body, body.len().max(1));
    for piece in [1, 2, 5, 64] {
        assert_eq!(parse(&boundary, body, piece), whole, "in pieces of {piece}");
    }
    if let Ok(parts) = whole {
        for Part { file_names: _, data } in parts {
            let delimiter = format!("\r\n--{}", boundary.as_str());
            let holds = data.windows(delimiter.len()).any(|window| window == delimiter.as_bytes());
            assert!(!holds, "a part holds the boundary");
        }
    }
    written(&boundary, body);
}

/// A body that is made of any data, cut where it has a byte of 0, is taken apart as it was put
/// together.
fn written(boundary: &Boundary, data: &[u8]) {
    let delimiter = format!("\r\n--{}", boundary.as_str());
    let holds = |data: &[u8]| data.windows(delimiter.len()).any(|w| w == delimiter.as_bytes());
    let parts: Vec<&[u8]> = data.split(|&byte| byte == 0).take(8).collect();
    // A part whose end runs into what follows is found earlier than it was meant to be.
    if parts.iter().any(|part| {
        holds(&[part, delimiter.as_bytes()].concat()[..part.len() + delimiter.len() - 1])
    }) {
        return;
    }
    let mut body = Vec::new();
    for part in &parts {
        body.extend_from_slice(delimiter.as_bytes());
        body.extend_from_slice(b"\r\nA: b\r\n\r\n");
        body.extend_from_slice(part);
    }
    body.extend_from_slice(delimiter.as_bytes());
    body.extend_from_slice(b"--");
    let found = parse(boundary, &body, 3).expect("what was put together right");
    let found: Vec<&[u8]> = found.iter().map(|part| part.data.as_slice()).collect();
    assert_eq!(found, parts);
}

#[derive(Debug, PartialEq, Eq)]
struct Part {
    file_names: Option<[String; 2]>,
    data: Vec<u8>,
}

fn parse(boundary: &Boundary, body: &[u8], piece: usize) -> Result<Vec<Part>, MultipartError> {
    let mut parser = Parser::new(boundary);
    let mut parts: Vec<Part> = Vec::new();
    let mut open = false;
    for piece in body.chunks(piece) {
        parser.feed(piece, |event| {
            match event {
                Event::Begin(headers) => {
                    assert!(!std::mem::replace(&mut open, true), "a part within a part");
                    parts.push(Part { file_names: headers.file_names(), data: Vec::new() });
                }
                Event::Data(data) => {
                    assert!(open, "data of no part");
                    parts.last_mut().expect("an open part").data.extend_from_slice(data);
                }
                Event::End => assert!(std::mem::replace(&mut open, false), "no part ends"),
            }
            Ok::<(), MultipartError>(())
        })?;
    }
    parser.finish()?;
    assert!(!open, "finished within a part");
    Ok(parts)
}
