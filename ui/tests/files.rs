//! What holds of the pages' files, whatever is in them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ui::{FILES, File};

/// What all pages may weigh together, in bytes.
const BYTES_MAX: usize = 150_000;

/// What one file may.
const FILE_BYTES_MAX: usize = 16_000;

/// What makes code or elements of text.
const FORBIDDEN: [&str; 12] = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "createContextualFragment",
    "DOMParser",
    "setHTML",
    "eval(",
    "new Function",
    "javascript:",
    "import(",
    "//# source",
];

fn text(file: &File) -> &str {
    std::str::from_utf8(file.bytes).unwrap()
}

fn of_type(content_type: &str) -> impl Iterator<Item = &'static File> {
    FILES.iter().filter(move |file| file.content_type.starts_with(content_type))
}

#[test]
fn all_pages_together_are_light() {
    let bytes: usize = FILES.iter().map(|file| file.bytes.len()).sum();
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
    for file in FILES {
        assert!(file.bytes.len() < FILE_BYTES_MAX, "{}: {} bytes", file.name, file.bytes.len());
        assert!(!file.bytes.is_empty(), "{}", file.name);
    }
}

#[test]
fn the_table_has_every_file_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
    let (mut there, mut folders) = (BTreeSet::new(), vec![folder.clone()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => _ = there.insert(path.strip_prefix(&folder).unwrap().to_owned()),
            }
        }
    }
    let listed: BTreeSet<PathBuf> = FILES.iter().map(|file| PathBuf::from(file.name)).collect();
    assert_eq!(there, listed, "left: the folder, right: the table");
    assert_eq!(listed.len(), FILES.len(), "a file is in the table twice");
    assert!(ui::find("index.html").is_some() && ui::find("../src/lib.rs").is_none());
}

#[test]
fn no_text_becomes_html_or_code() {
    for file in FILES {
        for word in FORBIDDEN {
            assert!(!text(file).contains(word), "{}: {word}", file.name);
        }
    }
    for file in of_type("text/javascript").filter(|file| file.name != "dom.js") {
        // What is saved to a file is a link that nobody sees, what is drawn a canvas.
        let made = text(file).matches("createElement").count();
        let expected = usize::from(["api.js", "camera.js"].contains(&file.name));
        assert_eq!(made, expected, "{}: elements are made by dom.js", file.name);
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for file in FILES {
        let text = text(file).replace("http://www.w3.org/2000/svg", "");
        for word in ["http://", "https://", "//cdn", "@import", "url("] {
            assert!(!text.contains(word), "{}: {word}", file.name);
        }
    }
}

#[test]
fn the_document_holds_no_script_and_no_style() {
    let page = text(ui::find("index.html").unwrap());
    let scripts: Vec<&str> = page.split("<script ").skip(1).collect();
    let is_empty = |rest: &&str| {
        let (tag, behind) = rest.split_once('>').unwrap();
        tag.contains("src=\"") && behind.starts_with("</script>")
    };
    assert!(scripts.len() == page.matches("<script").count() && scripts.iter().all(is_empty));
    assert!(!page.contains("<style") && !page.contains("style=\""), "{page}");
    let handlers = page.split_whitespace().filter(|word| word.starts_with("on"));
    assert_eq!(handlers.filter(|word| word.contains('=')).count(), 0);
}
