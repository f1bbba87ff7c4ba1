//! The bundle for whoever helps tells nothing about anybody.

use serde_json::json;
use tests::{Hub, HubOptions, Key, await_status};

use super::{accept, path, share};

#[test]
fn no_name_key_address_path_or_content_is_in_a_support_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("xylophone-backups");
    let settings = format!(
        "[http]\nhosts = ['xylophone-host.test:1']\norigins = ['app://xylophone-origin']\n\
         [backup]\nfolder = '{}'\n[log]\nfile = 'xylophone.log'\n",
        backups.display()
    );
    let options = HubOptions { settings: &settings, ..HubOptions::default() };
    let (anna, bert) = (Hub::start_as(&options), Hub::start());
    let (stranger, phone) = (Key::new(), Hub::start());
    anna.add_friend(&bert, "Xylophone Bert");
    bert.add_friend(&anna, "Anna");
    anna.add_device(&phone, "xylophone-phone");
    let url = format!("httpkey://xylophone.test:7/ed25519publickey:{}/", stranger.text());
    anna.post("/_hub/friends", json!({"url": url, "name": "xylophone-carl"})).expect(201);
    anna.post(
        "/_hub/dbs",
        json!({
            "name": "xylophone-notes", "conflicts": "newest_by:/xylophone_member",
        }),
    )
    .expect(201);
    anna.put("/xylophone-notes/xylophone-id", json!({"text": "xylophone content"})).expect(201);
    let design =
        json!({"views": {"xylophone-view": {"map": "function (doc) { emit(doc.text); }"}}});
    anna.put("/xylophone-notes/_design/xylophone-design", design).expect(201);
    anna.put("/_hub/groups/xylophone-group", "").expect(201);
    anna.larder(&["app", "add", "xylophone-app", "--db", "xylophone-notes"]).expect_success();
    share(&anna, "xylophone-notes", "Xylophone Bert", "write");
    share(&anna, "xylophone-notes/xylophone-design/xylophone-view", "Xylophone Bert", "read");
    let here = accept(&bert, "xylophone-notes");
    await_status(&bert, &(path(&here) + "/xylophone-id"), 200);
    // One that answers with what Anna's hub remembers of it.
    let trap =
        json!({"validate_doc_update": "function () { throw {forbidden: 'xylophone refusal'}; }"});
    anna.put("/xylophone-notes/_design/trap", trap).expect(201);
    bert.put(&(path(&here) + "/xylophone-refused"), json!({})).expect(201);
    anna.await_reason("", "validation_refused");
    anna.await_reason("peer=xylophone-carl", "unreachable");

    let bundle = anna.get("/_hub/support").expect(200).json();
    let text = bundle.to_string();
    let port = |hub: &Hub| {
        let url = hub.tls_url();
        url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned()
    };
    let token = anna.owner_url().split([':', '@']).nth(2).unwrap().to_owned();
    let keys = [anna.key(), bert.key(), phone.key(), stranger.text()];
    let data_dir = anna.data_dir().display().to_string();
    let others = [
        "xylophone".to_owned(),
        "127.0.0.1".to_owned(),
        ".onion".to_owned(),
        "/tmp".to_owned(),
        data_dir,
        token,
        format!(":{}", port(&anna)),
        format!(":{}", port(&bert)),
    ];
    for secret in keys.iter().chain(&others) {
        assert!(!text.to_lowercase().contains(&secret.to_lowercase()), "{secret} is in {bundle:#}");
    }
    // And yet there is something in it.
    assert_eq!(bundle["counts"]["friends"], 2, "{bundle:#}");
    assert_eq!(bundle["counts"]["devices"], 1);
    assert_eq!(bundle["settings"]["onion"]["mode"], "off");
    let databases = bundle["databases"].as_array().unwrap();
    let notes = databases.iter().find(|one| one["conflicts"] == "newest_by").unwrap();
    assert_eq!((&notes["scope"], &notes["documents"]), (&json!("shared"), &json!(3)), "{notes}");
    assert!(databases.iter().any(|one| one["made_of_a_view"] == true));
    let reasons = bundle["why"].as_array().unwrap();
    let refused = reasons.iter().find(|one| one["code"] == "validation_refused").unwrap();
    assert_eq!(refused["db"], notes["id"], "the same name throughout");
    let away = reasons.iter().find(|one| one["code"] == "unreachable").unwrap();
    assert!(away["sentence"].as_str().unwrap().starts_with("peer-"), "{away}");

    let file = folder.path().join("bundle.json");
    anna.larder(&["support", file.to_str().unwrap()]).expect_success();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("\"bundle\": 1") && !written.contains("xylophone"), "{written}");
    anna.larder(&["support", file.to_str().unwrap()]).expect_failure();
}
