//! Work that goes on in the background, as `_active_tasks` shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use store::Millis;

/// Every task that is running.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    tasks: BTreeMap<u64, Entry>,
    started: u64,
}

/// One task as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Databases of this hub that it works on.
    databases: Vec<String>,
    /// Members as CouchDB names them.
    members: Map<String, Value>,
}

/// A task that is running; it is gone from the list when this is dropped.
#[derive(Debug)]
pub(crate) struct Task {
    tasks: Arc<Tasks>,
    number: u64,
}

impl Tasks {
    /// Begins a task of CouchDB's type (`database_compaction`, `replication`, …) on these
    /// databases of this hub.
    pub(crate) fn start(self: &Arc<Self>, kind: &str, databases: Vec<String>, now: Millis) -> Task {
        let mut running = self.lock();
        running.started += 1;
        let number = running.started;
        let mut members = Map::new();
        members.insert("node".into(), json!("nonode@nohost"));
        members.insert("pid".into(), json!(format!("<0.{number}.0>")));
        members.insert("type".into(), json!(kind));
        if let [database] = databases.as_slice() {
            members.insert("database".into(), json!(database));
        }
        members.insert("progress".into(), json!(0));
        members.insert("started_on".into(), json!(seconds(now)));
        members.insert("updated_on".into(), json!(seconds(now)));
        running.tasks.insert(number, Entry { databases, members });
        drop(running);
        Task { tasks: Arc::clone(self), number }
    }

    /// The tasks whose databases `sees` lets through, oldest first.
    pub(crate) fn list(&self, sees: impl Fn(&[String]) -> bool) -> Vec<Value> {
        // Copied first: what `sees` does happens without the lock.
        let entries: Vec<Entry> = self.lock().tasks.values().cloned().collect();
        entries
            .into_iter()
            .filter(|entry| sees(&entry.databases))
            .map(|entry| Value::Object(entry.members))
            .collect()
    }

    /// How many tasks of a type are running.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let running = self.lock();
        running.tasks.values().filter(|entry| entry.members["type"] == kind).count()
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        // Whoever panicked with the lock left whole entries behind.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    /// Sets members of the task.
    pub(crate) fn set<const N: usize>(&self, members: [(&str, Value); N], now: Millis) {
        let mut running = self.tasks.lock();
        let Some(entry) = running.tasks.get_mut(&self.number) else { return };
        entry.members.extend(members.map(|(name, value)| (name.to_owned(), value)));
        entry.members.insert("updated_on".into(), json!(seconds(now)));
    }

    /// Sets many members at once.
    pub(crate) fn extend(&self, members: Map<String, Value>, now: Millis) {
        let mut running = self.tasks.lock();
        let Some(entry) = running.tasks.get_mut(&self.number) else { return };
        entry.members.extend(members);
        entry.members.insert("updated_on".into(), json!(seconds(now)));
    }

    /// Sets how many changes are done out of how many, and the percentage that makes.
    pub(crate) fn progress(&self, done: u64, total: u64, now: Millis) {
        let percent = (u128::from(done) * 100).checked_div(u128::from(total));
        let percent = percent.map_or(100, |percent| u64::try_from(percent.min(100)).unwrap_or(100));
        self.set(
            [
                ("changes_done", json!(done)),
                ("total_changes", json!(total)),
                ("progress", json!(percent)),
            ],
            now,
        );
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.tasks.lock().tasks.remove(&self.number);
    }
}

fn seconds(now: Millis) -> u64 {
    now.0 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_runs() {
        let tasks = Arc::new(Tasks::default());
        let task = tasks.start("database_compaction", vec!["db".into()], Millis(5_000));
        task.progress(1, 3, Millis(7_999));
        let shown = tasks.list(|_| true);
        assert_eq!(
            shown,
            [json!({
                "node": "nonode@nohost", "pid": "<0.1.0>", "type": "database_compaction",
                "database": "db", "progress": 33, "changes_done": 1, "total_changes": 3,
                "started_on": 5, "updated_on": 7,
            })]
        );
        task.progress(0, 0, Millis(8_000));
        assert_eq!(tasks.list(|_| true)[0]["progress"], json!(100));
        drop(task);
        assert!(tasks.list(|_| true).is_empty());
    }

    #[test]
    fn shows_only_what_may_be_seen() {
        let tasks = Arc::new(Tasks::default());
        let _one = tasks.start("replication", vec!["a".into(), "b".into()], Millis(0));
        let _two = tasks.start("database_compaction", vec!["a".into()], Millis(0));
        assert_eq!(tasks.list(|databases| databases == ["a"]).len(), 1);
        assert_eq!(tasks.list(|_| false).len(), 0);
    }
}
