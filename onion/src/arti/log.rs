//! The child's log, which its parent writes into its own.

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::time::{Duration, Instant};
use tracing::Level;

/// Longest line that is passed on, in bytes.
const LINE_BYTES_MAX: usize = 2000;

/// Lines passed on in a minute; a child that has more to say is ill.
const LINES_A_MINUTE: u32 = 120;

/// A line as the child writes it.
#[derive(Deserialize)]
struct Line {
    level: String,
    target: String,
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    message: String,
}

/// Passes lines on until they end.
pub(super) async fn pass_on(output: impl AsyncRead + Unpin) {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    let (mut minute, mut lines) = (Instant::now(), 0);
    loop {
        bytes.clear();
        let piece = (&mut output).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut bytes).await;
        if !piece.is_ok_and(|length| length > 0) {
            return;
        }
        if minute.elapsed() > Duration::from_secs(60) {
            (minute, lines) = (Instant::now(), 0);
        }
        lines += 1;
        match lines {
            ..=LINES_A_MINUTE => write(&String::from_utf8_lossy(&bytes)),
            _ if lines == LINES_A_MINUTE + 1 => {
                tracing::warn!("Tor's process says too much; unheard")
            }
            _ => {}
        }
    }
}

fn write(line: &str) {
    let line = line.trim_end();
    match serde_json::from_str::<Line>(line) {
        Ok(Line { level, target, fields: Fields { message } }) => {
            let message = shortened(&message);
            match level.parse().unwrap_or(Level::WARN) {
                Level::ERROR => tracing::error!(from = %target, "Tor: {message}"),
                Level::WARN => tracing::warn!(from = %target, "Tor: {message}"),
                Level::INFO => tracing::info!(from = %target, "Tor: {message}"),
                _ => tracing::debug!(from = %target, "Tor: {message}"),
            }
        }
        // What it says when it panics, for instance.
        Err(_) => tracing::warn!("Tor: {}", shortened(line)),
    }
}

/// A text as far as anybody reads it.
pub(super) fn shortened(text: &str) -> &str {
    let mut end = text.len().min(LINE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(LINE_BYTES_MAX);
        assert_eq!(shortened(&long).len(), LINE_BYTES_MAX);
        assert_eq!(shortened("short"), "short");
    }

    #[tokio::test]
    async fn whatever_it_says_is_read_to_the_end() {
        let mut output = vec![0xff; LINE_BYTES_MAX * 3];
        output.extend_from_slice(b"\n{\"level\":\"WARN\"}\nplain\n");
        pass_on(output.as_slice()).await;
    }
}
