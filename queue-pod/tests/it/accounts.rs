//! Users with passwords, tokens and API keys of their own.

use queue_pod::{Access, Settings};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clients::run;
use crate::fixture::{Machine, Pod, alone, item, opened_with};

/// Users as in the documentation of the Python server; the password of bob is hashed.
const CONFIG: &str = "
authentication:
  providers:
    - provider: toy
      authenticator: bluesky_httpserver.authenticators:DictionaryAuthenticator
      args:
        users_to_passwords:
          bob: HASH
          alice: alice_password
          cara: cara_password
          tom: tom_password
api_access:
  policy: bluesky_httpserver.authorization:DictionaryAPIAccessControl
  args:
    users:
      bob: {roles: [admin, expert], displayed_name: Bob}
      alice: {roles: advanced}
      cara: {roles: observer}
";

/// A folder with a configuration, and settings that read it.
fn configured(text: &str) -> (TempDir, Settings) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.yml");
    let hash = bcrypt::hash("bob_password", 4).unwrap();
    std::fs::write(&path, text.replace("HASH", &hash)).unwrap();
    let access = Access { config: Some(path), ..Access::default() };
    (folder, Settings { access, ..alone() })
}

/// Status and body of an answer.
async fn ask(pod: &Pod, method: Method, path: &str, (shown, body): (&str, Value)) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, format!("{}/api{path}", pod.url));
    let request = if shown.is_empty() { request } else { request.header("authorization", shown) };
    let answer = request.json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn get(pod: &Pod, path: &str, shown: &str) -> (u16, Value) {
    ask(pod, Method::GET, path, (shown, json!({}))).await
}

async fn post(pod: &Pod, path: &str, shown: &str, body: Value) -> (u16, Value) {
    ask(pod, Method::POST, path, (shown, body)).await
}

async fn log_in(pod: &Pod, user: &str, password: &str) -> (u16, Value) {
    let form = [("username", user), ("password", password), ("grant_type", "password")];
    let url = format!("{}/api/auth/provider/toy/token", pod.url);
    let body = form.map(|(name, value)| format!("{name}={value}")).join("&");
    let request = reqwest::Client::new().post(url).body(body);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// What an `Authorization` header says after a login.
async fn bearer(pod: &Pod, user: &str) -> String {
    let (status, tokens) = log_in(pod, user, &format!("{user}_password")).await;
    assert_eq!(status, 200, "{tokens}");
    format!("Bearer {}", tokens["access_token"].as_str().unwrap())
}

fn detail((status, body): (u16, Value)) -> (u16, String) {
    let Value::Object(mut body) = body else { return (status, String::new()) };
    let detail = body.remove("detail").unwrap_or_default();
    (status, detail.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn users_log_in_with_their_password_and_may_do_what_their_roles_allow() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let pod = machine.serve_with(usize::MAX, settings).await;
    let (_, tokens) = log_in(&pod, "bob", "bob_password").await;
    let keys: Vec<_> = tokens.as_object().unwrap().keys().cloned().collect();
    let expected =
        ["access_token", "expires_in", "refresh_token", "refresh_token_expires_in", "token_type"];
    assert_eq!(keys, expected);
    assert_eq!((&tokens["expires_in"], &tokens["token_type"]), (&json!(900), &json!("bearer")));

    let bob = bearer(&pod, "bob").await;
    let (status, added) =
        post(&pod, "/queue/item/add", &bob, json!({ "item": item("quick") })).await;
    assert_eq!(status, 200, "{added}");
    let (status, me) = get(&pod, "/auth/whoami", &bob).await;
    assert_eq!((status, &me["roles"]), (200, &json!(["admin", "expert"])));
    assert_eq!(me["identities"][0]["id"], "bob");
    assert_eq!(me["sessions"].as_array().unwrap().len(), 2);

    let cara = bearer(&pod, "cara").await;
    assert_eq!(get(&pod, "/queue/get", &cara).await.0, 200);
    let (status, text) = detail(post(&pod, "/queue/clear", &cara, json!({})).await);
    assert_eq!(status, 401);
    assert!(text.starts_with("Not enough permissions. Requires scopes ['write:queue:edit']. Request had scopes ['read:config', "), "{text}");
    pod.stop().await;
}

#[tokio::test]
async fn the_name_of_the_user_goes_with_what_the_user_adds() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let (pod, _operator) = opened_by_bob(&machine, settings).await;
    let bob = bearer(&pod, "bob").await;
    let claimed = json!({ "item": item("quick"), "user": "the boss", "user_group": "root" });
    let (_, added) = post(&pod, "/queue/item/add", &bob, claimed).await;
    assert_eq!(added["item"]["user"], "bob \"Bob\"", "{added}");
    assert_eq!(added["item"]["user_group"], "primary");
    pod.stop().await;
}

#[tokio::test]
async fn logins_are_refused_in_the_words_of_the_python_server() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let pod = machine.serve_with(usize::MAX, settings).await;
    for (user, password, text) in [
        ("bob", "wrong", "Incorrect username or password"),
        ("nobody", "alice_password", "Incorrect username or password"),
        ("tom", "tom_password", "User is not authorized to access the server"),
    ] {
        assert_eq!(detail(log_in(&pod, user, password).await), (401, text.to_owned()));
    }
    assert_eq!(post(&pod, "/auth/provider/other/token", "", json!({})).await.0, 404);
    let wrong = detail(get(&pod, "/status", "Bearer x.y.z").await);
    assert_eq!(wrong, (401, "Could not validate credentials".to_owned()));
    assert_eq!(detail(get(&pod, "/status", "ApiKey k").await), (401, "Invalid API key".to_owned()));
    let mut tried = 0;
    while log_in(&pod, "alice", "wrong").await.0 != 429 {
        tried += 1;
        assert!(tried < 1_000, "nobody stops the guessing");
    }
    assert_eq!(log_in(&pod, "alice", "alice_password").await.0, 429, "not even the right one");
    assert_eq!(log_in(&pod, "cara", "cara_password").await.0, 200, "others are not held up");
    pod.stop().await;
}

