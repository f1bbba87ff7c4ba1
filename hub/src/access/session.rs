//! Sessions: cookies that stand for a log-in, ten minutes long unless CouchDB's settings say otherwise.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::key_file::Key;
use store::Millis;
use subtle::ConstantTimeEq as _;

use super::token::TokenHash;
use crate::couch_config::SessionSettings;

/// The cookie's name.
pub(crate) const COOKIE: &str = "AuthSession";

/// Bytes of the check at a cookie's end.
const CHECK_BYTES: usize = 32;

/// Longest cookie that is looked at, in characters.
const COOKIE_BYTES_MAX: usize = 512;

/// Makes and checks cookies: `base64url(name:hex time:check)`, where the check is BLAKE3 over all
/// before it and over the token's hash, keyed with a secret of this hub's. So a cookie dies with
/// the token that it was given for.
pub(crate) struct Sessions {
    key: [u8; 32],
}

/// A cookie that is one of ours, as far as can be said without knowing its token.
pub(crate) struct Claim {
    /// Who it says it is.
    pub(crate) name: String,
    time: u64,
    check: [u8; CHECK_BYTES],
}

/// What a valid cookie calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// It lasts a while yet.
    NotYet,
    /// A tenth of its time is over: send a new one.
    Due,
}

impl Sessions {
    /// Sessions die with the owner's token, whose key they are derived from.
    pub(crate) fn new(owner: &Key) -> Self {
        Self { key: blake3::derive_key("larder 2026-11-21 session cookie", owner.bytes()) }
    }

    /// The header that begins or renews a session.
    pub(crate) fn cookie(
        &self,
        name: &str,
        token: &TokenHash,
        settings: SessionSettings,
        now: Millis,
    ) -> String {
        let seconds = now.0 / 1000;
        let mut value = format!("{name}:{seconds:X}").into_bytes();
        let check = self.check(&value, token);
        value.push(b':');
        value.extend_from_slice(check.as_bytes());
        let value = URL_SAFE_NO_PAD.encode(value);
        let timeout_s = settings.timeout_s;
        let end = seconds.saturating_add(timeout_s).min(YEAR_9999);
        let end = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(end));
        let lasting = match settings.persistent {
            true => format!("Expires={end}; Max-Age={timeout_s}; "),
            false => String::new(),
        };
        format!("{COOKIE}={value}; Version=1; {lasting}Path=/; HttpOnly; SameSite=Strict")
    }

    /// Reads a cookie's value.
    pub(crate) fn claim(value: &str) -> Option<Claim> {
        if value.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).ok()?;
        // The check may hold colons, so it is cut off by its length.
        let (text, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        let (name, time) = std::str::from_utf8(text.strip_suffix(b":")?).ok()?.rsplit_once(':')?;
        Some(Claim {
            name: name.into(),
            time: u64::from_str_radix(time, 16).ok()?,
            check: check.try_into().ok()?,
        })
    }

    /// Whether the cookie was given for this token and has not run out.
    pub(crate) fn accept(
        &self,
        claim: &Claim,
        token: &TokenHash,
        timeout_s: u64,
        now: Millis,
    ) -> Option<Renewal> {
        let text = format!("{}:{:X}", claim.name, claim.time);
        let same: bool = self.check(text.as_bytes(), token).as_bytes().ct_eq(&claim.check).into();
        let now = now.0 / 1000;
        let (age, ahead) = (now.saturating_sub(claim.time), claim.time.saturating_sub(now));
        // From the future: the clock has been set back since; not for longer than a session lasts.
        if !same || age >= timeout_s || ahead >= timeout_s {
            return None;
        }
        Some(if age > timeout_s / 10 { Renewal::Due } else { Renewal::NotYet })
    }

    fn check(&self, text: &[u8], token: &TokenHash) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(token.bytes()).update(text);
        hasher.finalize()
    }
}

/// The last second that a cookie's date can name.
const YEAR_9999: u64 = 253_402_300_799;

