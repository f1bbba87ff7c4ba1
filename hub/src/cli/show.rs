//! What people see: lines on standard output, complaints on standard error.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write as _};

/// One line on standard output. What others chose, names of documents among it, says nothing to a terminal.
///
/// # Errors
/// When it cannot be written; a reader that has gone, `larder db list | head`, is one.
pub(super) fn line(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", harmless(&text.to_string()))?;
    out.flush()
}

/// The text without control characters but ends of lines and tabs.
fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    match text.contains(steers) {
        true => text.replace(steers, "\u{fffd}").into(),
        false => text.into(),
    }
}

/// One line on standard error, for a person who watches.
pub(super) fn remark(text: impl Display) {
    // Nobody watches when it cannot be written.
    let _unseen = writeln!(io::stderr().lock(), "{text}");
}

/// Why the command was not done: the error and its causes in one line.
pub(crate) fn complain(error: &anyhow::Error) {
    let gone = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref().is_some_and(|e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe)
    };
    if !error.chain().any(gone) {
        remark(format_args!("larder: {error:#}"));
    }
}

/// Rows under each other, columns aligned.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A count for people: `1 database`, `2 databases`.
pub(super) fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Bytes for people: `999 bytes`, `1.2 MB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut unit = None;
    let mut thousandths = u128::from(bytes) * 1000;
    for next in UNITS {
        if thousandths < 1_000_000 {
            break;
        }
        thousandths /= 1000;
        unit = Some(next);
    }
    match unit {
        None => format!("{bytes} bytes"),
        Some(unit) => format!("{}.{} {unit}", thousandths / 1000, thousandths % 1000 / 100),
    }
}

/// Seconds for people: `59 s`, `2 h 3 min`, `4 d 1 h`.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_nothing_to_a_terminal() {
        assert_eq!(harmless("a\u{1b}[2J\u{9b}b\r"), "a\u{fffd}[2J\u{fffd}b\u{fffd}");
        assert_eq!(harmless("{\n\t\"é\": 1\n}"), "{\n\t\"é\": 1\n}");
    }

    #[test]
    fn sizes_and_durations() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1_290_000, "1.2 MB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min"), (7380, "2 h 3 min"), (349_200, "4 d 1 h")]
        {
            assert_eq!(duration(seconds), expected);
        }
    }
}
