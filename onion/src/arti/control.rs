//! The socket between parent and child: frames, some of which carry an open stream.
//!
//! A frame is its length in four bytes, the most significant first, and so many bytes of JSON. A stream
//! travels with the first byte of its frame (`SCM_RIGHTS`).

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

/// Longest frame, in bytes: Arti's settings and the keys of all clients of a service fit.
const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Bytes read at a time.
const READ_BYTES: usize = 16 * 1024;

/// Streams that come with one read at most, and that wait for the frame they belong to.
const STREAMS_A_READ: usize = 16;
const STREAMS_WAITING_MAX: usize = 64;

const LENGTH_BYTES: usize = 4;

/// The other end does not keep to the protocol, or is gone in the middle of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    /// A frame is longer than any may be.
    #[error("a frame of {0} bytes")]
    TooLong(usize),
    /// A frame says nothing that is understood.
    #[error("a frame that is not understood")]
    Garbage,
    /// A frame that needs a stream came without one, or streams without frames.
    #[error("streams and frames that do not belong together")]
    Streams,
    /// The end came in the middle of a frame.
    #[error("half a frame")]
    Half,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Tells frames that carry a stream from others.
pub(super) trait Message {
    /// Whether one comes with it.
    fn carries_stream(&self) -> bool;
}

/// Both ends of one side.
pub(super) fn split(socket: StdStream) -> io::Result<(Reader, Writer)> {
    socket.set_nonblocking(true)?;
    let socket = Arc::new(UnixStream::from_std(socket)?);
    let reader = Reader {
        socket: Arc::clone(&socket),
        bytes: Zeroizing::default(),
        streams: VecDeque::new(),
    };
    Ok((reader, Writer { socket }))
}

/// What comes in.
#[derive(Debug)]
pub(super) struct Reader {
    socket: Arc<UnixStream>,
    bytes: Zeroizing<Vec<u8>>,
    streams: VecDeque<OwnedFd>,
}

impl Reader {
    /// The next message, with its stream where it carries one; `None` at the end. Nothing is lost when it is
    /// not waited for to the end.
    pub(super) async fn receive<M>(&mut self) -> Result<Option<(M, Option<OwnedFd>)>, ControlError>
    where
        M: DeserializeOwned + Message,
    {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            if !self.read().await? {
                return if self.bytes.is_empty() { Ok(None) } else { Err(ControlError::Half) };
            }
        }
    }

    /// The first message of what has been read.
    fn take<M>(&mut self) -> Result<Option<(M, Option<OwnedFd>)>, ControlError>
    where
        M: DeserializeOwned + Message,
    {
        let Some((length, rest)) = self.bytes.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(ControlError::TooLong(length));
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let message: M = serde_json::from_slice(frame).map_err(|_| ControlError::Garbage)?;
        let left = Zeroizing::new(rest.get(length..).unwrap_or_default().to_vec());
        self.bytes = left;
        let stream = match message.carries_stream() {
            true => Some(self.streams.pop_front().ok_or(ControlError::Streams)?),
            false => None,
        };
        Ok(Some((message, stream)))
    }

    /// Reads what is there; whether the other end may still say something.
    async fn read(&mut self) -> Result<bool, ControlError> {
        let mut piece = Zeroizing::new([0; READ_BYTES]);
        let socket = Arc::clone(&self.socket);
        let streams = &mut self.streams;
        let length = socket
            .async_io(Interest::READABLE, || {
                let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(STREAMS_A_READ))];
                let mut ancillary = RecvAncillaryBuffer::new(&mut space);
                let mut slices = [IoSliceMut::new(piece.as_mut_slice())];
                let flags = RecvFlags::CMSG_CLOEXEC;
                let read = recvmsg(socket.as_fd(), &mut slices, &mut ancillary, flags)?;
                for message in ancillary.drain() {
                    if let RecvAncillaryMessage::ScmRights(came) = message {
                        streams.extend(came);
                    }
                }
                Ok(read.bytes)
            })
            .await?;
        if self.streams.len() > STREAMS_WAITING_MAX {
            return Err(ControlError::Streams);
        }
        self.bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
        Ok(length > 0)
    }
}

/// What goes out.
#[derive(Debug)]
pub(super) struct Writer {
    socket: Arc<UnixStream>,
}

