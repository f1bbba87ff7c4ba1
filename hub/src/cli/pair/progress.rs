//! How the first copy gets on, once two devices are paired.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cli::hub::Hub;
use crate::cli::show::{self, plural};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a device may stay unreached before a person is told that it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shows it until every database is in step; what cannot be waited for goes on without being watched.
pub(super) async fn follow(hub: &mut Hub, key: &Value) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut before = String::new();
    loop {
        let status = hub.get("/_hub/status").await?;
        let mut peers = status["peers"].as_array().into_iter().flatten();
        let Some(peer) = peers.find(|peer| peer["key"] == *key) else { return Ok(()) };
        let (shown, is_over) = far(&peer["databases"]);
        // Whoever offers nothing at all has yet to say what there is.
        if peer["state"] == "connected" && !shown.is_empty() {
            if shown != before {
                show::remark(&shown);
                before = shown;
            }
            if is_over {
                return Ok(());
            }
        } else if began.elapsed() > PATIENCE {
            show::remark(
                "The other device is not reached yet; the hubs go on trying by themselves. `larder status` \
                 says how far they are.",
            );
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// How far it is, in a sentence, which counts the person's databases; whether that is all. Of the hub's own
/// it says something only while they are not in step; nothing where nothing is known yet.
fn far(databases: &Value) -> (String, bool) {
    let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or_default();
    let both = |of: &Value| (number(of, "offered"), number(of, "in_step"));
    let ((offered, in_step), system) = (both(databases), both(&databases["system"]));
    let is_over = in_step == offered && system.0 == system.1;
    let own = if system.0 == system.1 { "" } else { ", and not yet what the hubs themselves need" };
    let shown = match (offered, system.0) {
        (0, 0) => String::new(),
        (0, _) if is_over => "In step: there is no database yet.".into(),
        _ => format!("In step: {in_step} of {}{own}.", plural(offered, "database")),
    };
    (shown, is_over)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_persons_databases_are_counted() {
        let check = |offered, in_step, system: (u64, u64), expected: (&str, bool)| {
            let system = json!({"offered": system.0, "in_step": system.1});
            let databases = json!({"offered": offered, "in_step": in_step, "system": system});
            let (shown, is_over) = far(&databases);
            assert_eq!((&*shown, is_over), expected);
        };
        check(0, 0, (0, 0), ("", true));
        check(2, 1, (5, 5), ("In step: 1 of 2 databases.", false));
        check(2, 2, (5, 5), ("In step: 2 of 2 databases.", true));
        let not_yet = "In step: 2 of 2 databases, and not yet what the hubs themselves need.";
        check(2, 2, (5, 4), (not_yet, false));
        check(0, 0, (5, 5), ("In step: there is no database yet.", true));
    }
}
