//! What every implementation of the trait has to do, whatever it talks to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use channels::{
    Connection, NativeType, PutMode, PvChannel, PvClient, PvError, PvValue, Sample, Severity, Want,
};
use tokio::sync::watch;

/// Bound for everything that is expected to happen; far above what it takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// One test for each check, with a client from `$client`.
macro_rules! conformance {
    ($client:path) => {
        $crate::checks::conformance!($client:
            a_double_has_units_precision_and_limits,
            an_enum_has_labels_and_takes_them,
            values_that_do_not_fit_are_refused_and_change_nothing,
            text_is_kept_whole,
            a_character_array_holds_text,
            an_empty_array_is_empty,
            a_large_array_goes_there_and_back,
            nan_and_infinity_pass,
            a_completion_waits_for_everything_that_the_put_caused,
            a_read_only_pv_refuses_writing,
            updates_arrive_in_order,
            an_alarm_comes_with_the_value,
            a_dead_pv_is_not_found,
        );
    };
    ($client:path: $($check:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                $crate::checks::$check($client().await).await;
            }
        )+
    };
}
pub(crate) use conformance;

fn pv(client: &Arc<dyn PvClient>, name: &str) -> Arc<dyn PvChannel> {
    client.channel(&format!("T:{name}"))
}

async fn put(pv: &Arc<dyn PvChannel>, value: impl Into<PvValue>) {
    pv.put(value.into(), PutMode::Completion, SOON).await.unwrap();
}

async fn value(pv: &Arc<dyn PvChannel>) -> PvValue {
    pv.get(Want::Time, SOON).await.unwrap().value
}

/// Waits until the latest sample is as wanted.
pub(crate) async fn until(
    monitor: &mut watch::Receiver<Option<Arc<Sample>>>,
    wanted: impl Fn(&Sample) -> bool,
) -> Arc<Sample> {
    let waiting = monitor.wait_for(|sample| sample.as_deref().is_some_and(&wanted));
    let sample = tokio::time::timeout(SOON, waiting).await.expect("the sample comes in time");
    sample.unwrap().clone().unwrap()
}

pub(crate) async fn a_double_has_units_precision_and_limits(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "double");
    let info = pv.connected(SOON).await.unwrap();
    assert_eq!((info.native, info.max_count), (NativeType::Double, 1));
    assert!(info.read_access && info.write_access);
    let first = until(&mut pv.monitor(), |_| true).await;
    let read = pv.get(Want::Control, SOON).await.unwrap();
    for sample in [&*first, &read] {
        assert!(sample.connected);
        let metadata = sample.metadata.as_ref().expect("the first sample has its metadata");
        assert_eq!(metadata.units.as_deref(), Some("mm"));
        assert_eq!(metadata.precision, Some(3));
        assert_eq!(metadata.display_limits, Some((-10.0, 10.0)));
        assert_eq!(metadata.control_limits, Some((-5.0, 5.0)));
        assert_eq!(metadata.warning_limits, Some((-3.0, 3.0)));
        assert_eq!(metadata.alarm_limits, Some((-4.0, 4.0)));
        assert_eq!(metadata.enum_labels, None);
    }
}

pub(crate) async fn an_enum_has_labels_and_takes_them(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "enum");
    let metadata = pv.get(Want::Control, SOON).await.unwrap().metadata.unwrap();
    let labels = metadata.enum_labels.as_deref().unwrap();
    assert_eq!(labels, ["Closed", "Open", "Moving"]);
    put(&pv, "Open").await;
    assert_eq!(value(&pv).await, PvValue::Enum(1));
    put(&pv, 2_i64).await;
    assert_eq!(value(&pv).await, PvValue::Enum(2));
    for bad in ["Bogus".into(), PvValue::Long(3), PvValue::Double(0.5)] {
        let refused = pv.put(bad, PutMode::Completion, SOON).await;
        assert!(matches!(refused, Err(PvError::BadValue { .. })), "{refused:?}");
    }
    assert_eq!(value(&pv).await, PvValue::Enum(2));
}

