//! A client that reads always, and writes only while the lease is certainly held.
//!
//! A process that was paused may wake up in the middle of a reconcile, long after another took over;
//! nothing that it had in mind then must reach the API.

use axum::http::{Method, Request};
use kube::Client;
use kube::client::Body;
use service::lease::Tenure;
use tower::BoxError;
use tower::service_fn;

/// The write was not sent.
#[derive(Debug, thiserror::Error)]
#[error("the lease is not certainly held, so nothing is written")]
struct NotLeading;

/// `client`, whose writes end as an error once `tenure` is not sure any more.
pub(super) fn guarded(client: &Client, tenure: Tenure) -> Client {
    let namespace = client.default_namespace().to_owned();
    let client = client.clone();
    let service = service_fn(move |request: Request<Body>| {
        let (client, tenure) = (client.clone(), tenure.clone());
        async move {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            if !reads && !tenure.is_sure() {
                return Err(BoxError::from(NotLeading));
            }
            client.send(request).await.map_err(BoxError::from)
        }
    });
    Client::new(service, namespace)
}
