//! Documents and code say the same, and the house rules hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

const RUST_LINES_MAX: usize = 600;

/// What `.gitignore` names, and git's own.
const UNTRACKED: [&str; 3] = [".git", "target", "node_modules"];

#[test]
fn the_table_of_arrows_agrees_with_the_manifests() {
    let documented = documented_arrows(&read("docs/architecture.md"));
    assert!(!documented.is_empty(), "docs/architecture.md has no table `| crate | depends on |`");
    assert_eq!(documented, actual_arrows(), "left: docs/architecture.md, right: the manifests");
}

/// Every `file.rs` that the page names is there, and every test that follows it is in it.
#[test]
fn the_page_of_threats_names_tests_that_are_there() {
    let page = read("docs/threats.md");
    let mut file: Option<String> = None;
    let (mut tests, mut missing) = (0, Vec::new());
    for word in page.split('`').skip(1).step_by(2) {
        if word.ends_with(".rs") {
            let places = [format!("tests/tests/{word}"), word.to_owned()];
            let place = places.iter().find(|place| workspace().join(place).is_file());
            file = place.map(|place| read(Path::new(place)));
            if file.is_none() {
                missing.push(word.to_owned());
            }
        } else if word.contains('_')
            && word.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b))
        {
            tests += 1;
            let there = file.as_ref().is_some_and(|text| text.contains(&format!("fn {word}()")));
            if !there {
                missing.push(word.to_owned());
            }
        }
    }
    assert!(tests > 30, "docs/threats.md names {tests} tests");
    assert!(missing.is_empty(), "docs/threats.md names what is not there: {missing:?}");
}

/// A name that ends with `.onion` cannot get to the one place of the hub that looks names up.
#[test]
fn the_hub_looks_names_up_in_one_place() {
    let ways =
        ["TcpStream::connect", "lookup_host", "to_socket_addrs", "ToSocketAddrs", "UdpSocket"];
    let hub = files().into_iter().filter(|path| path.starts_with("hub/src"));
    let looks_up = |path: &PathBuf| ways.iter().any(|way| read(path).contains(way));
    let places: Vec<_> = hub.filter(looks_up).collect();
    assert_eq!(places, [Path::new("hub/src/replicate/destination.rs")]);
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = read("README.md");
    for command in ["cargo run --release", "cargo xtask test"] {
        assert!(readme.contains(command), "README.md does not mention `{command}`");
    }
}

#[test]
fn the_changelog_has_an_unreleased_section() {
    assert!(read("CHANGELOG.md").lines().any(|line| line.trim() == "## [Unreleased]"));
}

#[test]
fn no_rust_file_is_too_long() {
    let long = files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let long = long.map(|path| (read(&path).lines().count(), path));
    let long: Vec<_> = long.filter(|(lines, _)| *lines > RUST_LINES_MAX).collect();
    assert!(long.is_empty(), "over {RUST_LINES_MAX} lines: {long:?}");
}

#[test]
fn nothing_names_a_folder_of_somebodys_machine() {
    let mut found = Vec::new();
    for path in files() {
        // What is not text names no folders.
        let Ok(text) = fs::read_to_string(workspace().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if names_a_private_folder(line) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "absolute paths:\n{}", found.join("\n"));
}

#[test]
fn private_folders_are_told_from_ends_of_paths() {
    // Put together here, so that this file may be read as well.
    for folder in ["work", "root", "home"] {
        for line in [format!("cd /{folder}/x"), format!("\"/{folder}/x\""), format!("=/{folder}/")]
        {
            assert!(names_a_private_folder(&line), "{line}");
        }
        for line in [format!("net/{folder}/x"), format!("{folder}/x"), format!("../{folder}/x")] {
            assert!(!names_a_private_folder(&line), "{line}");
        }
    }
}

/// crate → crates of ours that it depends on.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The table with the header `| crate | depends on |`.
fn documented_arrows(page: &str) -> Arrows {
    let rows = page.lines().skip_while(|line| cells(line) != ["crate", "depends on"]);
    rows.skip(2)
        .map_while(|line| match cells(line).as_slice() {
            [name, needs] => Some((name.clone(), list(needs))),
            _ => None,
        })
        .collect()
}

/// A table row's cells; none when the line is no row.
fn cells(line: &str) -> Vec<String> {
    let Some(inside) = line.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|')) else {
        return Vec::new();
    };
    inside.split('|').map(|cell| cell.replace('`', "").trim().to_owned()).collect()
}

fn list(cell: &str) -> BTreeSet<String> {
    if cell == "nothing of ours" {
        return BTreeSet::new();
    }
    cell.split(',').map(|name| name.trim().to_owned()).collect()
}

/// What the manifests say, dependencies of tests and build scripts included.
fn actual_arrows() -> Arrows {
    let workspace = manifest("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().into_iter().flatten();
    let members = members.filter_map(Value::as_str);
    let manifests: Vec<_> =
        members.map(|path| manifest(Path::new(path).join("Cargo.toml"))).collect();
    let names: Vec<_> = manifests.iter().map(package_name).collect();
    let needs = |manifest: &Table| {
        ["dependencies", "dev-dependencies", "build-dependencies"]
            .iter()
            .filter_map(|kind| manifest.get(*kind)?.as_table())
            .flat_map(Table::keys)
            .filter(|name| names.contains(name))
            .cloned()
            .collect()
    };
    manifests.iter().map(|manifest| (package_name(manifest), needs(manifest))).collect()
}

fn package_name(manifest: &Table) -> String {
    manifest["package"]["name"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn manifest(path: impl AsRef<Path>) -> Table {
    match read(&path).parse() {
        Ok(table) => table,
        Err(error) => panic!("{}: {error}", path.as_ref().display()),
    }
}

fn names_a_private_folder(line: &str) -> bool {
    ["work", "root", "home"].iter().any(|folder| {
        let path = format!("/{folder}/");
        line.match_indices(&path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| !(before.is_alphanumeric() || "._-/}>)*".contains(before)))
        })
    })
}

/// Every file of the repository, relative to its root.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(workspace().join(&folder)) {
            Ok(entries) => entries,
            Err(error) => panic!("{}: {error}", folder.display()),
        };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            if UNTRACKED.iter().any(|name| *name == entry.file_name()) {
                continue;
            }
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|end| end != "log") {
                found.push(path);
            }
        }
    }
    found
}

#[track_caller]
fn read(path: impl AsRef<Path>) -> String {
    let path = workspace().join(path);
    match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