pub(crate) async fn values_that_do_not_fit_are_refused_and_change_nothing(
    client: Arc<dyn PvClient>,
) {
    let pv = pv(&client, "long");
    put(&pv, "0x10").await;
    assert_eq!(value(&pv).await, PvValue::Long(16));
    for bad in [PvValue::Double(1e12), PvValue::Double(1.5), "many".into()] {
        let refused = pv.put(bad, PutMode::NoWait, SOON).await;
        assert!(matches!(refused, Err(PvError::BadValue { .. })), "{refused:?}");
    }
    let refused =
        pv.put(PvValue::LongArray([1, 2].into()), PutMode::NoWait, SOON).await.unwrap_err();
    assert_eq!(refused.to_string(), "T:long: expected one value, got an array of 2");
    assert_eq!(value(&pv).await, PvValue::Long(16));
}

pub(crate) async fn text_is_kept_whole(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "text");
    let longest = "x".repeat(39);
    put(&pv, longest.as_str()).await;
    assert_eq!(value(&pv).await, PvValue::String(longest.clone()));
    let refused = pv.put("y".repeat(40).into(), PutMode::Completion, SOON).await;
    assert!(matches!(refused, Err(PvError::BadValue { .. })), "{refused:?}");
    assert_eq!(value(&pv).await, PvValue::String(longest));
}

pub(crate) async fn a_character_array_holds_text(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "chars");
    put(&pv, "abc").await;
    let PvValue::CharArray(bytes) = value(&pv).await else { panic!("not a character array") };
    assert!(bytes.starts_with(b"abc"), "{bytes:?}");
    let refused = pv.put("z".repeat(21).into(), PutMode::Completion, SOON).await;
    assert!(matches!(refused, Err(PvError::BadValue { .. })), "{refused:?}");
}

pub(crate) async fn an_empty_array_is_empty(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "empty");
    assert_eq!(value(&pv).await, PvValue::DoubleArray([].into()));
    let sample = until(&mut pv.monitor(), |_| true).await;
    assert_eq!(sample.value, PvValue::DoubleArray([].into()));
}

pub(crate) async fn a_large_array_goes_there_and_back(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "wave");
    assert_eq!(pv.connected(SOON).await.unwrap().max_count, 300_000);
    let mut monitor = pv.monitor();
    for count in [300_000_u32, 3, 1] {
        let sent = PvValue::DoubleArray((0..count).map(f64::from).collect());
        put(&pv, sent.clone()).await;
        assert_eq!(value(&pv).await, sent);
        until(&mut monitor, |sample| sample.value == sent).await;
    }
}

pub(crate) async fn nan_and_infinity_pass(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "special");
    put(&pv, f64::INFINITY).await;
    assert_eq!(value(&pv).await, PvValue::Double(f64::INFINITY));
    put(&pv, f64::NAN).await;
    assert!(matches!(value(&pv).await, PvValue::Double(number) if number.is_nan()));
}

pub(crate) async fn a_completion_waits_for_everything_that_the_put_caused(
    client: Arc<dyn PvClient>,
) {
    let (slow, done) = (pv(&client, "slow"), pv(&client, "done"));
    put(&done, 0_i64).await;
    let impatient = Duration::from_millis(50);
    slow.connected(SOON).await.unwrap();
    let waiting = slow.put(1_i64.into(), PutMode::Completion, impatient).await;
    assert!(matches!(waiting, Err(PvError::Timeout { .. })), "{waiting:?}");
    until(&mut done.monitor(), |sample| sample.value.as_f64() == Some(1.0)).await;

    put(&done, 0_i64).await;
    put(&slow, 1_i64).await;
    assert_eq!(value(&done).await.as_f64(), Some(1.0));
}

pub(crate) async fn a_read_only_pv_refuses_writing(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "readonly");
    let info = pv.connected(SOON).await.unwrap();
    assert!(info.read_access && !info.write_access);
    for mode in [PutMode::NoWait, PutMode::Completion] {
        let refused = pv.put(PvValue::Double(4.0), mode, SOON).await;
        assert_eq!(refused, Err(PvError::ReadOnly { pv: "T:readonly".to_owned() }));
    }
    assert_eq!(value(&pv).await, PvValue::Double(3.0));
    assert!(!until(&mut pv.monitor(), |_| true).await.write_access);
}

