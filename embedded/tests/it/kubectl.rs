//! The real `kubectl` against the loopback port.

use std::process::{Output, Stdio};
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::server::{self, Server};

const PATIENCE: Duration = Duration::from_secs(60);

const DEVICE: &str = "\
apiVersion: beamline.dev/v1alpha1
kind: Device
metadata:
  name: m1
  labels: {tier: a}
spec:
  name: m1
  deviceClass: ophyd.EpicsMotor
  prefix: sim:mtr1
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: c1
data:
  a: b
";

struct Kubectl {
    server: Server,
    home: tempfile::TempDir,
}

impl Kubectl {
    async fn start() -> Self {
        Self { server: server::on_loopback().await, home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        let url = self.server.url.as_deref().unwrap();
        command
            .args(["--server", url, "--namespace", &self.server.namespace])
            .args(arguments)
            .env("HOME", self.home.path())
            .env("KUBECONFIG", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().expect("kubectl is on the path");
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("in time").unwrap()
    }

    /// The output of a command that succeeds.
    async fn ok(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {text}{error}");
        text
    }

    /// What a command that is refused says.
    async fn refused(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input).await;
        assert!(!output.status.success(), "kubectl {arguments:?} was not refused");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_are_applied_changed_and_deleted() {
    let kubectl = Kubectl::start().await;
    let apply = ["apply", "-f", "-"];
    assert_eq!(
        kubectl.ok(&apply, DEVICE).await,
        "device.beamline.dev/m1 created\nconfigmap/c1 created\n"
    );
    assert_eq!(
        kubectl.ok(&apply, DEVICE).await,
        "device.beamline.dev/m1 unchanged\nconfigmap/c1 unchanged\n"
    );
    let changed = DEVICE.replace("mtr1", "mtr2").replace("a: b", "a: c");
    assert_eq!(
        kubectl.ok(&apply, &changed).await,
        "device.beamline.dev/m1 configured\nconfigmap/c1 configured\n"
    );
    let unlabelled = changed.replace("  labels: {tier: a}\n", "");
    kubectl.ok(&apply, &unlabelled).await;
    let object: Value =
        serde_json::from_str(&kubectl.ok(&["get", "dev", "m1", "-o", "json"], "").await).unwrap();
    assert_eq!(
        (&object["spec"]["prefix"], &object["metadata"]["labels"]),
        (&json!("sim:mtr2"), &Value::Null)
    );
    let again = kubectl.refused(&["create", "-f", "-"], DEVICE).await;
    assert!(again.contains("(AlreadyExists)"), "{again}");
    assert_eq!(
        kubectl.ok(&["delete", "-f", "-"], DEVICE).await,
        "device.beamline.dev \"m1\" deleted\nconfigmap \"c1\" deleted\n"
    );
    let gone = kubectl.refused(&["get", "dev", "m1"], "").await;
    assert_eq!(gone, "Error from server (NotFound): devices.beamline.dev \"m1\" not found\n");
    kubectl.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_side_apply_tells_conflicts_and_can_be_forced() {
    let kubectl = Kubectl::start().await;
    let apply = ["apply", "--server-side", "-f", "-"];
    assert_eq!(
        kubectl.ok(&apply, DEVICE).await,
        "device.beamline.dev/m1 serverside-applied\nconfigmap/c1 serverside-applied\n"
    );
    kubectl
        .ok(&["patch", "dev", "m1", "--type", "merge", "-p", "{\"spec\":{\"prefix\":\"x\"}}"], "")
        .await;
    let conflict = kubectl.refused(&apply, DEVICE).await;
    assert!(
        conflict.contains("conflict with \"kubectl-patch\"") && conflict.contains(".spec.prefix"),
        "{conflict}"
    );
    kubectl.ok(&["apply", "--server-side", "--force-conflicts", "-f", "-"], DEVICE).await;
    let prefix = kubectl.ok(&["get", "dev", "m1", "-o", "jsonpath={.spec.prefix}"], "").await;
    assert_eq!(prefix, "sim:mtr1");
    kubectl.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_shown_described_and_explained() {
    let kubectl = Kubectl::start().await;
    kubectl.ok(&["apply", "-f", "-"], DEVICE).await;
    let table = kubectl.ok(&["get", "devices"], "").await;
    assert!(
        table.starts_with(
            "NAME   DEVICE   LABEL   READY   CONNECTED   LOCKED-BY   SIGNALS   AGE\nm1     m1 "
        ),
        "{table}"
    );
    let wide = kubectl.ok(&["get", "dev", "-o", "wide"], "").await;
    assert!(wide.contains("PREFIX") && wide.contains("sim:mtr1"), "{wide}");
    let yaml = kubectl.ok(&["get", "dev/m1", "-o", "yaml"], "").await;
    assert!(yaml.contains("deviceClass: ophyd.EpicsMotor"), "{yaml}");
    let all = kubectl.ok(&["get", "beamline-all", "-A"], "").await;
    assert!(all.contains("device.beamline.dev/m1"), "{all}");
    let description = kubectl.ok(&["describe", "dev", "m1"], "").await;
    assert!(description.contains("Device Class:  ophyd.EpicsMotor"), "{description}");
    let explanation = kubectl.ok(&["explain", "device.spec.prefix"], "").await;
    assert!(
        explanation.contains("FIELD: prefix <string>") && explanation.contains("PV prefix."),
        "{explanation}"
    );
    let resources = kubectl.ok(&["api-resources", "--api-group", "beamline.dev"], "").await;
    assert!(
        resources.lines().any(|line| line.starts_with("devices ") && line.ends_with("Device")),
        "{resources}"
    );
    let selected = kubectl
        .ok(
            &[
                "get",
                "dev",
                "-o",
                "name",
                "-l",
                "tier in (a,b)",
                "--field-selector",
                "spec.name=m1",
            ],
            "",
        )
        .await;
    assert_eq!(selected, "device.beamline.dev/m1\n");
    kubectl.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_patched_annotated_and_labelled() {
    let kubectl = Kubectl::start().await;
    kubectl.ok(&["apply", "-f", "-"], DEVICE).await;
    kubectl.ok(&["annotate", "dev", "m1", "beamline.dev/active=false"], "").await;
    kubectl.ok(&["label", "dev", "m1", "tier=b", "--overwrite"], "").await;
    kubectl
        .ok(
            &[
                "patch",
                "dev",
                "m1",
                "--type",
                "json",
                "-p",
                r#"[{"op":"add","path":"/spec/documentation","value":"x"}]"#,
            ],
            "",
        )
        .await;
    kubectl.ok(&["patch", "cm", "c1", "-p", r#"{"data":{"z":"1"}}"#], "").await;
    let object: Value =
        serde_json::from_str(&kubectl.ok(&["get", "dev", "m1", "-o", "json"], "").await).unwrap();
    assert_eq!(object["metadata"]["annotations"]["beamline.dev/active"], "false");
    assert_eq!(object["metadata"]["labels"]["tier"], "b");
    assert_eq!(object["spec"]["documentation"], "x");
    let data = kubectl.ok(&["get", "cm", "c1", "-o", "jsonpath={.data}"], "").await;
    assert_eq!(data, r#"{"a":"b","z":"1"}"#);
    kubectl.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn built_in_kinds_are_created_from_the_command_line() {
    let kubectl = Kubectl::start().await;
    kubectl.ok(&["create", "namespace", "other"], "").await;
    kubectl.ok(&["create", "configmap", "c2", "--from-literal=a=b"], "").await;
    kubectl.ok(&["create", "secret", "generic", "s2", "--from-literal=p=q"], "").await;
    let data =
        kubectl.ok(&["get", "cm/c2", "secret/s2", "-o", "jsonpath={.items[*].data}"], "").await;
    assert_eq!(data, r#"{"a":"b"} {"p":"cQ=="}"#);
    let table = kubectl.ok(&["get", "secret", "s2"], "").await;
    assert!(table.contains("Opaque   1 "), "{table}");
    assert_eq!(
        kubectl.ok(&["delete", "namespace", "other"], "").await,
        "namespace \"other\" deleted\n"
    );
    kubectl.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_told_with_their_field() {
    let kubectl = Kubectl::start().await;
    let unknown = DEVICE.replace("  prefix:", "  prefiks:");
    let told = kubectl.refused(&["apply", "-f", "-"], &unknown).await;
    assert!(told.contains("unknown field \"spec.prefiks\""), "{told}");
    let wrong = DEVICE.replace("  prefix: sim:mtr1", "  active: perhaps");
    let told = kubectl.refused(&["apply", "-f", "-"], &wrong).await;
    assert!(told.contains("spec.active: Invalid value: \"string\""), "{told}");
    kubectl.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_and_watches_end_when_what_they_wait_for_happens() {
    let kubectl = Kubectl::start().await;
    kubectl.ok(&["apply", "-f", "-"], DEVICE).await;
    let mut watch = kubectl.command(&["get", "devices", "-w"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut line = async || {
        tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").unwrap().unwrap()
    };
    assert!(line().await.starts_with("NAME"));
    assert!(line().await.starts_with("m1"));
    let ready =
        kubectl.command(&["wait", "dev/m1", "--for=condition=Ready", "--timeout=50s"]).output();
    let prefix = ["wait", "dev/m1", "--for=jsonpath={.spec.prefix}=new", "--timeout=50s"];
    let prefix = kubectl.command(&prefix).output();
    let change = async {
        let api = kubectl.server.api::<crds::Device>();
        let condition = json!({"type": "Ready", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2024-01-01T00:00:00Z"});
        let params = PatchParams::default();
        api.patch_status(
            "m1",
            &params,
            &Patch::Merge(json!({"status": {"observedGeneration": 2, "conditions": [condition]}})),
        )
        .await
        .unwrap();
        api.patch("m1", &params, &Patch::Merge(json!({"spec": {"prefix": "new"}}))).await.unwrap();
    };
    let (ready, prefix, ()) = tokio::join!(ready, prefix, change);
    assert!(ready.unwrap().status.success() && prefix.unwrap().status.success());
    assert!(line().await.contains("True"));
    let deleted = kubectl.command(&["wait", "dev/m1", "--for=delete", "--timeout=50s"]).output();
    let (deleted, _) = tokio::join!(deleted, kubectl.ok(&["delete", "dev", "m1"], ""));
    assert!(deleted.unwrap().status.success());
    watch.kill().await.unwrap();
    kubectl.server.end().await;
}