#[tokio::test]
async fn sessions_are_refreshed_until_they_are_revoked() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let pod = machine.serve_with(usize::MAX, settings).await;
    let (_, tokens) = log_in(&pod, "alice", "alice_password").await;
    let refresh = || {
        post(&pod, "/auth/session/refresh", "", json!({ "refresh_token": tokens["refresh_token"] }))
    };
    let (status, again) = refresh().await;
    assert_eq!(status, 200, "{again}");
    let alice = format!("Bearer {}", again["access_token"].as_str().unwrap());
    let session = get(&pod, "/auth/whoami", &alice).await.1["sessions"][0]["uuid"].clone();
    let path = format!("/auth/session/revoke/{}", session.as_str().unwrap());

    let bob = bearer(&pod, "bob").await;
    let foreign = ask(&pod, Method::DELETE, &path, (&bob, json!({}))).await;
    let text = "Sessions does not exist or requester has insufficient permissions";
    assert_eq!(detail(foreign), (404, text.to_owned()));
    let revoked = ask(&pod, Method::DELETE, &path, (&alice, json!({}))).await;
    assert_eq!(revoked, (200, json!({ "success": true, "msg": "" })));
    let text = "Session has expired. Please re-authenticate.";
    assert_eq!(detail(refresh().await), (401, text.to_owned()));
    let absent = ask(&pod, Method::DELETE, "/auth/session/revoke/1", (&alice, json!({}))).await;
    assert_eq!(detail(absent), (404, "No session 1".to_owned()));
    // A refresh token is no access token.
    let shown = format!("Bearer {}", tokens["refresh_token"].as_str().unwrap());
    assert_eq!(get(&pod, "/status", &shown).await.0, 401);
    pod.stop().await;
}

#[tokio::test]
async fn api_keys_are_made_used_limited_and_deleted() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let pod = machine.serve_with(usize::MAX, settings).await;
    let alice = bearer(&pod, "alice").await;
    let wanted =
        json!({ "expires_in": 900, "scopes": ["read:status", "user:apikeys"], "note": "n" });
    let (status, made) = post(&pod, "/auth/apikey", &alice, wanted).await;
    assert_eq!(status, 200, "{made}");
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 72);
    assert_eq!(secret.get(..8), made["first_eight"].as_str());
    let key = format!("ApiKey {secret}");
    assert_eq!(get(&pod, "/status", &key).await.0, 200);
    let (status, text) = detail(get(&pod, "/queue/get", &key).await);
    assert_eq!(status, 401);
    assert!(text.ends_with("Request had scopes ['read:status', 'user:apikeys']"), "{text}");
    let info = get(&pod, "/auth/apikey", &key).await.1;
    assert_eq!((&info["note"], &info["first_eight"]), (&json!("n"), &made["first_eight"]));
    assert!(info.get("secret").is_none());
    assert_eq!(get(&pod, "/auth/whoami", &key).await.1["api_key_scopes"], made["scopes"]);
    // A key that may do little cannot make one that may do more.
    let more =
        post(&pod, "/auth/apikey", &key, json!({ "expires_in": null, "scopes": ["read:queue"] }))
            .await;
    assert_eq!(detail(more), (400, "Requested scopes ['read:queue'] must be a subset of the allowed principal's scopes ['read:status', 'user:apikeys'].".to_owned()));
    let (_, same) = post(&pod, "/auth/apikey", &key, json!({ "expires_in": null })).await;
    assert_eq!(same["scopes"], made["scopes"]);

    let no_key = detail(get(&pod, "/auth/apikey", &alice).await);
    assert_eq!(no_key, (401, "No API key was provided with this request.".to_owned()));
    let (status, missing) = post(&pod, "/auth/apikey", &alice, json!({})).await;
    assert_eq!((status, &missing["detail"][0]["loc"]), (422, &json!(["body", "expires_in"])));
    let path = format!("/auth/apikey?first_eight={}", made["first_eight"].as_str().unwrap());
    let delete = || ask(&pod, Method::DELETE, &path, (&alice, json!({})));
    assert_eq!(delete().await.0, 200);
    assert_eq!(get(&pod, "/status", &key).await.0, 401);
    let text = "The currently-authenticated PrincipalType.user has no such API key.";
    assert_eq!(detail(delete().await), (404, text.to_owned()));
    pod.stop().await;
}

