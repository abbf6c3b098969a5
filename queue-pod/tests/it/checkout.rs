//! The git checkout of the profile over HTTP: real repositories, an upstream and a clone of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use queue_pod::Settings;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{Machine, Pod, alone, opened_with};

/// An upstream, and two clones of it: that of the beamline, and that of who develops the profile.
struct Repositories {
    folder: TempDir,
}

impl Repositories {
    fn new() -> Self {
        let repositories = Self { folder: TempDir::new().unwrap() };
        let folder = repositories.folder.path();
        git(folder, &["init", "--quiet", "--bare", "--initial-branch=main", "upstream"]);
        git(folder, &["clone", "--quiet", "upstream", "developer"]);
        git(&repositories.developer(), &["checkout", "--quiet", "-B", "main"]);
        repositories.publish("startup/00.py", "first");
        git(folder, &["clone", "--quiet", "upstream", "profile"]);
        repositories
    }

    fn developer(&self) -> PathBuf {
        self.folder.path().join("developer")
    }

    fn profile(&self) -> PathBuf {
        self.folder.path().join("profile")
    }

    /// The developer changes a file; its commit.
    fn publish(&self, file: &str, text: &str) -> String {
        let commit = commit(&self.developer(), file, text);
        git(&self.developer(), &["push", "--quiet", "origin", "main"]);
        commit
    }

    fn settings(&self) -> Settings {
        Settings { profile_collection_dir: Some(self.profile()), ..alone() }
    }
}

fn git(folder: &Path, args: &[&str]) -> String {
    let who =
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
    let ended = Command::new("git").current_dir(folder).args(who).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "git {args:?}: {said}");
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

fn commit(folder: &Path, file: &str, text: &str) -> String {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", text]);
    git(folder, &["rev-parse", "HEAD"])
}

async fn ask(pod: &Pod, what: &str) -> (u16, Value) {
    let url = format!("{}/api/profile_collection/{what}", pod.url);
    let client = reqwest::Client::new();
    let request = if what == "status" { client.get(url) } else { client.post(url) };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn detail(answer: &Value) -> &str {
    answer["detail"].as_str().unwrap()
}

#[tokio::test]
async fn a_checkout_moves_forward_to_its_upstream() {
    let repositories = Repositories::new();
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, repositories.settings()).await;
    let first = git(&repositories.profile(), &["rev-parse", "HEAD"]);
    let folder = std::fs::canonicalize(repositories.profile()).unwrap();
    let (code, standing) = ask(&pod, "status").await;
    let clean = json!({"profile_dir": folder, "commit": first, "branch": "main",
                       "is_dirty": false, "ahead": 0, "behind": 0});
    assert_eq!((code, standing), (200, clean));

    repositories.publish("startup/10 motors.py", "second");
    let last = repositories.publish("pixi.toml", "third");
    let (code, pulled) = ask(&pod, "pull").await;
    let changed = json!({"commit_before": first, "commit_after": last,
                         "files_changed": ["pixi.toml", "startup/10 motors.py"],
                         "pixi_toml_changed": true});
    assert_eq!((code, pulled), (200, changed));
    assert!(repositories.profile().join("startup/10 motors.py").exists());
    let (_, again) = ask(&pod, "pull").await;
    let nothing = json!({"commit_before": last, "commit_after": last, "files_changed": [],
                         "pixi_toml_changed": false});
    assert_eq!(again, nothing);
    let console = pod.get("/console_output").await["text"].as_str().unwrap().to_owned();
    assert!(console.contains(&format!("Profile collection is at {last}: 2 files")), "{console}");
    pod.stop().await;
}

