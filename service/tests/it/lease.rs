//! Two or three who ask for one lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use embedded::Embedded;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use service::lease::{Election, Held, Loss, Settings, Times, identity};
use tempfile::TempDir;

const NAMESPACE: &str = "default";
const NAME: &str = "work";
/// Long enough for a busy machine; nothing waits for it in a run that passes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Short enough to lapse in a test; in whole seconds, because the record has no others.
const TIMES: Times = Times {
    duration: Duration::from_secs(2),
    sure: Duration::from_millis(1_200),
    period: Duration::from_millis(300),
};

struct Api1 {
    embedded: Embedded,
    _folder: TempDir,
}

impl Api1 {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let settings =
            embedded::Settings { path: folder.path().join("state.db"), crds: Vec::new() };
        Self { embedded: Embedded::open(settings).await.unwrap(), _folder: folder }
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.embedded.client(NAMESPACE), NAMESPACE)
    }

    fn ask(&self, holder: &str) -> Election {
        election(&self.embedded.client(NAMESPACE), holder)
    }

    /// Somebody whose way to the API can be cut.
    fn cuttable(&self, holder: &str) -> (Election, Arc<AtomicBool>) {
        let cut = Arc::new(AtomicBool::new(false));
        let router =
            self.embedded.router().layer(middleware::from_fn_with_state(cut.clone(), refuse));
        (election(&Client::new(router, NAMESPACE), holder), cut)
    }
}

fn election(client: &Client, holder: &str) -> Election {
    let settings = Settings { name: NAME.into(), holder: holder.into(), times: TIMES };
    Election::new(client, NAMESPACE, settings)
}

async fn refuse(State(cut): State<Arc<AtomicBool>>, request: Request, next: Next) -> Response {
    if cut.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, Body::empty()).into_response();
    }
    next.run(request).await
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("took too long")
}

async fn win(election: &mut Election) -> Held {
    within(election.win(|_| {})).await
}

#[tokio::test]
async fn a_lease_given_back_is_taken_at_once_and_counted_up() {
    let api = Api1::new().await;
    let (mut one, mut two) = (api.ask("one"), api.ask("two"));
    let held = win(&mut one).await;
    let tenure = held.tenure();
    assert!(tenure.is_sure());
    assert_eq!(tenure.epoch(), 1);
    let mut told = Vec::new();
    let second = {
        let waits = two.win(|holder| told.push(holder.to_owned()));
        tokio::pin!(waits);
        let early = tokio::time::timeout(Duration::from_millis(200), &mut waits).await;
        assert!(early.is_err(), "taken while another holds it");
        held.release().await;
        assert!(!tenure.is_sure());
        assert!(tenure.lost().is_cancelled());
        within(&mut waits).await
    };
    assert_eq!(told, ["one"]);
    assert_eq!(second.tenure().epoch(), 2);
    let record = api.leases().get(NAME).await.unwrap().spec.unwrap();
    assert_eq!(record.holder_identity.as_deref(), Some("two"));
    assert_eq!((record.lease_transitions, record.lease_duration_seconds), (Some(2), Some(2)));
}

#[tokio::test]
async fn a_holder_that_renews_is_not_disturbed_and_one_that_stops_loses_it() {
    let api = Api1::new().await;
    let (mut one, mut two) = (api.ask("one"), api.ask("two"));
    let mut held = win(&mut one).await;
    let tenure = held.tenure();
    let waits = two.win(|_| {});
    tokio::pin!(waits);
    // Far longer than the lease, renewed.
    tokio::select! {
        _ = tokio::time::timeout(TIMES.duration * 2, held.keep()) => {}
        _ = &mut waits => panic!("taken from a holder that renews"),
    }
    assert!(tenure.is_sure());
    // Nobody renews any more: the holder stops being sure before the other gets it.
    let second = within(&mut waits).await;
    assert!(!tenure.is_sure());
    assert_eq!(second.tenure().epoch(), 2);
    let loss = within(held.keep()).await;
    assert!(matches!(loss, Loss::NotRenewed | Loss::Taken(_)), "{loss:?}");
    assert!(second.tenure().is_sure());
}

#[tokio::test]
async fn a_holder_cut_off_from_the_api_gives_up_before_another_may_take_over() {
    let api = Api1::new().await;
    let ((mut one, cut), mut two) = (api.cuttable("one"), api.ask("two"));
    let mut held = win(&mut one).await;
    let first = held.tenure();
    let lost = async {
        cut.store(true, Ordering::SeqCst);
        held.keep().await
    };
    let (loss, second) = within(async {
        tokio::join!(lost, async {
            let second = two.win(|_| {}).await;
            assert!(!first.is_sure(), "two are sure at the same time");
            second
        })
    })
    .await;
    assert_eq!(loss, Loss::NotRenewed);
    drop(second);
    // Back on the API, it asks again like anybody else.
    cut.store(false, Ordering::SeqCst);
    assert_eq!(win(&mut one).await.tenure().epoch(), 3);
}

#[tokio::test]
async fn an_earlier_life_of_the_same_holder_is_not_waited_for() {
    let api = Api1::new().await;
    drop(win(&mut api.ask("pod")).await);
    let again = win(&mut api.ask("pod")).await;
    assert_eq!(again.tenure().epoch(), 2);
    assert_ne!(identity(None), identity(None));
    assert_eq!(identity(Some("bl01-queue-0")), "bl01-queue-0");
}

#[tokio::test]
async fn an_edit_by_others_is_no_loss_but_a_deletion_is_and_the_count_goes_on() {
    let api = Api1::new().await;
    let mut one = api.ask("one");
    let mut held = win(&mut one).await;
    let note = Patch::Merge(json!({"metadata": {"annotations": {"note": "hands off"}}}));
    api.leases().patch(NAME, &PatchParams::default(), &note).await.unwrap();
    let kept = tokio::time::timeout(TIMES.sure * 2, held.keep()).await;
    assert!(kept.is_err(), "lost by an edit: {kept:?}");
    assert!(held.tenure().is_sure());
    api.leases().delete(NAME, &DeleteParams::default()).await.unwrap();
    assert_eq!(within(held.keep()).await, Loss::Deleted);
    assert!(!held.tenure().is_sure());
    assert_eq!(win(&mut one).await.tenure().epoch(), 2, "an epoch is used twice");
}

#[tokio::test]
async fn of_many_that_ask_at_once_one_gets_it() {
    let api = Api1::new().await;
    let mut askers: Vec<_> = (0..8).map(|n| api.ask(&format!("asker-{n}"))).collect();
    let all = askers
        .iter_mut()
        .map(|asker| tokio::time::timeout(Duration::from_millis(500), asker.win(|_| {})));
    let held: Vec<_> = futures::future::join_all(all).await.into_iter().flatten().collect();
    assert_eq!(held.len(), 1);
}
