//! The functions of a design document that are called by name.

use rquickjs::{Array, Ctx, Function, Value};

use super::error::{Error, Refused};
use super::held::Held;
use super::list::{ListIo, ListPart, Rows};
use super::native::text_of;
use super::runtime::Sandbox;
use super::script::Script;
use super::text::without_lone_surrogates;

/// The functions of a design document; each is compiled when it is first called.
///
/// All that goes in and comes out is JSON text.
pub struct Functions {
    held: Held<()>,
}

impl Functions {
    /// Takes a design document as JSON.
    ///
    /// # Errors
    /// When it is no JSON, or does not fit the sandbox.
    pub fn new(sandbox: &Sandbox, design: &str) -> Result<Self, Error> {
        let design = design.to_owned();
        let mut held = Held::new(sandbox, move |script: &Script| {
            script.enter(|_, entry| {
                entry.get::<_, Function<'_>>("setDesign")?.call::<_, ()>((design.as_str(),))
            })
        });
        held.get()?;
        Ok(Self { held })
    }

    /// Asks `validate_doc_update` whether a document may be written.
    ///
    /// # Errors
    /// [`Refused`] when it may not, or the function failed.
    pub fn validate(
        &mut self,
        new: &str,
        old: Option<&str>,
        user: &str,
        security: &str,
    ) -> Result<(), Refused> {
        let given = [new, old.unwrap_or("null"), user, security];
        let mut words = self.call(&["validate_doc_update"], &given)?.into_iter().flatten();
        match (words.next().as_deref(), words.next()) {
            (Some("forbidden"), Some(reason)) => Err(Refused::Forbidden(reason)),
            (Some("unauthorized"), Some(reason)) => Err(Refused::Unauthorized(reason)),
            _ => Ok(()),
        }
    }

    /// Which of the documents a filter lets pass.
    ///
    /// # Errors
    /// When there is no such filter, or it failed.
    pub fn filter(
        &mut self,
        name: &str,
        documents: &[&str],
        request: &str,
    ) -> Result<Vec<bool>, Error> {
        let passed = self.call(&["filters", name], &[&array(documents), request])?;
        Ok(passes(passed))
    }

    /// Which of the documents a view's map function emits something of.
    ///
    /// # Errors
    /// When there is no such view, or its function failed.
    pub fn filter_by_view(&mut self, view: &str, documents: &[&str]) -> Result<Vec<bool>, Error> {
        let passed = self.call(&["views", view, "map"], &[&array(documents)])?;
        Ok(passes(passed))
    }

    /// Asks an update function for a new document, if any, and the response.
    ///
    /// # Errors
    /// When there is no such function, or it failed.
    pub fn update(
        &mut self,
        name: &str,
        document: Option<&str>,
        request: &str,
    ) -> Result<(Option<String>, String), Error> {
        let given = [document.unwrap_or("null"), request];
        let mut answer = self.call(&["updates", name], &given)?.into_iter();
        let document = answer.next().flatten();
        Ok((document, answer.next().flatten().unwrap_or_default()))
    }

    /// Asks a show function for the response.
    ///
    /// # Errors
    /// When there is no such function, or it failed.
    pub fn show(
        &mut self,
        name: &str,
        document: Option<&str>,
        request: &str,
    ) -> Result<String, Error> {
        self.call(&["shows", name], &[document.unwrap_or("null"), request]).map(only)
    }

    /// Runs a list function: it takes its rows from `rows`, and what it answers goes to `output`,
    /// which tells whether anybody still reads. The time of a call begins anew with each row.
    ///
    /// # Errors
    /// When there is no such function, or it failed, perhaps in the middle of its answer.
    pub fn list(
        &mut self,
        name: &str,
        head: &str,
        request: &str,
        rows: Rows,
        output: impl FnMut(ListPart<'_>) -> bool + 'static,
    ) -> Result<(), Error> {
        let ((), script) = self.held.get()?;
        let watch = &script.engine().watch;
        *watch.list.borrow_mut() = Some(ListIo::new(rows, Box::new(output)));
        let answer = self.call(&["lists", name], &[head, request]);
        *watch.list.borrow_mut() = None;
        answer.map(|_| ())
    }

    /// Asks `rewrites`, where it is a function, what a request is to become.
    ///
    /// # Errors
    /// When there is no such function, or it failed.
    pub fn rewrite(&mut self, request: &str) -> Result<String, Error> {
        self.call(&["rewrites"], &[request]).map(only)
    }

    fn call(&mut self, path: &[&str], given: &[&str]) -> Result<Vec<Option<String>>, Error> {
        let output_max = self.held.sandbox().limits().output_bytes;
        let ((), script) = self.held.get()?;
        let answer: Vec<Option<String>> = script.enter(|ctx, entry| {
            let call: Function<'_> = entry.get("call")?;
            let answer: Array<'_> = call.call((path.to_vec(), given.to_vec()))?;
            answer.iter::<Value<'_>>().map(|value| text_or_none(ctx, &value?)).collect()
        })?;
        let bytes: usize = answer.iter().flatten().map(String::len).sum();
        if bytes > output_max {
            return Err(Error::Output);
        }
        let clean = |text: String| without_lone_surrogates(&text).into_owned();
        Ok(answer.into_iter().map(|text| text.map(clean)).collect())
    }
}

fn text_or_none<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<Option<String>> {
    if value.is_string() { text_of(ctx, value).map(Some) } else { Ok(None) }
}

fn array(documents: &[&str]) -> String {
    format!("[{}]", documents.join(","))
}

fn passes(answers: Vec<Option<String>>) -> Vec<bool> {
    answers.into_iter().map(|answer| answer.as_deref() == Some("1")).collect()
}

fn only(answers: Vec<Option<String>>) -> String {
    answers.into_iter().next().flatten().unwrap_or_default()
}
