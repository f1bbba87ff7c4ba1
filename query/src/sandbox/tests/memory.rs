use crate::sandbox::{Limits, Mapper, Sandbox};

const MAP: &str = "doc => emit(doc._id)";

#[test]
fn worlds_are_small() {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    assert_eq!(sandbox.memory_used_bytes(), 0);
    let first = Mapper::new(&sandbox, &[MAP], None).unwrap();
    let alone = sandbox.memory_used_bytes();
    let second = Mapper::new(&sandbox, &[MAP], None).unwrap();
    let both = sandbox.memory_used_bytes();
    assert!(alone < 512 << 10 && both - alone < 384 << 10, "{alone} {both}");
    drop((first, second));
    // The engine keeps the first world for as long as it lives, and no other.
    for _ in 0..10 {
        drop(Mapper::new(&sandbox, &[MAP], None).unwrap());
    }
    assert!(sandbox.memory_used_bytes() < 384 << 10, "{}", sandbox.memory_used_bytes());
}

#[test]
fn documents_leave_nothing_behind() {
    let sandbox = Sandbox::new(Limits::default(), |_| ());
    let source = "doc => { const a = [doc]; a.push(a); doc.self = a; emit(doc._id, () => a) }";
    let mut mapper = Mapper::new(&sandbox, &[source], None).unwrap();
    let document = format!(r#"{{"_id":"x","text":"{}"}}"#, "x".repeat(10_000));
    // Twenty times what fits, in rings that only a collection finds.
    let documents = 20 * Limits::default().memory_bytes / document.len() / 10;
    for _ in 0..documents {
        mapper.map(&document, &mut |_| ()).unwrap();
    }
    assert!(sandbox.memory_used_bytes() < 32 << 20, "{}", sandbox.memory_used_bytes());
}
