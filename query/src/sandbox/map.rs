//! Map functions: a document in, rows out.

use std::rc::Rc;

use rquickjs::{Ctx, Function, Object, Persistent, Value};

use super::error::Error;
use super::held::Held;
use super::runtime::{Sandbox, Watch};
use super::script::Script;

/// A row that a map function has emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emitted<'a> {
    /// Which of the functions, counted from 0.
    pub function: usize,
    /// The row's key as JSON.
    pub key: &'a str,
    /// The row's value as JSON.
    pub value: &'a str,
}

/// The map functions of one design document, compiled.
pub struct Mapper {
    held: Held<Rc<Compiled>>,
}

struct Compiled {
    functions: Vec<Persistent<Function<'static>>>,
    tidy: Persistent<Function<'static>>,
    view_error: Persistent<Function<'static>>,
}

impl Mapper {
    /// Compiles the sources; what lies under `views/lib` of their design document is given as JSON.
    ///
    /// # Errors
    /// [`Error::Compilation`] when a source is no function.
    pub fn new(sandbox: &Sandbox, sources: &[&str], library: Option<&str>) -> Result<Self, Error> {
        let sources: Vec<String> = sources.iter().map(|&source| source.into()).collect();
        let library = library.map(String::from);
        let compile = move |script: &Script| compile(script, &sources, library.as_deref());
        let mut held = Held::new(sandbox, compile);
        held.get()?;
        Ok(Self { held })
    }

    /// Gives a document, as JSON with `_id` and `_rev`, to each of the functions, and the rows they
    /// emit to `sink`. What a function does to the document no other one sees; CouchDB freezes it. A
    /// function that throws emits nothing of this document, which is logged. What is emitted after the
    /// functions have returned, by what they put off, is nobody's.
    ///
    /// # Errors
    /// When a limit is broken, a function throws what ends everything, or the document is no JSON.
    /// No row has been given to `sink` then.
    pub fn map(&mut self, document: &str, sink: &mut dyn FnMut(Emitted<'_>)) -> Result<(), Error> {
        let (compiled, script) = self.held.get()?;
        let watch = &script.engine().watch;
        watch.emits.borrow_mut().clear();
        let rows = script.enter(|ctx, _| compiled.run(ctx, watch, document))?;
        let emits = watch.emits.borrow();
        let mut ends = emits.ends.iter().enumerate().peekable();
        let mut start = 0;
        for (function, rows) in rows.into_iter().enumerate() {
            while let Some((_, &(key_end, end))) = ends.next_if(|(at, _)| *at < rows) {
                let (key, value) = (&emits.text[start..key_end], &emits.text[key_end..end]);
                sink(Emitted { function, key, value });
                start = end;
            }
        }
        Ok(())
    }
}

impl Compiled {
    /// Runs the functions one after the other; tells for each how many rows there are after it.
    fn run<'js>(
        &self,
        ctx: &Ctx<'js>,
        watch: &Watch,
        document: &str,
    ) -> rquickjs::Result<Vec<usize>> {
        let mut rows = Vec::with_capacity(self.functions.len());
        for (at, function) in self.functions.iter().enumerate() {
            let mark = watch.emits.borrow().mark();
            if at > 0 {
                self.tidy.clone().restore(ctx)?.call::<_, ()>(())?;
            }
            // Each has its own: to read a document again takes hardly longer than to freeze it.
            let document = parse(ctx, document)?;
            let function = function.clone().restore(ctx)?;
            if let Err(error) = function.call::<_, Value<'js>>((document.clone(),)) {
                if !error.is_exception() || watch.verdict().is_some() {
                    return Err(error);
                }
                let thrown = ctx.catch();
                let view_error = self.view_error.clone().restore(ctx)?;
                view_error.call::<_, ()>((thrown, document))?;
                // Last, for what was thrown may emit while it is described.
                watch.emits.borrow_mut().take_back(mark);
            }
            rows.push(watch.emits.borrow().ends.len());
        }
        Ok(rows)
    }
}

pub(super) fn parse<'js>(ctx: &Ctx<'js>, document: &str) -> rquickjs::Result<Value<'js>> {
    // The engine wants a byte more at the end: with room for it nothing is copied again.
    let mut text = Vec::with_capacity(document.len() + 1);
    text.extend_from_slice(document.as_bytes());
    ctx.json_parse(text)
}

fn compile(
    script: &Script,
    sources: &[String],
    library: Option<&str>,
) -> Result<Rc<Compiled>, Error> {
    script.enter(|ctx, entry| {
        let library = library.unwrap_or("{}");
        entry.get::<_, Function<'_>>("setLibrary")?.call::<_, ()>((library,))?;
        entry.get::<_, Function<'_>>("setMapping")?.call::<_, ()>((true,))?;
        let compile: Function<'_> = entry.get("compile")?;
        let functions = sources.iter().map(|source| {
            Ok(Persistent::save(ctx, compile.call::<_, Function<'_>>((source.as_str(),))?))
        });
        Ok(Rc::new(Compiled {
            functions: functions.collect::<rquickjs::Result<_>>()?,
            tidy: kept(ctx, entry, "tidy")?,
            view_error: kept(ctx, entry, "viewError")?,
        }))
    })
}

pub(super) fn kept<'js>(
    ctx: &Ctx<'js>,
    entry: &Object<'js>,
    name: &str,
) -> rquickjs::Result<Persistent<Function<'static>>> {
    Ok(Persistent::save(ctx, entry.get::<_, Function<'js>>(name)?))
}
