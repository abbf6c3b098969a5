//! PVAccess: against records that QSRV serves, and against every type that p4p serves.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use channels::{
    ConnectedInfo, Connection, Image, NativeType, PutMode, PvClient, PvError, PvValue, PvaClient,
    Severity, Want, pva,
};
use futures::future::join_all;

use crate::checks::{self, SOON, until};
use crate::ioc::Ioc;

/// One IOC of records serves all checks that do not kill it.
fn records() -> &'static Ioc {
    static IOC: OnceLock<Ioc> = OnceLock::new();
    IOC.get_or_init(|| Ioc::start("qsrv.py", &["1000"]))
}

async fn client() -> Arc<dyn PvClient> {
    Arc::new(records().pva_client())
}

// What is left out is no matter of PVAccess: longest texts and arrays, and rights before a write.
crate::checks::conformance!(client:
    a_double_has_units_precision_and_limits,
    an_enum_has_labels_and_takes_them,
    values_that_do_not_fit_are_refused_and_change_nothing,
    an_empty_array_is_empty,
    nan_and_infinity_pass,
    a_completion_waits_for_everything_that_the_put_caused,
    updates_arrive_in_order,
    an_alarm_comes_with_the_value,
    a_dead_pv_is_not_found,
);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ioc_is_seen_and_its_return_too() {
    let mut ioc = Ioc::start("qsrv.py", &["1"]);
    checks::loss_and_return(&ioc.pva_client(), &mut ioc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_monitors_deliver_their_updates_in_order() {
    let client = client().await;
    let pvs: Vec<_> = (0..1000).map(|number| client.channel(&format!("T:many{number}"))).collect();
    let counting = pvs.iter().map(|pv| async {
        let mut updates = pv.updates();
        let mut last = None;
        for _ in 0..5 {
            let number = updates.recv().await.unwrap().value.as_f64().unwrap();
            // QSRV tells the first value once for its value and once for its properties, and leaves out values for a
            // subscriber that is behind, as PVAccess allows.
            assert!(last.is_none_or(|last| number >= last), "{last:?} then {number}");
            last = Some(number);
        }
    });
    tokio::time::timeout(SOON * 3, join_all(counting)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_may_not_be_written_says_so_in_the_words_of_its_server() {
    let client = client().await;
    let pv = client.channel("T:readonly");
    for mode in [PutMode::NoWait, PutMode::Completion] {
        let refused = pv.put(PvValue::Double(4.0), mode, SOON).await;
        let (pv, reason) = ("T:readonly".to_owned(), "Put not permitted".to_owned());
        assert_eq!(refused, Err(PvError::Refused { pv, reason }));
    }
    assert_eq!(pv.get(Want::Time, SOON).await.unwrap().value, PvValue::Double(3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pv_that_is_searched_by_udp_is_found() {
    let client = PvaClient::new(types().pva_udp_settings()).unwrap();
    client.channel("T:double").connected(SOON).await.unwrap();
}

/// One IOC of every type.
fn types() -> &'static Ioc {
    static IOC: OnceLock<Ioc> = OnceLock::new();
    IOC.get_or_init(|| Ioc::start("p4p_ioc.py", &[]))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scalar_type_is_read_followed_and_written() {
    let client = types().pva_client();
    let text = |text: &str| PvValue::String(text.to_owned());
    let cases = [
        ("boolean", PvValue::Enum(1), PvValue::Enum(0)),
        ("byte", PvValue::Short(-3), PvValue::Short(-128)),
        ("ubyte", PvValue::Char(200), PvValue::Char(255)),
        ("short", PvValue::Short(-3000), PvValue::Short(12)),
        ("ushort", PvValue::Long(60_000), PvValue::Long(65_535)),
        ("int", PvValue::Long(-7), PvValue::Long(i32::MAX)),
        ("uint", PvValue::Double(4e9), PvValue::Double(1.0)),
        ("long", PvValue::Double(-(2.0_f64.powi(53))), PvValue::Double(5.0)),
        ("ulong", PvValue::Double(2.0_f64.powi(53)), PvValue::Double(6.0)),
        ("float", PvValue::Float(1.5), PvValue::Float(-0.25)),
        ("double", PvValue::Double(1.5), PvValue::Double(1e300)),
        ("string", text("hello"), text(&"y".repeat(100))),
    ];
    for (name, first, written) in cases {
        let pv = client.channel(&format!("T:{name}"));
        let mut monitor = pv.monitor();
        until(&mut monitor, |sample| sample.value == first).await;
        assert_eq!(pv.get(Want::Time, SOON).await.unwrap().value, first, "{name}");
        pv.put(written.clone(), PutMode::Completion, SOON).await.unwrap();
        until(&mut monitor, |sample| sample.value == written).await;
        assert_eq!(pv.get(Want::Time, SOON).await.unwrap().value, written, "{name}");

        let pv = client.channel(&format!("T:{name}s"));
        let info = pv.connected(SOON).await.unwrap();
        assert_eq!(info.max_count, ConnectedInfo::UNBOUNDED);
        let both = pv.get(Want::Time, SOON).await.unwrap().value;
        assert_eq!(both.count(), 2, "{name}s");
        pv.put(written.clone(), PutMode::Completion, SOON).await.unwrap();
        let one = pv.get(Want::Time, SOON).await.unwrap().value;
        assert_eq!(one.count(), 1, "{name}s");
        // Signed bytes are those of text in an array.
        if name != "byte" {
            assert_eq!(one, written.into_array(), "{name}s");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enum_keeps_its_labels_when_it_is_written() {
    let client = types().pva_client();
    let pv = client.channel("T:enum");
    assert_eq!(pv.connected(SOON).await.unwrap().native, NativeType::Enum);
    pv.put("Moving".into(), PutMode::Completion, SOON).await.unwrap();
    let sample = until(&mut pv.monitor(), |sample| sample.value == PvValue::Enum(2)).await;
    let labels = sample.metadata.as_ref().unwrap().enum_labels.clone().unwrap();
    assert_eq!(*labels, ["Closed", "Open", "Moving"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_alarm_and_time_come_with_a_value() {
    let client = types().pva_client();
    let pv = client.channel("T:described");
    let sample = pv.get(Want::Control, SOON).await.unwrap();
    assert_eq!(sample.value, PvValue::Double(2.5));
    assert_eq!(sample.alarm.severity, Severity::Major);
    let since = sample.time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since, Duration::new(1_700_000_000, 500));
    let metadata = sample.metadata.unwrap();
    assert_eq!(metadata.units.as_deref(), Some("mm"));
    assert_eq!(metadata.precision, Some(3));
    assert_eq!(metadata.display_limits, Some((-10.0, 10.0)));
    assert_eq!(metadata.control_limits, Some((-5.0, 5.0)));
    assert_eq!(metadata.warning_limits, Some((-3.0, 3.0)));
    assert_eq!(metadata.alarm_limits, Some((-4.0, 4.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_says_what_it_consists_of() {
    let client = types().pva_client();
    let numbers: Vec<i16> = (0..12).collect();
    let expected = [
        ("u1", "UInt8", PvValue::CharArray(numbers.iter().map(|n| *n as u8).collect())),
        ("i1", "Int8", PvValue::ShortArray(numbers.iter().copied().collect())),
        ("u2", "UInt16", PvValue::LongArray(numbers.iter().map(|n| i32::from(*n)).collect())),
        ("i4", "Int32", PvValue::LongArray(numbers.iter().map(|n| i32::from(*n)).collect())),
        ("f8", "Float64", PvValue::DoubleArray(numbers.iter().map(|n| f64::from(*n)).collect())),
    ];
    for (kind, data_type, value) in expected {
        let pv = client.channel(&format!("T:image:{kind}"));
        let sample = until(&mut pv.monitor(), |_| true).await;
        assert_eq!(sample.value, value, "{kind}");
        let image = sample.metadata.as_ref().unwrap().image.clone().unwrap();
        let mono = Image {
            sizes: vec![4, 3],
            data_type,
            color_mode: Some(0),
            bayer_pattern: None,
            codec: String::new(),
        };
        assert_eq!(*image, mono);
        let refused = pv.put(1_i64.into(), PutMode::Completion, SOON).await;
        assert!(matches!(refused, Err(PvError::BadValue { .. })), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_image_says_what_its_numbers_were() {
    let client = types().pva_client();
    let sample = until(&mut client.channel("T:image:zlib").monitor(), |_| true).await;
    let image = sample.metadata.as_ref().unwrap().image.clone().unwrap();
    let colours = Image {
        sizes: vec![3, 4, 2],
        data_type: "UInt16",
        color_mode: Some(2),
        bayer_pattern: Some(3),
        codec: "zlib".to_owned(),
    };
    assert_eq!(*image, colours);
    assert!(matches!(&sample.value, PvValue::CharArray(bytes) if bytes.len() < 48));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_write_brings_the_reason_and_one_that_takes_long_is_waited_for_or_not() {
    let client = types().pva_client();
    let refuses = client.channel("T:refuses");
    for mode in [PutMode::NoWait, PutMode::Completion] {
        let refused = refuses.put(1.0.into(), mode, SOON).await.unwrap_err();
        assert_eq!(refused.to_string(), "T:refuses: the server refused: not today");
    }
    let readonly = client.channel("T:readonly").put(1.0.into(), PutMode::Completion, SOON).await;
    assert!(matches!(readonly, Err(PvError::Refused { .. })), "{readonly:?}");

    let hangs = client.channel("T:hangs");
    hangs.connected(SOON).await.unwrap();
    let impatient = Duration::from_millis(300);
    hangs.put(2.0.into(), PutMode::NoWait, impatient).await.unwrap();
    until(&mut hangs.monitor(), |sample| sample.value == PvValue::Double(2.0)).await;
    let waiting = hangs.put(3.0.into(), PutMode::Completion, impatient).await;
    assert!(matches!(waiting, Err(PvError::Timeout { .. })), "{waiting:?}");
    hangs.put(4.0.into(), PutMode::Completion, SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_cannot_be_shown_is_named() {
    let client = types().pva_client();
    let pv = client.channel("T:table");
    pv.connected(SOON).await.unwrap();
    for error in [
        pv.get(Want::Time, SOON).await.unwrap_err(),
        pv.put(1.0.into(), PutMode::Completion, SOON).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("NTTable"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_kept_for_who_looks_read_for_who_reads_and_then_released() {
    let settings =
        pva::Settings { release_delay: Duration::from_millis(50), ..types().pva_settings() };
    let client = PvaClient::new(settings).unwrap();
    let presence = client.presence("T:float");
    let mut connection = presence.connection();
    let connected = connection.wait_for(|state| matches!(state, Connection::Connected(_)));
    tokio::time::timeout(SOON, connected).await.unwrap().unwrap();
    let (one, other) = (client.channel("T:float"), client.channel("T:float"));
    assert_eq!(client.channel_count(), 1);
    let mut monitor = one.monitor();
    until(&mut monitor, |sample| sample.connected).await;
    drop((one, other));
    let forgotten = tokio::time::timeout(SOON, monitor.wait_for(Option::is_none)).await;
    assert!(forgotten.unwrap().is_ok(), "the channel went, though somebody looks at it");
    drop(presence);
    // The sender goes with the channel.
    let released = async { while monitor.changed().await.is_ok() {} };
    tokio::time::timeout(SOON, released).await.unwrap();
    assert_eq!(client.channel_count(), 0);
    client.channel("T:float").connected(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_shuts_down_disconnects_its_pvs() {
    let client = types().pva_client();
    let pv = client.channel("T:double");
    until(&mut pv.monitor(), |sample| sample.connected).await;
    tokio::time::timeout(SOON, client.shutdown()).await.unwrap();
    assert!(pv.monitor().borrow().as_ref().is_some_and(|sample| !sample.connected));
}
