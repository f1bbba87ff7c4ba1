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
        let number = |name: &str| peer["databases"][name].as_u64().unwrap_or_default();
        let (offered, in_step) = (number("offered"), number("in_step"));
        let connected = peer["state"] == "connected";
        if connected && offered > 0 {
            let shown = format!("In step: {in_step} of {}.", plural(offered, "database"));
            if shown != before {
                show::remark(&shown);
                before = shown;
            }
            if in_step == offered {
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
