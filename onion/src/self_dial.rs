//! How a hub proves to itself that it can be reached: it dials its own address, and what it sends has to
//! come out at its own door.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use crate::{CheckError, DIAL_MAX, DialError};

/// The port of an onion service at which its hub answers itself.
pub(crate) const PORT: u16 = 9899;

/// How long a caller may take to say what it came with.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Callers that are listened to at once; most of them are strangers. For the next one the oldest has to
/// leave, so that whoever stays and says nothing does not keep the hub from hearing itself.
const CALLERS_MAX: usize = 64;

const OURS: u8 = 1;
const NOT_OURS: u8 = 0;

type Token = [u8; 16];

/// Tokens that are on their way through Tor.
#[derive(Clone, Debug)]
pub(crate) struct SelfDials {
    sent: Arc<Mutex<HashSet<Token>>>,
    /// The tasks that listen, the oldest first.
    callers: Arc<Mutex<VecDeque<AbortHandle>>>,
}

impl SelfDials {
    pub(crate) fn new() -> Self {
        Self { sent: Arc::default(), callers: Arc::default() }
    }

    /// Says something over a stream to the own address, and whether it came out here; how long it took,
    /// dialling included.
    pub(crate) async fn call<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        dialled: impl Future<Output = Result<S, DialError>>,
    ) -> Result<Duration, CheckError> {
        let began = Instant::now();
        let mut stream = dialled.await?;
        let token = Sent::new(self)?;
        let said = async {
            stream.write_all(&token.token).await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        match timeout(DIAL_MAX, said).await {
            Err(_late) => Err(DialError::TimedOut.into()),
            Ok(Err(_broken)) => Err(CheckError::Broken),
            Ok(Ok(OURS)) => Ok(began.elapsed()),
            // Whoever answers otherwise is not this hub, or has not heard of it.
            Ok(Ok(_)) => Err(CheckError::Twin),
        }
    }

    /// Answers whoever has come to the door for it, beside everything else.
    pub(crate) fn answer<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.retain(|caller| !caller.is_finished());
        while callers.len() >= CALLERS_MAX {
            let Some(oldest) = callers.pop_front() else { break };
            oldest.abort();
        }
        let dials = self.clone();
        let listening = tokio::spawn(async move {
            let _left_early = timeout(ANSWER_MAX, dials.hear(stream)).await;
        });
        callers.push_back(listening.abort_handle());
    }

    async fn hear<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> std::io::Result<()> {
        let mut token = Token::default();
        stream.read_exact(&mut token).await?;
        let answer = if self.sent().contains(&token) { OURS } else { NOT_OURS };
        stream.write_u8(answer).await?;
        stream.flush().await?;
        // The caller ends the stream, so that the answer is not lost with it.
        stream.read_u8().await.map(|_| ())
    }

    fn sent(&self) -> MutexGuard<'_, HashSet<Token>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token, known until it is dropped.
struct Sent {
    dials: SelfDials,
    token: Token,
}

impl Sent {
    fn new(dials: &SelfDials) -> Result<Self, DialError> {
        let mut token = Token::default();
        getrandom::fill(&mut token).map_err(|error| DialError::Other(error.to_string()))?;
        dials.sent().insert(token);
        Ok(Self { dials: dials.clone(), token })
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.dials.sent().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn a_hub_knows_itself_and_its_twin() {
        let (hub, twin) = (SelfDials::new(), SelfDials::new());
        let dial = |answering: &SelfDials| {
            let (near, far) = duplex(64);
            answering.answer(far);
            async { Ok(near) }
        };
        hub.call(dial(&hub)).await.unwrap();
        assert_eq!(hub.call(dial(&twin)).await, Err(CheckError::Twin));
        assert!(hub.sent().is_empty());
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_answer() {
        let hub = SelfDials::new();
        let broken = async { Ok(duplex(64).0) };
        assert_eq!(hub.call(broken).await, Err(CheckError::Broken));
        let refused = async { Err::<tokio::io::DuplexStream, _>(DialError::NotFound) };
        assert_eq!(hub.call(refused).await, Err(CheckError::Dial(DialError::NotFound)));
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_who_say_nothing_are_few_and_do_not_stay() {
        let hub = SelfDials::new();
        let mut near: Vec<_> = (0..=CALLERS_MAX)
            .map(|_| {
                let (near, far) = duplex(64);
                hub.answer(far);
                near
            })
            .collect();
        let began = Instant::now();
        // The first had to leave for the last.
        assert!(near.remove(0).read_u8().await.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
        // However many of them there are, the hub hears itself.
        let (own, far) = duplex(64);
        hub.answer(far);
        hub.call(async { Ok(own) }).await.unwrap();
        for mut near in near {
            assert!(near.read_u8().await.is_err());
        }
        assert!(began.elapsed() >= ANSWER_MAX);
    }
}
