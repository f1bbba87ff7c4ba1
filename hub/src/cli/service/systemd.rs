//! A hub as a unit of systemd's user manager.
//!
//! Source: systemd.unit(5), systemd.service(5), systemd.exec(5).

use std::path::Path;

use super::{MARK, Plan, PlanError, plain};

/// The unit's name, and its file's.
pub(super) const UNIT: &str = "larder.service";

/// The unit's text.
///
/// What keeps the hub in is what a user manager can do everywhere; where it may not make name spaces,
/// it passes over `ProtectSystem`, which is why `PrivateUsers` is not asked for. `/tmp` is shared: the
/// control socket lies there when there is no shorter path. systemd before 254 waits equally long
/// between all starts.
pub(super) fn unit(plan: &Plan) -> Result<String, PlanError> {
    let program = program(&plan.program)?;
    let data_dir = argument(&plan.data_dir)?;
    let mut writable = vec!["%t".to_owned(), "-/tmp".into(), "-/var/tmp".into()];
    writable.push(listed("", &plan.data_dir)?);
    for folder in &plan.writable {
        writable.push(listed("-", folder)?);
    }
    let writable = writable.join(" ");
    Ok(format!(
        "# {MARK}, which replaces it; changes go into `systemctl --user edit {UNIT}`.\n\
         [Unit]\n\
         Description=Larder, a personal device hub\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={program} run --data-dir {data_dir}\n\
         Restart=on-failure\n\
         RestartSec=2\n\
         RestartSteps=6\n\
         RestartMaxDelaySec=5min\n\
         UMask=0077\n\
         NoNewPrivileges=yes\n\
         ProtectSystem=strict\n\
         ReadWritePaths={writable}\n\
         RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n\
         RestrictNamespaces=yes\n\
         RestrictRealtime=yes\n\
         RestrictSUIDSGID=yes\n\
         LockPersonality=yes\n\
         MemoryDenyWriteExecute=yes\n\
         SystemCallArchitectures=native\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n"
    ))
}

/// The word of a command line that is started.
fn program(path: &Path) -> Result<String, PlanError> {
    let text = plain(path)?;
    match text.contains(['\'', '"', '\\']) {
        true => Err(PlanError::Program(path.into())),
        // Variables are not looked for in it.
        false => Ok(format!("\"{}\"", text.replace('%', "%%"))),
    }
}

/// Another word of a command line.
fn argument(path: &Path) -> Result<String, PlanError> {
    let escaped = plain(path)?.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{}\"", escaped.replace('%', "%%").replace('$', "$$")))
}

/// One of a list of paths, where a backslash is a character like others.
fn listed(prefix: &str, path: &Path) -> Result<String, PlanError> {
    let text = plain(path)?;
    let quote = match (text.contains('"'), text.contains('\'')) {
        (true, true) => return Err(PlanError::Quotes(path.into())),
        (true, false) => '\'',
        (false, _) => '"',
    };
    Ok(format!("{quote}{prefix}{}{quote}", text.replace('%', "%%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(plan: &Plan, key: &str) -> Result<String, PlanError> {
        let unit = unit(plan)?;
        let prefix = format!("{key}=");
        let mut lines = unit.lines().filter_map(|line| line.strip_prefix(&prefix));
        Ok(lines.next().unwrap_or_default().to_owned())
    }

    fn plan(program: &str, data_dir: &str, writable: &[&str]) -> Plan {
        Plan {
            program: program.into(),
            data_dir: data_dir.into(),
            writable: writable.iter().map(Into::into).collect(),
        }
    }

    #[test]
    fn paths_come_through_as_they_are() {
        for (data_dir, argument, listed) in [
            ("/d", r#""/d""#, r#""/d""#),
            ("/my data", r#""/my data""#, r#""/my data""#),
            ("/100%h", r#""/100%%h""#, r#""/100%%h""#),
            ("/$HOME/${x}", r#""/$$HOME/$${x}""#, r#""/$HOME/${x}""#),
            (r"/a\x41", r#""/a\\x41""#, r#""/a\x41""#),
            ("/it's", r#""/it's""#, r#""/it's""#),
            (r#"/a "b""#, r#""/a \"b\"""#, r#"'/a "b"'"#),
            ("/ü;#", r#""/ü;#""#, r#""/ü;#""#),
        ] {
            let plan = plan("/opt/my programs/100%/larder", data_dir, &["/mnt/my disk"]);
            let expected = format!(r#""/opt/my programs/100%%/larder" run --data-dir {argument}"#);
            assert_eq!(line(&plan, "ExecStart"), Ok(expected));
            let expected = format!(r#"%t -/tmp -/var/tmp {listed} "-/mnt/my disk""#);
            assert_eq!(line(&plan, "ReadWritePaths"), Ok(expected));
        }
    }

    #[test]
    fn what_systemd_cannot_take_is_refused() {
        for program in ["/it's/larder", "/a\"b/larder", "/a\\b/larder"] {
            let refused = PlanError::Program(program.into());
            assert_eq!(unit(&plan(program, "/d", &[])), Err(refused));
        }
        let both = "/both ' and \"";
        assert_eq!(unit(&plan("/p", both, &[])), Err(PlanError::Quotes(both.into())));
        assert_eq!(unit(&plan("/p", "/d", &[both])), Err(PlanError::Quotes(both.into())));
        let lines = "/two\nlines";
        assert_eq!(unit(&plan("/p", lines, &[])), Err(PlanError::NotText(lines.into())));
    }
}
