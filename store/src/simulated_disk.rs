//! A disk in memory that keeps what was committed when its power fails: for simulations.

use std::sync::Arc;

use crate::Error;
use crate::catalog::Catalog;
use crate::engine::{Backend, Moment, Power};

/// A data directory in memory: a [`Store`](crate::Store) is opened on it, and after a crash the next one,
/// which finds what was durable. Everything else of a store in memory is as on a disk, but for the
/// files of indexes.
///
/// ```
/// use store::{DbName, Millis, Moment, Options, SimulatedDisk, Store};
///
/// let options = Options { writer_threads: 0, open_databases_max: 8, device: [0; 32] };
/// let disk = SimulatedDisk::new(42)?;
/// let store = Store::open_simulated(&disk, &options)?;
/// let notes: DbName = "notes".parse()?;
/// store.create(&notes, Millis(0))?;
/// disk.fail_power_after(0, Moment::Before);
/// assert!(store.create(&"lost".parse()?, Millis(0)).is_err());
/// drop(store);
/// disk.turn_power_on();
/// let names: Vec<_> =
///     Store::open_simulated(&disk, &options)?.databases().iter().map(|db| db.name().to_string()).collect();
/// assert_eq!(names, ["notes"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SimulatedDisk {
    pub(crate) backend: Arc<Backend>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) power: Arc<Power>,
}

impl SimulatedDisk {
    /// An empty disk; uuids and epochs of its databases follow from the seed.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub fn new(seed: u64) -> Result<Self, Error> {
        let power = Arc::new(Power::new(seed));
        let backend = Arc::new(Backend::in_memory(Some(Arc::clone(&power))));
        let mut catalog = Catalog::in_memory()?;
        catalog.power = Some(Arc::clone(&power));
        Ok(Self { backend, catalog: Arc::new(catalog), power })
    }

    /// Has the power fail in the commit after `commits` others. From then on every write fails.
    pub fn fail_power_after(&self, commits: u64, moment: Moment) {
        self.power.fail_after(commits, moment);
    }

    /// Whether the power has failed.
    #[must_use]
    pub fn is_without_power(&self) -> bool {
        self.power.is_off()
    }

    /// Turns the power on again; what was not durable is gone. The store that was open before must not be
    /// used any more.
    pub fn turn_power_on(&self) {
        self.backend.lose_unsettled();
        self.power.turn_on();
    }

    /// Whether writes find no room from now on.
    pub fn set_full(&self, full: bool) {
        self.power.set_full(full);
    }
}
