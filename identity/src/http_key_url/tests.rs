use proptest::prelude::*;
use sha3::{Digest as _, Sha3_256 as Sha3};

use super::*;
use crate::DeviceKey;

/// Of Tor's own documentation: the onion service of the Tor Project.
const ONION: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";

fn key() -> PublicKey {
    DeviceKey::from_seed(&[7; 32]).public()
}

/// A URL on whose key nothing is wrong.
fn at(authority: &str, path: &str) -> String {
    format!("httpkey://{authority}/ed25519publickey:{}{path}", key())
}

fn error(text: &str) -> HttpKeyUrlError {
    text.parse::<HttpKeyUrl>().unwrap_err()
}

fn prints(text: &str, expected: &str) {
    let url: HttpKeyUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(url.to_string(), expected);
    assert_eq!(expected.parse(), Ok(url));
}

#[test]
fn every_part_is_read() {
    let text = at(&format!("{ONION}:9898"), "/notes/2026");
    let url: HttpKeyUrl = text.parse().unwrap();
    assert_eq!(url.key(), key());
    assert_eq!(url.path(), "/notes/2026");
    assert_eq!(url.authority().port, 9898);
    assert!(matches!(&url.authority().host, Host::Onion(name) if name.full() == ONION));
    assert_eq!(url.to_string(), text);
    // Small enough for a code that cameras read well.
    let whole = at(&format!("{ONION}:9898"), "/");
    assert!(whole.len() <= 150, "{} bytes", whole.len());
}

#[test]
fn a_url_is_written_in_one_way() {
    prints(&at("h:9898", ""), &at("h:9898", "/"));
    prints(&at("h", "/"), &at("h:9898", "/"));
    prints(&at("h", "/db/"), &at("h:9898", "/db/"));
    prints(&at("Some.Host:80", "/Db"), &at("some.host:80", "/Db"));
    prints(&at(&ONION.to_uppercase(), "/db"), &at(&format!("{ONION}:9898"), "/db"));
    prints(&at("192.168.1.7", "/db"), &at("192.168.1.7:9898", "/db"));
    prints(&at("[FE80:0:0::1]", "/db"), &at("[fe80::1]:9898", "/db"));
    prints(&at("[::1]:6984", "/db"), &at("[::1]:6984", "/db"));
    let text = format!("HttpKey://h/Ed25519PublicKey:{}/db", key());
    prints(&text, &at("h:9898", "/db"));
}

#[test]
fn escapes_are_kept_where_they_mean_something() {
    prints(&at("h", "/%64b/%7e%2D"), &at("h:9898", "/db/~-"));
    // The slash in a database's name, a plus, a space.
    prints(&at("h", "/a%2fb/c+d%2b/%20"), &at("h:9898", "/a%2Fb/c+d%2B/%20"));
    prints(&at("h", "/db/@me:%25"), &at("h:9898", "/db/@me:%25"));
}

#[test]
fn the_key_ends_where_it_was_written() {
    let bare = at("h", "");
    assert_eq!(error(&format!("{bare}%2Fdb")), HttpKeyUrlError::EscapedKey);
    assert_eq!(error(&format!("{bare}%2f/db")), HttpKeyUrlError::EscapedKey);
    let escaped = bare.replace("publickey:", "publickey%3A");
    assert_eq!(error(&escaped), HttpKeyUrlError::EscapedKey);
    assert_eq!(error(&bare.replace("ed25519", "%65d25519")), HttpKeyUrlError::EscapedKey);
    // A second colon belongs to no key.
    assert!(matches!(error(&format!("{bare}:x/db")), HttpKeyUrlError::Key(_)));
    assert!(matches!(error(&format!("{bare};x/db")), HttpKeyUrlError::Key(_)));
}

