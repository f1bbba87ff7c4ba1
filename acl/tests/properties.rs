//! What holds of every policy.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use acl::{Action, Caller, DEVICES_OF_FRIEND_MAX, Document, People, Policies, Resource, Vouched};
use identity::PublicKey;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use store::{DbName, DbUuid};

const GROUPS: usize = 5;
const KEYS: u8 = 4;
const DB: DbUuid = DbUuid([3; 16]);

/// A group's members, or who is in each list of a policy: words by their place among all words.
type Words = Vec<usize>;

#[derive(Clone, Debug)]
struct World {
    groups: Vec<Words>,
    /// Readers, members, designers, admins, and of one view.
    lists: Vec<Words>,
}

fn key(seed: u8) -> PublicKey {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed + 1; 32]).verifying_key();
    PublicKey::from_bytes(key.to_bytes()).unwrap()
}

/// The words are the groups, then the keys.
fn words() -> usize {
    GROUPS + usize::from(KEYS)
}

fn world() -> impl Strategy<Value = World> {
    let list = || vec(0..words(), 0..4);
    (vec(list(), GROUPS), vec(list(), 5)).prop_map(|(groups, lists)| World { groups, lists })
}

fn key_word(word: usize) -> Option<String> {
    let seed = u8::try_from(word.checked_sub(GROUPS)?).ok()?;
    Some(key(seed).to_string())
}

impl World {
    fn list(words: &Words) -> Value {
        let names: Vec<_> = words.iter().filter_map(|&word| key_word(word)).collect();
        let groups = words.iter().filter(|&&word| word < GROUPS);
        let roles: Vec<_> = groups.map(|word| format!("g{word}")).collect();
        json!({"names": names, "roles": roles})
    }

    fn read(&self) -> Policies {
        let lists: Vec<_> = self.lists.iter().map(Self::list).collect();
        let policy = json!({
            "readers": lists[0], "members": lists[1], "designers": lists[2], "admins": lists[3],
            "views": {"d/v": lists[4]},
        });
        let mut texts = vec![(format!("database/{DB}"), policy.to_string())];
        for (at, members) in self.groups.iter().enumerate() {
            let word = |&word: &usize| key_word(word).unwrap_or_else(|| format!("group:g{word}"));
            let members: Vec<_> = members.iter().map(word).collect();
            texts.push((format!("group/g{at}"), json!({"members": members}).to_string()));
        }
        let policies = Policies::read(None, texts.iter().map(|(id, body)| Document { id, body }));
        assert!(policies.problems().is_empty(), "{:?}", policies.problems());
        policies
    }
}

/// All that somebody may do with the database and its view; every decision agrees with its explanation.
fn allowed(policies: &Policies, caller: Caller<'_>, name: &str) -> Vec<(Action, bool)> {
    let name: DbName = name.parse().unwrap();
    let database = Resource::Database { name: &name, uuid: Some(DB) };
    let view = Resource::View { name: &name, uuid: Some(DB), design: "d", view: "v" };
    let mut allowed = Vec::new();
    for (resource, of_view) in [(database, false), (view, true)] {
        for action in Action::ALL {
            let decision = policies.decide(caller, action, resource);
            let explained = policies.explain(caller, action, resource);
            assert_eq!(explained.decision, decision);
            let vague = "a list names it";
            assert!(!explained.sentence.contains(vague), "{explained}");
            if decision.is_allowed() {
                allowed.push((action, of_view));
            }
        }
    }
    allowed
}

proptest! {
    #[test]
    fn adding_a_member_takes_nothing_from_anybody(
        world in world(), place in 0..GROUPS + 5, word in 0..words(),
    ) {
        let mut more = world.clone();
        match place.checked_sub(GROUPS) {
            None => more.groups[place].push(word),
            Some(list) => more.lists[list].push(word),
        }
        let (before, after) = (world.read(), more.read());
        for seed in 0..KEYS {
            let caller = Caller::Key(key(seed));
            let now = allowed(&after, caller, "notes");
            for right in allowed(&before, caller, "notes") {
                prop_assert!(now.contains(&right), "{right:?}");
            }
        }
    }

    #[test]
    fn whom_nothing_mentions_may_nothing(world in world(), seed in 0..KEYS) {
        let mut without = world;
        let word = GROUPS + usize::from(seed);
        for words in without.groups.iter_mut().chain(&mut without.lists) {
            words.retain(|&other| other != word);
        }
        let policies = without.read();
        let caller = Caller::Key(key(seed));
        prop_assert!(policies.groups_of(caller).is_empty());
        let greets = vec![(Action::Greet, false), (Action::Greet, true)];
        prop_assert_eq!(allowed(&policies, caller, "notes"), greets);
    }

    #[test]
    fn no_key_gets_a_system_database(world in world(), seed in 0..KEYS) {
        let policies = world.read();
        for name in ["_acl", "_apps", "_users", "_replicator", "a/_replicator"] {
            let may = allowed(&policies, Caller::Key(key(seed)), name);
            prop_assert!(may.iter().all(|(action, _)| *action == Action::Greet));
        }
    }

    #[test]
    fn nobody_creates_or_administers_by_policy(world in world(), seed in 0..KEYS) {
        let policies = world.read();
        let app = Caller::App { name: "a", admin: false, grants: &[] };
        let never = [Action::Create, Action::Administer, Action::AdministerServer];
        for caller in [Caller::Key(key(seed)), app] {
            let may = allowed(&policies, caller, "notes");
            prop_assert!(may.iter().all(|(action, _)| !never.contains(action)));
        }
    }

    #[test]
    fn any_text_is_read_or_reported(id in "(database/|group/|principal/)?.{0,60}", body in ".{0,80}") {
        let policies = Policies::read(None, [Document { id: &id, body: &body }]);
        let found = policies.databases().count() + policies.groups().len();
        prop_assert!(found + policies.principals().len() + policies.problems().len() >= 1);
    }
}

