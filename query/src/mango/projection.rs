//! A document put together from values of another, each under its path.

use std::fmt;

use store::json::write_string;

/// An object that grows by values. They are JSON text, and all of one document.
#[derive(Debug, Default)]
pub(super) struct Projection<'t>(Vec<(&'t str, Part<'t>)>);

#[derive(Debug)]
enum Part<'t> {
    Text(&'t str),
    Object(Projection<'t>),
}

impl<'t> Projection<'t> {
    /// Puts a value at a path. Names are members even where the document has an array.
    ///
    /// Source: CouchDB's `mango_doc:set_field/3`. What lies within a value that is there already is
    /// there, too, for both are of one document.
    pub(super) fn set(&mut self, names: &'t [String], text: &'t str) {
        let mut object = self;
        for (depth, name) in names.iter().enumerate() {
            let is_last = depth + 1 == names.len();
            let position = match object.0.iter().position(|(given, _)| given == name) {
                Some(position) => position,
                None => {
                    object.0.push((name, Part::Object(Projection::default())));
                    object.0.len() - 1
                }
            };
            let part = &mut object.0[position].1;
            if is_last {
                *part = Part::Text(text);
                return;
            }
            object = match part {
                Part::Text(_) => return,
                Part::Object(inner) => inner,
            };
        }
    }
}

/// As JSON text.
impl fmt::Display for Projection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (position, (name, part)) in self.0.iter().enumerate() {
            f.write_str(if position == 0 { "" } else { "," })?;
            let mut quoted = Vec::new();
            write_string(&mut quoted, name);
            f.write_str(&String::from_utf8_lossy(&quoted))?;
            f.write_str(":")?;
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Object(inner) => inner.fmt(f)?,
            }
        }
        f.write_str("}")
    }
}
