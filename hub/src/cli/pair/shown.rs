//! What a person sees of a pairing.

use identity::HttpKeyUrl;
use serde_json::Value;

use crate::cli::show;
use crate::qr;

/// Characters of a key that are shown: enough to tell keys apart.
const KEY_SHOWN: usize = 16;

/// The window that was opened: what the other side needs.
pub(super) fn window(session: &Value, print_link: bool) -> anyhow::Result<()> {
    let text = |name: &str| session[name].as_str().unwrap_or_default();
    if print_link {
        show::line(text("link"))?;
        return Ok(());
    }
    match text("proof") {
        "link" => {
            // Too long a link for any code leaves the link.
            if let Ok(code) = qr::text(text("link")) {
                show::line(code)?;
            }
            show::line(text("link"))?;
            show::remark(
                "\nScan this with the other device, or give `larder pair` the link there. Whoever gets it \
                 first can come: send it to nobody else.",
            );
        }
        "spoken" => {
            show::line(text("code"))?;
            show::remark(format_args!(
                "\nTell the other person this code, by voice; there: larder pair {}{} --code {}",
                if text("kind") == "friend" { "--friend " } else { "" },
                addresses(&session["reach"]).first().map_or("ADDRESS", String::as_str),
                text("code"),
            ));
        }
        _ => {
            for address in addresses(&session["reach"]) {
                show::line(address)?;
            }
            show::remark(format_args!(
                "\nThere: larder pair {}ADDRESS. Both screens will then show six digits.",
                if text("kind") == "friend" { "--friend " } else { "" },
            ));
        }
    }
    Ok(())
}

/// How things stand, where there is nothing to decide.
pub(super) fn standing(session: &Value) {
    match session["state"].as_str().unwrap_or_default() {
        "waiting" => show::remark("Waiting; Ctrl-C ends it."),
        "connecting" if session["role"] == "host" => show::remark("Somebody has come."),
        "connecting" => show::remark("Connecting."),
        "confirmed" => show::remark("Waiting for the other side to say yes."),
        _ => {}
    }
}

/// Who is there, and what will be shared: beside what scripts read.
pub(super) fn other(session: &Value) {
    let peer = &session["peer"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let device = session["kind"] == "device";
    let (role, ours) = match device {
        true => ("a device of yours", "every database, both ways".to_owned()),
        false => ("a friend", shares(&session["share"])),
    };
    say(&format!("\n{} is there, to become {role}.", text(&peer["name"])));
    let key: String = text(&peer["key"]).chars().take(KEY_SHOWN).collect();
    let mut rows = vec![
        ("called here", text(&session["name"])),
        ("key", format!("{key}…")),
        ("reached at", addresses(&peer["reach"]).join(", ")),
        ("you share", ours),
        ("digits", format!("{} (the same on both screens)", text(&session["digits"]))),
    ];
    // Before digits were compared the other side says its name alone.
    if !device && session["proof"] != "compare" {
        rows.push(("they share", shares(&peer["share"])));
    }
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        say(&format!("  {name:12} {value}"));
    }
    for warning in peer["warnings"].as_array().into_iter().flatten() {
        say(&format!("  ! {}", text(warning)));
    }
}

/// That it is done, and what comes next.
pub(super) fn done(session: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&session["name"]);
    say(&format!("Paired with {name}."));
    let offers = session["peer"]["share"].as_array().is_some_and(|share| !share.is_empty());
    if session["kind"] == "friend" && offers {
        say(
            "What they share is there to be taken: larder invitations, larder invitations accept ID.",
        );
    }
}

/// A line beside what scripts read; others' words in it say nothing to a terminal.
fn say(text: &str) {
    let steers = |letter: char| letter.is_control() && letter != '\n';
    show::remark(text.replace(steers, "\u{fffd}"));
}

fn shares(share: &Value) -> String {
    let one = |share: &Value| {
        let database = share["database"].as_str().unwrap_or_default();
        let right = if share["right"] == "write" { "read and write" } else { "read" };
        format!("{database} ({right})")
    };
    let all: Vec<_> = share.as_array().into_iter().flatten().map(one).collect();
    if all.is_empty() { "nothing yet".into() } else { all.join(", ") }
}

fn addresses(reach: &Value) -> Vec<String> {
    let urls = reach.as_array().into_iter().flatten();
    let urls = urls.filter_map(|url| url.as_str()?.parse::<HttpKeyUrl>().ok());
    urls.map(|url| url.authority().to_string()).collect()
}
