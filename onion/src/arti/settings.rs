//! Arti's own settings, made of ours and of those that a person wrote for it.

use toml::{Table, Value};

use crate::{ArtiSettings, Vanguards};

/// As TOML. What a person wrote for Arti goes before what follows from our settings, but for where keys
/// lie: never on a disk.
pub(super) fn of(arti: &ArtiSettings) -> Result<String, String> {
    let mut settings = Table::new();
    if !arti.bridges.is_empty() {
        let bridges = arti.bridges.iter().cloned().map(Value::String).collect();
        let mut table = Table::new();
        table.insert("enabled".into(), Value::Boolean(true));
        table.insert("bridges".into(), Value::Array(bridges));
        let transports: Result<Vec<_>, _> =
            arti.pluggable_transports.iter().map(Value::try_from).collect();
        let transports = transports.map_err(|error| error.to_string())?;
        if !transports.is_empty() {
            table.insert("transports".into(), Value::Array(transports));
        }
        settings.insert("bridges".into(), Value::Table(table));
    }
    let mode = match arti.vanguards {
        Vanguards::Auto => None,
        Vanguards::Lite => Some("lite"),
        Vanguards::Full => Some("full"),
    };
    if let Some(mode) = mode {
        merge(&mut settings, nested(&["vanguards", "mode"], mode));
    }
    merge(&mut settings, arti.arti.clone());
    merge(&mut settings, nested(&["storage", "keystore", "primary", "kind"], "ephemeral"));
    toml::to_string(&settings).map_err(|error| error.to_string())
}

/// The table in which a value has this path.
fn nested(path: &[&str], value: &str) -> Table {
    let mut table = Table::new();
    if let Some((first, rest)) = path.split_first() {
        let value = match rest {
            [] => Value::String(value.into()),
            rest => Value::Table(nested(rest, value)),
        };
        table.insert((*first).into(), value);
    }
    table
}

/// Sets what another table sets, key by key.
fn merge(settings: &mut Table, other: Table) {
    for (key, value) in other {
        match (settings.get_mut(&key), value) {
            (Some(Value::Table(ours)), Value::Table(theirs)) => merge(ours, theirs),
            (_, value) => {
                settings.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arti: &ArtiSettings) -> Table {
        of(arti).unwrap().parse().unwrap()
    }

    #[test]
    fn what_a_person_wrote_for_arti_goes_first() {
        let written = "[vanguards]\nmode = 'disabled'\n[storage.keystore.primary]\nkind = 'native'\n\
                       [path_rules]\nipv4_subnet_family_prefix = 33\n";
        let arti = ArtiSettings {
            vanguards: Vanguards::Full,
            arti: written.parse().unwrap(),
            ..ArtiSettings::default()
        };
        let settings = check(&arti);
        assert_eq!(settings["vanguards"]["mode"].as_str(), Some("disabled"));
        assert_eq!(settings["path_rules"]["ipv4_subnet_family_prefix"].as_integer(), Some(33));
        // But keys stay off the disk.
        assert_eq!(settings["storage"]["keystore"]["primary"]["kind"].as_str(), Some("ephemeral"));
    }

    #[test]
    fn bridges_come_with_their_transports() {
        let transport = crate::PluggableTransport {
            protocols: vec!["obfs4".into()],
            path: "/usr/bin/obfs4proxy".into(),
            arguments: Vec::new(),
        };
        let arti = ArtiSettings {
            bridges: vec!["obfs4 192.0.2.1:1 ABCD cert=x".into()],
            pluggable_transports: vec![transport],
            ..ArtiSettings::default()
        };
        let bridges = &check(&arti)["bridges"];
        assert_eq!(bridges["enabled"].as_bool(), Some(true));
        assert_eq!(bridges["transports"][0]["protocols"][0].as_str(), Some("obfs4"));
        assert!(check(&ArtiSettings::default()).get("bridges").is_none());
    }
}
