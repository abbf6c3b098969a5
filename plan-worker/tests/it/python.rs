//! The Python interpreter with the real bluesky.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(120);

/// Path of a script beside this file.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

/// Gives `input` to a script and returns the JSON that it prints.
pub(crate) async fn call(name: &str, input: &Value) -> Option<Value> {
    call_with(name, input, &[]).await
}

/// As [`call`], with further environment variables.
pub(crate) async fn call_with(
    name: &str,
    input: &Value,
    environment: &[(&str, String)],
) -> Option<Value> {
    let mut child = Command::new(peers::python()?)
        .arg(script(name))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
