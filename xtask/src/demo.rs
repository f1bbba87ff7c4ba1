//! `cargo xtask demo`: builds the hub and hands over to the demo in `tests/src/demo`.

use crate::command::{self, Outcome, Profile, build_hub, cargo};
use crate::needs::{self, NODE, PACKAGE_INDEX};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let dev = arguments.iter().any(|word| word == "--dev");
    let rest = arguments.iter().filter(|word| *word != "--dev");

    let needed = [NODE, PACKAGE_INDEX];
    let missing = needs::missing(&needed);
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|need| need.name).collect();
        return Err(format!("the demo needs {}", names.join(" and ")));
    }
    let hub = build_hub(if dev { Profile::Dev } else { Profile::Release })?;

    let mut demo = cargo(["run", "--quiet", "--package", "tests", "--bin", "demo", "--"]);
    command::run(demo.args(rest).env("LARDER_BIN", hub))
}
