//! Reduce functions: many values in, one out.

use std::rc::Rc;

use rquickjs::{Function, Object, Persistent};

use super::error::Error;
use super::held::Held;
use super::runtime::Sandbox;
use super::script::Script;
use super::text::without_lone_surrogates;

/// A reduce function, compiled.
pub struct Reducer {
    held: Held<Rc<Persistent<Function<'static>>>>,
}

impl Reducer {
    /// Compiles the source.
    ///
    /// # Errors
    /// [`Error::Compilation`] when it is no function.
    pub fn new(sandbox: &Sandbox, source: &str) -> Result<Self, Error> {
        let source = source.to_owned();
        let mut held = Held::new(sandbox, move |script| compile(script, &source));
        held.get()?;
        Ok(Self { held })
    }

    /// Reduces rows: `keys` is a JSON array of pairs of key and document's name, `values` one of the
    /// values. A function that throws returns `null`, which is logged.
    ///
    /// # Errors
    /// When a limit is broken, or the function throws what ends everything.
    pub fn reduce(&mut self, keys: &str, values: &str) -> Result<String, Error> {
        self.run(keys, values, false)
    }

    /// Reduces what the function has returned before, a JSON array.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn rereduce(&mut self, values: &str) -> Result<String, Error> {
        self.run("null", values, true)
    }

    fn run(&mut self, keys: &str, values: &str, again: bool) -> Result<String, Error> {
        let (function, script) = self.held.get()?;
        let result = script.enter(|ctx, entry: &Object<'_>| {
            let function = Persistent::clone(&function).restore(ctx)?;
            let reduce: Function<'_> = entry.get("reduce")?;
            reduce.call::<_, String>((function, keys, values, again))
        })?;
        let result = without_lone_surrogates(&result).into_owned();
        self.check(keys.len() + values.len(), result)
    }

    /// Source: `runReduce` of CouchDB's `views.js`, with its `reduce_limit_ratio` of 2.
    fn check(&self, input_bytes: usize, result: String) -> Result<String, Error> {
        let limits = self.held.sandbox().limits();
        let output_bytes = result.len();
        if output_bytes > limits.output_bytes {
            return Err(Error::Output);
        }
        let grows = output_bytes > limits.reduce_threshold_bytes && output_bytes * 2 > input_bytes;
        if limits.reduce_limit && grows {
            return Err(Error::ReduceOverflow { input_bytes, output_bytes });
        }
        Ok(result)
    }
}

fn compile(script: &Script, source: &str) -> Result<Rc<Persistent<Function<'static>>>, Error> {
    script.enter(|ctx, entry| {
        let compile: Function<'_> = entry.get("compile")?;
        let function: Function<'_> = compile.call((source,))?;
        Ok(Rc::new(Persistent::save(ctx, function)))
    })
}
