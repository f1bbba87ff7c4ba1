//! Other machines: a network of the test's own, where the hub is reached by an address that is not this
//! machine's own.

use std::process::Command;

use tempfile::TempDir;
use tests::{Finished, Key, larder};

/// Runs in a network namespace of its own. What it prints is what was got: status by status.
const SCRIPT: &str = r#"
set -eu
ip link set lo up
ip addr add 10.9.8.7/32 dev lo
"$HUB" run --http 127.0.0.1:0 --tls 10.9.8.7:0 --onion off --data-dir "$DATA" >/dev/null 2>"$DATA.log" &
hub=$!
trap 'kill $hub; wait $hub || true' EXIT
until grep -q https "$DATA/run/hub.json" 2>/dev/null; do
    kill -0 $hub
    sleep 0.05
done
local=$(sed 's/.*"\(http:[^"]*\)".*/\1/' "$DATA/run/hub.json")
lan=$(sed 's/.*"\(https:[^"]*\)".*/\1/' "$DATA/run/hub.json")
token=$("$HUB" url --data-dir "$DATA" | sed 's|http://\(.*\)@.*|\1|')
status() { curl --silent --insecure --max-time 60 --output /dev/null --write-out '%{http_code} ' "$@"; }
key="--cert $CERT --key $KEY"
curl --silent --fail --user "$token" -X PUT "${local}notes" >/dev/null
curl --silent --fail --user "$token" -X PUT "${local}notes/_security" \
    -d "{\"readers\":{\"names\":[\"$NAME\"],\"roles\":[]}}" >/dev/null
"$HUB" app add local-app --key "$APP" --db notes:rw --data-dir "$DATA"
status "${lan}"
status "${lan}notes"
status --user "$token" "${lan}notes"
status -H 'Authorization: Bearer x' "${lan}"
status -X POST -H 'Content-Type: application/json' -d '{"name":"owner","password":"x"}' "${lan}_session"
status "${lan}_utils/"
status $key "${lan}notes"
status $key -H 'Origin: https://10.9.8.7' "${lan}notes"
status $key -H 'Host: anything.example' "${lan}notes"
status --cert "$APPCERT" --key "$APPKEY" "${lan}notes"
curl --silent --max-time 5 --output /dev/null "http://10.9.8.7:${local##*:}" && echo reached || echo closed
"#;

#[test]
fn other_machines_are_known_by_their_keys_alone() {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let place = |name: &str| {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        place
    };
    let (friend, program) = (Key::new(), Key::new());
    let (certificate, key) = friend.write_to(&place("friend"));
    let (app_certificate, app_key) = program.write_to(&place("app"));
    let hub = larder(&[], folder.path());
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", SCRIPT]);
    command.env("HUB", hub.get_program()).env("DATA", folder.path().join("data"));
    command.env("CERT", certificate).env("KEY", key).env("NAME", friend.text());
    command.env("APPCERT", app_certificate).env("APPKEY", app_key).env("APP", program.text());
    let printed = Finished::of(&mut command).expect_success();
    // Nobody sees that there is a hub; no token, header or page counts; a key does, and a local
    // program's key is one among others.
    assert_eq!(printed.trim(), "200 401 401 401 403 403 200 403 200 404 closed");
}

/// The same for a hub that listens on any address: what it says of where it is.
const REACH: &str = r#"
set -eu
ip link set lo up
ip addr add 10.9.8.7/32 dev lo
ip addr add 93.184.216.34/32 dev lo
mkdir "$DATA"
for lan in false true; do
    printf '[mesh]\nlan = %s\n' $lan >"$DATA/larder.toml"
    "$HUB" run --http 127.0.0.1:0 --tls 0.0.0.0:0 --onion off --data-dir "$DATA" >/dev/null 2>"$DATA.log" &
    hub=$!
    until grep -q https "$DATA/run/hub.json" 2>/dev/null; do
        kill -0 $hub
        sleep 0.05
    done
    echo "$lan $("$HUB" status --json --data-dir "$DATA" | grep -A 9 '"reach"' | grep -o 'httpkey://[^/]*' | tr '\n' ' ')"
    kill $hub
    wait $hub
done
"#;

#[test]
fn where_a_hub_is_in_its_network_is_told_where_its_owner_wants_that() {
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let hub = larder(&[], folder.path());
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", REACH]);
    command.env("HUB", hub.get_program()).env("DATA", folder.path().join("data"));
    let printed = Finished::of(&mut command).expect_success();
    let lines: Vec<&str> = printed.lines().map(str::trim).collect();
    let [off, on] = lines[..] else { panic!("{printed}") };
    assert!(!off.contains("10.9.8.7"), "{printed}");
    assert!(on.contains("httpkey://10.9.8.7:"), "{printed}");
    assert!(!printed.contains("93.184.216.34") && !printed.contains("0.0.0.0"), "{printed}");
}
