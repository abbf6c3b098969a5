//! The image sockets in the words of ophyd-websocket (contract §7).

use channels::{Metadata, PvValue};
use serde_json::{Value, json};

use crate::support::{Control, settings};
use crate::viewer::{Shown, Viewer, decoded};

const ARRAY: &str = "SIMDET1:image1:ArrayData";

/// Two by two pixels of a camera that has no `BinX` and `BinY`.
async fn camera() -> Control {
    let control = Control::start(settings()).await;
    for (setting, value) in
        [("MinX", 0), ("MinY", 0), ("SizeX", 2), ("SizeY", 2), ("ColorMode", 0), ("DataType", 1)]
    {
        let pv = format!("SIMDET1:cam1:{setting}");
        control.pvs.add_with(&pv, PvValue::Long(value), Metadata::default());
    }
    control.pvs.add_with(ARRAY, PvValue::CharArray([0, 5, 10, 20].into()), Metadata::default());
    control.standalone(ARRAY).await;
    control
}

/// What the canvas of finch sends when it opens.
fn first() -> Value {
    let camera = |what: &str| format!("SIMDET1:cam1:{what}");
    json!({
        "imageArray_PV": ARRAY, "startX": camera("MinX"), "startY": camera("MinY"),
        "sizeX": camera("SizeX"), "sizeY": camera("SizeY"),
        "colorMode": camera("ColorMode"), "dataType": camera("DataType"),
    })
}

#[tokio::test]
async fn a_canvas_gets_dimensions_pictures_and_echoes_as_python_writes_them() {
    let control = camera().await;
    for (path, message) in [
        ("camera-socket", first()),
        ("camera-socket-shared", first()),
        ("tiff-socket", json!({"prefix": "SIMDET1"})),
    ] {
        let mut viewer = Viewer::open_oas(&control, path, &message).await;
        let told = viewer.text().await;
        assert_eq!(told, r#"{"x": 2, "y": 2, "colorMode": "Mono", "dataType": "UInt8"}"#, "{path}");
        assert_eq!(decoded(&viewer.picture().await).0, 2);
        viewer.send(r#"{"toggleLogNormalization": false}"#).await;
        assert_eq!(viewer.text().await, r#"{"logNormalization": false}"#);
        viewer.picture().await;
    }
}

#[tokio::test]
async fn what_cannot_be_shown_is_said_in_its_words() {
    let control = camera().await;
    control.standalone("DEAD:image1:ArrayData").await;
    let dead = r#"{"imageArray_PV": "DEAD:image1:ArrayData"}"#;
    let mut lacking = first();
    lacking["sizeX"] = json!("SIMDET1:cam1:Nope");
    for (message, text) in [
        (dead, "The DEAD:image1:ArrayData pv could not connect"),
        (&lacking.to_string(), "Failed to connect to SIMDET1:cam1:Nope within 1.00 sec"),
        ("hello", "Expecting value: line 1 column 1 (char 0)"),
        ("[]", "'list' object has no attribute 'get'"),
    ] {
        let mut viewer = Viewer::silent_oas(&control, "camera-socket").await;
        viewer.send(message).await;
        let Shown::Text(error) = viewer.next().await else { panic!("no error for {message}") };
        assert_eq!(error, json!({ "error": text }).to_string().replace("\":", "\": "), "{message}");
        let Shown::Closed(code, _) = viewer.next().await else { panic!("no close") };
        assert_eq!(code, 1000);
    }
}

#[tokio::test]
async fn both_apis_share_one_rendering() {
    let control = camera().await;
    let mut direct = Viewer::open(&control, "camera-socket", &first()).await;
    direct.text().await;
    let one = direct.picture().await;
    let mut other = Viewer::open_oas(&control, "camera-socket", &first()).await;
    other.text().await;
    assert_eq!(other.picture().await, one);
    let stats = control.get("/api/v1/stats").await.1;
    assert_eq!(stats["camera_socket"]["cameras"][0]["rendered"], 1);
}