impl Writer {
    /// Sends a message, with a stream where it carries one. Half a frame is left behind where this is not
    /// waited for to the end.
    pub(super) async fn send<M: Serialize>(
        &mut self,
        message: &M,
        stream: Option<BorrowedFd<'_>>,
    ) -> Result<(), ControlError> {
        let mut frame = Zeroizing::new(vec![0; LENGTH_BYTES]);
        serde_json::to_writer(&mut *frame, message).map_err(|_| ControlError::Garbage)?;
        let length = frame.len() - LENGTH_BYTES;
        let header = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
        let header = header.ok_or(ControlError::TooLong(length))?.to_be_bytes();
        frame.splice(..LENGTH_BYTES, header);
        let (mut sent, mut stream) = (0, stream);
        while let Some(rest) = frame.get(sent..).filter(|rest| !rest.is_empty()) {
            sent += self
                .socket
                .async_io(Interest::WRITABLE, || write(&self.socket, rest, stream))
                .await?;
            stream = None;
        }
        Ok(())
    }
}

fn write(socket: &UnixStream, bytes: &[u8], stream: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let streams = stream.as_slice();
    if !streams.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(streams)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let flags = SendFlags::NOSIGNAL;
    Ok(sendmsg(socket.as_fd(), &[IoSlice::new(bytes)], &mut ancillary, flags)?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        text: String,
        carries: bool,
    }

    impl Message for Note {
        fn carries_stream(&self) -> bool {
            self.carries
        }
    }

    fn note(text: &str, carries: bool) -> Note {
        Note { text: text.into(), carries }
    }

    fn pair() -> (Reader, Writer, StdStream) {
        let (near, far) = StdStream::pair().unwrap();
        let (reader, _) = split(near.try_clone().unwrap()).unwrap();
        let (_, writer) = split(far.try_clone().unwrap()).unwrap();
        (reader, writer, far)
    }

    #[tokio::test]
    async fn messages_arrive_in_order_with_their_streams() {
        let (mut reader, mut writer, far) = pair();
        let sending = async {
            for n in 0..200 {
                let (ours, mut theirs) = StdStream::pair().unwrap();
                theirs.write_all(format!("{n}").as_bytes()).unwrap();
                let long = "x".repeat(n * 100);
                writer.send(&note(&long, false), None).await.unwrap();
                writer.send(&note(&n.to_string(), true), Some(ours.as_fd())).await.unwrap();
            }
            drop((writer, far));
        };
        let receiving = async {
            let mut received = 0;
            while let Some((message, stream)) = reader.receive::<Note>().await.unwrap() {
                if let Some(stream) = stream {
                    let mut text = String::new();
                    StdStream::from(stream).read_to_string(&mut text).unwrap();
                    assert_eq!(text, message.text);
                    received += 1;
                }
            }
            received
        };
        assert_eq!(tokio::join!(sending, receiving).1, 200);
    }

    #[tokio::test]
    async fn what_is_not_the_protocol_is_an_error() {
        let long = u32::MAX.to_be_bytes();
        let garbage = b"\0\0\0\x02{]";
        let no_stream = br#"{"text":"","carries":true}"#;
        let no_stream = [&(no_stream.len() as u32).to_be_bytes()[..], no_stream].concat();
        let half = b"\0\0\0\x09{";
        for (bytes, expected) in [
            (&long[..], "a frame of 4294967295 bytes"),
            (garbage, "a frame that is not understood"),
            (&no_stream, "streams and frames that do not belong together"),
            (half, "half a frame"),
        ] {
            let (mut reader, writer, mut far) = pair();
            far.write_all(bytes).unwrap();
            drop((writer, far));
            let error = reader.receive::<Note>().await.unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[tokio::test]
    async fn streams_that_nobody_asked_for_are_an_error() {
        let (mut reader, mut writer, _far) = pair();
        let (ours, _theirs) = StdStream::pair().unwrap();
        let sending = async {
            for _ in 0..=STREAMS_WAITING_MAX {
                writer.send(&note("", false), Some(ours.as_fd())).await.unwrap();
            }
        };
        let receiving = async { while reader.receive::<Note>().await.is_ok() {} };
        tokio::join!(sending, receiving);
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_not_sent() {
        let (_reader, mut writer, _far) = pair();
        let long = note(&"x".repeat(FRAME_BYTES_MAX), false);
        assert!(matches!(writer.send(&long, None).await, Err(ControlError::TooLong(_))));
    }
}
