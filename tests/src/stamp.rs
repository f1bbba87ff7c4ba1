//! Revision ids that say when they were written, as hubs make them, and the clock that they are told by.

/// What the clock of this machine shows, and so that of every hub on it, in Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "as the clock of the hub that is asked")]
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("a time after 1970").as_millis()).expect("a time within reach")
}

/// The signature of a first revision as a hub writes it whose clock shows this.
pub fn stamped(ms: u64) -> String {
    let mut bytes = ((u128::from(ms) << 80) | (7 << 40)).to_be_bytes();
    let mut checked = b"larder-stamp-1".to_vec();
    checked.extend_from_slice(&1_u64.to_be_bytes());
    checked.extend_from_slice(&bytes[..11]);
    bytes[11..].copy_from_slice(&blake3::hash(&checked).as_bytes()[..5]);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// When a hub wrote a revision, by its id.
///
/// # Panics
/// When no hub wrote it.
#[track_caller]
pub fn stamp_ms(rev: &str) -> u64 {
    let (_, signature) = rev.split_once('-').expect("a revision id");
    u64::from_str_radix(&signature[..12], 16).expect("48 bits of time")
}
