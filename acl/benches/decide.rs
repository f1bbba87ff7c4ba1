//! What a decision takes with many principals in groups of groups.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::hint::black_box;

use acl::{Action, Caller, Document, Policies, Resource};
use criterion::{Criterion, criterion_group, criterion_main};
use identity::PublicKey;
use serde_json::json;
use store::{DbName, DbUuid};

const PRINCIPALS: usize = 1000;
const GROUPS: usize = 100;
const DB: DbUuid = DbUuid([9; 16]);

fn key(number: usize) -> PublicKey {
    let mut seed = [5; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    let key = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
    PublicKey::from_bytes(key.to_bytes()).unwrap()
}

/// Groups in a tree, ten in each; every principal in two of them, and every group listed.
fn documents() -> Vec<(String, String)> {
    let mut documents = Vec::new();
    for group in 0..GROUPS {
        let of = |number: &usize| number % GROUPS == group || number / 10 == group;
        let keys = (0..PRINCIPALS).filter(of).map(|number| key(number).to_string());
        let below = (group * 10 + 1..group * 10 + 11).filter(|below| *below < GROUPS);
        let members: Vec<_> = keys.chain(below.map(|below| format!("group:g{below}"))).collect();
        documents.push((format!("group/g{group}"), json!({"members": members}).to_string()));
    }
    let names: Vec<_> = (0..PRINCIPALS).step_by(2).map(|number| key(number).to_string()).collect();
    let roles: Vec<_> = (0..GROUPS).map(|group| format!("g{group}")).collect();
    let policy = json!({
        "readers": {"names": names, "roles": roles}, "members": {"roles": roles},
        "views": {"d/v": {"roles": roles}},
    });
    documents.push((format!("database/{DB}"), policy.to_string()));
    documents
}

fn decide(criterion: &mut Criterion) {
    let documents = documents();
    let read = || {
        let documents = documents.iter().map(|(id, body)| Document { id, body });
        Policies::read(None, documents)
    };
    let policies = read();
    assert!(policies.problems().is_empty());
    let name: DbName = "notes".parse().unwrap();
    let database = Resource::Database { name: &name, uuid: Some(DB) };
    let (member, stranger) = (Caller::Key(key(777)), Caller::Key(key(PRINCIPALS)));
    criterion.bench_function("decide/member", |bencher| {
        bencher.iter(|| policies.decide(black_box(member), Action::Write, database));
    });
    criterion.bench_function("decide/refused", |bencher| {
        bencher.iter(|| policies.decide(black_box(member), Action::WriteDesign, database));
    });
    criterion.bench_function("decide/stranger", |bencher| {
        bencher.iter(|| policies.decide(black_box(stranger), Action::Read, database));
    });
    criterion.bench_function("read", |bencher| bencher.iter(&read));
}

criterion_group!(benches, decide);
criterion_main!(benches);
