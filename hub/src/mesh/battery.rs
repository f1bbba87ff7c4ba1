//! Whether this device runs on its battery, and how much is left: what Linux says of it.

use std::fs;
use std::path::{Path, PathBuf};

/// Where Linux says so.
const POWER_SUPPLIES: &str = "/sys/class/power_supply";

/// What is left where a device runs on its battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Discharging {
    /// Of all that the batteries hold.
    pub(super) percent: u8,
}

/// Whoever knows how a device is powered.
pub(super) trait Power: Send {
    /// How much is left where it runs on its battery; `None` where it does not, or nothing says so.
    fn discharging(&self) -> Option<Discharging>;
}

/// What the system says.
#[derive(Debug)]
pub(super) struct SystemPower {
    folder: PathBuf,
}

impl Default for SystemPower {
    fn default() -> Self {
        Self { folder: POWER_SUPPLIES.into() }
    }
}

impl SystemPower {
    /// Whether there is a battery at all.
    pub(super) fn has_battery(&self) -> bool {
        !batteries(&self.folder).is_empty()
    }
}

impl Power for SystemPower {
    fn discharging(&self) -> Option<Discharging> {
        let batteries = batteries(&self.folder);
        let discharging =
            batteries.iter().any(|one| word(one, "status").as_deref() == Some("Discharging"));
        let levels = batteries.iter().filter_map(|one| word(one, "capacity")?.parse::<u8>().ok());
        // The fullest is the one that is used last.
        let percent = levels.max().filter(|percent| discharging && *percent <= 100)?;
        Some(Discharging { percent })
    }
}

/// The folders of batteries that power this device, and no mouse.
fn batteries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_battery = |path: &PathBuf| {
        word(path, "type").as_deref() == Some("Battery")
            && word(path, "scope").as_deref() != Some("Device")
    };
    entries.map(|entry| entry.path()).filter(is_battery).collect()
}

/// What a file in such a folder says.
fn word(folder: &Path, name: &str) -> Option<String> {
    Some(fs::read_to_string(folder.join(name)).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_of_batteries() {
        let folder = tempfile::tempdir().unwrap();
        let power = SystemPower { folder: folder.path().into() };
        assert!(!power.has_battery() && power.discharging().is_none());
        let supply = |name: &str, files: &[(&str, &str)]| {
            let folder = folder.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            files.iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
        };
        supply("AC", &[("type", "Mains\n"), ("online", "0\n")]);
        let mouse = [("type", "Battery\n"), ("scope", "Device\n"), ("status", "Discharging\n")];
        supply("mouse", &mouse);
        assert!(!power.has_battery());
        supply("BAT0", &[("type", "Battery\n"), ("status", "Discharging\n"), ("capacity", "14\n")]);
        assert!(power.has_battery());
        assert_eq!(power.discharging(), Some(Discharging { percent: 14 }));
        supply("BAT1", &[("type", "Battery\n"), ("status", "Full\n"), ("capacity", "99\n")]);
        assert_eq!(power.discharging(), Some(Discharging { percent: 99 }));
        supply("BAT0", &[("status", "Charging\n")]);
        assert_eq!(power.discharging(), None);
        supply("BAT0", &[("status", "Discharging\n"), ("capacity", "much\n")]);
        supply("BAT1", &[("capacity", "500\n")]);
        assert_eq!(power.discharging(), None);
    }
}