#[tokio::test]
async fn administrators_see_everybody_and_make_keys_for_them() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let pod = machine.serve_with(usize::MAX, settings).await;
    let (bob, cara) = (bearer(&pod, "bob").await, bearer(&pod, "cara").await);
    assert_eq!(get(&pod, "/auth/principal", &cara).await.0, 401);
    let (_, all) = get(&pod, "/auth/principal", &bob).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    let of_cara = get(&pod, "/auth/whoami", &cara).await.1["uuid"].clone();
    let path = format!("/auth/principal/{}", of_cara.as_str().unwrap());
    assert_eq!(get(&pod, &path, &bob).await.1["identities"][0]["id"], "cara");
    let (status, made) =
        post(&pod, &format!("{path}/apikey"), &bob, json!({ "expires_in": 60 })).await;
    assert_eq!(status, 200, "{made}");
    let key = format!("ApiKey {}", made["secret"].as_str().unwrap());
    assert_eq!(get(&pod, "/auth/whoami", &key).await.1["uuid"], of_cara);
    let nobody = post(&pod, "/auth/principal/x/apikey", &bob, json!({ "expires_in": 60 })).await;
    let text = "Principal x does not exist or insufficient permissions.";
    assert_eq!(detail(nobody), (404, text.to_owned()));
    pod.stop().await;
}

#[tokio::test]
async fn sessions_and_keys_outlive_the_server_and_roles_that_are_gone_do_not() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let pod = machine.serve_with(usize::MAX, settings.clone()).await;
    let alice = bearer(&pod, "alice").await;
    let (_, made) = post(&pod, "/auth/apikey", &alice, json!({ "expires_in": null })).await;
    let key = format!("ApiKey {}", made["secret"].as_str().unwrap());
    pod.kill().await;

    let pod = machine.serve_with(usize::MAX, settings).await;
    for shown in [&alice, &key] {
        assert_eq!(get(&pod, "/queue/get", shown).await.0, 200);
    }
    pod.stop().await;

    let (_folder, less) = configured(&CONFIG.replace("      alice: {roles: advanced}\n", ""));
    let pod = machine.serve_with(usize::MAX, less).await;
    let text = "Permissions for the user are revoked. Please contact the administrator.";
    for shown in [&alice, &key] {
        assert_eq!(detail(get(&pod, "/queue/get", shown).await), (401, text.to_owned()));
    }
    pod.stop().await;
}

#[tokio::test]
async fn secrets_are_kept_as_digests_only() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let pod = machine.serve_with(usize::MAX, settings).await;
    let alice = bearer(&pod, "alice").await;
    let (_, made) = post(&pod, "/auth/apikey", &alice, json!({ "expires_in": null })).await;
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(machine.client(), "default");
    let kept = secrets.get("queue-accounts-main").await.unwrap().data.unwrap();
    let book = String::from_utf8(kept["accounts.json"].0.clone()).unwrap();
    assert!(book.contains(made["first_eight"].as_str().unwrap()));
    let secret = made["secret"].as_str().unwrap();
    for never in [secret, &secret[8..], "alice_password", &alice[7..]] {
        assert!(!book.contains(never), "{never}");
    }
    pod.stop().await;
}

#[tokio::test]
async fn the_python_api_logs_in_and_makes_keys() {
    let machine = Machine::new().await;
    let (_folder, settings) = configured(CONFIG);
    let (pod, _operator) = opened_by_bob(&machine, settings).await;
    run("login.py", &[&pod.url]).await;
    pod.stop().await;
}

/// A server whose environment the user `bob` has opened.
async fn opened_by_bob(
    machine: &Machine,
    settings: Settings,
) -> (Pod, crate::fake_worker::Operator) {
    let pod = machine.serve_with(usize::MAX, settings).await;
    let operator = crate::fake_worker::Operator::start(machine.client());
    let bob = bearer(&pod, "bob").await;
    post(&pod, "/environment/open", &bob, json!({})).await;
    let opened = async {
        while get(&pod, "/status", &bob).await.1["worker_environment_exists"] != true {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::fixture::PATIENCE, opened).await.unwrap();
    (pod, operator)
}

#[tokio::test]
async fn without_providers_there_are_no_accounts_and_the_answer_says_so() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened_with(&machine, alone()).await;
    let (status, scopes) = get(&pod, "/auth/scopes", "").await;
    assert_eq!((status, &scopes["roles"]), (200, &json!(["unauthenticated_single_user"])));
    assert_eq!(scopes["scopes"].as_array().unwrap().len(), 22);
    let (status, text) = detail(get(&pod, "/auth/whoami", "").await);
    assert_eq!(status, 501);
    assert!(text.contains("no authentication provider"), "{text}");
    assert_eq!(log_in(&pod, "bob", "bob_password").await.0, 404);
    pod.stop().await;
}