#[test]
fn schemes_and_missing_keys() {
    for text in
        ["", "httpkey", "httpkey:/h/", "https://h/db", "httpkeys://h/", "://h/", " httpkey://h"]
    {
        assert_eq!(error(text), HttpKeyUrlError::Scheme, "{text:?}");
    }
    for text in ["h", "h/", "h/db", "h//db", "h/:x", "h/1key:x", "h/a b:x", "h/?x"] {
        assert_eq!(error(&format!("httpkey://{text}")), HttpKeyUrlError::NoKey, "{text:?}");
    }
    let long = at("h", &format!("/{}", "x".repeat(URL_BYTES_MAX)));
    assert_eq!(error(&long), HttpKeyUrlError::TooLong);
    let long = "x".repeat(URL_BYTES_MAX);
    assert_eq!(HttpKeyUrl::new("h".parse().unwrap(), key(), &long), Err(HttpKeyUrlError::TooLong));
}

#[test]
fn kinds_of_keys() {
    let rsa = |exponent: &str, modulus: &str| {
        error(&format!("httpkey://h/RsaPublicKey:{exponent}.{modulus}/db"))
    };
    let modulus = "7".repeat(RSA_MODULUS_DIGITS_MIN);
    assert_eq!(rsa("65537", &modulus), HttpKeyUrlError::RsaNotSupported);
    for (exponent, modulus) in [
        ("65537", &modulus[1..]),
        ("65536", &modulus),
        ("1", &modulus),
        ("", &modulus),
        ("065537", &modulus),
        ("65537", &format!("0{modulus}")),
        ("65537", &format!("{modulus}a")),
        ("65537", &format!("{modulus}.3")),
        ("65537", ""),
    ] {
        assert_eq!(rsa(exponent, modulus), HttpKeyUrlError::RsaKey, "{exponent}.{modulus}");
    }
    assert_eq!(error("httpkey://h/rsapublickey:65537/"), HttpKeyUrlError::RsaKey);
    for kind in ["mldsa65publickey", "x", "ed25519publickeys", "a+b-c.d"] {
        let text = format!("httpkey://h/{kind}:{}/db", key());
        assert_eq!(error(&text), HttpKeyUrlError::UnknownKeyType, "{kind}");
    }
}

#[test]
fn keys_have_one_form() {
    let text = |key: &str| format!("httpkey://h/ed25519publickey:{key}/db");
    let upper = key().to_string().to_uppercase();
    assert_eq!(error(&text(&upper)), HttpKeyUrlError::Key(PublicKeyError::Text));
    assert_eq!(error(&text("")), HttpKeyUrlError::Key(PublicKeyError::Text));
    assert_eq!(error(&text(&"a".repeat(52))), HttpKeyUrlError::Key(PublicKeyError::SmallOrder));
    let trailing = format!("{}b", &key().to_string()[..51]);
    assert_eq!(error(&text(&trailing)), HttpKeyUrlError::Key(PublicKeyError::TrailingBits));
}

#[test]
fn authorities() {
    use AuthorityError as E;
    let long = "a.".repeat(126) + "aa";
    let longer = format!("{}.b", "a".repeat(64));
    for (authority, expected) in [
        ("user@h", E::UserInfo),
        ("user:secret@h:1", E::UserInfo),
        ("@h", E::UserInfo),
        ("", E::NoHost),
        (":9898", E::NoHost),
        ("h:", E::Port),
        ("h:0", E::Port),
        ("h:65536", E::Port),
        ("h:+1", E::Port),
        ("h:080", E::Port),
        ("h:1:2", E::Port),
        ("::1", E::NoHost),
        ("fe80::1", E::Port),
        ("[::1", E::Ip6),
        ("[]", E::Ip6),
        ("[1.2.3.4]", E::Ip6),
        ("[fe80::1%25eth0]", E::Ip6),
        ("[v1.x]", E::Ip6),
        ("[::1]x", E::Port),
        ("1.2.3", E::Ip4),
        ("256.1.1.1", E::Ip4),
        ("2130706433", E::Ip4),
        ("0x7f.0x1", E::Ip4),
        ("01.2.3.4", E::Ip4),
        ("a..b", E::Name),
        ("h.", E::Name),
        (".h", E::Name),
        ("-h", E::Name),
        ("h%61", E::Name),
        ("h h", E::Name),
        ("h\u{e4}", E::Name),
        (longer.as_str(), E::Name),
        (long.as_str(), E::Name),
    ] {
        assert_eq!(error(&at(authority, "/db")), E::into(expected), "{authority}");
    }
}

