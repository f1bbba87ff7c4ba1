//! What the scripts of the sandbox ask of the host. Functions of design documents cannot reach it.

use std::rc::Rc;

use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Exception, Function, Object, Result, Value};

use super::list::ListPart;
use super::runtime::{Emits, Watch};
use super::text::without_lone_surrogates;

pub(super) fn object<'js>(ctx: &Ctx<'js>, watch: &Rc<Watch>) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    let set = |name: &str, function: Result<Function<'js>>| native.set(name, function?);

    set(
        "evaluate",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, source: String| evaluate(&ctx, source)),
    )?;
    let watching = Rc::clone(watch);
    set("tick", Function::new(ctx.clone(), move |ctx: Ctx<'js>| tick(&ctx, &watching)))?;
    let watching = Rc::clone(watch);
    set(
        "emit",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, key: Value<'js>, value: Value<'js>| {
            emit(&ctx, &watching, key, value)
        }),
    )?;
    let watching = Rc::clone(watch);
    set(
        "log",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, line: Value<'js>| {
            text_of(&ctx, &line).map(|line| watching.log(&line))
        }),
    )?;
    let watching = Rc::clone(watch);
    set("nextRow", Function::new(ctx.clone(), move || next_row(&watching)))?;
    let watching = Rc::clone(watch);
    set(
        "output",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, kind: String, text: Value<'js>| {
            output(&ctx, &watching, &kind, &text)
        }),
    )?;
    Ok(native)
}

/// Evaluates a script, which is in sloppy mode as design documents have always been.
fn evaluate<'js>(ctx: &Ctx<'js>, source: String) -> Result<Value<'js>> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some("function".into());
    ctx.eval_with_options(source, options)
}

/// The JSON text of a value, `null` for what JSON has no words for.
pub(super) fn stringify<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<String> {
    match ctx.json_stringify(value)? {
        Some(json) => Ok(without_lone_surrogates(&json.to_string()?).into_owned()),
        None => Ok("null".into()),
    }
}

/// A string of the engine, where lone halves of surrogate pairs are replaced.
pub(super) fn text_of<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    if let Some(text) = value.as_string()
        && let Ok(text) = text.to_string()
    {
        return Ok(text);
    }
    // Half a surrogate pair is no text; as JSON it can be said.
    let json = stringify(ctx, value.clone())?;
    Ok(serde_json::from_str(&json).unwrap_or(json))
}

fn tick(ctx: &Ctx<'_>, watch: &Watch) -> Result<()> {
    if watch.look() { Err(Exception::throw_range(ctx, "interrupted")) } else { Ok(()) }
}

fn emit<'js>(ctx: &Ctx<'js>, watch: &Watch, key: Value<'js>, value: Value<'js>) -> Result<()> {
    let mut added = String::new();
    append(ctx, &mut added, key)?;
    let key_end = added.len();
    append(ctx, &mut added, value)?;
    let mut emits = watch.emits.borrow_mut();
    let Emits { text, ends } = &mut *emits;
    if ends.len() >= watch.limits.emits_max || !watch.fits(text.len() + added.len()) {
        watch.overflow();
    }
    tick(ctx, watch)?;
    ends.push((text.len() + key_end, text.len() + added.len()));
    text.push_str(&added);
    Ok(())
}

/// Appends a value's JSON; what is short to say takes no way through the engine.
fn append<'js>(ctx: &Ctx<'js>, text: &mut String, value: Value<'js>) -> Result<()> {
    if let Some(number) = value.as_int() {
        text.push_str(&number.to_string());
    } else if value.is_null() || value.is_undefined() {
        text.push_str("null");
    } else {
        text.push_str(&stringify(ctx, value)?);
    }
    Ok(())
}

fn next_row(watch: &Watch) -> Option<String> {
    watch.stop();
    let row = watch.list.borrow_mut().as_mut().and_then(|list| list.next_row());
    // The time it took to find the row is not the function's.
    watch.start();
    row
}

fn output<'js>(ctx: &Ctx<'js>, watch: &Watch, kind: &str, text: &Value<'js>) -> Result<bool> {
    let text = text_of(ctx, text)?;
    if !watch.fits(text.len()) {
        watch.overflow();
        tick(ctx, watch)?;
    }
    let part = match kind {
        "start" => ListPart::Start(&without_lone_surrogates(&text)),
        _ => ListPart::Chunk(&text),
    };
    watch.stop();
    let read = watch.list.borrow_mut().as_mut().is_some_and(|list| list.output(part));
    watch.start();
    Ok(read)
}
