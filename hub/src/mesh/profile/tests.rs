use identity::DeviceKey;
use identity::key_file::Key;
use tokio::sync::watch;

use super::*;
use crate::config::{Config, TlsAddress};
use crate::data_dir::DataDir;
use crate::mesh;

/// A hub that is not run, and a friend of its owner's.
fn hub_and_friend() -> (tempfile::TempDir, Arc<App>, DeviceKey) {
    hub_and_friend_with(|_| {})
}

/// The same, where something is set.
fn hub_and_friend_with(set: impl Fn(&mut Config)) -> (tempfile::TempDir, Arc<App>, DeviceKey) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::prepare(&folder.path().join("data")).unwrap();
    let mut config = Config::default();
    config.onion.mode = crate::onion::OnionMode::Off;
    config.tls.address = TlsAddress::Off;
    set(&mut config);
    let (_stop, shutdown) = watch::channel(false);
    let seed = Key::random().unwrap();
    let opened = App::open(data_dir, &seed, &config, shutdown, clock::now()).unwrap();
    let friend = DeviceKey::from_seed(&[7; 32]);
    let record = Record::new(&url(&friend, "10.0.0.1:1"), "Anna".into(), clock::now()).unwrap();
    mesh::introduce(&opened.app, Kind::Friend, record, clock::now()).unwrap();
    (folder, opened.app, friend)
}

fn url(key: &DeviceKey, host: &str) -> HttpKeyUrl {
    format!("httpkey://{host}/ed25519publickey:{}/", key.public()).parse().unwrap()
}

fn profile(key: &DeviceKey, seq: u64, host: &str) -> Profile {
    let device = ProfileDevice {
        key: key.public(),
        label: "laptop".into(),
        urls: vec![url(key, host)],
        windows: Vec::new(),
    };
    Profile { devices: vec![device], ..Profile::new(key.public(), seq) }
}

/// The ways to a friend, and the number of what they said last.
fn known(app: &App, friend: &DeviceKey) -> (Vec<String>, u64) {
    let peers = app.mesh.peers().now();
    let record = &peers[&friend.public()].record;
    let ways = record.ways(|_| true).iter().map(|url| url.authority().to_string()).collect();
    (ways, record.profile_seq())
}

#[test]
fn what_does_not_count_changes_nothing_and_is_counted() {
    let (_folder, app, friend) = hub_and_friend();
    let key = friend.public();
    let hear = |profile: &Profile, by: &DeviceKey| {
        let signed = profile.sign(by).unwrap();
        take(&app, key, signed.text().as_bytes()).unwrap();
    };
    hear(&profile(&friend, 5, "10.0.0.2:1"), &friend);
    let expected = (vec!["10.0.0.1:1".to_owned(), "10.0.0.2:1".to_owned()], 5);
    assert_eq!(known(&app, &friend), expected);
    // An older one, and another one with the same number.
    hear(&profile(&friend, 4, "10.0.0.3:1"), &friend);
    hear(&profile(&friend, 5, "10.0.0.4:1"), &friend);
    // One of somebody else, who has signed it well.
    let other = DeviceKey::from_seed(&[8; 32]);
    hear(&profile(&other, 9, "10.0.0.5:1"), &other);
    // One that was changed on the way, one that is none, and one that has run out.
    let text = profile(&friend, 9, "10.0.0.6:1").sign(&friend).unwrap().text();
    take(&app, key, text.replace("10.0.0.6", "10.0.0.7").as_bytes()).unwrap();
    take(&app, key, b"{\"profile\": 7}").unwrap();
    hear(&Profile { valid_until: Some(1), ..profile(&friend, 9, "10.0.0.8:1") }, &friend);
    assert_eq!(known(&app, &friend), expected);
    assert_eq!(app.mesh.profiles().refused(key).unwrap().count, 4);
    // A newer one replaces what was announced, and leaves what was given by hand.
    hear(&profile(&friend, 6, "10.0.0.9:1"), &friend);
    let expected = (vec!["10.0.0.1:1".to_owned(), "10.0.0.9:1".to_owned()], 6);
    assert_eq!(known(&app, &friend), expected);
    // Of somebody who was taken away nothing is noted.
    mesh::remove_friend(&app, key, clock::now()).unwrap();
    hear(&profile(&friend, 7, "10.0.0.9:1"), &friend);
    assert!(!app.mesh.peers().now().contains_key(&key));
}

#[test]
fn what_this_hub_says_is_signed_anew_only_where_it_has_changed() {
    let (_folder, app, _friend) = hub_and_friend();
    let (first, _) = own(&app).unwrap();
    let (again, _) = own(&app).unwrap();
    assert_eq!(first, again);
    let settings = Settings { name: "Bert".into(), ..Settings::default() };
    set(&app, &settings, clock::now()).unwrap();
    let (later, signed) = own(&app).unwrap();
    assert!(later.seq > first.seq && later.name == "Bert");
    assert_eq!(signed.open(app.device.public(), clock::now().0).unwrap(), later);
    let long = Settings { windows: vec!["x".repeat(500); 17], ..Settings::default() };
    assert!(set(&app, &long, clock::now()).is_err());
    assert_eq!(super::settings(&app), settings);
}

