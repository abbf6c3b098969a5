//! A Channel Access client for an IOC of a test.

use std::sync::Arc;

use channels::ca::{CaClient, Settings};
use peers::CaprotoIoc;

/// A client that sees this IOC and nothing else.
pub(crate) async fn client_of(ioc: &CaprotoIoc) -> Arc<CaClient> {
    Arc::new(CaClient::new(Settings::loopback(ioc.port())).await.unwrap())
}
