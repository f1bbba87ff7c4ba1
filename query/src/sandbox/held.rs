//! Something compiled, which is compiled again after its engine has been replaced.

use std::rc::Rc;

use super::error::Error;
use super::runtime::Sandbox;
use super::script::Script;

type Compile<T> = dyn Fn(&Script) -> Result<T, Error>;

pub(super) struct Held<T> {
    sandbox: Sandbox,
    // What was compiled goes before the context that it lives in.
    compiled: Option<(T, Rc<Script>)>,
    compile: Box<Compile<T>>,
}

impl<T: Clone> Held<T> {
    pub(super) fn new(
        sandbox: &Sandbox,
        compile: impl Fn(&Script) -> Result<T, Error> + 'static,
    ) -> Self {
        Self { sandbox: sandbox.clone(), compiled: None, compile: Box::new(compile) }
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    pub(super) fn get(&mut self) -> Result<(T, Rc<Script>), Error> {
        if self.compiled.as_ref().is_some_and(|(_, script)| script.is_broken()) {
            self.compiled = None;
        }
        if let Some((compiled, script)) = &self.compiled {
            return Ok((compiled.clone(), Rc::clone(script)));
        }
        let script = Rc::new(Script::new(self.sandbox.engine()?)?);
        let compiled = (self.compile)(&script)?;
        self.compiled = Some((compiled.clone(), Rc::clone(&script)));
        Ok((compiled, script))
    }
}
