//! Cameras of real IOCs, through Channel Access.

use std::sync::Arc;

use channels::ca::{CaClient, Settings as CaSettings};
use control_pod::Settings;
use peers::CaprotoIoc;
use serde_json::json;
use sim_ioc::{Family, Server};
use tokio_util::sync::CancellationToken;

use crate::fake::FakePvs;
use crate::ioc::client_of;
use crate::support::{Control, put, settings};
use crate::viewer::{Viewer, decoded};

/// The simulated area detector, and direct control over it.
pub(crate) async fn area_detector(settings: Settings) -> (Control, CancellationToken) {
    let ioc = sim_ioc::Settings {
        port: 0,
        families: vec![Family::AreaDetector],
        ..sim_ioc::Settings::default()
    };
    let server = Server::bind(ioc).await.unwrap();
    let client = CaClient::new(CaSettings::loopback(server.port())).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(server.serve(stop.clone()));
    let nothing = Arc::new(FakePvs::default());
    let control = Control::start_with(settings, Arc::new(client), nothing).await;
    let camera =
        json!({"name": "cam", "deviceClass": "localdevs.ADSimDetector", "prefix": "13SIM1:"});
    control.device(camera).await;
    for (name, suffix) in [("gain", "Gain"), ("period", "AcquireTime")] {
        control.signal(name, &format!("13SIM1:cam1:{suffix}")).await;
    }
    (control, stop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_area_detector_follows_its_settings() {
    let (control, stop) = area_detector(settings()).await;
    let mut viewer = Viewer::open(&control, "camera-socket", &json!({})).await;
    let told = viewer.text().await;
    assert_eq!(told, r#"{"x":256,"y":192,"colorMode":"Mono","dataType":"UInt8"}"#);
    let (width, height, grey) = decoded(&viewer.picture().await);
    assert_eq!((width, height, grey.len()), (256, 192, 256 * 192));
    assert!(grey.iter().any(|pixel| *pixel > 200) && grey.iter().any(|pixel| *pixel < 60));
    // A region that does not begin at 0, in colours and 16 bit.
    for (setting, value) in
        [("MinX", 30), ("SizeX", 128), ("SizeY", 64), ("ColorMode", 3), ("DataType", 3)]
    {
        let pv = format!("13SIM1:cam1:{setting}");
        assert_eq!(control.post("/api/v1/pv/set", put(&pv, value)).await.0, 200, "{pv}");
    }
    let coloured = r#"{"x":128,"y":64,"colorMode":"RGB3","dataType":"UInt16"}"#;
    while viewer.next_text().await != coloured {}
    let (width, height, pixels) = decoded(&viewer.picture().await);
    assert_eq!((width, height, pixels.len()), (128, 64, 3 * 128 * 64));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_goes_on_after_its_ioc_was_killed() {
    let Some(mut ioc) = CaprotoIoc::start("mini_beamline", &[]) else { return };
    let nothing = Arc::new(FakePvs::default());
    let control = Control::start_with(settings(), client_of(&ioc).await, nothing).await;
    control.standalone("mini:dot:det").await;
    control.until("/api/v1/pv/mini:dot:det/value?format=binary", |status, _| status == 200).await;
    // No camera settings at all: the array has its rows and columns beside it.
    let spot = json!({"imageArray_PV": "mini:dot:det"});
    let mut viewer = Viewer::open(&control, "camera-socket", &spot).await;
    let told = viewer.text().await;
    assert_eq!(told, r#"{"x":640,"y":480,"colorMode":"Mono","dataType":""}"#);
    assert_eq!(decoded(&viewer.picture().await).0, 640);
    viewer.picture().await;
    ioc.restart().await;
    viewer.picture().await;
    viewer.picture().await;
}