/// The header that ends a session in the browser.
pub(crate) fn ended() -> String {
    format!("{COOKIE}=; Version=1; Max-Age=0; Path=/; HttpOnly; SameSite=Strict")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_255_200_000);

    const TEN_MINUTES: SessionSettings = SessionSettings { timeout_s: 600, persistent: true };

    fn value(cookie: &str) -> &str {
        let (value, _) = cookie.split_once(';').unwrap();
        value.strip_prefix("AuthSession=").unwrap()
    }

    fn accept(
        sessions: &Sessions,
        value: &str,
        token: &TokenHash,
        seconds: i64,
    ) -> Option<Renewal> {
        let now = Millis(NOW.0.saturating_add_signed(seconds * 1000));
        sessions.accept(&Sessions::claim(value)?, token, 600, now)
    }

    #[test]
    fn lasts_ten_minutes_and_renews() {
        let sessions = Sessions::new(&Key::random().unwrap());
        let token = TokenHash::of("t").unwrap();
        let cookie = sessions.cookie("notes", &token, TEN_MINUTES, NOW);
        assert!(cookie.ends_with(
            "; Version=1; Expires=Sat, 21 Nov 2026 10:10:00 GMT; Max-Age=600; Path=/; HttpOnly; \
             SameSite=Strict"
        ));
        let value = value(&cookie);
        assert_eq!(Sessions::claim(value).unwrap().name, "notes");
        assert_eq!(accept(&sessions, value, &token, 0), Some(Renewal::NotYet));
        assert_eq!(accept(&sessions, value, &token, 60), Some(Renewal::NotYet));
        assert_eq!(accept(&sessions, value, &token, 61), Some(Renewal::Due));
        assert_eq!(accept(&sessions, value, &token, 599), Some(Renewal::Due));
        assert_eq!(accept(&sessions, value, &token, 600), None);
        assert_eq!(accept(&sessions, value, &token, -500), Some(Renewal::NotYet));
        assert_eq!(accept(&sessions, value, &token, -700), None);
    }

    #[test]
    fn settings_say_how_long() {
        let sessions = Sessions::new(&Key::random().unwrap());
        let token = TokenHash::of("t").unwrap();
        let settings = SessionSettings { timeout_s: 30, persistent: false };
        let cookie = sessions.cookie("notes", &token, settings, NOW);
        assert!(cookie.ends_with("; Version=1; Path=/; HttpOnly; SameSite=Strict"));
        let claim = Sessions::claim(value(&cookie)).unwrap();
        let after = |seconds: u64| Millis(NOW.0 + seconds * 1000);
        let accept = |seconds| sessions.accept(&claim, &token, 30, after(seconds));
        assert_eq!(accept(3), Some(Renewal::NotYet));
        assert_eq!(accept(4), Some(Renewal::Due));
        assert_eq!(accept(30), None);
    }

    #[test]
    fn belongs_to_one_token_of_one_hub() {
        let sessions = Sessions::new(&Key::random().unwrap());
        let token = TokenHash::of("t").unwrap();
        let cookie = sessions.cookie("notes", &token, TEN_MINUTES, NOW);
        let value = value(&cookie);
        assert_eq!(accept(&sessions, value, &TokenHash::of("t").unwrap(), 0), None);
        let other = Sessions::new(&Key::random().unwrap());
        assert_eq!(accept(&other, value, &token, 0), None);
    }

    #[test]
    fn no_changed_byte_passes() {
        let sessions = Sessions::new(&Key::random().unwrap());
        let token = TokenHash::of("t").unwrap();
        let cookie = sessions.cookie("notes", &token, TEN_MINUTES, NOW);
        let bytes = URL_SAFE_NO_PAD.decode(value(&cookie)).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(&changed);
            let accepted = accept(&sessions, &changed, &token, 0);
            // The time is written in upper case; another case is another text.
            assert_eq!(accepted, None, "byte {index}");
        }
        for bad in ["", "x", "=", "AAAA", "é", &"A".repeat(600)] {
            assert!(Sessions::claim(bad).is_none(), "{bad:?}");
        }
    }
}
