//! The hub's pages: one HTML document, a stylesheet and plain modules, which use the HTTP API like any
//! client. Nothing is built, and nothing comes from elsewhere.

/// A file as it is served.
#[derive(Debug)]
pub struct File {
    /// Its path below `/_hub/ui/`.
    pub name: &'static str,
    /// What it is, as `Content-Type` says it.
    pub content_type: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($content_type:ident $($name:literal)+;)+) => {
        &[$($(File {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../static/", $name)),
        },)+)+]
    };
}

/// Every file of the pages.
pub static FILES: &[File] = files! {
    HTML "index.html";
    CSS "style.css" "parts.css";
    SVG "icon.svg";
    JS "main.js" "api.js" "dom.js" "format.js" "frame.js" "router.js" "feed.js" "live.js" "form.js" "dialog.js"
        "notice.js" "parts.js" "diff.js" "session.js" "share.js" "camera.js";
    JS "page/home.js" "page/people.js" "page/friend.js" "page/devices.js" "page/device.js" "page/pair.js"
        "page/databases.js" "page/database.js" "page/document.js" "page/overwritten.js" "page/edit.js" "page/decide.js"
        "page/apps.js" "page/storage.js" "page/budgets.js" "page/activity.js" "page/settings.js" "page/welcome.js";
};

/// The file of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}
