//! How Tor is shown that whoever controls it may.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXUPPER_PERMISSIVE as HEX;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::control::{Control, ControlError};
use super::reply::ReplyError;
use super::version::Version;
use super::words::{bytes, value, words};

/// The keys under which both sides show that they know the cookie.
///
/// Source: Tor's control-spec, section 3.24.
const SERVER: &[u8] = b"Tor safe cookie authentication server-to-controller hash";
const CONTROLLER: &[u8] = b"Tor safe cookie authentication controller-to-server hash";

type Cookie = Zeroizing<[u8; 32]>;

/// A Tor may not be controlled.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthenticateError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(
        "it asks for a password; let it use a cookie too: `CookieAuthentication 1` in its torrc"
    )]
    Password,
    #[error("it lets nobody in: neither a cookie nor anything else that is known here")]
    NoMethod,
    #[error(
        "its cookie file {0} may not be read by this user; on Debian, add the user to the group \
         `debian-tor`"
    )]
    CookieNotReadable(PathBuf),
    #[error("its cookie file {path} cannot be read: {source}", path = path.display())]
    CookieLost { path: PathBuf, source: io::Error },
    #[error("its cookie file {0} is no file of 32 bytes")]
    CookieOdd(PathBuf),
    #[error("its cookie is another one than {0} holds")]
    CookieWrong(PathBuf),
    #[error("its version {0} is too old; 0.4.6 is the first that will do")]
    TooOld(Version),
    #[error("no chance: {0}")]
    Chance(getrandom::Error),
}

/// Asks what Tor it is and shows it that it may be controlled.
///
/// A cookie is only ever proven to be known, never sent: the server names the file, and might name one
/// of ours. Every Tor that is new enough takes it that way.
pub(super) async fn authenticate(control: &mut Control) -> Result<Version, AuthenticateError> {
    let information = control.ask("PROTOCOLINFO 1").await?;
    let version = information.after("VERSION ").and_then(words);
    let version = version.as_deref().and_then(|words| value(words, "Tor"));
    let version = Version::new(version.ok_or(ControlError::Reply(ReplyError::Garbled))?);
    if !version.is_enough() {
        return Err(AuthenticateError::TooOld(version));
    }
    let line = information.after("AUTH ").and_then(words).unwrap_or_default();
    let methods: Vec<_> = value(&line, "METHODS").unwrap_or_default().split(',').collect();
    let file = bytes(&line, "COOKIEFILE").map(|path| PathBuf::from(OsStr::from_bytes(path)));
    match file {
        _ if methods.contains(&"NULL") => {
            control.ask("AUTHENTICATE").await?;
        }
        Some(file) if methods.contains(&"SAFECOOKIE") => prove(control, file).await?,
        _ if methods.contains(&"HASHEDPASSWORD") => return Err(AuthenticateError::Password),
        _ => return Err(AuthenticateError::NoMethod),
    }
    Ok(version)
}

async fn prove(control: &mut Control, file: PathBuf) -> Result<(), AuthenticateError> {
    let cookie = read(file.clone()).await?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(AuthenticateError::Chance)?;
    let challenge = format!("AUTHCHALLENGE SAFECOOKIE {}", HEX.encode(&nonce));
    let answer = control.ask(&challenge).await?;
    let answer = answer.after("AUTHCHALLENGE ").and_then(words).unwrap_or_default();
    let field = |key| value(&answer, key).and_then(|hex| HEX.decode(hex.as_bytes()).ok());
    let (Some(server_hash), Some(server_nonce)) = (field("SERVERHASH"), field("SERVERNONCE"))
    else {
        return Err(ControlError::Reply(ReplyError::Garbled).into());
    };
    let hash = |key| hmac(key, &[cookie.as_slice(), &nonce, &server_nonce].concat());
    // The nonce is new each time, so that it tells nothing how long this takes.
    if hash(SERVER) != server_hash.as_slice() {
        return Err(AuthenticateError::CookieWrong(file));
    }
    control.ask(&format!("AUTHENTICATE {}", HEX.encode(&hash(CONTROLLER)))).await?;
    Ok(())
}

/// The first half of HKDF is HMAC and nothing else (RFC 5869, section 2.2).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    Hkdf::<Sha256>::extract(Some(key), message).0.into()
}

