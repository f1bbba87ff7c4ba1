//! httpkey URLs.

use crate::{Host, HttpKeyUrl};

/// A text is no httpkey URL, or one with one form, in which it reads back as the same.
///
/// # Panics
/// When that does not hold.
pub fn http_key_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(url) = text.parse::<HttpKeyUrl>() else { return };
    let printed = url.to_string();
    let again: HttpKeyUrl = printed.parse().expect("what was printed");
    assert!(again == url && again.to_string() == printed, "{printed}");
    assert!(url.same_key(&again) && url.same_target(&again), "{printed}");
    assert!(printed.is_ascii() && url.path().starts_with('/'), "{printed}");
    let expected = format!("ed25519publickey:{}{}", url.key(), url.path());
    assert!(printed.ends_with(&expected), "{printed}");
    let shown = format!("{url:?}");
    assert!(!shown.contains(&url.key().to_string()), "{shown}");
    match &url.authority().host {
        Host::Onion(name) => assert!(!shown.contains(name.full()), "{shown}"),
        // What ends with `.onion` must reach no resolver.
        Host::Name(name) => assert!(!name.trim_end_matches('.').ends_with(".onion"), "{name}"),
        Host::Ip(_) => {}
    }
    let parts = HttpKeyUrl::new(url.authority().clone(), url.key(), url.path());
    assert_eq!(parts.as_ref(), Ok(&url), "{printed}");
}
