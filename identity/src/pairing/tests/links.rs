//! Links: one form, precise errors, small enough to be scanned.

use qrcode::{EcLevel, QrCode, Version};

use super::*;
use crate::HttpKeyUrlError;

const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:9898";

fn link(reach: &[&str]) -> PairingLink {
    let reach = reach.iter().map(|at| at.parse().unwrap()).collect();
    PairingLink { kind: Kind::Device, key: key(1), reach, secret: secret(), until_s: UNTIL / 1000 }
}

#[test]
fn come_back_as_they_were() {
    for reach in [&[ONION][..], &["192.168.178.123:6984", ONION], &["[fe80::1]:6984", "h:1"]] {
        let link = link(reach);
        let text = link.to_string();
        assert_eq!(text.parse(), Ok(link.clone()), "{text}");
        assert_eq!(format!("\n{text} \n").to_uppercase().parse(), Ok(link.clone()), "{text}");
        let urls: Vec<String> = link.urls().iter().map(crate::HttpKeyUrl::to_string).collect();
        let expected = |at: &&str| format!("httpkey://{at}/ed25519publickey:{}/", key(1));
        assert_eq!(urls, reach.iter().map(expected).collect::<Vec<_>>());
        assert!(text.starts_with(&format!("larder:{}#1/", urls[0])), "{text}");
        let shown = format!("{link:?}");
        assert!(!shown.contains(&text::encode(&[9; 16])) && !shown.contains(ONION), "{shown}");
    }
}

#[test]
fn hold_the_secret_behind_the_hash() {
    let text = link(&[ONION]).to_string();
    let (before, behind) = text.split_once('#').unwrap();
    let secret = text::encode(&[9; 16]);
    assert!(!before.contains(&secret) && behind.contains(&secret), "{text}");
}

#[test]
fn are_scanned_from_a_telephone() {
    let text = link(&["192.168.178.123:6984", ONION]).to_string().to_uppercase();
    let code = QrCode::with_error_correction_level(&text, EcLevel::M).unwrap();
    let Version::Normal(version) = code.version() else { panic!("{:?}", code.version()) };
    assert!(version <= 12, "version {version} of {} characters", text.len());
}

#[test]
fn are_refused_precisely() {
    let good = link(&[ONION]).to_string();
    let check = |from: &str, to: &str, expected: LinkError| {
        assert!(good.contains(from), "{from}");
        let text = good.replacen(from, to, 1);
        assert_eq!(text.parse::<PairingLink>(), Err(expected), "{text}");
    };
    for scheme in ["httpkey:", "https:", "javascript:alert(1)//", "larder", "WIFI:", "mailto:", ""]
    {
        check("larder:", scheme, LinkError::Scheme);
    }
    check("#", "", LinkError::NoFragment);
    check("#1/", "#2/", LinkError::Version);
    check("#1/", "#", LinkError::Version);
    check("httpkey://", "https://", LinkError::Url(HttpKeyUrlError::Scheme));
    check("ed25519publickey", "rsapublickey", LinkError::Url(HttpKeyUrlError::RsaKey));
    check("/#", "/db#", LinkError::Path);
    check("/kind:device", "", LinkError::Missing("kind"));
    check("/kind:device", "/kind:device/kind:device", LinkError::Repeated("kind"));
    check("kind:device", "kind:owner", LinkError::Damaged("kind"));
    check("secret:", "secret:a", LinkError::Damaged("secret"));
    check("secret:", "x:", LinkError::Unknown);
    check("/until:", "/secret:", LinkError::Damaged("secret"));
    check("until:", "until:0", LinkError::Damaged("time"));
    check("until:", "until:+", LinkError::Damaged("time"));
    check("until:", "until:99999999999", LinkError::Damaged("time"));
    for further in ["/more:1", "/", "/at", "/script"] {
        let text = format!("{good}{further}");
        assert_eq!(text.parse::<PairingLink>(), Err(LinkError::Unknown), "{text}");
    }
    let way = format!("{good}/at:user@host");
    assert!(matches!(way.parse::<PairingLink>(), Err(LinkError::Reach(_))));
    let many = format!("{good}{}", "/at:h:1".repeat(REACH_MAX));
    assert_eq!(many.parse::<PairingLink>(), Err(LinkError::TooManyWays));
    let long = format!("{good}{}", "/at:h:1".repeat(LINK_BYTES_MAX));
    assert_eq!(long.parse::<PairingLink>(), Err(LinkError::TooLong));
    assert_eq!("".parse::<PairingLink>(), Err(LinkError::Scheme));
    // The secret's last character has bits that no secret has.
    let secret = text::encode(&[9; 16]);
    check(&secret, &format!("{}b", &secret[..25]), LinkError::Damaged("secret"));
}

#[test]
fn end() {
    let link = link(&[ONION]);
    assert!(link.clone().current(UNTIL - 1).is_ok());
    assert_eq!(link.current(UNTIL), Err(LinkError::Expired));
}
