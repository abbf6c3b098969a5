//! Against the C softIoc.

use std::sync::{Arc, OnceLock};

use channels::PvClient;

use crate::checks;
use crate::ioc::Ioc;

/// One IOC serves all checks that do not kill it.
fn shared() -> &'static Ioc {
    static IOC: OnceLock<Ioc> = OnceLock::new();
    IOC.get_or_init(|| Ioc::start("soft.py", &["1000"]))
}

async fn client() -> Arc<dyn PvClient> {
    Arc::new(shared().client().await)
}

crate::checks::conformance!(client);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ioc_is_seen_and_its_return_too() {
    let mut ioc = Ioc::start("soft.py", &["1"]);
    let client = ioc.client().await;
    checks::loss_and_return(&client, &mut ioc).await;
}
