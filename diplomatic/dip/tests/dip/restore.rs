//! `dip restore`.

use serde_json::json;

use crate::device::Device;
use crate::store::app;

/// The payloads of what counts, as the log shows it.
fn counting(device: &Device, store: &str) -> Vec<serde_json::Value> {
    let lines = device.run(&["log", "--json", "--store", store]).lines();
    let counting = lines.iter().filter(|line| line["counts"] == true && line["deleted"] == false);
    counting.map(|line| line["payload"].clone()).collect()
}

#[test]
fn an_account_of_any_app_is_brought_back_after_a_look_at_what_changes() {
    let phone = Device::without_seed();
    let [milk, bread] = app(&phone);
    let store = phone.data().join("todo.redb");
    let store = store.to_str().unwrap();
    let restore = ["restore", "--at", "2025-11-24T16:00:04.5Z", "--store", store];
    let before = counting(&phone, store);

    let preview = phone.run(&[&restore[..], &["--dry-run"]].concat());
    let preview: Vec<&str> = preview.succeeds().lines().collect();
    assert_eq!(preview.len(), 4, "{preview:?}");
    assert!(preview[0].starts_with("- ") && preview[0].ends_with("deleted"), "{preview:?}");
    assert!(preview[1].starts_with("+ ") && preview[1].contains(r#"todo.added  {"title":"bread"}"#), "{preview:?}");
    assert!(preview[2].contains("theme") && preview[3] == "+ nothing", "{preview:?}");
    let lines = phone.run(&[&restore[..], &["--dry-run", "--json"]].concat()).lines();
    assert_eq!(lines[0]["entity"], json!(bread.to_string()));
    assert_eq!((&lines[0]["now"]["deleted"], &lines[0]["then"]["payload"]["title"]), (&json!(true), &json!("bread")));
    assert_eq!(lines[1]["then"], json!(null));
    assert_eq!(counting(&phone, store), before, "a dry run changes nothing");

    let said = phone.run(&restore);
    assert_eq!(said.succeeds().trim(), "2 messages restored");
    let renamed = json!({"todo": milk.to_string(), "title": "soy milk"});
    assert_eq!(counting(&phone, store), [json!({"title": "milk"}), renamed, json!({"title": "bread"})]);
    assert_eq!(phone.run(&restore).succeeds().trim(), "nothing has changed since then");
}

#[test]
fn one_entity_is_brought_back_and_the_others_stay() {
    let phone = Device::without_seed();
    let [milk, _] = app(&phone);
    let store = phone.data().join("todo.redb");
    let store = store.to_str().unwrap();
    let milk = milk.to_string();
    let restore = ["restore", "--at", "2025-11-24T16:00:02.5Z", "--store", store, "--entity"];
    let restored = phone.run(&[&restore[..], &[&milk[..14], "--json"]].concat()).json();
    assert_eq!(restored["restored"].as_array().unwrap().len(), 1);
    let renamed = json!({"todo": milk, "title": "oat milk"});
    assert_eq!(counting(&phone, store), [json!({"title": "milk"}), json!("dark"), renamed]);

    phone.run(&[&restore[..], &["ffff"]].concat()).fails(2, "no entity has an ID that starts like this");
    phone.run(&[&restore[..], &["0"]].concat()).fails(2, "give more digits");
}
