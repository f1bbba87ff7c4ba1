//! Streams out of Tor, asked for by its SOCKS port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::words::{Word, words};
use crate::{DIAL_MAX, DialError, OnionStream};

/// How long a place on this machine may take to answer.
const LOCAL_MAX: Duration = Duration::from_secs(5);

/// SOCKS places that are tried.
const PLACES_MAX: usize = 8;

/// Where a Tor takes streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SocksPlace {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl SocksPlace {
    /// Reads the answer to `GETINFO net/listeners/socks`; sockets come first. What is not on this
    /// machine is left out: everything would go there in the clear.
    pub(super) fn all(listeners: &str) -> Vec<Self> {
        let words = words(listeners).unwrap_or_default();
        let mut places: Vec<_> = words.iter().filter_map(Word::text).filter_map(Self::of).collect();
        places.sort_by_key(|place| matches!(place, Self::Tcp(_)));
        places.truncate(PLACES_MAX);
        places
    }

    fn of(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Some(Self::Unix(path.into()));
        }
        let mut address: SocketAddr = text.parse().ok()?;
        if address.ip().is_unspecified() {
            // It listens everywhere, and so here.
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        address.ip().is_loopback().then_some(Self::Tcp(address))
    }

    async fn connect(&self) -> io::Result<OnionStream> {
        Ok(match self {
            Self::Unix(path) => UnixStream::connect(path).await?.into(),
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                stream.into()
            }
        })
    }
}

impl std::fmt::Display for SocksPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

/// The code with which Tor refuses a stream. Those from `0xF0` on come only where the port has the flag
/// `ExtendedErrors`.
///
/// Source: RFC 1928, section 6; Tor's proposal 304 and `stream_end_reason_to_socks5_response`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(u8);

impl Refusal {
    /// It says nothing of why.
    pub(super) const GENERAL: Self = Self(0x01);
}

impl From<Refusal> for DialError {
    fn from(Refusal(code): Refusal) -> Self {
        let other = |text: &str| Self::Other(text.to_owned());
        match code {
            0x04 | 0xF0 => Self::NotFound,
            0xF4 | 0xF5 => Self::Restricted,
            0x05 => Self::Refused,
            0x06 | 0xF7 => Self::TimedOut,
            0xF1 => other("the onion service's descriptor is not valid"),
            0xF2 | 0xF3 => Self::Unanswered,
            0xF6 => other("Tor takes this for no onion address"),
            0x01 => other("Tor could not open the stream"),
            0x02 => other("this Tor does not allow the stream"),
            0x03 => other("Tor has no network"),
            code => Self::Other(format!("Tor refused the stream with code {code:#04x}")),
        }
    }
}

/// Opens a stream by the first of these places that lets us in, unless Tor refuses it.
pub(super) async fn open(
    places: &[SocksPlace],
    host: &str,
    port: u16,
    circuits: &str,
) -> Result<Result<OnionStream, Refusal>, DialError> {
    let mut wrong = DialError::NotReady("it has no SOCKS port on this machine".to_owned());
    for place in places {
        match timeout(LOCAL_MAX, place.connect()).await {
            Ok(Ok(stream)) => return ask(stream, host, port, circuits).await,
            Ok(Err(error)) => {
                wrong = DialError::Other(format!("Tor's SOCKS port at {place}: {error}"));
            }
            Err(_late) => wrong = DialError::TimedOut,
        }
    }
    Err(wrong)
}

/// Asks for a stream to that name and port.
///
/// Source: RFC 1928, RFC 1929; streams with different passwords share no circuit, because Tor's
/// `IsolateSOCKSAuth` is on unless somebody has turned it off.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    port: u16,
    circuits: &str,
) -> Result<Result<S, Refusal>, DialError> {
    let greeted = timeout(LOCAL_MAX, greet(&mut stream, circuits)).await;
    greeted.map_err(|_late| DialError::TimedOut)??;
    let mut request = vec![5, 1, 0, 3];
    // The name goes to Tor as it is; nothing here resolves it.
    push_counted(&mut request, host.as_bytes())?;
    request.extend(port.to_be_bytes());
    let answered = async {
        stream.write_all(&request).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        answer(&mut stream).await
    };
    let answer = timeout(DIAL_MAX, answered).await.map_err(|_late| DialError::TimedOut)??;
    Ok(answer.map(|()| stream))
}

async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    circuits: &str,
) -> Result<(), DialError> {
    stream.write_all(&[5, 1, 2]).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    if read::<2>(stream).await? != [5, 2] {
        return Err(odd());
    }
    let mut login = vec![1];
    push_counted(&mut login, b"larder")?;
    // However long the word is, and whatever it means to Tor.
    let password = HEXLOWER.encode(&Sha256::digest(circuits));
    push_counted(&mut login, password.as_bytes())?;
    stream.write_all(&login).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    if read::<2>(stream).await?[1] == 0 { Ok(()) } else { Err(odd()) }
}

