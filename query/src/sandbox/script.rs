//! A world of its own for the functions of one design document.

use std::rc::Rc;

use rquickjs::{CatchResultExt, Context, Ctx, Function, Object, Persistent, Value};

use super::error::Error;
use super::native;
use super::runtime::Engine;

const HARDEN: &str = include_str!("script/harden.js");
const ERRORS: &str = include_str!("script/errors.js");
const MODULES: &str = include_str!("script/modules.js");
const TYPES: &str = include_str!("script/types.js");
const RENDER: &str = include_str!("script/render.js");
const ENTRY: &str = include_str!("script/entry.js");

/// A context in which nothing of the host or of other design documents is to be found, and the
/// functions by which it is entered.
pub(super) struct Script {
    // What lives in the context goes before it, and the context before its engine.
    entry: Persistent<Object<'static>>,
    describe: Persistent<Function<'static>>,
    tidy: Persistent<Function<'static>>,
    context: Context,
    engine: Collected,
}

/// An engine that gives back what has just gone: a context and its functions hold each other.
struct Collected(Rc<Engine>);

impl Drop for Collected {
    fn drop(&mut self) {
        self.0.runtime.run_gc();
    }
}

impl Script {
    pub(super) fn new(engine: Rc<Engine>) -> Result<Self, Error> {
        let context = Context::full(&engine.runtime).map_err(|_| Error::Memory)?;
        let made = context.with(|ctx| {
            let made = entry(&ctx, &engine).and_then(|entry| {
                let describe: Function<'_> = entry.get("describe")?;
                let tidy: Function<'_> = entry.get("tidy")?;
                Ok((
                    Persistent::save(&ctx, entry),
                    Persistent::save(&ctx, describe),
                    Persistent::save(&ctx, tidy),
                ))
            });
            made.catch(&ctx).map_err(|error| error.to_string())
        });
        let (entry, describe, tidy) = made.map_err(|error| {
            engine.break_down();
            // What else lives in the engine may have left too little.
            if error.contains("out of memory") { Error::Memory } else { Error::Engine(error) }
        })?;
        Ok(Self { entry, describe, tidy, context, engine: Collected(engine) })
    }

    pub(super) fn is_broken(&self) -> bool {
        self.engine.0.is_broken()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine.0
    }

    /// Does something in the context, within the limits of one call.
    pub(super) fn enter<T>(
        &self,
        work: impl for<'js> FnOnce(&Ctx<'js>, &Object<'js>) -> rquickjs::Result<T>,
    ) -> Result<T, Error> {
        let watch = &self.engine().watch;
        watch.reset();
        let done = self.context.with(|ctx| {
            let entry = self.entry.clone().restore(&ctx).map_err(|error| broken(&error))?;
            let done = work(&ctx, &entry).and_then(|done| self.leave(&ctx).map(|()| done));
            // A verdict stands even where the function has caught what it was told.
            if let Some(error) = watch.verdict() {
                ctx.catch();
                self.engine().break_down();
                return Err(error);
            }
            done.map_err(|error| self.explain(&ctx, &error))
        });
        watch.stop();
        done
    }

    /// Runs what functions have put off, so that it takes their time and not another's, and takes
    /// away what they left behind.
    fn leave(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        while ctx.execute_pending_job() {
            if self.engine().watch.look() {
                return Err(rquickjs::Error::Exception);
            }
        }
        self.tidy.clone().restore(ctx)?.call(())
    }

    fn explain(&self, ctx: &Ctx<'_>, error: &rquickjs::Error) -> Error {
        if !error.is_exception() {
            self.engine().break_down();
            return Error::Engine(error.to_string());
        }
        let thrown = ctx.catch();
        let described = self.describe.clone().restore(ctx).and_then(|describe| {
            let words: Vec<Value<'_>> = describe.call((thrown,))?;
            words
                .into_iter()
                .map(|word| native::text_of(ctx, &word))
                .collect::<rquickjs::Result<Vec<_>>>()
        });
        if let Some(error) = self.engine().watch.verdict() {
            self.engine().break_down();
            return error;
        }
        let Ok(words) = described else {
            ctx.catch();
            return Error::raised("unnamed_error".into(), String::new());
        };
        let [kind, word, reason] = <[String; 3]>::try_from(words).unwrap_or_default();
        match kind.as_str() {
            "memory" => {
                self.engine().break_down();
                Error::Memory
            }
            "fatal" => {
                self.engine().break_down();
                Error::raised(word, reason)
            }
            _ => Error::raised(word, reason),
        }
    }
}

fn broken(error: &rquickjs::Error) -> Error {
    Error::Engine(error.to_string())
}

fn entry<'js>(ctx: &Ctx<'js>, engine: &Engine) -> rquickjs::Result<Object<'js>> {
    let part = |source: &str| -> rquickjs::Result<Function<'js>> { ctx.eval(source) };
    let native = native::object(ctx, &engine.watch)?;
    let freeze: Function<'js> = part(HARDEN)?.call((native.clone(),))?;
    let errors: Object<'js> = part(ERRORS)?.call(())?;
    let modules: Object<'js> = part(MODULES)?.call((native.clone(), errors.clone()))?;
    let types: Object<'js> = part(TYPES)?.call((errors.clone(),))?;
    part(ENTRY)?.call((native, errors, modules, types, part(RENDER)?, freeze))
}