#[tokio::test]
async fn nothing_that_somebody_has_done_in_a_checkout_is_lost() {
    let repositories = Repositories::new();
    let profile = repositories.profile();
    let machine = Machine::new().await;
    let pod = machine.serve_with(usize::MAX, repositories.settings()).await;
    let first = git(&profile, &["rev-parse", "HEAD"]);
    repositories.publish("startup/00.py", "newer");

    std::fs::write(profile.join("notes.txt"), "mine").unwrap();
    std::fs::write(profile.join("startup/00.py"), "mine").unwrap();
    assert_eq!(ask(&pod, "status").await.1["is_dirty"], true);
    for what in ["pull", "reload"] {
        let (code, answer) = ask(&pod, what).await;
        assert_eq!(code, 409, "{answer}");
        assert!(detail(&answer).contains("working tree is dirty"), "{answer}");
        assert!(detail(&answer).contains("notes.txt"), "{answer}");
    }
    assert_eq!(std::fs::read_to_string(profile.join("startup/00.py")).unwrap(), "mine");
    assert_eq!(git(&profile, &["rev-parse", "HEAD"]), first);

    std::fs::remove_file(profile.join("notes.txt")).unwrap();
    git(&profile, &["checkout", "--quiet", "--", "."]);
    std::fs::write(profile.join(".git/info/exclude"), "existing.yaml\n").unwrap();
    std::fs::write(profile.join("existing.yaml"), "mine").unwrap();
    repositories.publish("existing.yaml", "theirs");
    let (code, answer) = ask(&pod, "pull").await;
    assert_eq!(code, 409, "{answer}");
    assert!(detail(&answer).contains("existing.yaml"), "what git ignores is not lost: {answer}");
    assert_eq!(std::fs::read_to_string(profile.join("existing.yaml")).unwrap(), "mine");

    std::fs::remove_file(profile.join("existing.yaml")).unwrap();
    let own = commit(&profile, "own.py", "own");
    let (code, answer) = ask(&pod, "pull").await;
    assert_eq!(code, 409, "{answer}");
    assert!(detail(&answer).contains("1 commits that upstream has not"), "{answer}");
    assert_eq!(git(&profile, &["rev-parse", "HEAD"]), own);
    let (_, standing) = ask(&pod, "status").await;
    assert_eq!((&standing["ahead"], &standing["behind"]), (&json!(1), &json!(2)));
    pod.stop().await;
}

#[tokio::test]
async fn a_reload_opens_the_environment_again_when_nothing_runs() {
    let repositories = Repositories::new();
    let machine = Machine::new().await;
    let (pod, _operator) = opened_with(&machine, repositories.settings()).await;
    let next = repositories.publish("startup/00.py", "second");
    pod.add("wait").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it runs", async |pod| pod.status().await["re_state"] == "running").await;
    let (code, answer) = ask(&pod, "reload").await;
    assert_eq!(code, 409, "{answer}");
    assert!(detail(&answer).starts_with("RE Manager is busy (executing_queue)"), "{answer}");
    assert_ne!(git(&repositories.profile(), &["rev-parse", "HEAD"]), next, "it was pulled");
    pod.must("/re/pause", json!({"option": "immediate"})).await;
    pod.manager("paused").await;
    pod.must("/re/stop", json!({})).await;
    pod.manager("idle").await;

    let (code, answer) = ask(&pod, "reload").await;
    assert_eq!((code, &answer["environment_recycled"]), (200, &json!(true)), "{answer}");
    assert_eq!(answer["pull"]["commit_after"], next);
    pod.until("open again", async |pod| {
        let status = pod.status().await;
        status["worker_environment_exists"] == true && status["manager_state"] == "idle"
    })
    .await;
    repositories.publish("pixi.toml", "third");
    let (code, answer) = ask(&pod, "reload").await;
    assert_eq!(code, 409, "{answer}");
    assert!(detail(&answer).starts_with("pixi.toml changed"), "{answer}");
    assert!(repositories.profile().join("pixi.toml").exists());

    pod.must("/environment/close", json!({})).await;
    pod.manager("idle").await;
    let (code, answer) = ask(&pod, "reload").await;
    assert_eq!((code, &answer["environment_recycled"]), (200, &json!(false)), "{answer}");
    pod.stop().await;
}

#[tokio::test]
async fn what_is_no_checkout_is_refused_in_words_that_say_why() {
    let machine = Machine::new().await;
    let pod = machine.serve().await;
    for what in ["status", "pull", "reload"] {
        let (code, answer) = ask(&pod, what).await;
        assert_eq!(code, 409, "{answer}");
        assert!(detail(&answer).contains("QSERVER_HTTP_SERVER_PROFILE_COLLECTION_DIR"), "{answer}");
    }
    pod.stop().await;

    let repositories = Repositories::new();
    // A folder of a checkout is no checkout of its own.
    let inner = repositories.profile().join("startup");
    for (folder, why) in [(inner, "not a git repository"), ("/no/such".into(), "No such file")] {
        let settings = Settings { profile_collection_dir: Some(folder), ..alone() };
        let pod = machine.serve_with(usize::MAX, settings).await;
        let (code, answer) = ask(&pod, "pull").await;
        assert_eq!(code, 500, "{answer}");
        assert!(detail(&answer).contains(why), "{answer}");
        pod.stop().await;
    }
    std::fs::remove_dir_all(repositories.folder.path().join("upstream")).unwrap();
    let pod = machine.serve_with(usize::MAX, repositories.settings()).await;
    let (code, answer) = ask(&pod, "pull").await;
    assert_eq!(code, 500, "{answer}");
    assert!(detail(&answer).starts_with("git fetch failed: fatal: "), "{answer}");
    pod.stop().await;
}
