//! Tokens of the cluster, at a door of ours before the API of one machine and before a real one.

use axum::Router;
use axum::routing::{get, post};
use embedded::Embedded;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use reqwest::StatusCode;
use serde_json::{Value, json};
use service::access::{Caller, Gate, Policy, Scope};
use service::http::Listener;
use tokio_util::sync::CancellationToken;

const AUDIENCE: &str = "beamline.dev";

/// A service with something to read and something to write, for tokens only.
struct Door {
    base: String,
    _end: tokio_util::sync::DropGuard,
}

impl Door {
    async fn open(client: Client, namespace: &str) -> Self {
        let listener = Listener::bind("127.0.0.1:0", "the door").await.unwrap();
        let base = format!("http://{}", listener.addr());
        let policy = Policy::keyed(None, Some(AUDIENCE));
        let entrance = policy.entrance(true).unwrap();
        let gate = Gate::keyed("door", &policy, entrance, (client, namespace));
        let who = async |caller: Caller| caller.user().to_owned();
        let router = Router::new()
            .route("/read", gate.guard(get(who), Scope::ReadResources))
            .route("/write", gate.guard(post(who), Scope::WriteConfig));
        let end = CancellationToken::new();
        tokio::spawn(service::http::serve(listener, router, end.clone()));
        Self { base, _end: end.drop_guard() }
    }

    /// Status of both routes, and what the first says.
    async fn ask(&self, token: &str) -> (u16, u16, String) {
        let http = reqwest::Client::new();
        let read = http.get(format!("{}/read", self.base)).bearer_auth(token);
        let read = read.send().await.unwrap();
        let write = http.post(format!("{}/write", self.base)).bearer_auth(token);
        let write = write.send().await.unwrap().status();
        (read.status().as_u16(), write.as_u16(), read.text().await.unwrap())
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

#[tokio::test]
async fn the_api_of_one_machine_has_no_tokens_and_the_answer_says_so() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let api = Embedded::open(embedded::Settings { path, crds: crds::all() }).await.unwrap();
    let door = Door::open(api.client("default"), "default").await;
    // {"aud":"beamline.dev"}
    let token = "e30.eyJhdWQiOiJiZWFtbGluZS5kZXYifQ.x";
    let (read, _, told) = door.ask(token).await;
    assert_eq!(StatusCode::from_u16(read).unwrap(), StatusCode::SERVICE_UNAVAILABLE, "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let fact = "The token cannot be verified: this Kubernetes API has no TokenReview and no SubjectAccessReview.";
    assert_eq!(told, json!({ "detail": fact }));
    assert_eq!(door.ask("x.y.z").await.0, 401);
    drop(door);
}

/// Accounts of a namespace, of which the first may use a role.
async fn accounts(client: &Client, namespace: &str) {
    let params = PostParams::default();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let metadata = named(namespace);
    namespaces.create(&params, &Namespace { metadata, ..Namespace::default() }).await.unwrap();
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    for name in ["alice", "bob"] {
        let account = ServiceAccount { metadata: named(name), ..ServiceAccount::default() };
        api.create(&params, &account).await.unwrap();
    }
    let may_observe = PolicyRule {
        api_groups: Some(vec!["beamline.dev".to_owned()]),
        resources: Some(vec!["accessroles".to_owned()]),
        resource_names: Some(vec!["observer".to_owned()]),
        verbs: vec!["use".to_owned()],
        ..PolicyRule::default()
    };
    let role = Role { metadata: named("observers"), rules: Some(vec![may_observe]) };
    Api::namespaced(client.clone(), namespace).create(&params, &role).await.unwrap();
    let binding = RoleBinding {
        metadata: named("observers"),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "Role".to_owned(),
            name: "observers".to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: "alice".to_owned(),
            namespace: Some(namespace.to_owned()),
            api_group: None,
        }]),
    };
    Api::namespaced(client.clone(), namespace).create(&params, &binding).await.unwrap();
}

async fn token(client: &Client, namespace: &str, account: &str, audience: &str) -> String {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let spec =
        TokenRequestSpec { audiences: vec![audience.to_owned()], ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let params = PostParams::default();
    let made = api.create_token_request(account, &params, &request).await.unwrap();
    made.status.unwrap().token
}

mod tokens_of_service_accounts {
    use super::*;

    #[tokio::test]
    #[ignore = "needs a cluster: KUBECONFIG, BEAMLINE_CONFORMANCE_CLUSTER=1 and --include-ignored"]
    async fn on_a_real_api_server() {
        let allowed = std::env::var("BEAMLINE_CONFORMANCE_CLUSTER").as_deref() == Ok("1");
        assert!(allowed, "set BEAMLINE_CONFORMANCE_CLUSTER=1 to let the suite change the cluster");
        let client = Client::try_default().await.expect("KUBECONFIG names a cluster");
        let namespace = format!("tokens-{}", std::process::id());
        accounts(&client, &namespace).await;
        let door = Door::open(client.clone(), &namespace).await;

        let alice = token(&client, &namespace, "alice", AUDIENCE).await;
        let name = format!("system:serviceaccount:{namespace}:alice");
        assert_eq!(door.ask(&alice).await, (200, 401, name));
        let bob = token(&client, &namespace, "bob", AUDIENCE).await;
        let (read, _, told) = door.ask(&bob).await;
        assert!(read == 401 && told.contains("User is not authorized"), "{read} {told}");
        let for_others = token(&client, &namespace, "alice", "somebody.else").await;
        assert_eq!(door.ask(&for_others).await.0, 401);
        let (claims, _) = alice.rsplit_once('.').unwrap();
        let forged = door.ask(&format!("{claims}.AAAA")).await;
        assert!(forged.0 == 401 && forged.2.contains("Could not validate"), "{forged:?}");

        let namespaces: Api<Namespace> = Api::all(client);
        namespaces.delete(&namespace, &DeleteParams::default()).await.unwrap();
    }
}