#[test]
fn this_devices_windows_are_told_where_the_owner_has_no_words_for_them() {
    let (_folder, app, _) = hub_and_friend_with(|config| {
        config.mesh = toml::from_str("windows = [\"02:00-06:00\", \":10+5\"]").unwrap();
    });
    let phone = DeviceKey::from_seed(&[9; 32]);
    let record = Record::new(&url(&phone, "10.0.0.7:1"), "phone".into(), clock::now()).unwrap();
    mesh::introduce(&app, Kind::Device, record, clock::now()).unwrap();
    let told = || {
        let (profile, _) = own(&app).unwrap();
        assert_eq!(profile.devices.len(), 2);
        profile.devices.into_iter().map(|device| device.windows).collect::<Vec<_>>()
    };
    let words =
        ["every day from 02:00 to 06:00, by its clock", "every hour, 5 minutes from 10 past on"];
    // Of other devices this one does not know.
    assert_eq!(told(), [words.map(str::to_owned).to_vec(), Vec::new()]);
    let settings = Settings { windows: vec!["evenings".into()], ..Settings::default() };
    set(&app, &settings, clock::now()).unwrap();
    assert_eq!(told(), [["evenings"], ["evenings"]]);
}

/// A further device of a friend's, reached there.
fn further(key: &DeviceKey, host: &str) -> ProfileDevice {
    let (label, urls) = ("phone".into(), vec![url(key, host)]);
    ProfileDevice { key: key.public(), label, urls, windows: Vec::new() }
}

#[test]
fn a_device_that_a_friend_names_is_a_peer_under_the_friends_name() {
    let (_folder, app, friend) = hub_and_friend();
    let (phone, own) = (DeviceKey::from_seed(&[8; 32]), DeviceKey::from_seed(&[9; 32]));
    let record = Record::new(&url(&own, "10.0.0.5:1"), "tablet".into(), clock::now()).unwrap();
    mesh::introduce(&app, Kind::Device, record, clock::now()).unwrap();
    let hear = |seq, names: &[&DeviceKey]| {
        let mut said = profile(&friend, seq, "10.0.0.2:1");
        said.devices.extend(names.iter().map(|key| further(key, "10.0.0.3:1")));
        take(&app, friend.public(), said.sign(&friend).unwrap().text().as_bytes()).unwrap();
    };
    hear(1, &[&phone, &own, &app.device]);
    let policies = app.access.policies();
    let peers = app.mesh.peers().now();
    let devices = mesh::devices_of(&peers, friend.public());
    let keys: Vec<_> = devices.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [friend.public(), phone.public()]);
    let peer = &peers[&phone.public()];
    assert_eq!((peer.record.name.as_str(), peer.label.as_str()), ("Anna", "phone"));
    assert_eq!(peer.record.ways(|_| false), [], "only announced");
    assert_eq!(peer.record.ways(|_| true), [url(&phone, "10.0.0.3:1")]);
    assert_eq!(policies.person(phone.public()), friend.public());
    assert_eq!(policies.person(own.public()), own.public());
    assert!(policies.now().knows(phone.public()));
    // One friend by name, and none by the further key.
    let found = app.mesh.peers().find("Anna", Some(Kind::Friend)).unwrap();
    assert_eq!(found.record.key, friend.public());
    assert!(app.mesh.peers().find(&phone.public().to_string(), None).is_none());
    // Two hubs with its key are its own trouble, until the friend is let in again.
    found_twice(&app, &phone);
    assert!(policies.is_blocked(phone.public()) && !policies.is_blocked(friend.public()));
    mesh::block_friend(&app, friend.public(), false, clock::now()).unwrap();
    assert!(!policies.is_blocked(phone.public()));
    // Two with the friend's are that of all.
    found_twice(&app, &friend);
    assert!(policies.is_blocked(phone.public()));
    mesh::block_friend(&app, friend.public(), false, clock::now()).unwrap();
    // What the noted one loses, this one has lost.
    mesh::block_friend(&app, friend.public(), true, clock::now()).unwrap();
    assert!(policies.is_blocked(phone.public()) && !policies.now().knows(phone.public()));
    mesh::block_friend(&app, friend.public(), false, clock::now()).unwrap();
    hear(2, &[]);
    assert!(!app.mesh.peers().now().contains_key(&phone.public()));
    assert_eq!(policies.person(phone.public()), phone.public());
    assert!(!policies.now().knows(phone.public()));
}

/// Says of a key two starts that no one hub has.
fn found_twice(app: &App, key: &DeviceKey) {
    for boot in ["7-00000000000000000000000000000001", "7-00000000000000000000000000000002"] {
        super::super::boots::heed(app, key.public(), boot);
    }
    assert!(app.mesh.boots().is_twin(key.public()));
}