#[test]
fn onion_addresses() {
    use OnionAddressError as E;
    let check = |host: &str, expected: AuthorityError| {
        assert_eq!(error(&at(host, "/db")), expected.into(), "{host}");
    };
    check("onion", E::Text.into());
    check("ku7mzposmlr5343f.onion", E::Text.into());
    check(&format!("www.{ONION}"), E::Text.into());
    check(&ONION.replace('2', "8"), E::Text.into());
    check(&ONION.replacen("2g", "2h", 1), E::Checksum.into());
    // With a dot at its end a resolver would be asked.
    check(&format!("{ONION}."), AuthorityError::Name);
    check(&format!("{ONION}:0"), AuthorityError::Port);
    let of_version = |version: u8| {
        let key = [9; 32];
        let hash = Sha3::digest([&b".onion checksum"[..], &key, &[version]].concat());
        let bytes = [&key[..], &hash[..2], &[version]].concat();
        format!("{}.onion", data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase())
    };
    assert!(at(&of_version(3), "/db").parse::<HttpKeyUrl>().is_ok());
    check(&of_version(4), E::Version.into());
}

#[test]
fn paths() {
    use PathError as E;
    for (path, expected) in [
        ("/db?a=b", E::Query),
        ("/db#a", E::Fragment),
        ("//db", E::EmptySegment),
        ("/db//", E::EmptySegment),
        ("/./db", E::DotSegment),
        ("/db/..", E::DotSegment),
        ("/%2e%2E/db", E::DotSegment),
        ("/.%2e", E::DotSegment),
        ("/d b", E::Character),
        ("/d\u{e4}", E::Character),
        ("/d\\b", E::Character),
        ("/d\0", E::Character),
        ("/%", E::Escape),
        ("/%2", E::Escape),
        ("/%2g", E::Escape),
        ("/%%32", E::Escape),
        ("/%\u{e4}", E::Escape),
    ] {
        assert_eq!(error(&at("h", path)), E::into(expected), "{path}");
    }
    // Without a slash between them the key does not end.
    assert!(matches!(error(&at("h", "?a=b")), HttpKeyUrlError::Key(_)));
}

#[test]
fn comparing() {
    let url = |authority: &str, path: &str| at(authority, path).parse::<HttpKeyUrl>().unwrap();
    let (onion, local) = (url(ONION, "/db"), url("192.168.1.7:9898", "/%64b/"));
    assert!(onion.same_key(&local) && onion.same_target(&local) && onion != local);
    let other = url(ONION, "/dbs");
    assert!(onion.same_key(&other) && !onion.same_target(&other));
    let stranger = DeviceKey::from_seed(&[8; 32]).public();
    let stranger = HttpKeyUrl::new(onion.authority().clone(), stranger, "/db").unwrap();
    assert!(!onion.same_key(&stranger) && !onion.same_target(&stranger));
}

#[test]
fn debug_shows_as_much_as_a_log_may() {
    let url: HttpKeyUrl = at(ONION, "/diary").parse().unwrap();
    let shown = format!("{url:?} {:?}", url.authority());
    let key = key().to_string();
    assert!(shown.contains(&key[..8]) && !shown.contains(&key[..20]), "{shown}");
    assert!(shown.contains(&ONION[..8]) && !shown.contains(&ONION[..20]), "{shown}");
    assert!(!shown.contains("diary"), "{shown}");
}

#[test]
fn goes_through_json() {
    let url: HttpKeyUrl = at("h", "/db").parse().unwrap();
    let json = serde_json::to_string(&url).unwrap();
    assert_eq!(json, format!("\"{}\"", at("h:9898", "/db")));
    assert_eq!(serde_json::from_str::<HttpKeyUrl>(&json).unwrap(), url);
}

proptest! {
    #[test]
    fn any_text_is_refused_or_has_one_form(host in "\\PC{0,12}", path in "\\PC{0,24}") {
        crate::fuzzing::http_key_url(at(&host, &path).as_bytes());
        crate::fuzzing::http_key_url(at("h", &format!("/{path}")).as_bytes());
    }
}
