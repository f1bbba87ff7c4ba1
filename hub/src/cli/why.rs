//! `larder why`: why something is not in step.

use clap::Args;
use serde_json::Value;

use super::app::encode;
use super::hub::Hub;
use super::{Outcome, show};

#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// A database [default: all]
    #[arg(value_name = "DB")]
    database: Option<String>,
    /// A document in it
    #[arg(value_name = "DOC")]
    document: Option<String>,
    /// With this device or friend only
    #[arg(long, value_name = "WHO")]
    peer: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Prints a sentence for each reason; ends with 1 where there is any.
pub(super) async fn why(mut hub: Hub, asked: WhyArgs) -> anyhow::Result<Outcome> {
    let WhyArgs { database, document, peer, json } = asked;
    let options = [("db", database), ("doc", document), ("peer", peer)];
    let options =
        options.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encode(&value?))));
    let options: Vec<_> = options.collect();
    let answer = hub.get(&format!("/_hub/why?{}", options.join("&"))).await?;
    let in_step = answer["in_step"] == true;
    if json {
        show::line(serde_json::to_string_pretty(&answer)?)?;
    } else {
        if in_step {
            show::line("Everything is in step.")?;
        }
        // What rules leave out is told also then.
        for reason in answer["reasons"].as_array().into_iter().flatten() {
            show::line(reason["sentence"].as_str().unwrap_or_default())?;
        }
    }
    Ok(if in_step { Outcome::Done } else { Outcome::Found })
}

/// How things stand with one peer, in a few words.
pub(super) fn standing(peer: &Value, ago: impl Fn(&Value) -> String) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let way = match peer["way"].as_str() {
        Some("onion") => " through Tor",
        Some(_) => " in this network",
        None => "",
    };
    let reached = match peer["state"].as_str() {
        Some("connected") => format!("connected{way}"),
        Some("dialling") => format!("being dialled{way}"),
        Some("paused") => "paused by you".into(),
        Some("nowhere") => "nothing says where it is".into(),
        Some("refused_here") => "blocked here".into(),
        _ if peer["last_seen"].is_null() => "not reached yet".into(),
        _ => format!("last seen {}", ago(&peer["last_seen"])),
    };
    let trouble = match peer["trouble"]["text"].as_str() {
        Some(why) => format!(" ({}: {why})", text(&peer["trouble"]["code"])),
        None => String::new(),
    };
    let (offered, in_step) =
        (number(&peer["databases"]["offered"]), number(&peer["databases"]["in_step"]));
    let far = match offered {
        0 => String::new(),
        _ => format!("; {in_step} of {} in step", show::plural(offered, "database")),
    };
    let system = &peer["databases"]["system"];
    let own = match number(&system["in_step"]) < number(&system["offered"]) {
        true => "; what the hubs themselves need is not in step yet",
        false => "",
    };
    let left_out = match number(&peer["databases"]["left_out"]) {
        0 => String::new(),
        count => format!(", {count} left out by rules"),
    };
    let pulls = peer["pulls"].as_array().into_iter().flatten().map(|pull| {
        let of = pull["documents_total"].as_u64().map(|total| format!(" of {total}"));
        let left = pull["seconds_left"].as_u64();
        let left = left.map(|left| format!(", about {} to go", show::duration(left)));
        format!(
            "; fetching {}: {}{} documents, {}{}",
            text(&pull["db"]),
            number(&pull["documents"]),
            of.unwrap_or_default(),
            show::size(number(&pull["bytes"])),
            left.unwrap_or_default(),
        )
    });
    let kept = peer["kept_here"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| format!("; your edits of {} stay here: you may only read it", text(name)));
    let devices = peer["devices"].as_array().map(Vec::as_slice).unwrap_or_default();
    let connected = devices.iter().filter(|device| device["state"] == "connected").count();
    let several = match devices.len() {
        0 => String::new(),
        count => format!(", {connected} of {count} devices connected"),
    };
    format!(
        "{} {}: {reached}{several}{trouble}{far}{own}{left_out}{}{}",
        text(&peer["kind"]),
        text(&peer["name"]),
        pulls.collect::<String>(),
        kept.collect::<String>(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(peer: &Value, expected: &str) {
        assert_eq!(standing(peer, |_| "2 min ago".into()), expected);
    }

    #[test]
    fn peers_in_one_line() {
        let mut peer = json!({
            "kind": "device", "name": "phone", "state": "connected", "way": "onion", "trouble": null,
            "databases": {"offered": 7, "in_step": 6, "system": {"offered": 5, "in_step": 5}},
            "pulls": [{"db": "notes", "documents": 5, "documents_total": 20, "bytes": 7000, "seconds_left": 90}],
        });
        check(
            &peer,
            "device phone: connected through Tor; 6 of 7 databases in step; fetching notes: 5 of 20 \
             documents, 7.0 kB, about 1 min to go",
        );
        peer["pulls"] = json!([]);
        peer["databases"]["system"]["in_step"] = 4.into();
        check(
            &peer,
            "device phone: connected through Tor; 6 of 7 databases in step; what the hubs themselves need \
             is not in step yet",
        );
        peer["databases"]["system"]["in_step"] = 5.into();
        peer["state"] = "waiting".into();
        peer["pulls"] = json!([]);
        peer["databases"]["offered"] = 0.into();
        peer["trouble"] = json!({"code": "unreachable", "text": "Connection refused"});
        check(&peer, "device phone: not reached yet (unreachable: Connection refused)");
        peer["devices"] = json!([{"state": "waiting"}, {"state": "connected"}]);
        let several = ", 1 of 2 devices connected";
        let trouble = " (unreachable: Connection refused)";
        check(&peer, &format!("device phone: not reached yet{several}{trouble}"));
        peer["devices"] = Value::Null;
        peer["kept_here"] = json!(["anna/notes"]);
        let kept = "; your edits of anna/notes stay here: you may only read it";
        let expected =
            format!("device phone: not reached yet (unreachable: Connection refused){kept}");
        check(&peer, &expected);
        peer["kept_here"] = json!([]);
        peer["last_seen"] = 1.into();
        check(&peer, "device phone: last seen 2 min ago (unreachable: Connection refused)");
    }
}
