//! What becomes of conflicts in databases, set as their records say. Which was set is kept in a local document
//! of `_dbs`, so that a start need not open every database to see.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::{ConflictPolicy, ConflictRule, Database, DbName, DbUuid, Error, LocalId, Millis};

use super::record::Record;
use super::{MESH, Registry, State, system};

/// The local document.
const SET: &str = "_local/conflict-rules";

/// Which rules were set, and whether that was written down.
#[derive(Debug, Default)]
pub(super) struct Rules {
    set: BTreeMap<DbUuid, ConflictRule>,
    is_written: bool,
}

impl Rules {
    /// As they were written down last; what cannot be read is looked at anew.
    fn read(dbs: &Database) -> Result<Self, Error> {
        let id = id()?;
        let local = dbs.read(|snapshot| snapshot.local(&id))?;
        let text = local.map(|local| local.json).unwrap_or_default();
        let known: BTreeMap<String, (u64, String)> =
            serde_json::from_str(&text).unwrap_or_default();
        let rule = |(uuid, (version, policy)): (String, (u64, String))| {
            let policy = policy.parse::<ConflictPolicy>().ok()?;
            Some((DbUuid::parse(&uuid)?, ConflictRule { policy, version }))
        };
        Ok(Self { set: known.into_iter().filter_map(rule).collect(), is_written: true })
    }

    fn write(&mut self, dbs: &Database) -> Result<(), Error> {
        let row = |(uuid, rule): (&DbUuid, &ConflictRule)| {
            (uuid.to_string(), (rule.version, rule.policy.to_string()))
        };
        let known: BTreeMap<String, (u64, String)> = self.set.iter().map(row).collect();
        let text = serde_json::to_string(&known).unwrap_or_default();
        dbs.write_local(id()?, 0, Some(text))?;
        self.is_written = true;
        Ok(())
    }
}

fn id() -> Result<LocalId, Error> {
    SET.parse().map_err(|_| Error::NoDatabase)
}

impl Registry {
    /// Has a database resolve conflicts as its record says, those that are there once [`Self::settle`] is
    /// called.
    pub(super) fn obey_rule(
        &self,
        state: &mut State,
        record: &Record,
        database: &Arc<Database>,
    ) -> Result<(), Error> {
        self.set_rule(state, database, record.rule())
    }

    /// The same for those that all hubs have.
    pub(super) fn obey_rules_of_mesh(&self, state: &mut State) {
        for name in MESH {
            let named = name.parse::<DbName>().ok().and_then(|name| self.store.database(&name));
            let Some(database) = named else { continue };
            if let Err(error) = self.set_rule(state, &database, system::rule(name)) {
                tracing::error!(error = error.unnamed(), name, "its conflicts stay");
            }
        }
    }

    fn set_rule(
        &self,
        state: &mut State,
        database: &Arc<Database>,
        rule: ConflictRule,
    ) -> Result<(), Error> {
        // A new database has this one, and whoever never set another need not be opened.
        if rule.version == 0 {
            return Ok(());
        }
        let rules = self.rules(state)?;
        if rules.set.get(&database.uuid()) == Some(&rule) {
            return Ok(());
        }
        if database.conflict_rule()? != rule {
            database.set_conflict_rule(rule.clone())?;
        }
        state.unsettled.push((Arc::clone(database), rule));
        Ok(())
    }

    /// Resolves the conflicts of databases whose rule has changed, and notes that. Called while nothing is
    /// held: a large database takes its time.
    pub(super) fn settle(&self, now: Millis) -> Result<(), Error> {
        let unsettled = std::mem::take(&mut self.state().unsettled);
        if unsettled.is_empty() {
            return Ok(());
        }
        let mut outcome = Ok(());
        for (database, rule) in unsettled {
            let settled = database.resolve_conflicts(now).and_then(|_| database.conflict_rule());
            match settled {
                Ok(present) if present == rule => {
                    let mut state = self.state();
                    let rules = self.rules(&mut state)?;
                    rules.set.insert(database.uuid(), rule);
                    rules.is_written = false;
                }
                // It was changed meanwhile, and whoever did that settles it.
                Ok(_) | Err(Error::NoDatabase) => {}
                // Not noted, so that it is looked at anew.
                Err(error) => outcome = Err(error),
            }
        }
        self.keep_rules(&mut self.state())?;
        outcome
    }

    /// Writes down which rules were set.
    pub(super) fn keep_rules(&self, state: &mut State) -> Result<(), Error> {
        let dbs = self.dbs()?;
        let rules = self.rules(state)?;
        if rules.is_written {
            return Ok(());
        }
        rules.set.retain(|uuid, _| self.store.database_of(*uuid).is_some());
        rules.write(&dbs)
    }

    fn rules<'s>(&self, state: &'s mut State) -> Result<&'s mut Rules, Error> {
        match &mut state.rules {
            Some(rules) => Ok(rules),
            unknown => Ok(unknown.insert(Rules::read(&*self.dbs()?)?)),
        }
    }
}
