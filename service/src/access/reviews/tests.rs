use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::json;

use super::super::scope::Scope;
use super::*;

const ALICE: &str = "system:serviceaccount:bl01:alice";

/// A token for `audience` that is over at `end`; nobody has signed it.
fn token(audience: &Value, end: i64) -> Secret {
    let claims = json!({ "aud": audience, "exp": end }).to_string();
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims)).as_str().into()
}

fn good() -> Secret {
    token(&json!(["beamline"]), i64::MAX)
}

/// An API server with the two reviews: it knows every token as Alice's, for those audiences, and she may use those roles.
#[derive(Clone)]
struct Cluster {
    audiences: Value,
    roles: &'static [&'static str],
    fails_with: Option<u16>,
    asked: Arc<AtomicUsize>,
}

impl Cluster {
    fn new(roles: &'static [&'static str]) -> Self {
        let audiences = json!(["beamline"]);
        Self { audiences, roles, fails_with: None, asked: Arc::default() }
    }

    fn answer(&self, path: &str, review: &mut Value) -> u16 {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(code) = self.fails_with {
            *review = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {},
                "message": "as asked", "reason": "AsAsked", "code": code,
            });
            return code;
        }
        match path {
            "/apis/authentication.k8s.io/v1/tokenreviews" => {
                assert_eq!(review["spec"]["audiences"], json!(["beamline"]));
                let user = json!({ "username": ALICE, "groups": ["system:authenticated"] });
                review["status"] =
                    json!({ "authenticated": true, "audiences": self.audiences, "user": user });
            }
            "/apis/authorization.k8s.io/v1/subjectaccessreviews" => {
                let spec = &review["spec"];
                assert_eq!(
                    (&spec["user"], &spec["groups"][0]),
                    (&json!(ALICE), &json!("system:authenticated"))
                );
                let asked = &spec["resourceAttributes"];
                let place = json!({
                    "group": "beamline.dev", "resource": "accessroles", "verb": "use", "namespace": "bl01",
                    "name": asked["name"],
                });
                assert_eq!(*asked, place);
                let may = self.roles.contains(&asked["name"].as_str().unwrap());
                review["status"] = json!({ "allowed": may });
            }
            other => panic!("nobody asks for {other}"),
        }
        201
    }

    fn reviews(&self) -> Reviews {
        let cluster = self.clone();
        let server = tower::service_fn(move |request: http::Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await?.to_bytes();
                let mut review: Value = serde_json::from_slice(&body).unwrap();
                let code = cluster.answer(&path, &mut review);
                let answer = Body::from(review.to_string().into_bytes());
                Ok::<_, kube::Error>(http::Response::builder().status(code).body(answer).unwrap())
            }
        });
        Reviews::new(Client::new(server, "bl01"), "bl01", "beamline", Roles::default())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn identify(reviews: &Reviews, token: &Secret) -> Result<Caller, Refusal> {
    reviews.identify(token, || false).await
}

#[tokio::test]
async fn a_token_is_worth_the_roles_that_its_user_may_use_and_is_asked_about_once() {
    let cluster = Cluster::new(&["observer", "user"]);
    let reviews = cluster.reviews();
    let alice = identify(&reviews, &good()).await.unwrap();
    assert_eq!(
        (alice.user(), alice.roles()),
        (ALICE, &["observer".to_owned(), "user".to_owned()][..])
    );
    assert!(alice.scopes().contains(Scope::WriteQueueEdit.into()));
    assert!(!alice.scopes().contains(Scope::WriteScripts.into()));
    let asked = cluster.asked();
    assert_eq!(identify(&reviews, &good()).await, Ok(alice));
    assert_eq!(cluster.asked(), asked, "asked again");
}

#[tokio::test]
async fn nobody_is_asked_about_what_cannot_be_a_token_for_us() {
    let cluster = Cluster::new(&["user"]);
    let reviews = cluster.reviews();
    for token in [
        token(&json!("kubernetes"), i64::MAX),
        token(&json!(["beamline"]), 1),
        "x.y.z".into(),
        "x".into(),
        "".into(),
        "a.b.c.d".into(),
    ] {
        assert_eq!(identify(&reviews, &token).await, Err(Refusal::Token));
    }
    let guesser = reviews.identify(&good(), || true).await;
    assert_eq!(guesser, Err(Refusal::TooMany));
    assert_eq!(cluster.asked(), 0);
}

#[tokio::test]
async fn who_may_use_no_role_gets_nothing_and_a_token_for_others_neither() {
    assert_eq!(identify(&Cluster::new(&[]).reviews(), &good()).await, Err(Refusal::NoRole));
    for audiences in [json!(["kubernetes"]), json!([]), Value::Null] {
        let cluster = Cluster { audiences, ..Cluster::new(&["user"]) };
        assert_eq!(identify(&cluster.reviews(), &good()).await, Err(Refusal::Token));
    }
}

#[tokio::test]
async fn what_the_api_server_cannot_say_is_said_and_not_believed_afterwards() {
    for (code, why) in
        [(403, Unverified::Forbidden), (404, Unverified::NoReviews), (500, Unverified::Silent)]
    {
        let cluster = Cluster { fails_with: Some(code), ..Cluster::new(&["user"]) };
        let reviews = cluster.reviews();
        let refusal = Refusal::Unverified(why);
        assert_eq!(refusal.status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(identify(&reviews, &good()).await, Err(refusal.clone()));
        let asked = cluster.asked();
        assert_eq!(identify(&reviews, &good()).await, Err(refusal));
        assert!(cluster.asked() > asked, "{code} was believed");
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let cluster = Cluster::new(&["user"]);
    let reviews = cluster.reviews();
    let alice = identify(&reviews, &good()).await;
    for one in 0..KEPT * 2 {
        reviews.keep(one.to_string(), alice.clone());
    }
    assert_eq!(reviews.seen.lock().len(), KEPT);
}
