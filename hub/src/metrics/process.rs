//! What the operating system says of this process, and of its child; where it says nothing, nothing is told.

use std::fs;

/// What the operating system says of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    /// Memory that it occupies, in bytes.
    pub(crate) resident_bytes: Option<u64>,
    /// The most that it ever occupied, in bytes.
    pub(crate) peak_bytes: Option<u64>,
    /// Times that the processor was given to another thread.
    pub(crate) context_switches: Option<u64>,
}

impl Process {
    /// Asks. May block for a moment.
    pub(crate) fn look() -> Self {
        Self::read("self")
    }

    /// Asks the same of another one. May block for a moment.
    pub(crate) fn of(id: u32) -> Self {
        Self::read(&id.to_string())
    }

    fn read(process: &str) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status"));
        Self::parse(&status.unwrap_or_default())
    }

    /// Source: proc(5), `/proc/pid/status`.
    fn parse(status: &str) -> Self {
        let number = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            value.split_whitespace().next()?.parse::<u64>().ok()
        };
        let kibibytes = |name| number(name).map(|count| count.saturating_mul(1024));
        let voluntary = number("voluntary_ctxt_switches:");
        let forced = number("nonvoluntary_ctxt_switches:");
        Self {
            resident_bytes: kibibytes("VmRSS:"),
            peak_bytes: kibibytes("VmHWM:"),
            context_switches: voluntary.zip(forced).map(|(one, other)| one + other),
        }
    }
}

/// How many files, sockets among them, this process holds open. May block for a moment.
pub(crate) fn open_files() -> Option<u64> {
    let listed = fs::read_dir("/dev/fd").ok()?.count() as u64;
    // Looking takes one itself.
    Some(listed.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let status = "Name:\tlarder\nVmHWM:\t   9000 kB\nVmRSS:\t   8000 kB\nThreads:\t9\n\
                      voluntary_ctxt_switches:\t70\nnonvoluntary_ctxt_switches:\t7\n";
        let expected = Process {
            resident_bytes: Some(8_192_000),
            peak_bytes: Some(9_216_000),
            context_switches: Some(77),
        };
        assert_eq!(Process::parse(status), expected);
        assert_eq!(Process::parse(""), Process::default());
        assert_eq!(Process::parse("VmRSS: many kB\n"), Process::default());
    }

    #[test]
    fn counts_open_files() {
        let before = open_files().unwrap();
        let _held: Vec<_> = (0..8).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(open_files().unwrap() >= before.saturating_sub(8) && before > 0);
    }
}