pub(crate) async fn updates_arrive_in_order(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "ordered");
    put(&pv, -1_i64).await;
    until(&mut pv.monitor(), |sample| sample.value == PvValue::Long(-1)).await;
    let mut updates = pv.updates();
    for number in 0..50_i64 {
        put(&pv, number).await;
    }
    let mut next = async || tokio::time::timeout(SOON, updates.recv()).await.unwrap().unwrap();
    let mut sample = next().await;
    while sample.value == PvValue::Long(-1) {
        sample = next().await;
    }
    for number in 0..50 {
        if number > 0 {
            sample = next().await;
        }
        assert_eq!(sample.value, PvValue::Long(number));
        assert!(sample.time <= SystemTime::now() + Duration::from_secs(60));
    }
}

pub(crate) async fn an_alarm_comes_with_the_value(client: Arc<dyn PvClient>) {
    let pv = pv(&client, "alarmed");
    put(&pv, 4.5).await;
    // A caproto IOC sends the alarm ahead of the value.
    let alarmed = |sample: &Sample| {
        sample.alarm.severity == Severity::Major && sample.value == PvValue::Double(4.5)
    };
    let sample = until(&mut pv.monitor(), alarmed).await;
    const HIHI: u16 = 3;
    assert_eq!(sample.alarm.status, HIHI);
    put(&pv, 0.0).await;
    until(&mut pv.monitor(), |sample| sample.alarm.severity == Severity::None).await;
}

pub(crate) async fn a_dead_pv_is_not_found(client: Arc<dyn PvClient>) {
    let timeout = Duration::from_millis(300);
    let pv = pv(&client, "nobody");
    let error = pv.connected(timeout).await.unwrap_err();
    assert_eq!(error.to_string(), "T:nobody could not connect within 0.3-second timeout.");
    let absent = PvError::NotFound { pv: "T:nobody".to_owned(), timeout };
    assert_eq!(pv.get(Want::Time, timeout).await, Err(absent.clone()));
    assert_eq!(pv.put(1.0.into(), PutMode::NoWait, timeout).await, Err(absent));
    assert_eq!(*pv.connection().borrow(), Connection::Never);
    assert_eq!(*pv.monitor().borrow(), None);
}

/// Something that can be taken away and brought back, with the values it started with.
pub(crate) trait Outage {
    fn lose(&mut self);
    fn restore(&mut self);
}

/// Two users of one PV see the loss with the last value, and the return with new values.
pub(crate) async fn loss_and_return(client: &dyn PvClient, outage: &mut impl Outage) {
    let users = [client.channel("T:double"), client.channel("T:double")];
    let pv = &users[0];
    put(pv, 2.5).await;
    for user in &users {
        until(&mut user.monitor(), |sample| sample.value == PvValue::Double(2.5)).await;
    }
    outage.lose();
    for user in &users {
        let lost = until(&mut user.monitor(), |sample| !sample.connected).await;
        assert_eq!(lost.value, PvValue::Double(2.5));
        assert!(!lost.read_access && !lost.write_access);
        assert!(lost.metadata.is_some());
        assert_eq!(*user.connection().borrow(), Connection::Disconnected);
    }
    let gone = pv.get(Want::Time, Duration::from_millis(200)).await;
    assert_eq!(gone, Err(PvError::Disconnected { pv: "T:double".to_owned() }));

    outage.restore();
    for user in &users {
        let fresh = |sample: &Sample| sample.connected && sample.value == PvValue::Double(1.5);
        let back = until(&mut user.monitor(), fresh).await;
        assert!(back.read_access && back.write_access);
    }
    put(pv, 0.5).await;
    until(&mut users[1].monitor(), |sample| sample.value == PvValue::Double(0.5)).await;
}
