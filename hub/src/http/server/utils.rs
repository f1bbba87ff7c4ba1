//! `/_utils`: the pages of Fauxton, where `larder.toml` names a directory of them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::http::call::blocking;
use crate::http::location::base;
use crate::http::pieces::pieces;
use crate::http::{Call, HttpError, Reply, body};

/// Bytes read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// What pages may load: CouchDB's default for Fauxton, which compiles templates as it runs.
const POLICY: HeaderValue = HeaderValue::from_static(
    "child-src 'self' data: blob:; default-src 'self'; img-src 'self' data:; font-src 'self'; \
     script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';",
);

const CACHING: HeaderValue = HeaderValue::from_static("private, must-revalidate");

/// What is shown where there are no pages.
const NO_PAGES: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n\
    <title>Larder</title>\n<h1>Larder</h1>\n\
    <p>The hub's own pages open by the link that <code>larder open</code> prints.\n\
    <p>CouchDB's administration interface, Fauxton, can be served here: download the npm package\n\
    <code>fauxton</code>, and name its folder in <code>larder.toml</code>:\n\
    <pre>[http]\nutils_dir = \"/path/to/fauxton/dist/release\"</pre>\n\
    <p>Log in there with the name and token that <code>larder url</code> prints.\n</html>\n";

/// `GET /_utils` and `GET /_utils/`
pub(crate) async fn index(call: Call) -> Result<Reply, HttpError> {
    if !call.captures.slash {
        // Relative addresses in the pages count on the slash.
        let mut reply = Response::new(body::whole(""));
        *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
        let place = format!("{}/_utils/", base(&call.headers));
        if let Ok(place) = HeaderValue::from_str(&place) {
            reply.headers_mut().insert(header::LOCATION, place);
        }
        return Ok(reply);
    }
    match call.app.utils_dir.clone() {
        Some(folder) => serve(folder, "index.html".into(), call.headers).await,
        None => Ok(shaped(body::whole(NO_PAGES), "text/html; charset=utf-8")),
    }
}

/// `GET /_utils/{rest}`
pub(crate) async fn file(call: Call) -> Result<Reply, HttpError> {
    let folder = call.app.utils_dir.clone().ok_or(MISSING)?;
    serve(folder, call.captures.att, call.headers).await
}

/// `GET /favicon.ico`
pub(crate) async fn icon(call: Call) -> Result<Reply, HttpError> {
    let folder = call.app.utils_dir.clone().ok_or(MISSING)?;
    serve(folder, "favicon.ico".into(), call.headers).await
}

const MISSING: HttpError = HttpError::NotFound("missing");

async fn serve(folder: PathBuf, name: String, headers: HeaderMap) -> Result<Reply, HttpError> {
    let content_type = content_type(&name);
    let (file, length, modified) = blocking(move || open(&folder, &name).ok_or(MISSING)).await?;
    let dated = httpdate::fmt_http_date(modified);
    if headers.get(header::IF_MODIFIED_SINCE).is_some_and(|since| since == dated.as_str()) {
        let mut reply = shaped(body::whole(""), content_type);
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(reply);
    }
    let body = pieces(file.take(length), |file| {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
        let read = read.map_err(|error| HttpError::Internal {
            action: "read a page",
            cause: error.to_string(),
        })?;
        Ok((read > 0).then_some(piece))
    });
    let mut reply = shaped(body, content_type);
    reply.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    if let Ok(dated) = HeaderValue::from_str(&dated) {
        reply.headers_mut().insert(header::LAST_MODIFIED, dated);
    }
    Ok(reply)
}

/// Opens a file within the folder, wherever links lead; its length, and when it was changed.
fn open(folder: &Path, name: &str) -> Option<(File, u64, SystemTime)> {
    let plain = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', '\0'])
    };
    if !name.split('/').all(plain) {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let path = folder.join(name).canonicalize().ok()?;
    if !path.starts_with(&folder) {
        return None;
    }
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((file, metadata.len(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
}

fn shaped(body: body::Body, content_type: &'static str) -> Reply {
    let mut reply = Response::new(body);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, CACHING);
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit('.').next().unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "eot" => "application/vnd.ms-fontobject",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_folder_is_opened() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("pages");
        std::fs::create_dir_all(folder.join("css")).unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        std::fs::write(folder.join(".hidden"), "h").unwrap();
        std::fs::write(folder.join("css/a.css"), "abc").unwrap();
        std::os::unix::fs::symlink(outer.path().join("secret"), folder.join("link")).unwrap();
        std::os::unix::fs::symlink("css/a.css", folder.join("inside")).unwrap();
        let length = |name: &str| open(&folder, name).map(|(_, length, _)| length);
        assert_eq!(length("css/a.css"), Some(3));
        assert_eq!(length("inside"), Some(3));
        for bad in [
            "",
            "css",
            "css/",
            "/css/a.css",
            "link",
            "../secret",
            "css/../../secret",
            ".hidden",
            "css\\a.css",
            "none",
            "css/a.css/",
            "css//a.css",
            "a\0",
        ] {
            assert_eq!(length(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn types_follow_the_ending() {
        assert_eq!(content_type("a/b.JS"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("x.min.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("README"), "application/octet-stream");
    }
}
