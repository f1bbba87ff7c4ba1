//! The header `Accept`.

use http::{HeaderMap, header};

/// Whether a client names this multipart type (or `multipart/*`) and does not like JSON as much.
/// Who takes anything gets JSON.
pub(crate) fn prefers(headers: &HeaderMap, media_type: &str) -> bool {
    let (mut parts, mut json) = (0.0_f32, 0.0_f32);
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parameters = range.split(';').map(str::trim);
        let name = parameters.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parameters.find_map(|text| text.strip_prefix("q="));
        let quality = quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
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
}
