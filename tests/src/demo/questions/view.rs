//! How many packages does each maintainer have in each section?

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::DATABASE;
use super::super::report::{count, say};
use super::{Index, twice};
use crate::Hub;

const DESIGN: &str = "packages";

pub(super) const INDEX: Index =
    Index { design: DESIGN, question: |hub| hub.get(&format!("{}?reduce=false&limit=1", path())) };

/// Sections that are named; there are many more.
const NAMED_MAX: usize = 5;

pub(super) fn define(hub: &Hub) {
    let map = "function (doc) {
        if (doc.section && doc.maintainer) emit([doc.section, doc.maintainer], null);
    }";
    let views = json!({ "by_section": { "map": map, "reduce": "_count" } });
    let path = format!("/{DATABASE}/_design/{DESIGN}");
    hub.put(&path, json!({ "language": "javascript", "views": views })).expect(201);
}

/// Packages by section and maintainer, as the view's rows.
pub(super) fn ask(name: &str, hub: &Hub) -> Value {
    let grouped = format!("{}?group=true", path());
    let what = "packages by section and maintainer";
    twice(name, hub, what, |hub| hub.get(&grouped))["rows"].take()
}

/// Prints the largest sections.
pub(super) fn show(grouped: &Value) {
    let sections = sections(grouped);
    let rows = grouped.as_array().map_or(0, Vec::len);
    let number = count(sections.len());
    say("view", format!("{number} sections, {} groups of section and maintainer", count(rows)));
    for (section, group) in sections.iter().take(NAMED_MAX) {
        let (packages, maintainers) = (count(group.packages), count(group.maintainers));
        say("view", format!("{section}: {packages} packages of {maintainers} maintainers"));
    }
}

/// The section with the most packages.
pub(super) fn largest_section(grouped: &Value) -> String {
    let sections = sections(grouped);
    sections.first().map(|(section, _)| section.clone()).unwrap_or_default()
}

fn path() -> String {
    format!("/{DATABASE}/_design/{DESIGN}/_view/by_section")
}

/// What the rows of one section come to.
#[derive(Clone, Copy, Default)]
struct Section {
    packages: u64,
    maintainers: u64,
}

/// The sections, the largest first.
fn sections(grouped: &Value) -> Vec<(String, Section)> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    for row in grouped.as_array().into_iter().flatten() {
        let name = row["key"][0].as_str().unwrap_or_default().to_owned();
        let section = sections.entry(name).or_default();
        section.packages += row["value"].as_u64().unwrap_or_default();
        section.maintainers += 1;
    }
    let mut sections: Vec<_> = sections.into_iter().collect();
    sections.sort_by_key(|(_, section)| std::cmp::Reverse(section.packages));
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_section_comes_first() {
        let row =
            |section, maintainer, value| json!({"key": [section, maintainer], "value": value});
        let rows = json!([row("admin", "a", 2), row("libs", "a", 1), row("libs", "b", 2)]);
        assert_eq!(largest_section(&rows), "libs");
        let sections = sections(&rows);
        let shown: Vec<_> = sections
            .iter()
            .map(|(name, section)| (name.as_str(), section.packages, section.maintainers))
            .collect();
        assert_eq!(shown, [("libs", 3, 2), ("admin", 2, 1)]);
        assert_eq!(largest_section(&json!([])), "");
    }
}
