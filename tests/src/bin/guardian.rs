//! Runs a program until standard input closes: however its owner ends, the program ends with it.
//!
//! `guardian FOLDER PROGRAM ARGUMENTS…`. When the program ends by itself, that is noted in `FOLDER/ended`.
//! A byte on standard input ends the program and leaves the folder; a closed one takes it along.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often it is looked whether the program still runs.
const LOOK: Duration = Duration::from_millis(100);

/// How long a program that was told to end may take.
const GRACE: Duration = Duration::from_secs(2);

fn main() {
    let mut words = std::env::args_os().skip(1);
    let folder = words.next().map(PathBuf::from).expect("a folder");
    let program = words.next().expect("a program");
    let note_end = |how: &str| {
        let _ = fs::write(folder.join("ended"), how);
    };

    let owner = Owner::listen();
    let wish = match Command::new(program).args(words).stdin(Stdio::null()).spawn() {
        Ok(mut child) => {
            let wish = loop {
                if let Some(wish) = owner.wish_within(LOOK) {
                    break wish;
                }
                if let Ok(Some(status)) = child.try_wait() {
                    note_end(&format!("it ended with {status}"));
                    break owner.wish();
                }
            };
            end(&mut child);
            wish
        }
        Err(error) => {
            note_end(&format!("it cannot be started: {error}"));
            owner.wish()
        }
    };
    if matches!(wish, Wish::LeaveNothing) {
        let _ = fs::remove_dir_all(folder);
    }
}

/// What becomes of the folder when the program has ended.
enum Wish {
    Keep,
    LeaveNothing,
}

/// The process at the other end of standard input.
struct Owner(Receiver<Wish>);

impl Owner {
    fn listen() -> Self {
        let (sender, wishes) = channel();
        std::thread::spawn(move || {
            let bytes = std::io::stdin().read(&mut [0]).unwrap_or_default();
            let _ = sender.send(if bytes == 0 { Wish::LeaveNothing } else { Wish::Keep });
        });
        Self(wishes)
    }

    fn wish_within(&self, limit: Duration) -> Option<Wish> {
        self.0.recv_timeout(limit).ok()
    }

    fn wish(&self) -> Wish {
        self.0.recv().unwrap_or(Wish::LeaveNothing)
    }
}

/// Tells the child to end, and kills it when it takes its time.
fn end(child: &mut Child) {
    let deadline = Instant::now() + GRACE;
    // A child that was waited for already has no process id of its own any more.
    if let Ok(None) = child.try_wait()
        && let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
    {
        let _ = kill_process(pid, Signal::TERM);
    }
    while let Ok(None) = child.try_wait() {
        if Instant::now() > deadline {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
