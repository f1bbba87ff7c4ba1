//! Index functions: a document in, fields out that it can be found by.

use std::rc::Rc;

use rquickjs::{Function, Persistent, Value};
use serde::Deserialize;

use super::error::Error;
use super::held::Held;
use super::map::{kept, parse};
use super::runtime::Sandbox;
use super::script::Script;

/// A field that an index function gave a document.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexedField {
    /// How it is found.
    pub kind: FieldType,
    /// Its name, without control characters.
    pub name: String,
    /// What it holds.
    pub value: FieldValue,
    /// Whether hits show it.
    pub store: bool,
    /// Whether its values are counted.
    pub facet: bool,
    /// Whether it can be searched.
    pub index: bool,
    /// How much its words count, by which scores are multiplied.
    pub boost: f64,
}

/// How a field is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// By the words of its text.
    Text,
    /// By its text as a whole.
    String,
    /// By its number.
    Double,
    /// Not at all; hits show it.
    Stored,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// A number, which is finite.
    Number(f64),
    /// Text.
    Text(String),
}

/// What an index function says of a field beside its value.
#[derive(Deserialize)]
struct About {
    #[serde(rename = "type")]
    kind: FieldType,
    name: String,
    store: bool,
    facet: bool,
    index: bool,
    #[serde(default = "once")]
    boost: f64,
}

/// What counts as much as anything else.
fn once() -> f64 {
    1.0
}

/// An index function, compiled.
pub struct Indexer {
    held: Held<Rc<Compiled>>,
}

struct Compiled {
    function: Persistent<Function<'static>>,
    view_error: Persistent<Function<'static>>,
}

impl Indexer {
    /// Compiles the source. Its function calls `index(name, value, options)`, or where fields are typed
    /// `index(type, name, value, options)`.
    ///
    /// # Errors
    /// [`Error::Compilation`] when the source is no function.
    pub fn new(sandbox: &Sandbox, source: &str, typed: bool) -> Result<Self, Error> {
        let source = source.to_owned();
        let mut held = Held::new(sandbox, move |script: &Script| compile(script, &source, typed));
        held.get()?;
        Ok(Self { held })
    }

    /// The fields of a document, which is JSON with `_id` and `_rev`. Where the function throws there
    /// are none, which is logged.
    ///
    /// # Errors
    /// When a limit is broken, the function throws what ends everything, or the document is no JSON.
    pub fn index(&mut self, document: &str) -> Result<Vec<IndexedField>, Error> {
        let (compiled, script) = self.held.get()?;
        let watch = &script.engine().watch;
        watch.emits.borrow_mut().clear();
        let count = script.enter(|ctx, _| {
            let document = parse(ctx, document)?;
            let function = compiled.function.clone().restore(ctx)?;
            if let Err(error) = function.call::<_, Value<'_>>((document.clone(),)) {
                if !error.is_exception() || watch.verdict().is_some() {
                    return Err(error);
                }
                let thrown = ctx.catch();
                let view_error = compiled.view_error.clone().restore(ctx)?;
                view_error.call::<_, ()>((thrown, document))?;
                watch.emits.borrow_mut().clear();
            }
            Ok(watch.emits.borrow().ends.len())
        })?;
        let emits = watch.emits.borrow();
        let mut start = 0;
        // What comes after the function has returned is nobody's.
        let fields = emits.ends.iter().take(count).map(|&(about_end, end)| {
            let (about, value) = (&emits.text[start..about_end], &emits.text[about_end..end]);
            start = end;
            field(about, value).map_err(|error| Error::Engine(error.to_string()))
        });
        fields.collect()
    }
}

fn field(about: &str, value: &str) -> Result<IndexedField, serde_json::Error> {
    let About { kind, name, store, facet, index, boost } = serde_json::from_str(about)?;
    Ok(IndexedField { kind, name, value: serde_json::from_str(value)?, store, facet, index, boost })
}

fn compile(script: &Script, source: &str, typed: bool) -> Result<Rc<Compiled>, Error> {
    script.enter(|ctx, entry| {
        entry.get::<_, Function<'_>>("setIndexing")?.call::<_, ()>((typed,))?;
        let compile: Function<'_> = entry.get("compile")?;
        let function = Persistent::save(ctx, compile.call::<_, Function<'_>>((source,))?);
        Ok(Rc::new(Compiled { function, view_error: kept(ctx, entry, "viewError")? }))
    })
}
