//! What a program did to files below one folder, as strace wrote it down.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

/// Everything that changes files or makes them durable, and nothing else.
const CALLS: &str = "trace=openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,\
    sync_file_range,syncfs,ftruncate,truncate,fallocate,rename,renameat,renameat2,link,linkat,unlink,\
    unlinkat,mkdir,mkdirat,rmdir,copy_file_range,sendfile,mmap";

/// One thing that was done. Paths are relative to the folder.
#[derive(Debug)]
pub(crate) enum Event {
    /// A file or, by `mkdir`, a folder is there that was not, or is there still.
    Make { path: String, folder: bool },
    /// Bytes were written.
    Write { path: String, offset: u64, data: Rc<[u8]> },
    /// A file was cut or grown.
    SetLength { path: String, length: u64 },
    /// What happened to this file or folder before the event of that number is durable.
    Sync { path: String, before: usize },
    /// A name was moved.
    Rename { from: String, to: String },
    /// A name was taken away.
    Remove { path: String },
    /// The program said that its step of this number is done.
    Done(u64),
}

/// How a command is run so that strace writes down what it does.
pub(crate) fn strace(trace: &Path, program: &Path) -> Command {
    let mut command = Command::new("strace");
    // Whole writes, in hexadecimal, with the paths that handles stand for.
    command.args(["-f", "-y", "-xx", "-s", "100000000", "--seccomp-bpf", "-e", "signal=none"]);
    command.args(["-e", CALLS, "-o"]).arg(trace).arg(program);
    command
}

/// Reads a trace; `folder` is the one that counts, and `acks` the file that steps are told in.
pub(crate) fn read(trace: &Path, folder: &Path, acks: &Path) -> Vec<Event> {
    let file = std::fs::File::open(trace).expect("a trace");
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let mut reader = Reader {
        folder: format!("{}/", text(folder)),
        acks: text(acks),
        events: Vec::new(),
        begun: HashMap::new(),
        positions: HashMap::new(),
    };
    for line in BufReader::new(file).lines() {
        reader.line(&line.expect("a line of the trace"));
    }
    reader.events
}

struct Reader {
    folder: String,
    acks: String,
    events: Vec<Event>,
    /// Calls that other threads' calls cut in two: thread → text so far, events before it began.
    begun: HashMap<String, (String, usize)>,
    /// Where the next `write` to a handle goes.
    positions: HashMap<String, u64>,
}

/// An argument of a call.
#[derive(Debug)]
enum Argument {
    /// A text, decoded.
    Text(Vec<u8>),
    /// A handle and the path it stands for.
    Handle(String, String),
    /// Anything else, as it stands.
    Other(String),
}

