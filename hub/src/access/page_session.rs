//! Sessions of the hub's own pages: a cookie that the browser keeps from scripts, and a word that the pages
//! keep from other servers. Every request has to show both.
//!
//! Browsers send a cookie to all ports of a host, and send it along with what pages of other ports ask for:
//! alone it proves nothing. The word is kept where only pages of this very port find it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use identity::key_file::{Key, KeyFileError};
use store::Millis;
use subtle::ConstantTimeEq as _;

use super::session::Renewal;

/// The header in which the pages send the word.
pub(crate) const HEADER: &str = "x-larder-csrf";

/// How long a session lasts that nobody uses, in seconds.
const IDLE_S: u64 = 12 * 60 * 60;

const ID_BYTES: usize = 16;
const TIME_BYTES: usize = 8;
const CHECK_BYTES: usize = 32;

/// Makes and checks sessions. A cookie is `base64url(id time check)`, where the check is BLAKE3 over what is
/// before it; the word is BLAKE3 over the id. Both are keyed with secrets of this hub's.
pub(crate) struct PageSessions {
    cookie_key: [u8; 32],
    word_key: [u8; 32],
    cookie_name: String,
}

/// A session, told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageSession([u8; ID_BYTES]);

impl PageSessions {
    /// Sessions die with the owner's token, whose key they are derived from.
    pub(crate) fn new(owner: &Key) -> Self {
        let key = |context| blake3::derive_key(context, owner.bytes());
        // Two hubs of one machine have one host: each knows its own cookie.
        let name = blake3::derive_key("larder 2026-11-28 page session name", owner.bytes());
        let name = blake3::Hash::from_bytes(name).to_hex();
        Self {
            cookie_key: key("larder 2026-11-28 page session cookie"),
            word_key: key("larder 2026-11-28 page session word"),
            cookie_name: format!("LarderPages-{}", &name[..12]),
        }
    }

    /// A session that begins now.
    pub(crate) fn begin() -> Result<PageSession, KeyFileError> {
        let random = Key::random()?;
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&random.bytes()[..ID_BYTES]);
        Ok(PageSession(id))
    }

    /// The header that begins or renews a session. It ends with the browser at the latest.
    pub(crate) fn cookie(&self, session: PageSession, now: Millis) -> String {
        let mut value = session.0.to_vec();
        value.extend((now.0 / 1000).to_be_bytes());
        let check = blake3::keyed_hash(&self.cookie_key, &value);
        value.extend(check.as_bytes());
        self.header(&URL_SAFE_NO_PAD.encode(value), "")
    }

    /// The header that ends a session in the browser.
    pub(crate) fn ended(&self) -> String {
        self.header("", "Max-Age=0; ")
    }

    fn header(&self, value: &str, age: &str) -> String {
        format!("{}={value}; {age}Path=/; HttpOnly; SameSite=Strict", self.cookie_name)
    }

    /// What the pages of a session have to send with every request.
    pub(crate) fn word(&self, session: PageSession) -> String {
        URL_SAFE_NO_PAD.encode(blake3::keyed_hash(&self.word_key, &session.0).as_bytes())
    }

    /// The session whose cookie and word the headers hold.
    pub(crate) fn find(&self, headers: &HeaderMap, now: Millis) -> Option<(PageSession, Renewal)> {
        let word = headers.get(HEADER)?;
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
        let mut ours = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == self.cookie_name).then_some(value)
        });
        ours.find_map(|value| {
            let (session, renewal) = self.accept(value, now)?;
            let expected = self.word(session);
            let same: bool = expected.as_bytes().ct_eq(word.as_bytes()).into();
            same.then_some((session, renewal))
        })
    }

    fn accept(&self, value: &str, now: Millis) -> Option<(PageSession, Renewal)> {
        // No longer one is decoded.
        if value.len() > 2 * (ID_BYTES + TIME_BYTES + CHECK_BYTES) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (text, check) = bytes.split_at_checked(ID_BYTES + TIME_BYTES)?;
        let same: bool =
            blake3::keyed_hash(&self.cookie_key, text).as_bytes().as_slice().ct_eq(check).into();
        let (id, time) = text.split_at(ID_BYTES);
        let time = u64::from_be_bytes(time.try_into().ok()?);
        let now = now.0 / 1000;
        let (age, ahead) = (now.saturating_sub(time), time.saturating_sub(now));
        // From the future: the clock has been set back since; not for longer than a session lasts.
        if !same || age >= IDLE_S || ahead >= IDLE_S {
            return None;
        }
        let renewal = if age > IDLE_S / 10 { Renewal::Due } else { Renewal::NotYet };
        Some((PageSession(id.try_into().ok()?), renewal))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: Millis = Millis(1_795_255_200_000);

    fn headers(cookie: &str, word: &str) -> HeaderMap {
        let cookie = cookie.split(';').next().unwrap();
        HeaderMap::from_iter([
            (header::COOKIE, HeaderValue::from_str(&format!("other=1; {cookie}")).unwrap()),
            (HEADER.parse().unwrap(), HeaderValue::from_str(word).unwrap()),
        ])
    }

    fn after(hours: u64) -> Millis {
        Millis(NOW.0 + hours * 3_600_000)
    }

    #[test]
    fn cookie_and_word_are_asked_for_together() {
        let sessions = PageSessions::new(&Key::random().unwrap());
        let (one, other) = (PageSessions::begin().unwrap(), PageSessions::begin().unwrap());
        let cookie = sessions.cookie(one, NOW);
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        let (right, wrong) = (sessions.word(one), sessions.word(other));
        assert_eq!(sessions.find(&headers(&cookie, &right), NOW), Some((one, Renewal::NotYet)));
        assert_eq!(sessions.find(&headers(&cookie, &wrong), NOW), None);
        assert_eq!(sessions.find(&headers(&cookie, ""), NOW), None);
        assert_eq!(sessions.find(&headers("a=b", &right), NOW), None);
        let mut bare = headers(&cookie, &right);
        bare.remove(HEADER);
        assert_eq!(sessions.find(&bare, NOW), None, "a cookie alone");
        let another_hub = PageSessions::new(&Key::random().unwrap());
        assert_eq!(another_hub.find(&headers(&cookie, &right), NOW), None);
    }

    #[test]
    fn a_session_that_nobody_uses_ends() {
        let sessions = PageSessions::new(&Key::random().unwrap());
        let session = PageSessions::begin().unwrap();
        let headers = headers(&sessions.cookie(session, NOW), &sessions.word(session));
        assert_eq!(sessions.find(&headers, after(1)), Some((session, Renewal::NotYet)));
        assert_eq!(sessions.find(&headers, after(2)), Some((session, Renewal::Due)));
        assert_eq!(sessions.find(&headers, after(12)), None);
        assert_eq!(sessions.find(&headers, Millis(NOW.0 - 13 * 3_600_000)), None);
    }

    #[test]
    fn no_changed_byte_passes() {
        let sessions = PageSessions::new(&Key::random().unwrap());
        let cookie = sessions.cookie(PageSessions::begin().unwrap(), NOW);
        let value = cookie.split([';', '=']).nth(1).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(&changed);
            assert_eq!(sessions.accept(&changed, NOW), None, "byte {index}");
        }
        for bad in ["", "A", "é", &"A".repeat(113), &"A".repeat(75)] {
            assert_eq!(sessions.accept(bad, NOW), None, "{bad:?}");
        }
    }
}