async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Result<(), Refusal>, DialError> {
    let [version, code, _, kind] = read::<4>(stream).await?;
    if version != 5 {
        return Err(odd());
    }
    if code != 0 {
        return Ok(Err(Refusal(code)));
    }
    let length = match kind {
        1 => 4,
        3 => usize::from(read::<1>(stream).await?[0]),
        4 => 16,
        _ => return Err(odd()),
    };
    // The address and port that Tor claims; they mean nothing.
    let mut bound = [0; 255 + 2];
    stream.read_exact(&mut bound[..length + 2]).await.map_err(broken)?;
    Ok(Ok(()))
}

fn push_counted(message: &mut Vec<u8>, bytes: &[u8]) -> Result<(), DialError> {
    let length = u8::try_from(bytes.len());
    message.push(length.map_err(|_| DialError::Other("the name is too long".to_owned()))?);
    message.extend(bytes);
    Ok(())
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> Result<[u8; N], DialError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(broken)?;
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn broken(error: io::Error) -> DialError {
    DialError::Other(format!("Tor broke off while it opened the stream: {error}"))
}

fn odd() -> DialError {
    DialError::Other("what listens at Tor's SOCKS port does not speak SOCKS".to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// Sends all that Tor would answer at once, and what it was then sent.
    async fn answered(bytes: &[u8]) -> (Result<(), DialError>, Vec<u8>) {
        let (near, mut far) = duplex(1024);
        far.write_all(bytes).await.unwrap();
        let (mut read, write) = tokio::io::split(far);
        drop(write);
        let outcome = ask(near, "example.onion", 5984, "friends 0").await;
        let outcome = outcome.and_then(|answer| Ok(answer.map(drop)?));
        let mut sent = Vec::new();
        read.read_to_end(&mut sent).await.unwrap();
        (outcome, sent)
    }

    async fn check(reply: &[u8], expected: Result<(), DialError>) {
        let all = [&[5, 2, 1, 0], reply].concat();
        assert_eq!(answered(&all).await.0, expected, "{reply:?}");
    }

    #[tokio::test]
    async fn a_stream_is_asked_for_by_name() {
        let (outcome, sent) = answered(&[5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        assert_eq!(outcome, Ok(()));
        assert!(sent.starts_with(b"\x05\x01\x02\x01\x06larder\x40"), "{sent:?}");
        assert!(sent.ends_with(b"\x05\x01\x00\x03\x0dexample.onion\x17\x60"), "{sent:?}");
    }

    #[tokio::test]
    async fn every_form_of_address_is_read_over() {
        check(&[5, 0, 0, 3, 2, b'a', b'b', 0, 0], Ok(())).await;
        check(&[[5, 0, 0, 4].as_slice(), &[0; 18]].concat(), Ok(())).await;
        check(&[5, 0, 0, 9, 0, 0, 0, 0, 0, 0], Err(odd())).await;
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        for (code, expected) in [
            (0x04, DialError::NotFound),
            (0xF0, DialError::NotFound),
            (0xF4, DialError::Restricted),
            (0xF5, DialError::Restricted),
            (0x05, DialError::Refused),
            (0x06, DialError::TimedOut),
            (0xF7, DialError::TimedOut),
            (0xF2, DialError::Unanswered),
            (0xF3, DialError::Unanswered),
        ] {
            check(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0], Err(expected)).await;
        }
        for code in 1..=u8::MAX {
            assert!(!DialError::from(Refusal(code)).to_string().is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_socks_is_an_error() {
        let short = io::Error::from(io::ErrorKind::UnexpectedEof);
        let _text = broken(short);
        for bytes in [b"HT".as_slice(), &[5, 0xFF], &[5, 2, 1, 1], &[5, 2, 1, 0, 4, 0, 0, 1]] {
            assert_eq!(answered(bytes).await.0, Err(odd()), "{bytes:?}");
        }
        // Whoever says nothing more is not waited for.
        assert_eq!(answered(&[5]).await.0, Err(DialError::TimedOut));
        check(&[5, 0, 0], Err(DialError::TimedOut)).await;
    }

    #[tokio::test]
    async fn one_that_ends_early_is_an_error() {
        let (near, far) = duplex(1024);
        drop(far);
        let outcome = ask(near, "example.onion", 1, "").await;
        assert!(matches!(outcome, Err(DialError::Other(_))), "{outcome:?}");
    }

    #[test]
    fn only_places_on_this_machine_are_taken() {
        let all = r#""192.168.1.5:9050" "0.0.0.0:9052" "127.0.0.1:9050" "unix:/run/tor/socks" "[::1]:9" "x""#;
        let names: Vec<_> = SocksPlace::all(all).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["/run/tor/socks", "127.0.0.1:9052", "127.0.0.1:9050", "[::1]:9"]);
        assert_eq!(SocksPlace::all(""), []);
        assert_eq!(SocksPlace::all("\""), []);
    }
}
