//! Uploaded spreadsheets: the plans that the Python package reads from the same files, added to the queue all or none.

use std::path::Path;
use std::process::Command;

use queue_pod::spreadsheet;
use serde_json::{Value, json};

use crate::fixture::{Machine, Pod, opened};

/// What a text says before it shows a row or its columns, which the Python package prints as its data frames hold them.
fn without_rows(text: &str) -> &str {
    text.split(['(', '[']).next().unwrap_or_default().trim_end_matches("Index")
}

#[test]
fn the_same_plans_are_read_as_by_the_python_package() {
    let Some(python) = peers::python() else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/spreadsheets_reference.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(files.len() > 30);
    for theirs in files {
        let name = theirs["file"].as_str().unwrap();
        let content = std::fs::read(folder.path().join(name)).unwrap();
        match spreadsheet::plans(name, &content) {
            Ok(ours) => assert_eq!(json!(ours), theirs["plans"], "{name}: {theirs}"),
            Err(error) => {
                let (ours, theirs) = (error.to_string(), theirs["error"].as_str());
                let theirs = theirs.unwrap_or_else(|| panic!("{name}: only we refuse: {ours}"));
                assert_eq!(without_rows(&ours), without_rows(theirs), "{name}");
            }
        }
    }
}

async fn upload(pod: &Pod, name: &str, content: &str) -> (u16, Value) {
    let body = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"data_type\"\r\n\r\nmine\r\n--edge\r\n\
         Content-Disposition: form-data; name=\"{name}\"; filename=\"plans.csv\"\r\n\
         Content-Type: text/csv\r\n\r\n{content}\r\n--edge--\r\n"
    );
    let request = reqwest::Client::new()
        .post(format!("{}/api/queue/upload/spreadsheet", pod.url))
        .header("content-type", "multipart/form-data; boundary=edge")
        .body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn an_uploaded_spreadsheet_is_queued_as_a_whole_or_not_at_all() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let (status, added) = upload(&pod, "spreadsheet", "name\nquick\n'quick'\n").await;
    assert_eq!((status, &added["success"]), (200, &json!(true)), "{added}");
    assert_eq!(pod.queued().await, ["quick", "quick"]);
    let (_, refused) = upload(&pod, "spreadsheet", "name\nquick\nnope\n").await;
    assert_eq!(
        refused["msg"],
        "Failed to add all items: validation of 1 out of 2 submitted items failed"
    );
    let (_, unread) = upload(&pod, "spreadsheet", "name\nx y\n").await;
    assert_eq!(
        unread,
        json!({
            "success": false,
            "msg": "Plan name 'x y' (row 1: ('x y',)) is not a valid plan name",
            "items": [],
            "results": [],
        })
    );
    let (status, missing) = upload(&pod, "file", "name\nquick\n").await;
    assert_eq!((status, &missing["detail"][0]["loc"]), (422, &json!(["body", "spreadsheet"])));
    assert_eq!(pod.queued().await.len(), 2);

    let uid = added["items"][0]["item_uid"].as_str().unwrap();
    let item = pod.get(&format!("/queue/item/{uid}")).await;
    assert_eq!((&item["state"], &item["item"]["name"]), (&json!("queued"), &json!("quick")));
    pod.stop().await;
}
