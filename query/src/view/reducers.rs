//! The reduce functions of a design document's views.

use std::cell::RefCell;

use crate::design::{Tree, Views};
use crate::index::reduce::Builtin;
use crate::index::{Reduce, ReduceError, Row};
use crate::sandbox::{Limits, Reducer, Sandbox, SandboxError};

use super::ViewError;

/// The reduce functions of all trees; they stay on the thread that made them.
pub struct Reducers {
    trees: Vec<Vec<Box<dyn Reduce>>>,
}

impl Reducers {
    /// Reads the functions' sources; those in JavaScript are compiled when they are first called.
    ///
    /// # Errors
    /// [`ViewError::UnknownReduce`].
    pub fn new(views: &Views, limits: &Limits, log: fn(&str)) -> Result<Self, ViewError> {
        let sandbox = Sandbox::new(limits.clone(), log);
        let trees = views.trees.iter().map(|tree| of_tree(tree, &sandbox));
        Ok(Self { trees: trees.collect::<Result<_, _>>()? })
    }

    /// Those of one tree, in their order.
    #[must_use]
    pub fn of_tree(&self, tree: usize) -> Vec<&dyn Reduce> {
        self.trees.get(tree).into_iter().flatten().map(AsRef::as_ref).collect()
    }
}

fn of_tree(tree: &Tree, sandbox: &Sandbox) -> Result<Vec<Box<dyn Reduce>>, ViewError> {
    let function = |(_, source): &(String, String)| -> Result<Box<dyn Reduce>, ViewError> {
        let source = source.trim();
        if source.starts_with('_') {
            return Ok(Box::new(source.parse::<Builtin>()?));
        }
        Ok(Box::new(Written {
            source: source.to_owned(),
            sandbox: sandbox.clone(),
            compiled: RefCell::new(None),
        }))
    };
    tree.reduces.iter().map(function).collect()
}

/// A reduce function in JavaScript.
struct Written {
    source: String,
    sandbox: Sandbox,
    compiled: RefCell<Option<Reducer>>,
}

impl Written {
    fn call(
        &self,
        call: impl FnOnce(&mut Reducer) -> Result<String, SandboxError>,
    ) -> Result<Vec<u8>, ReduceError> {
        let failed = |error: SandboxError| ReduceError::Failed(Box::new(error));
        let mut compiled = self.compiled.borrow_mut();
        let reducer = match &mut *compiled {
            Some(reducer) => reducer,
            none => none.insert(Reducer::new(&self.sandbox, &self.source).map_err(failed)?),
        };
        Ok(call(reducer).map_err(failed)?.into_bytes())
    }
}

impl Reduce for Written {
    fn reduce(&self, rows: &[Row<'_>]) -> Result<Vec<u8>, ReduceError> {
        let (mut keys, mut values) = (vec![b'['], vec![b'[']);
        for (position, row) in rows.iter().enumerate() {
            if position > 0 {
                keys.push(b',');
                values.push(b',');
            }
            keys.push(b'[');
            keys.extend_from_slice(row.key.as_bytes());
            keys.push(b',');
            store::json::write_string(&mut keys, &row.id);
            keys.push(b']');
            values.extend_from_slice(row.value.as_bytes());
        }
        keys.push(b']');
        values.push(b']');
        let (keys, values) = (text(&keys)?, text(&values)?);
        self.call(|reducer| reducer.reduce(keys, values))
    }

    fn rereduce(&self, reductions: &[&[u8]]) -> Result<Vec<u8>, ReduceError> {
        let mut values = vec![b'['];
        for (position, reduction) in reductions.iter().enumerate() {
            if position > 0 {
                values.push(b',');
            }
            values.extend_from_slice(reduction);
        }
        values.push(b']');
        let values = text(&values)?;
        self.call(|reducer| reducer.rereduce(values))
    }
}

fn text(bytes: &[u8]) -> Result<&str, ReduceError> {
    std::str::from_utf8(bytes).map_err(|_| ReduceError::Damaged)
}
