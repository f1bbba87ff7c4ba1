//! What a client takes: the headers `Accept` and `Accept-Encoding`.

use http::{HeaderMap, header};

/// Whether a client says that it takes gzip.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any) = (None, None);
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, quality) = weighed(coding);
        match name.as_str() {
            "gzip" | "x-gzip" => gzip = Some(quality),
            "*" => any = Some(quality),
            _ => {}
        }
    }
    gzip.or(any).is_some_and(|quality| quality > 0.0)
}

/// A name in small letters and its quality, from 0 to 1.
fn weighed(text: &str) -> (String, f32) {
    let mut parameters = text.split(';').map(str::trim);
    let name = parameters.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parameters.find_map(|text| text.strip_prefix("q="));
    (name, quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)))
}

/// Whether a client names this multipart type (or `multipart/*`) and does not like JSON as much.
/// Who takes anything gets JSON.
pub(crate) fn prefers(headers: &HeaderMap, media_type: &str) -> bool {
    let (mut parts, mut json) = (0.0_f32, 0.0_f32);
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let (name, quality) = weighed(range);
        match name.as_str() {
            "multipart/*" => parts = parts.max(quality),
            "application/json" | "application/*" => json = json.max(quality),
            name if name == media_type => parts = parts.max(quality),
            _ => {}
        }
    }
    parts > json
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(accept: &'static str, expected: bool) {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        assert_eq!(prefers(&headers, "multipart/mixed"), expected, "{accept}");
    }

    #[test]
    fn json_unless_parts_are_named() {
        for parts in [
            "multipart/mixed",
            "Multipart/Mixed, */*",
            "multipart/*",
            "application/json;q=0.5, multipart/mixed",
        ] {
            check(parts, true);
        }
        for json in [
            "",
            "*/*",
            "application/json",
            "application/json, multipart/mixed",
            "multipart/mixed;q=0.5, application/json",
            "multipart/mixed; q=0",
            "multipart/related",
        ] {
            check(json, false);
        }
        assert!(!prefers(&HeaderMap::new(), "multipart/mixed"));
    }

    #[test]
    fn gzip() {
        let check = |value: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(takes_gzip(&headers), expected, "{value}");
        };
        for yes in ["gzip", "br, GZIP;q=0.1", "*", "deflate, *;q=0.5", "x-gzip"] {
            check(yes, true);
        }
        for no in ["", "identity", "gzip;q=0", "*;q=0", "gzip;q=0, *", "br"] {
            check(no, false);
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
