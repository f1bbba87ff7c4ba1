//! The databases that a hub has of its own, and where they are.

use store::{ConflictPolicy, ConflictRule, DbName, DbUuid};

/// Where the records of databases are kept.
pub(crate) const DBS: &str = "_dbs";

/// Those that a person's devices have in common, in the order in which they are synced: what a database
/// is has to be known first.
pub(crate) const MESH: [&str; 5] = [DBS, "_devices", "_contacts", "_acl", "_overwritten"];

/// Whether this one is the same on every device of its owner.
pub(crate) fn is_of_mesh(name: &str) -> bool {
    MESH.contains(&name)
}

/// What a database of the mesh is known as between hubs: each has made its own, so they go by the name.
pub(crate) fn sync_id(name: &str) -> DbUuid {
    let hash = blake3::derive_key("larder 2026-11-28 system database", name.as_bytes());
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&hash[..16]);
    DbUuid(uuid)
}

/// The name of the database of the mesh that is known so.
pub(crate) fn by_sync_id(id: DbUuid) -> Option<DbName> {
    MESH.iter().find(|name| sync_id(name) == id).and_then(|name| name.parse().ok())
}

/// What becomes of conflicts in a database of the mesh, the same in every hub. The registry reads every
/// leaf of its own documents, and what was overwritten is never in conflict.
pub(crate) fn rule(name: &str) -> ConflictRule {
    match name {
        "_acl" | "_contacts" | "_devices" => {
            ConflictRule { policy: ConflictPolicy::Newest, version: 1 }
        }
        _ => ConflictRule::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_of_the_mesh_is_found_by_its_id() {
        for name in MESH {
            assert_eq!(by_sync_id(sync_id(name)), Some(name.parse().unwrap()));
        }
        assert_eq!(by_sync_id(DbUuid([0; 16])), None);
        assert!(is_of_mesh("_acl") && !is_of_mesh("_apps") && !is_of_mesh("notes"));
    }

    /// Other hubs know it as this.
    #[test]
    fn an_id_stays() {
        assert_eq!(sync_id(DBS).to_string(), "8ac00c3a2a2f8330b198662817a30049");
    }
}
