//! Programs that people have: curl, openssl, Python.

use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use tests::Finished;

use super::cast::{Cast, Kind};

#[test]
fn curl_pins_the_key_and_shows_its_own() {
    let cast = Cast::new();
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let (certificate, key) = cast.key(Kind::Reader).write_to(folder.path());
    let shown = cast.hub.larder(&["key", "show", "--json"]).expect_success();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let pin = shown["pin"].as_str().unwrap().to_owned();
    let ask = |pin: &str| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--insecure", "--pinnedpubkey"]).arg(pin);
        command.arg("--cert").arg(&certificate).arg("--key").arg(&key);
        command.arg(format!("{}notes/a", cast.hub.tls_url()));
        Finished::of(&mut command)
    };
    assert!(ask(&pin).expect_success().contains("\"shown\""));
    let other = STANDARD.encode([7; 32]);
    ask(&format!("sha256//{other}")).expect_failure();
}

#[test]
fn openssl_sees_tls_1_3_and_the_key() {
    let cast = Cast::new();
    let tls = cast.hub.tls_url();
    let address = tls.trim_start_matches("https://").trim_end_matches('/').to_owned();
    let connect = |version: &str| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &address, version]).stdin(Stdio::null());
        command.output().unwrap()
    };
    let new = connect("-tls1_3");
    let said = String::from_utf8_lossy(&new.stdout).into_owned();
    assert!(said.contains("TLSv1.3"), "{said}");
    assert!(said.contains("ED25519") || said.contains("Ed25519"), "{said}");
    let old = connect("-tls1_2");
    let said = String::from_utf8_lossy(&old.stdout).into_owned();
    assert!(said.contains("Cipher is (NONE)"), "{said}");
}

#[test]
fn python_shows_a_certificate() {
    let cast = Cast::new();
    let folder = TempDir::with_prefix("larder-test-").unwrap();
    let (certificate, key) = cast.key(Kind::Writer).write_to(folder.path());
    let script = r#"
import http.client, json, ssl, sys
address, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(certificate, key)
hub = http.client.HTTPSConnection(address, context=context)
def ask(method, path, body=None):
    hub.request(method, path, body, {"Content-Type": "application/json"})
    answer = hub.getresponse()
    return answer.status, json.loads(answer.read())
assert ask("PUT", "/notes/python", "{}")[0] == 201
assert ask("GET", "/notes/python")[0] == 200
assert ask("GET", "/other")[0] == 404
assert ask("GET", "/notes/_security")[0] == 403
assert ask("GET", "/_session")[1]["userCtx"]["name"]
print("done")
"#;
    let tls = cast.hub.tls_url();
    let address = tls.trim_start_matches("https://").trim_end_matches('/');
    let mut command = Command::new("python3");
    command.args(["-c", script, address]).arg(certificate).arg(key);
    assert_eq!(Finished::of(&mut command).expect_success().trim(), "done");
}
