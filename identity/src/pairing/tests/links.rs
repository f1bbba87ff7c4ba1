//! Links: one form, precise errors, small enough to be scanned.

use qrcode::{EcLevel, QrCode, Version};

use super::*;
use crate::HttpKeyUrlError;

const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:9898";

fn link(reach: &[&str]) -> PairingLink {
    let reach = reach.iter().map(|at| at.parse().unwrap()).collect();
    let (key, secret, until_s) = (key(1), secret(), UNTIL / 1000);
    PairingLink { kind: Kind::Device, key, reach, secret, find: None, until_s }
}

/// The same, of a hub that not everybody finds.
fn finding_link(reach: &[&str]) -> PairingLink {
    PairingLink { find: Some(find()), ..link(reach) }
}

/// How large its code is: the version of a QR code has 17 + 4 times as many modules a side.
fn code_version(link: &PairingLink) -> i16 {
    let text = link.to_string().to_uppercase();
    let code = QrCode::with_error_correction_level(&text, EcLevel::M).unwrap();
    let Version::Normal(version) = code.version() else { panic!("{:?}", code.version()) };
    version
}

#[test]
fn come_back_as_they_were() {
    let ways = [&[ONION][..], &["192.168.178.123:6984", ONION], &["[fe80::1]:6984", "h:1"]];
    let links = ways.map(|reach| [(reach, link(reach)), (reach, finding_link(reach))]);
    for (reach, link) in links.into_iter().flatten() {
        let text = link.to_string();
        assert_eq!(text.parse(), Ok(link.clone()), "{text}");
        assert_eq!(format!("\n{text} \n").to_uppercase().parse(), Ok(link.clone()), "{text}");
        let urls: Vec<String> = link.urls().iter().map(crate::HttpKeyUrl::to_string).collect();
        let expected = |at: &&str| format!("httpkey://{at}/ed25519publickey:{}/", key(1));
        assert_eq!(urls, reach.iter().map(expected).collect::<Vec<_>>());
        let version = if link.find.is_some() { 2 } else { 1 };
        assert!(text.starts_with(&format!("larder:{}#{version}/", urls[0])), "{text}");
        let shown = format!("{link:?} {:?} {:?}", link.secret, link.find);
        let hidden = [text::encode(&[9; 16]), text::encode(&[11; 16]), ONION.to_owned()];
        assert!(hidden.iter().all(|hidden| !shown.contains(hidden)), "{shown}");
    }
}

#[test]
fn hold_the_secret_behind_the_hash() {
    let text = finding_link(&[ONION]).to_string();
    let (before, behind) = text.split_once('#').unwrap();
    for secret in [[9; 16], [11; 16]] {
        let secret = text::encode(&secret);
        assert!(!before.contains(&secret) && behind.contains(&secret), "{text}");
    }
}

#[test]
fn are_scanned_from_a_telephone() {
    let reach = ["192.168.178.123:6984", ONION];
    assert_eq!((code_version(&link(&reach)), code_version(&finding_link(&reach))), (9, 10));
    assert_eq!((code_version(&link(&[ONION])), code_version(&finding_link(&[ONION]))), (9, 9));
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
    check("#1/", "#3/", LinkError::Version);
    check("#1/", "#01/", LinkError::Version);
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
    // What finds a hub is for links of the version that has it, and those alone.
    check("#1/", "#2/", LinkError::Missing("second secret"));
    check("/until:", &format!("/find:{}/until:", text::encode(&[11; 16])), LinkError::Unknown);
    let finding = finding_link(&[ONION]).to_string();
    let check_finding = |from: &str, to: &str, expected: LinkError| {
        assert!(finding.contains(from), "{from}");
        let text = finding.replacen(from, to, 1);
        assert_eq!(text.parse::<PairingLink>(), Err(expected), "{text}");
    };
    check_finding("#2/", "#1/", LinkError::Unknown);
    check_finding("find:", "find:a", LinkError::Damaged("second secret"));
    check_finding("/until:", "/find:/until:", LinkError::Damaged("second secret"));
    let twice = format!("/find:{}/until:", text::encode(&[11; 16]));
    check_finding("/until:", &twice, LinkError::Repeated("second secret"));
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
