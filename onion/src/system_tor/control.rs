//! A control connection: commands, their replies, and the events that come between them.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::reply::{Replies, Reply, ReplyError};

/// How long Tor may take to answer: it does so out of its memory.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Events that wait while a command is answered. More than these are lost, the newest first.
const EVENTS_MAX: usize = 256;

/// Characters of Tor's own words that are shown.
const SHOWN_MAX: usize = 200;

/// Whatever a control connection goes over.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for S {}

/// A connection to a Tor that is controlled.
pub(super) struct Control {
    socket: Box<dyn Socket>,
    replies: Replies,
    events: VecDeque<Reply>,
}

/// A command was not answered, or not as was hoped.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error("the control connection to Tor broke: {0}")]
    Broken(#[from] io::Error),
    #[error("Tor has ended the control connection")]
    Ended,
    #[error("Tor did not answer within {} s", ANSWER_MAX.as_secs())]
    Late,
    #[error(transparent)]
    Reply(#[from] ReplyError),
    #[error("Tor refused {command}: {code} {text}")]
    Refused { command: String, code: u16, text: String },
}

impl Control {
    pub(super) fn new(socket: impl Socket + 'static) -> Self {
        Self { socket: Box::new(socket), replies: Replies::default(), events: VecDeque::new() }
    }

    /// Sends a command and waits for what Tor says to it. A connection on which this was not waited for
    /// to the end is of no further use.
    ///
    /// # Errors
    /// [`ControlError::Refused`] is the only one after which the connection still works.
    pub(super) async fn ask(&mut self, command: &str) -> Result<Reply, ControlError> {
        debug_assert!(!command.contains(['\r', '\n']));
        let answered = async {
            self.socket.write_all(command.as_bytes()).await?;
            self.socket.write_all(b"\r\n").await?;
            self.socket.flush().await?;
            loop {
                let reply = self.reply().await?;
                if !reply.is_event() {
                    return Ok(reply);
                }
                if self.events.len() < EVENTS_MAX {
                    self.events.push_back(reply);
                }
            }
        };
        let reply = timeout(ANSWER_MAX, answered).await.unwrap_or(Err(ControlError::Late))?;
        if reply.code / 100 == 2 {
            return Ok(reply);
        }
        // What follows the command's name may be secret.
        let command = command.split(' ').next().unwrap_or_default().to_owned();
        Err(ControlError::Refused { command, code: reply.code, text: shown(reply.text()) })
    }

    /// The value that Tor has for this; `None` where it knows of none.
    pub(super) async fn info(&mut self, key: &str) -> Result<Option<String>, ControlError> {
        let reply = match self.ask(&format!("GETINFO {key}")).await {
            Ok(reply) => reply,
            Err(ControlError::Refused { code: 550..=559, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_it = |text: &str| text.strip_prefix(key).is_some_and(|rest| rest.starts_with('='));
        let line = reply.lines.into_iter().find(|line| is_it(&line.text));
        let line = line.ok_or(ReplyError::Garbled)?;
        Ok(Some(line.data.unwrap_or_else(|| line.text[key.len() + 1..].to_owned())))
    }

    /// The next event. Nothing is lost when it is not waited for to the end.
    pub(super) async fn event(&mut self) -> Result<Reply, ControlError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        let reply = self.reply().await?;
        // An answer to what nobody has asked.
        if reply.is_event() { Ok(reply) } else { Err(ReplyError::Garbled.into()) }
    }

    async fn reply(&mut self) -> Result<Reply, ControlError> {
        let mut received = [0; 4096];
        loop {
            if let Some(reply) = self.replies.next()? {
                return Ok(reply);
            }
            match self.socket.read(&mut received).await? {
                0 => return Err(ControlError::Ended),
                length => self.replies.push(&received[..length]),
            }
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// Tor's words, so that they can do no harm where they are shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::*;

    #[tokio::test]
    async fn events_between_replies_are_kept() {
        let script = Script::new()
            .answer("GETINFO version", "650 A\r\n650 B\r\n250-version=1\r\n250 OK\r\n");
        let mut control = Control::new(script.connect().await);
        assert_eq!(control.info("version").await.unwrap().as_deref(), Some("1"));
        assert_eq!(control.event().await.unwrap().text(), "A");
        assert_eq!(control.event().await.unwrap().text(), "B");
        assert!(matches!(control.event().await, Err(ControlError::Ended)));
    }

    #[tokio::test]
    async fn too_many_events_are_lost_and_nothing_else() {
        let many = "650 A\r\n".repeat(EVENTS_MAX * 3) + "250 OK\r\n";
        let mut control = Control::new(Script::new().answer("SETEVENTS", &many).connect().await);
        control.ask("SETEVENTS").await.unwrap();
        assert_eq!(control.events.len(), EVENTS_MAX);
    }

    #[tokio::test]
    async fn a_connection_lost_in_a_reply_is_an_error() {
        let script = Script::new().answer("GETINFO version", "250-version=1\r\n25");
        let mut control = Control::new(script.connect().await);
        assert!(matches!(control.info("version").await, Err(ControlError::Ended)));
    }

    #[tokio::test]
    async fn refusals_show_no_secrets() {
        let script = Script::new().answer("ADD_ONION", "512 \u{7}bad\r\n");
        let mut control = Control::new(script.connect().await);
        let error = control.ask("ADD_ONION ED25519-V3:secret").await.unwrap_err();
        assert_eq!(error.to_string(), "Tor refused ADD_ONION: 512 bad");
    }

    #[tokio::test]
    async fn what_tor_does_not_know_is_nothing() {
        let script = Script::new()
            .answer("GETINFO a", "552 Unrecognized\r\n")
            .answer("GETINFO b", "250-c=d\r\n250 OK\r\n");
        let mut control = Control::new(script.connect().await);
        assert_eq!(control.info("a").await.unwrap(), None);
        assert!(matches!(control.info("b").await, Err(ControlError::Reply(ReplyError::Garbled))));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_answer_is_not_waited_for() {
        let (near, _far) = tokio::io::duplex(64);
        let mut control = Control::new(near);
        assert!(matches!(control.ask("GETINFO version").await, Err(ControlError::Late)));
    }
}
