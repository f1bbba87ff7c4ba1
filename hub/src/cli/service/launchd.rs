//! A hub as an agent of launchd.
//!
//! Source: launchd.plist(5).

use std::path::Path;

use super::{MARK, Plan, PlanError, plain};

/// The agent's name; its file's has `.plist` behind it.
pub(super) const LABEL: &str = "org.larder.hub";

/// The agent's text. launchd waits equally long between all starts.
pub(super) fn agent(plan: &Plan) -> Result<String, PlanError> {
    let program = string(&plan.program)?;
    let data_dir = string(&plan.data_dir)?;
    Ok(format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- {MARK}, which replaces it. -->
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>{LABEL}</string>
	<key>ProgramArguments</key>
	<array>
		<string>{program}</string>
		<string>run</string>
		<string>--data-dir</string>
		<string>{data_dir}</string>
	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>30</integer>
	<key>Umask</key>
	<integer>63</integer>
	<key>ProcessType</key>
	<string>Background</string>
</dict>
</plist>
"#
    ))
}

fn string(path: &Path) -> Result<String, PlanError> {
    let text = plain(path)?;
    Ok(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_through_as_they_are() {
        for (path, expected) in [
            ("/Library/Application Support/larder", "/Library/Application Support/larder"),
            ("/100%h/$HOME", "/100%h/$HOME"),
            ("/a&b<c>\"d'", "/a&amp;b&lt;c&gt;\"d'"),
        ] {
            let plan = Plan { program: path.into(), data_dir: path.into(), writable: Vec::new() };
            let agent = agent(&plan).unwrap();
            let line = format!("\t\t<string>{expected}</string>\n");
            assert_eq!(agent.matches(&line).count(), 2, "{agent}");
        }
        let plan = Plan { program: "/p".into(), data_dir: "/a\tb".into(), writable: Vec::new() };
        assert_eq!(agent(&plan), Err(PlanError::NotText("/a\tb".into())));
    }
}
