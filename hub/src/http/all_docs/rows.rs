//! One row of a listing.

use serde_json::Value;
use store::json::write_string;
use store::{Error, Head, Local, Output, Show, Snapshot};

use crate::http::row::{write_number, write_rev};

/// A document's winner; deleted ones come only where their key was asked for.
pub(super) fn write_head(
    snapshot: &Snapshot<'_>,
    head: &Head,
    show: Option<&Show>,
    out: &mut Output,
) -> Result<(), Error> {
    let text = out.text();
    text.extend_from_slice(b"{\"id\":");
    let id = text.len();
    write_string(text, head.id.as_str());
    let id_end = text.len();
    text.extend_from_slice(b",\"key\":");
    text.extend_from_within(id..id_end);
    text.extend_from_slice(b",\"value\":{\"rev\":");
    write_rev(text, &head.rev);
    text.extend_from_slice(if head.deleted { b",\"deleted\":true}" } else { b"}" });
    match show {
        None => {}
        Some(_) if head.deleted => text.extend_from_slice(b",\"doc\":null"),
        Some(show) => {
            text.extend_from_slice(b",\"doc\":");
            snapshot.render_winner(head, show, out)?;
        }
    }
    out.text().push(b'}');
    Ok(())
}

/// A local document.
pub(super) fn write_local(local: &Local, show: bool, out: &mut Vec<u8>) {
    let id = local.id.to_string();
    out.extend_from_slice(b"{\"id\":");
    write_string(out, &id);
    out.extend_from_slice(b",\"key\":");
    write_string(out, &id);
    out.extend_from_slice(b",\"value\":{\"rev\":\"0-");
    write_number(out, local.rev);
    out.extend_from_slice(b"\"}");
    if show {
        out.extend_from_slice(b",\"doc\":{\"_id\":");
        write_string(out, &id);
        out.extend_from_slice(b",\"_rev\":\"0-");
        write_number(out, local.rev);
        out.push(b'"');
        // The stored text is an object: its members follow.
        if let Some(members) = local.json.strip_prefix('{').filter(|members| *members != "}") {
            out.push(b',');
            out.extend_from_slice(members.as_bytes());
        } else {
            out.push(b'}');
        }
    }
    out.push(b'}');
}

/// A key that names no document.
pub(super) fn write_not_found(key: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"key\":");
    match key {
        Value::String(text) => write_string(out, text),
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
    out.extend_from_slice(b",\"error\":\"not_found\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl Fn(&mut Vec<u8>), expected: &str) {
        let mut out = vec![];
        write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn local_documents() {
        let local =
            |json: &str| Local { id: "_local/a\"b".parse().unwrap(), rev: 3, json: json.into() };
        let row = r#"{"id":"_local/a\"b","key":"_local/a\"b","value":{"rev":"0-3"}"#;
        check(|out| write_local(&local("{}"), false, out), &format!("{row}}}"));
        let doc = r#""doc":{"_id":"_local/a\"b","_rev":"0-3""#;
        check(|out| write_local(&local("{}"), true, out), &format!("{row},{doc}}}}}"));
        check(
            |out| write_local(&local(r#"{"n":1.0}"#), true, out),
            &format!(r#"{row},{doc},"n":1.0}}}}"#),
        );
    }

    #[test]
    fn keys_without_documents() {
        let check = |key: Value, expected: &str| check(|out| write_not_found(&key, out), expected);
        check("é\n".into(), r#"{"key":"é\n","error":"not_found"}"#);
        check(serde_json::json!([1, "a"]), r#"{"key":[1,"a"],"error":"not_found"}"#);
    }
}
