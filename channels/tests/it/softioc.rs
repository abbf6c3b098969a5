//! Against the C softIoc.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use channels::ca::Settings;
use channels::{CaClient, Connection, PutMode, PvClient, PvError, PvValue};
use futures::future::join_all;

use crate::checks::{self, SOON, until};
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

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_dead_pvs_cost_one_timeout() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let client = client().await;
    let dead: Vec<_> = (0..200).map(|number| client.channel(&format!("T:dead{number}"))).collect();
    let waiting = join_all(dead.iter().map(|pv| pv.connected(TIMEOUT)));
    // One after the other they would take ten times this bound.
    let all = tokio::time::timeout(TIMEOUT * 20, waiting).await.unwrap();
    assert!(all.iter().all(|result| matches!(result, Err(PvError::NotFound { .. }))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_monitors_deliver_every_update_in_order() {
    let client = client().await;
    let pvs: Vec<_> = (0..1000).map(|number| client.channel(&format!("T:many{number}"))).collect();
    let counting = pvs.iter().map(|pv| async {
        let mut updates = pv.updates();
        let mut last = None;
        for _ in 0..5 {
            let number = updates.recv().await.unwrap().value.as_f64().unwrap();
            assert!(last.is_none_or(|last| number == last + 1.0), "{last:?} then {number}");
            last = Some(number);
        }
    });
    tokio::time::timeout(SOON, join_all(counting)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_one_pv_share_one_channel_and_the_last_one_releases_it() {
    let settings = Settings { release_delay: Duration::from_millis(50), ..shared().settings() };
    let client = CaClient::new(settings).await.unwrap();
    let (one, other) = (client.channel("T:text"), client.channel("T:text"));
    one.connected(SOON).await.unwrap();
    assert_eq!(client.channel_count(), 1);
    drop(one);
    other.connected(SOON).await.unwrap();

    let mut monitor = other.monitor();
    until(&mut monitor, |_| true).await;
    drop(other);
    // The sender goes with the channel.
    let released = async { while monitor.changed().await.is_ok() {} };
    tokio::time::timeout(SOON, released).await.unwrap();
    assert_eq!(client.channel_count(), 0);

    client.channel("T:text").connected(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_units_arrives_with_the_next_sample() {
    let client = client().await;
    let pv = client.channel("T:described");
    let mut monitor = pv.monitor();
    let metered = |units: &'static str| {
        move |sample: &channels::Sample| {
            sample.metadata.as_ref().is_some_and(|it| it.units.as_deref() == Some(units))
        }
    };
    until(&mut monitor, metered("mm")).await;
    let units = client.channel("T:described.EGU");
    units.put("deg".into(), PutMode::Completion, SOON).await.unwrap();
    let sample = until(&mut monitor, metered("deg")).await;
    assert_eq!(sample.value, PvValue::Double(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_access_arrives_as_a_sample() {
    let client = client().await;
    let pv = client.channel("T:guarded");
    let mut monitor = pv.monitor();
    until(&mut monitor, |sample| sample.write_access).await;
    let group = client.channel("T:guarded.ASG");
    group.put("READONLY".into(), PutMode::Completion, SOON).await.unwrap();
    until(&mut monitor, |sample| sample.connected && !sample.write_access).await;
    let refused = pv.put(2.0.into(), PutMode::Completion, SOON).await;
    assert_eq!(refused, Err(PvError::ReadOnly { pv: "T:guarded".to_owned() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_shuts_down_disconnects_its_pvs() {
    let client = shared().client().await;
    let pv = client.channel("T:text");
    until(&mut pv.monitor(), |sample| sample.connected).await;
    tokio::time::timeout(SOON, client.shutdown()).await.unwrap();
    assert!(pv.monitor().borrow().as_ref().is_some_and(|sample| !sample.connected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_connection_follows_no_values_until_a_reader_comes_and_again_when_he_is_gone()
{
    let settings = Settings { release_delay: Duration::ZERO, ..shared().settings() };
    let client = CaClient::new(settings).await.unwrap();
    let presence = client.presence("T:text");
    let mut connection = presence.connection();
    let connected = connection.wait_for(|state| matches!(state, Connection::Connected(_)));
    tokio::time::timeout(SOON, connected).await.unwrap().unwrap();
    let reader = client.channel("T:text");
    let mut monitor = reader.monitor();
    assert!(monitor.borrow().is_none(), "a value was followed for nobody");
    until(&mut monitor, |sample| sample.connected && sample.metadata.is_some()).await;
    drop(reader);
    let forgotten = tokio::time::timeout(SOON, monitor.wait_for(Option::is_none)).await;
    assert!(forgotten.unwrap().is_ok(), "the channel went, though somebody looks at it");
    until(&mut client.channel("T:text").monitor(), |sample| sample.connected).await;
    assert_eq!(client.channel_count(), 1);
}

/// EPICS base reads a client no further when a second put callback comes for one channel.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_overtakes_writes_that_wait_for_their_completion() {
    let client = client().await;
    let (slow, stop) = (client.channel("T:slower.A"), client.channel("T:stop"));
    let mut stopped = stop.monitor();
    until(&mut stopped, |sample| sample.value == PvValue::Enum(0)).await;
    slow.connected(SOON).await.unwrap();
    let mut first = slow.put(1.0.into(), PutMode::Completion, SOON);
    let mut given_up = slow.put(2.0.into(), PutMode::Completion, SOON);
    let mut next = slow.put(3.0.into(), PutMode::Completion, SOON);
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut given_up).is_pending());
    drop(given_up);
    assert!(futures::poll!(&mut next).is_pending());
    stop.put("Stop".into(), PutMode::NoWait, SOON).await.unwrap();
    until(&mut stopped, |sample| sample.value == PvValue::Enum(1)).await;
    assert!(futures::poll!(&mut first).is_pending(), "the stop came after what it is to stop");
    first.await.unwrap();
    drop(next);
}