async fn read(path: PathBuf) -> Result<Cookie, AuthenticateError> {
    let shown = path.clone();
    let read = tokio::task::spawn_blocking(move || read_now(&path)).await;
    let source = match read {
        Ok(Ok(Some(cookie))) => return Ok(cookie),
        Ok(Ok(None)) => return Err(AuthenticateError::CookieOdd(shown)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(AuthenticateError::CookieNotReadable(shown));
        }
        Ok(Err(error)) => error,
        Err(panicked) => io::Error::other(panicked),
    };
    Err(AuthenticateError::CookieLost { path: shown, source })
}

/// Reads a cookie; `None` where there is something else.
fn read_now(path: &Path) -> io::Result<Option<Cookie>> {
    // Neither a pipe nor a device that the server might name is waited for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut cookie = Cookie::default();
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() != cookie.len() as u64 {
        return Ok(None);
    }
    file.read_exact(cookie.as_mut())?;
    Ok(Some(cookie))
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::*;

    fn information(auth: &str) -> String {
        format!(
            "250-PROTOCOLINFO 1\r\n250-AUTH {auth}\r\n250-VERSION Tor=\"0.4.9.8\"\r\n250 OK\r\n"
        )
    }

    async fn run(script: Script) -> Result<Version, AuthenticateError> {
        authenticate(&mut Control::new(script.connect().await)).await
    }

    async fn check(script: Script, expected: &str) {
        let text = run(script).await.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }

    #[tokio::test]
    async fn a_tor_that_asks_for_nothing_is_told_nothing() {
        let script = Script::new()
            .answer("PROTOCOLINFO 1\r\n", &information("METHODS=NULL"))
            .answer("AUTHENTICATE\r\n", "250 OK\r\n");
        assert_eq!(run(script).await.unwrap(), Version::new("0.4.9.8"));
    }

    #[tokio::test]
    async fn a_password_is_said_to_be_wanted() {
        let script = Script::new().answer("PROTOCOLINFO", &information("METHODS=HASHEDPASSWORD"));
        check(script, "asks for a password").await;
        // It is never sent.
        let only_cookie = information("METHODS=COOKIE COOKIEFILE=\"/etc/passwd\"");
        check(Script::new().answer("PROTOCOLINFO", &only_cookie), "lets nobody in").await;
    }

    #[tokio::test]
    async fn old_versions_are_named() {
        let old = "250-AUTH METHODS=NULL\r\n250-VERSION Tor=\"0.4.5.16\"\r\n250 OK\r\n";
        check(Script::new().answer("PROTOCOLINFO", old), "0.4.5.16 is too old").await;
        check(Script::new().answer("PROTOCOLINFO", "250 OK\r\n"), "does not speak").await;
    }

    #[tokio::test]
    async fn cookies_that_differ_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cookie");
        std::fs::write(&file, [7; 32]).unwrap();
        let methods = format!("METHODS=COOKIE,SAFECOOKIE COOKIEFILE=\"{}\"", file.display());
        let zeros = "0".repeat(64);
        let challenge = format!("250 AUTHCHALLENGE SERVERHASH={zeros} SERVERNONCE={zeros}\r\n");
        let script = || Script::new().answer("PROTOCOLINFO", &information(&methods));
        check(script().answer("AUTHCHALLENGE SAFECOOKIE ", &challenge), "another one").await;
        check(script().answer("AUTHCHALLENGE", "250 AUTHCHALLENGE\r\n"), "does not speak").await;
        check(script().answer("AUTHCHALLENGE", "513 Bad\r\n"), "refused AUTHCHALLENGE").await;
    }

    #[tokio::test]
    async fn only_files_of_32_bytes_are_cookies() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let short = folder.path().join("short");
        std::fs::write(&short, [7; 31]).unwrap();
        for odd in [pipe.as_path(), &short, folder.path(), Path::new("/dev/zero")] {
            let read = read(odd.to_owned()).await;
            assert!(matches!(read, Err(AuthenticateError::CookieOdd(_))), "{odd:?}");
        }
        let lost = read(folder.path().join("none")).await.unwrap_err().to_string();
        assert!(lost.contains("none cannot be read"), "{lost}");
    }

    /// RFC 4231, test case 2.
    #[test]
    fn hmac_is_that_of_the_standard() {
        let expected = "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843";
        assert_eq!(HEX.encode(&hmac(b"Jefe", b"what do ya want for nothing?")), expected);
    }
}
