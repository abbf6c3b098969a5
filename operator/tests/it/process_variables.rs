//! Standalone PVs are accepted, unless an older one has the name.

use crds::ProcessVariable;

use crate::beamline::{Beamline, ready};

fn is(pv: &ProcessVariable, status: &str, reason: &str) -> bool {
    let conditions = pv.status.as_ref().map(|status| status.conditions.as_slice());
    ready(conditions.unwrap_or_default()) == Some((status, reason))
}

fn pv(object: &str) -> String {
    format!(
        "{{apiVersion: beamline.dev/v1alpha1, kind: ProcessVariable, metadata: {{name: {object}}}, \
         spec: {{pvName: 'SR:current'}}}}"
    )
}

#[tokio::test]
async fn the_later_of_two_objects_for_one_pv_loses_until_the_older_one_goes() {
    let beamline = Beamline::start("exit 0").await;
    beamline.create::<ProcessVariable>(&pv("zz-first")).await;
    let first = beamline.wait("zz-first", |pv| is(pv, "True", "Accepted")).await;
    assert_eq!(first.status.unwrap().observed_generation, first.metadata.generation);
    beamline.create::<ProcessVariable>(&pv("aa-second")).await;
    let loser = beamline.wait("aa-second", |pv| is(pv, "False", "Conflict")).await;
    let message = &loser.status.unwrap().conditions[0].message;
    assert!(message.contains("'zz-first'") && message.contains("'SR:current'"), "{message}");
    beamline.delete::<ProcessVariable>("zz-first").await;
    beamline.wait("aa-second", |pv| is(pv, "True", "Accepted")).await;
}
