//! Why people's databases are not fetched for a while: windows that are closed, a battery that is low.

use std::sync::Arc;
use std::time::Duration;

use replication::{Hold, Opening, Window};
use store::Millis;
use tokio::time::sleep;

use super::Mesh;
use super::battery::{Power, SystemPower};
use crate::app::App;
use crate::clock;
use crate::config::MeshConfig;

/// What programs tell these holds by.
const WINDOW: &str = "window";
const BATTERY: &str = "battery";

/// How often it is looked at how the device is powered, and whether a clock was set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Keeps the holds as the settings and the system say, for as long as the hub runs.
pub(super) async fn keep(app: Arc<App>) {
    let power = SystemPower::default();
    let has_battery = app.mesh.config.battery_percent_min > 0 && power.has_battery();
    // Without either nobody has to wake up for it.
    if app.mesh.config.windows.is_empty() && !has_battery {
        return;
    }
    loop {
        let now = clock::now();
        let next = look(&app.mesh, &power, now, clock::offset_s(now));
        let wait =
            next.map_or(LOOK_EVERY, |due| Duration::from_millis(due.0.saturating_sub(now.0)));
        sleep(wait.min(LOOK_EVERY)).await;
    }
}

/// Looks at all of it once; when there is something else to see, where that is known.
fn look(mesh: &Mesh, power: &dyn Power, now: Millis, offset_s: i32) -> Option<Millis> {
    let (window, next) = window(&mesh.config, now, offset_s);
    mesh.set_hold(WINDOW, window);
    mesh.set_hold(BATTERY, battery(&mesh.config, power));
    next
}

/// Whether no window is open.
fn window(config: &MeshConfig, now: Millis, offset_s: i32) -> (Option<Hold>, Option<Millis>) {
    let windows: Vec<Window> = config.windows.iter().map(|window| window.0).collect();
    match Window::any(&windows, now, offset_s) {
        None => (None, None),
        Some(Opening::Open(until)) => (None, Some(until)),
        Some(Opening::Closed(until)) => {
            let shown: Vec<String> = windows.iter().map(ToString::to_string).collect();
            let text = format!("this device fetches in its windows only: {}", shown.join(", "));
            (Some(Hold { until: Some(until), text }), Some(until))
        }
    }
}

/// Whether the battery is low.
fn battery(config: &MeshConfig, power: &dyn Power) -> Option<Hold> {
    let min = config.battery_percent_min;
    let low = power.discharging().filter(|left| min > 0 && left.percent < min)?;
    let text = format!("this device runs on its battery, which is at {} %", low.percent);
    Some(Hold { until: None, text })
}

#[cfg(test)]
mod tests {
    use super::super::battery::Discharging;
    use super::*;

    struct At(Option<u8>);

    impl Power for At {
        fn discharging(&self) -> Option<Discharging> {
            self.0.map(|percent| Discharging { percent })
        }
    }

    const MINUTE: u64 = 60 * 1000;

    #[test]
    fn windows_and_batteries_hold_what_is_a_persons() {
        let config: MeshConfig =
            toml::from_str("windows = [\":10+5\"]\nbattery_percent_min = 15\n").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let key = identity::DeviceKey::from_seed(&[7; 32]).public();
        let mesh = Mesh::new(key, &config, &crate::data_dir::DataDir::find(dir.path()), false);
        let held =
            |now: Millis| mesh.state().manager.held(now).map(|(code, hold)| (code, hold.until));
        let hour = 500_000 * 60 * MINUTE;
        let at = |minute: u64| Millis(hour + minute * MINUTE);
        assert_eq!(look(&mesh, &At(None), at(5), 0), Some(at(10)));
        assert_eq!(held(at(5)), Some((WINDOW, Some(at(10)))));
        assert_eq!(look(&mesh, &At(Some(80)), at(12), 0), Some(at(15)));
        assert_eq!(held(at(12)), None);
        look(&mesh, &At(Some(14)), at(13), 0);
        assert_eq!(held(at(13)), Some((BATTERY, None)));
        look(&mesh, &At(Some(15)), at(14), 0);
        assert_eq!(held(at(14)), None);
    }

    #[test]
    fn settings_are_checked() {
        for bad in ["windows = [\"always\"]", "windows = [\":10+60\"]", "battery_percent_min = 101"]
        {
            assert!(toml::from_str::<MeshConfig>(bad).is_err(), "{bad}");
        }
    }
}
