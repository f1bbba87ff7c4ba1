//! Who has read what.

use serde_json::{Value, json};
use tests::await_status;

use super::{accept, friends, path, share};

#[test]
fn what_a_friend_has_fetched_is_listed() {
    let (anna, bert) = friends();
    share(&anna, "recipes", "Bert", "read");
    let here = accept(&bert, "recipes");
    await_status(&bert, &(path(&here) + "/soup"), 200);
    let reads = |query: &str| -> Vec<Value> {
        let answer = anna.get(&format!("/_hub/reads{query}")).expect(200).json();
        answer["reads"].as_array().unwrap().clone()
    };
    let all = reads("");
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["who"], json!({"key": bert.key(), "name": "Bert"}));
    assert_eq!((&all[0]["database"], &all[0]["documents"]), (&json!("recipes"), &json!(2)));
    assert_eq!(reads("?who=Bert&db=recipes"), all);
    assert_eq!(reads(&format!("?who={}", bert.key())), all);
    assert!(reads("?db=diary").is_empty() && reads("?who=Carl").is_empty());
    assert!(reads("?limit=0").is_empty());
    let listed = anna.larder(&["reads", "--who", "Bert"]).expect_success();
    assert!(listed.contains("Bert  recipes  2 documents"), "{listed}");
    bert.as_key(None).get("/_hub/reads").expect(401);
}