impl Reader {
    fn line(&mut self, line: &str) {
        let (thread, rest) = line.split_once(' ').expect("a thread's number");
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            return;
        }
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            let begun = (start.trim_end().to_owned(), self.events.len());
            self.begun.insert(thread.into(), begun);
            return;
        }
        if rest.starts_with("<... ") {
            let (_, end) = rest.split_once(" resumed>").expect("the rest of a call");
            let (start, before) = self.begun.remove(thread).expect("the beginning of a call");
            return self.call(&format!("{start}{end}"), before);
        }
        self.call(rest, self.events.len());
    }

    fn call(&mut self, text: &str, before: usize) {
        let (name, rest) = text.split_once('(').expect("a call");
        let (arguments, result) = rest.rsplit_once(" = ").expect("what a call returned");
        if result.starts_with('-') || result.starts_with('?') {
            return;
        }
        let arguments = arguments.trim_end().strip_suffix(')').unwrap_or(arguments);
        let arguments = split(arguments);
        match name {
            "openat" => self.open(&arguments, result),
            "write" => self.write(&arguments, result, None),
            "pwrite64" => {
                let offset = number(&arguments[3]);
                self.write(&arguments, result, Some(offset));
            }
            "fsync" | "fdatasync" => {
                if let Some(path) = self.handle(&arguments[0]) {
                    self.events.push(Event::Sync { path, before });
                }
            }
            "ftruncate" => {
                if let Some(path) = self.handle(&arguments[0]) {
                    let length = number(&arguments[1]);
                    self.events.push(Event::SetLength { path, length });
                }
            }
            "rename" => self.rename(&path(None, &arguments[0]), &path(None, &arguments[1])),
            "renameat" | "renameat2" => self.rename(
                &path(Some(&arguments[0]), &arguments[1]),
                &path(Some(&arguments[2]), &arguments[3]),
            ),
            "unlink" | "rmdir" => self.remove(&path(None, &arguments[0])),
            "unlinkat" => self.remove(&path(Some(&arguments[0]), &arguments[1])),
            "mkdir" => self.make(&path(None, &arguments[0]), true),
            "mkdirat" => self.make(&path(Some(&arguments[0]), &arguments[1]), true),
            "mmap" => {
                // Only the index of a write-ahead log, which no crash outlives, is written that way.
                let written = text.contains("PROT_WRITE") && text.contains("MAP_SHARED");
                let path =
                    written.then(|| arguments.iter().find_map(|at| self.handle(at))).flatten();
                assert!(path.is_none_or(|path| path.ends_with("-shm")), "written by mmap: {text}");
            }
            _ => {
                let ours = arguments.iter().any(|argument| match argument {
                    Argument::Handle(_, path) => self.below(path).is_some(),
                    Argument::Text(_) => self.below(&path(None, argument)).is_some(),
                    Argument::Other(_) => false,
                });
                assert!(!ours, "a call that this reader does not know: {name}");
            }
        }
    }

    fn open(&mut self, arguments: &[Argument], result: &str) {
        let opened = split(result);
        let Some(Argument::Handle(handle, path)) = opened.first() else { return };
        self.positions.insert(handle.clone(), 0);
        let Argument::Other(flags) = &arguments[2] else { panic!("flags of an open file") };
        if flags.contains("O_CREAT") {
            self.make(path, false);
        }
        if flags.contains("O_TRUNC")
            && let Some(path) = self.below(path)
        {
            self.events.push(Event::SetLength { path, length: 0 });
        }
    }

    fn write(&mut self, arguments: &[Argument], result: &str, offset: Option<u64>) {
        let (Argument::Handle(handle, path), Argument::Text(data)) = (&arguments[0], &arguments[1])
        else {
            return;
        };
        let written: usize = result.trim().parse().expect("a count of bytes");
        let data = &data[..written];
        if *path == self.acks {
            let line = std::str::from_utf8(data).expect("a step in UTF-8");
            return self.events.push(Event::Done(line.trim().parse().expect("a step's number")));
        }
        let position = self.positions.entry(handle.clone()).or_default();
        let at = offset.unwrap_or(*position);
        if offset.is_none() {
            *position += written as u64;
        }
        if let Some(path) = self.below(path) {
            self.events.push(Event::Write { path, offset: at, data: data.into() });
        }
    }

    fn make(&mut self, path: &str, folder: bool) {
        if let Some(path) = self.below(path) {
            self.events.push(Event::Make { path, folder });
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if let (Some(from), Some(to)) = (self.below(from), self.below(to)) {
            self.events.push(Event::Rename { from, to });
        }
    }

    fn remove(&mut self, path: &str) {
        if let Some(path) = self.below(path) {
            self.events.push(Event::Remove { path });
        }
    }

    /// The path below the folder that a handle stands for; none for a file that has no name left.
    fn handle(&self, argument: &Argument) -> Option<String> {
        match argument {
            Argument::Handle(_, path) => self.below(path),
            _ => None,
        }
    }

    fn below(&self, path: &str) -> Option<String> {
        if path == self.folder.trim_end_matches('/') {
            return Some(String::new());
        }
        path.strip_prefix(&self.folder).map(str::to_owned)
    }
}

/// The path that an argument names, from the folder that another one stands for.
fn path(folder: Option<&Argument>, name: &Argument) -> String {
    let Argument::Text(name) = name else { panic!("a path: {name:?}") };
    let name = String::from_utf8_lossy(name).into_owned();
    match folder {
        Some(Argument::Handle(_, folder)) if !name.starts_with('/') => format!("{folder}/{name}"),
        _ => name,
    }
}

fn number(argument: &Argument) -> u64 {
    match argument {
        Argument::Other(text) => text.parse().expect("a number"),
        other => panic!("a number: {other:?}"),
    }
}

/// Splits arguments; what is in brackets of other kinds stays together.
fn split(text: &str) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if rest.is_empty() {
            return arguments;
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let (inside, after) = quoted.split_once('"').expect("the end of a text");
            assert!(!after.starts_with("..."), "a text that strace cut short");
            arguments.push(Argument::Text(unescape(inside)));
            rest = after;
            continue;
        }
        let end = rest.find(", ").unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        arguments.push(match word.split_once('<') {
            Some((handle, path)) => {
                let (path, end) = path.split_once('>').expect("the end of a path");
                let mut path = String::from_utf8_lossy(&unescape(path)).into_owned();
                // Such a file is never seen again.
                path.push_str(end);
                Argument::Handle(handle.into(), path)
            }
            None => Argument::Other(word.into()),
        });
    }
}

/// The bytes of `\x41\x42`.
fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes()
        .chunks_exact(4)
        .map(|escaped| digit(escaped[2]) << 4 | digit(escaped[3]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split() {
        let arguments = split(r#"3<\x2f\x61>(deleted), "\x62\x2c", O_RDONLY|O_CLOEXEC, 0666"#);
        assert!(
            matches!(&arguments[0], Argument::Handle(at, path) if at == "3" && path == "/a(deleted)")
        );
        assert!(matches!(&arguments[1], Argument::Text(text) if text == b"b,"));
        assert_eq!(number(&arguments[3]), 666);
        assert_eq!(arguments.len(), 4);
    }
}
