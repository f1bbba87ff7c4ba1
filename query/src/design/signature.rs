//! What tells the views of one design document from those of another.

use serde_json::Value;
use store::IndexName;

use super::{Language, Tree, ViewOptions};

/// Changes whenever the rows that the same views make would differ from those made before.
const GENERATION: &str = "larder-views-1";

/// The name of the index that these views are kept in.
pub(super) fn of(
    language: &Language,
    options: (ViewOptions, bool),
    library: Option<&str>,
    trees: &[Tree],
) -> IndexName {
    let mut hasher = blake3::Hasher::new_derive_key(GENERATION);
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    add(match language {
        Language::JavaScript => "javascript",
        Language::Query => "query",
        Language::Unknown(name) => name,
    });
    add(&format!("{options:?}"));
    add(library.unwrap_or_default());
    for tree in trees {
        add(&tree.map);
        add(&canonical(&Value::Object(tree.options.clone())));
        add(&tree.names.len().to_string());
        tree.names.iter().for_each(|name| add(name));
        add(&tree.reduces.len().to_string());
        for (name, source) in &tree.reduces {
            add(name);
            add(source);
        }
    }
    let mut name = [0; 16];
    hasher.finalize_xof().fill(&mut name);
    IndexName::of_hash(name)
}

/// JSON text that is the same for equal values, in whatever order their members were written.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = Vec::new();
    write(value, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn write(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Array(elements) => {
            text.push(b'[');
            for (position, element) in elements.iter().enumerate() {
                if position > 0 {
                    text.push(b',');
                }
                write(element, text);
            }
            text.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push(b'{');
            for (position, (name, member)) in members.into_iter().enumerate() {
                if position > 0 {
                    text.push(b',');
                }
                store::json::write_string(text, name);
                text.push(b':');
                write(member, text);
            }
            text.push(b'}');
        }
        scalar => text.extend_from_slice(scalar.to_string().as_bytes()),
    }
}