/// What friends say, of few enough keys that they name each other's.
fn vouched() -> impl Strategy<Value = Vouched> {
    let friends = proptest::collection::btree_map(0..20u8, vec(0..20u8, 0..12), 0..6);
    (friends, 0..20usize).prop_map(|(friends, devices_max)| {
        let keys = |seeds: Vec<u8>| seeds.into_iter().map(key).collect();
        let friends = friends.into_iter().map(|(friend, devices)| (key(friend), keys(devices)));
        Vouched { friends: friends.collect(), devices_max }
    })
}

proptest! {
    #[test]
    fn whoever_stands_for_a_friend_is_nobody_else(
        vouched in vouched(),
        known in proptest::collection::btree_set(0..20u8, 0..6),
        blocked in proptest::collection::btree_set(0..20u8, 0..6),
    ) {
        let known: BTreeSet<_> = known.into_iter().map(key).collect();
        let blocked: BTreeSet<_> = blocked.into_iter().map(key).collect();
        let is_known = |key| known.contains(&key);
        let is_blocked = |key| blocked.contains(&key);
        let people = People::new(&vouched, is_known, is_blocked);
        prop_assert!(people.devices().len() <= vouched.devices_max);
        let mut counts = BTreeMap::new();
        for (device, friend) in people.devices() {
            prop_assert!(vouched.friends[friend].contains(device));
            prop_assert_eq!(people.person(*friend), *friend, "a chain");
            prop_assert!(!vouched.friends.contains_key(device) && !is_known(*device));
            let others = vouched.friends.iter().filter(|(other, _)| *other != friend);
            for (other, devices) in others {
                let named = devices.iter().take(DEVICES_OF_FRIEND_MAX).any(|named| named == device);
                prop_assert!(!named || is_blocked(*other), "another names it");
            }
            *counts.entry(friend).or_insert(0) += 1;
        }
        prop_assert!(counts.values().all(|count| *count <= DEVICES_OF_FRIEND_MAX));
    }

    #[test]
    fn a_device_of_a_friend_may_what_the_friend_may(world in world(), friend in 0..KEYS) {
        let policies = world.read();
        let (hub, device) = (key(50), key(51));
        let all = (0..KEYS).map(|other| (key(other), Vec::new()));
        let mut friends: BTreeMap<_, Vec<PublicKey>> = all.collect();
        friends.insert(key(friend), vec![hub, key(friend), key((friend + 1) % KEYS), device]);
        let vouched = Vouched { friends, devices_max: 10 };
        let before = |seed| allowed(&policies, Caller::Key(key(seed)), "notes");
        let before: Vec<_> = (0..KEYS).map(before).collect();
        let policies = world.read().with_people(hub, &vouched);
        prop_assert_eq!(policies.people().devices().len(), 1);
        prop_assert_eq!(
            &allowed(&policies, Caller::Key(device), "notes"), &before[usize::from(friend)]
        );
        prop_assert_eq!(policies.knows(device), policies.knows(key(friend)));
        prop_assert_eq!(
            policies.groups_of(Caller::Key(device)), policies.groups_of(Caller::Key(key(friend)))
        );
        // Nobody else gains or loses by it.
        for (seed, before) in (0..KEYS).zip(before) {
            prop_assert_eq!(allowed(&policies, Caller::Key(key(seed)), "notes"), before);
        }
    }
}

/// Groups in a ring, all members of one another, end; so does a chain longer than is followed.
#[test]
fn rings_and_long_chains_end() {
    let reader = key(0).to_string();
    let policy = json!({"readers": {"roles": ["g0"]}}).to_string();
    let id = format!("database/{DB}");
    for (count, ring, reads) in
        [(5, true, true), (16, false, true), (17, false, true), (18, false, false)]
    {
        let member = |at: usize| match at + 1 < count {
            true => vec![format!("group:g{}", at + 1)],
            false if ring => vec!["group:g0".into(), reader.clone()],
            false => vec![reader.clone()],
        };
        let groups: Vec<_> = (0..count)
            .map(|at| (format!("group/g{at}"), json!({"members": member(at)}).to_string()))
            .collect();
        let documents = groups.iter().map(|(id, body)| Document { id, body });
        let policies = Policies::read(None, documents.chain([Document { id: &id, body: &policy }]));
        let name: DbName = "notes".parse().unwrap();
        let resource = Resource::Database { name: &name, uuid: Some(DB) };
        let decision = policies.decide(Caller::Key(key(0)), Action::Read, resource);
        assert_eq!(decision.is_allowed(), reads, "{count}");
    }
}
