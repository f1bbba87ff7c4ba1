use proptest::prelude::*;

use super::*;

type Parts = Vec<(PartHeaders, Vec<u8>)>;

fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Parts, MultipartError> {
    let mut parser = Parser::new(&Boundary("b".into()));
    let mut parts = Parts::new();
    for piece in pieces {
        parser.feed(piece, |event| {
            match event {
                Event::Begin(headers) => parts.push((headers, Vec::new())),
                Event::Data(bytes) => {
                    assert!(!bytes.is_empty(), "data without bytes");
                    parts.last_mut().unwrap().1.extend_from_slice(bytes);
                }
                Event::End => {}
            }
            Ok::<_, MultipartError>(())
        })?;
    }
    parser.finish().map(|()| parts)
}

fn check(body: &str, expected: &str) {
    let shown = match parse([body.as_bytes()]) {
        Err(error) => format!("{error:?}"),
        Ok(parts) => {
            let part = |(PartHeaders(headers), data): (PartHeaders, Vec<u8>)| {
                let headers: Vec<_> = headers.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("[{}]{}", headers.join(","), String::from_utf8(data).unwrap())
            };
            parts.into_iter().map(part).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(shown, expected, "{body:?}");
}

#[test]
fn parts() {
    check("--b\r\nA: 1\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--", "[a=1]x []y");
    check("--b\r\nA: 1\r\n\r\n\r\n--b--\r\nepilogue --b", "[a=1]");
    check("preamble\r\n--b \t\r\n\r\nx\r\n--b--", "[]x");
    check(
        "--b\r\nA:1\r\nB-c:  two words \r\n\r\nx\r\n--c\r\n-\r\n--b--",
        "[a=1,b-c=two words]x\r\n--c\r\n-",
    );
    check("--b--", "");
    check("\r\n--b\r\n\r\n\r\r\n--\r\r\n--b--", "[]\r\r\n--\r");
}

#[test]
fn faults() {
    for unfinished in
        ["", "--", "--b", "--b-", "--b\r\nA: 1", "--b\r\n\r\nx", "--b\r\n\r\nx\r\n--b\r\n"]
    {
        check(unfinished, "Unfinished");
    }
    check("--bc\r\n\r\nx\r\n--b--", "Delimiter");
    check("--b\n\nx\n--b--", "Delimiter");
    check(&format!("--b{}\r\n\r\n\r\n--b--", " ".repeat(65)), "Delimiter");
    check("--b\r\nno colon\r\n\r\nx\r\n--b--", "Headers");
    check("--b\r\n: x\r\n\r\nx\r\n--b--", "Headers");
    check("--b\r\nA: 1\r\n folded: x\r\n\r\nx\r\n--b--", "Headers");
    check(&format!("--b\r\n{}\r\nx\r\n--b--", "A: 1\r\n".repeat(33)), "Headers");
    check(&format!("--b\r\nA: {}", "x".repeat(HEADER_BYTES_MAX)), "Headers");
    check(&"x".repeat(PREAMBLE_BYTES_MAX + 1), "Preamble");
    assert_eq!(parse([&b"--b\r\nA: \xff\r\n\r\nx\r\n--b--"[..]]), Err(MultipartError::Headers));
}

#[test]
fn boundaries() {
    let boundary = |text: &str| match Boundary::of(text, "multipart/related") {
        Ok(Some(boundary)) => boundary.0,
        Ok(None) => "other".into(),
        Err(error) => format!("{error:?}"),
    };
    for (content_type, expected) in [
        ("multipart/related; boundary=a", "a"),
        ("Multipart/Related ;type=\"x;boundary=y\"; Boundary=\"a b;\\\"c\" ; start=z", "a b;\"c"),
        ("multipart/related;boundary=\"--a\"", "--a"),
        ("multipart/related;x=1;boundary=a ;y=2", "a"),
        ("multipart/related2; boundary=a", "other"),
        ("application/json", "other"),
        ("multipart/related", "Boundary"),
        ("multipart/related; boundary=", "Boundary"),
        ("multipart/related; boundary=\"a", "Boundary"),
        ("multipart/related; boundary=\"a \"", "Boundary"),
        ("multipart/related; boundary=é", "Boundary"),
    ] {
        assert_eq!(boundary(content_type), expected, "{content_type}");
    }
    assert_eq!(boundary(&format!("multipart/related; boundary={}", "x".repeat(71))), "Boundary");
}

#[test]
fn file_names() {
    let names = |value: &str| {
        let headers = PartHeaders(vec![("content-disposition".into(), value.into())]);
        headers.file_names().map(|names| names.join("|"))
    };
    assert_eq!(names("attachment; filename=\"a/é.txt\"").unwrap(), "a/é.txt|a/é.txt");
    assert_eq!(names("attachment; filename=a").unwrap(), "a|a");
    assert_eq!(names("attachment; filename=\"a\\\"b\"").unwrap(), "a\\\"b|a\"b");
    assert_eq!(names("attachment; filename=\"a\"b\"").unwrap(), "a\"b|a");
    assert_eq!(names("attachment"), None);
}

/// Bytes that look like boundaries more often than chance has it.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(&b"\r\n"[..]),
        Just(&b"--b"[..]),
        Just(&b"\r\n--b\r\n"[..]),
        Just(&b"--"[..]),
        Just(&b"\r"[..]),
        Just(&b"A: 1"[..]),
        Just(&b"\xff"[..]),
        Just(&b"x"[..]),
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

fn cut<'a>(body: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = body;
    sizes.iter().cycle().map_while(move |&size| {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_parts(
        body in body(),
        sizes in prop::collection::vec(1..9_usize, 1..6),
    ) {
        prop_assert_eq!(parse(cut(&body, &sizes)), parse([body.as_slice()]));
    }

    #[test]
    fn what_was_written_is_read(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5),
        sizes in prop::collection::vec(1..20_usize, 1..6),
    ) {
        let mut body = Vec::new();
        for data in &contents {
            prop_assume!(!data.windows(5).any(|window| window == b"\r\n--b"));
            body.extend_from_slice(b"\r\n--b\r\nA: 1\r\n\r\n");
            body.extend_from_slice(data);
        }
        body.extend_from_slice(b"\r\n--b--");
        let parts = parse(cut(&body, &sizes)).unwrap();
        prop_assert_eq!(parts.into_iter().map(|(_, data)| data).collect::<Vec<_>>(), contents);
    }

    #[test]
    fn damage_is_a_fault_or_another_body(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut body = b"--b\r\nA: 1\r\n\r\nhello\r\n--b\r\nB: 2\r\n\r\nworld\r\n--b--".to_vec();
        *at.get_mut(&mut body) = byte;
        let _parsed = parse([body.as_slice()]);
        body.truncate(keep.index(body.len()));
        let _parsed = parse([body.as_slice()]);
    }
}
