//! The fake, held to what the real IOCs do.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use channels::fake::PvSpec;
use channels::{Alarm, Fake, Metadata, PvClient, PvValue, Severity};

use crate::checks::{self, Outage};

fn fake() -> Fake {
    let fake = Fake::new();
    let metadata = Metadata {
        units: Some("mm".to_owned()),
        precision: Some(3),
        enum_labels: None,
        display_limits: Some((-10.0, 10.0)),
        control_limits: Some((-5.0, 5.0)),
        warning_limits: Some((-3.0, 3.0)),
        alarm_limits: Some((-4.0, 4.0)),
        image: None,
    };
    fake.add("T:double", PvSpec { metadata, ..PvSpec::new(1.5) });
    let labels = ["Closed", "Open", "Moving"].map(str::to_owned);
    let metadata = Metadata { enum_labels: Some(labels.into()), ..Metadata::default() };
    fake.add("T:enum", PvSpec { metadata, ..PvSpec::new(PvValue::Enum(0)) });
    for (name, value) in [("long", 7), ("done", 0), ("ordered", 0), ("slow", 0)] {
        fake.add(&format!("T:{name}"), PvSpec::new(i64::from(value)));
    }
    for name in ["special", "alarmed"] {
        fake.add(&format!("T:{name}"), PvSpec::new(0.0));
    }
    fake.add("T:text", PvSpec::new("hello"));
    let array = |max_count| PvSpec { max_count, ..PvSpec::new(PvValue::DoubleArray([].into())) };
    fake.add("T:empty", array(10));
    fake.add("T:wave", array(300_000));
    let chars = PvSpec::new(PvValue::CharArray([].into()));
    fake.add("T:chars", PvSpec { max_count: 20, ..chars });
    fake.add("T:readonly", PvSpec { write_access: false, ..PvSpec::new(3.0) });

    let ioc = fake.clone();
    fake.on_put("T:slow", move |_| {
        let ioc = ioc.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            ioc.set("T:done", 1_i64);
            Ok(())
        }
    });
    let ioc = fake.clone();
    fake.on_put("T:alarmed", move |value| {
        const HIHI: u16 = 3;
        let alarm = if value.as_f64() > Some(4.0) {
            Alarm { status: HIHI, severity: Severity::Major }
        } else {
            Alarm::default()
        };
        ioc.post("T:alarmed", value, alarm, SystemTime::now());
        async { Ok(()) }
    });
    fake
}

async fn client() -> Arc<dyn PvClient> {
    Arc::new(fake())
}

crate::checks::conformance!(client);

impl Outage for Fake {
    fn lose(&mut self) {
        self.disconnect("T:double");
    }

    fn restore(&mut self) {
        self.reconnect("T:double");
        self.set("T:double", 1.5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_seen_and_its_return_too() {
    let mut fake = fake();
    let client = fake.clone();
    checks::loss_and_return(&client, &mut fake).await;
    let put = [2.5, 0.5].map(PvValue::Double);
    assert_eq!(client.puts("T:double"), put);
}
