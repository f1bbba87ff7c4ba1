use super::*;

fn bounds(file_bytes_max: u64, files_max: usize) -> Bounds {
    Bounds {
        file_bytes_max: file_bytes_max.try_into().unwrap(),
        files_max: files_max.try_into().unwrap(),
    }
}

fn log(path: &Path, bounds: Bounds) -> LogFile {
    LogFile::open(path.into(), bounds).unwrap()
}

fn write(log: &LogFile, line: &str) {
    log.make_writer().write_all(line.as_bytes()).unwrap();
}

/// What lies in a folder, by name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn check(folder: &Path, expected: &[(&str, &str)]) {
    let found = files(folder);
    let found: Vec<_> = found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_full_file_is_moved_away_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder.path().join("a.log"), bounds(12, 3));
    for line in ["one\n", "two\n", "six\n", "four\n", "five\n"] {
        write(&log, line);
    }
    check(folder.path(), &[("a.log", "four\nfive\n"), ("a.log.1", "one\ntwo\nsix\n")]);
    for line in ["seven\n", "eight\n", "nine\n", "ten\n", "eleven\n"] {
        write(&log, line);
    }
    let expected =
        [("a.log", "eleven\n"), ("a.log.1", "nine\nten\n"), ("a.log.2", "seven\neight\n")];
    check(folder.path(), &expected);
}

#[test]
fn bounds_hold_after_every_line_and_lines_stay_whole() {
    for (file_bytes_max, files_max) in [(20, 1), (20, 2), (33, 4), (100, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut number = 0;
        for start in 0..3 {
            let log = log(&path, bounds(file_bytes_max, files_max));
            for length in 1..40 {
                number += 1;
                write(&log, &format!("{start}{}\n", "x".repeat(length * 7 % 17)));
                let files = files(folder.path());
                assert!(files.len() <= files_max, "{number}: {files:?}");
                for (name, text) in &files {
                    assert!(text.len() as u64 <= file_bytes_max, "{number}: {name} {text:?}");
                    assert!(text.ends_with('\n'), "{number}: {name} {text:?}");
                    assert!(!text.contains("\n\n"), "{number}: {name} {text:?}");
                }
            }
        }
    }
}

#[test]
fn a_line_longer_than_a_file_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(&folder.path().join("a.log"), bounds(8, 2));
    for line in ["one\n", "much too long\n", "two\n"] {
        write(&log, line);
    }
    check(folder.path(), &[("a.log", "one\ntwo\n")]);
}

#[test]
fn what_smaller_bounds_do_not_allow_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let before = log(&path, bounds(10, 5));
    for number in 0..9 {
        write(&before, &format!("line-{number}\n"));
    }
    // Others' files, whatever they are called.
    for name in ["a.log.01", "a.log.x", "a.log.", "a.logs.9", "b.log.9"] {
        fs::write(folder.path().join(name), "kept").unwrap();
    }
    let names = |folder: &Path| {
        let names = files(folder).into_iter().filter(|(_, text)| text != "kept");
        names.map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(folder.path()), ["a.log", "a.log.1", "a.log.2", "a.log.3", "a.log.4"]);
    log(&path, bounds(10, 3));
    assert_eq!(names(folder.path()), ["a.log", "a.log.1", "a.log.2"]);
    log(&path, bounds(7, 3));
    assert_eq!(names(folder.path()), ["a.log", "a.log.1", "a.log.2"]);
    // Of the past ones one is left, and the one that is written may be something else altogether.
    let error = LogFile::open(path, bounds(6, 3)).unwrap_err();
    assert!(error.source.to_string().contains("move it away"), "{error}");
    assert_eq!(names(folder.path()), ["a.log", "a.log.1"]);
}

#[test]
fn files_are_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    fs::write(&path, "from before\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let log = log(&path, bounds(20, 3));
    write(&log, "more\n");
    write(&log, "and more\n");
    check(folder.path(), &[("a.log", "and more\n"), ("a.log.1", "from before\nmore\n")]);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let refused = |path: PathBuf| LogFile::open(path, bounds(20, 3)).unwrap_err().to_string();
    fs::write(at("file"), "").unwrap();
    std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    for path in [at("link"), at("pipe"), at("none/a.log"), at(""), PathBuf::from("/dev/null")] {
        let message = refused(path.clone());
        assert!(message.contains("could not log to"), "{}: {message}", path.display());
    }
}

#[test]
fn a_log_that_cannot_be_written_is_passed_over_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let log = log(&logs.join("a.log"), bounds(8, 2));
    write(&log, "one\n");
    // A folder in its way cannot be replaced by a file.
    fs::create_dir(logs.join("a.log.1")).unwrap();
    for _ in 0..3 {
        write(&log, "lost\nlost");
        write(&log, "or so\n");
    }
    fs::remove_dir(logs.join("a.log.1")).unwrap();
    write(&log, "later\n");
    check(&logs, &[("a.log", "later\n"), ("a.log.1", "one\n")]);
}
