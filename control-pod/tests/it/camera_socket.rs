//! `/api/v1/camera-socket` and `/api/v1/tiff-socket` over real sockets (contract §2.11).

use std::sync::Arc;
use std::time::Duration;

use channels::{Image, Metadata, PvValue};
use control_pod::Settings;
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::support::{Control, settings};
use crate::viewer::{Shown, Viewer, decoded};

const ARRAY: &str = "IOC:image1:ArrayData";

fn bytes(pixels: impl IntoIterator<Item = u8>) -> PvValue {
    PvValue::CharArray(pixels.into_iter().collect())
}

fn post(control: &Control, pv: &str, value: PvValue) {
    control.pvs.add_with(pv, value, Metadata::default());
}

fn set(control: &Control, pv: &str, value: i32) {
    post(control, pv, PvValue::Long(value));
}

/// The camera of upstream's tests: four by four pixels, 0 to 15; numbers for colour mode and type.
async fn camera_with(settings: Settings) -> Control {
    let control = Control::start(settings).await;
    for (pv, value) in [
        ("IOC:cam1:MinX", 0),
        ("IOC:cam1:MinY", 0),
        ("IOC:cam1:SizeX", 4),
        ("IOC:cam1:SizeY", 4),
        ("IOC:cam1:ColorMode", 0),
        ("IOC:cam1:DataType", 1),
    ] {
        set(&control, pv, value);
    }
    post(&control, ARRAY, bytes(0..16));
    control.standalone(ARRAY).await;
    control
}

async fn camera() -> Control {
    camera_with(settings()).await
}

fn first() -> Value {
    json!({ "imageArray_PV": ARRAY })
}

fn near(shown: &[u8], expected: &[u8]) -> bool {
    shown.len() == expected.len() && shown.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 3)
}

const LINEAR: [u8; 16] = [0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255];
const LOGARITHMIC: [u8; 16] =
    [0, 63, 101, 127, 148, 164, 178, 191, 202, 211, 220, 228, 235, 242, 249, 255];

#[tokio::test]
async fn dimensions_come_once_and_then_pictures() {
    let control = camera().await;
    for (path, message) in [
        ("camera-socket", first()),
        ("camera-socket-shared", first()),
        ("tiff-socket", json!({"prefix": "IOC"})),
    ] {
        let mut viewer = Viewer::open(&control, path, &message).await;
        let told = viewer.text().await;
        assert_eq!(told, r#"{"x":4,"y":4,"colorMode":"Mono","dataType":"UInt8"}"#, "{path}");
        let (width, height, grey) = decoded(&viewer.picture().await);
        assert_eq!((width, height), (4, 4));
        let slack = if path == "camera-socket-shared" { 40 } else { 3 };
        let worst = grey.iter().zip(&LOGARITHMIC).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst.unwrap() <= slack, "{path}: {grey:?}");
        post(&control, ARRAY, bytes((0..16).rev()));
        viewer.picture().await;
        post(&control, ARRAY, bytes(0..16));
        viewer.picture().await;
    }
}

#[tokio::test]
async fn a_client_that_selects_nothing_gives_its_place_back() {
    let waiting = Duration::from_millis(50);
    let control = camera_with(Settings { image_selection_timeout: waiting, ..settings() }).await;
    let mut socket = Socket::open(&control, "camera-socket").await;
    let error = socket.reply("error").await;
    assert_eq!(error["error"], "No camera was selected within 0.05 s.");
    assert_eq!(socket.closed().await.0, 1000);
    let mut other = Socket::open_oas(&control, "/api/v1/tiff-socket").await;
    assert_eq!(other.next().await, json!({"error": "No camera was selected within 0.05 s."}));
}

#[tokio::test]
async fn a_toggle_is_echoed_and_shows_the_current_frame_anew() {
    let control = camera().await;
    let mut viewer = Viewer::open(&control, "camera-socket", &first()).await;
    let mut other = Viewer::open(&control, "camera-socket", &first()).await;
    viewer.text().await;
    assert!(near(&decoded(&viewer.picture().await).2, &LOGARITHMIC));
    viewer.send(r#"{"zzz": 1}"#).await;
    viewer.send("nonsense").await;
    viewer.send(r#"{"quality": 900}"#).await;
    viewer.send(r#"{"toggleLogNormalization": false}"#).await;
    assert_eq!(viewer.text().await, r#"{"logNormalization":false}"#, "and nothing for the others");
    assert!(near(&decoded(&viewer.picture().await).2, &LINEAR));
    // A toggle concerns who sent it and nobody else.
    other.text().await;
    assert!(near(&decoded(&other.picture().await).2, &LOGARITHMIC));
    post(&control, ARRAY, bytes((0..16).map(|i| i * 2)));
    let doubled: Vec<u8> =
        (0..16).map(|i| (f64::from(i + i + 1).ln() / 31f64.ln() * 255.0) as u8).collect();
    assert!(near(&decoded(&other.picture().await).2, &doubled));
    assert!(near(&decoded(&viewer.picture().await).2, &LINEAR));
}

#[tokio::test]
async fn a_camera_that_is_not_in_the_registry_is_refused() {
    let control = camera().await;
    for (path, message, pv) in [
        ("camera-socket", r#"{"imageArray_PV": "NOTREG"}"#, "NOTREG"),
        ("camera-socket", "{}", "13SIM1:image1:ArrayData"),
        ("camera-socket", "[1, 2]", "13SIM1:image1:ArrayData"),
        ("tiff-socket", "null", "13PIL1:image1:ArrayData"),
    ] {
        let mut viewer = Viewer::silent(&control, path).await;
        viewer.send(message).await;
        let (error, code, _) = viewer.refusal().await;
        assert_eq!(error["type"], "error");
        assert_eq!(error["error"], format!("PV '{pv}' not found in the registry"));
        assert_eq!((&error["pv"], code), (&json!(pv), 1000));
        assert!(error["timestamp"].is_string());
    }
}

#[tokio::test]
async fn a_first_message_that_makes_no_sense_is_answered() {
    let control = camera().await;
    for (message, text) in [
        ("{", "invalid JSON: "),
        (r#"{"imageArray_PV": "IOC:image1:ArrayData", "quality": 0}"#, "quality must be "),
        (r#"{"imageArray_PV": "IOC:image1:ArrayData", "encoding": "gif"}"#, "encoding must be "),
    ] {
        let mut viewer = Viewer::silent(&control, "camera-socket").await;
        viewer.send(message).await;
        let (error, code, _) = viewer.refusal().await;
        assert!(error["error"].as_str().unwrap().starts_with(text), "{error}");
        assert_eq!(code, 1000);
    }
}

#[tokio::test]
async fn a_pv_that_does_not_connect_is_named() {
    let control = camera().await;
    control.standalone("DEAD:image1:ArrayData").await;
    let dead = json!({"imageArray_PV": "DEAD:image1:ArrayData"});
    let mut no_array = Viewer::open(&control, "camera-socket", &dead).await;
    let mut lacking = first();
    lacking["sizeY"] = json!("IOC:cam1:Nope");
    let mut no_setting = Viewer::open(&control, "camera-socket", &lacking).await;
    for (viewer, pv) in
        [(&mut no_array, "DEAD:image1:ArrayData"), (&mut no_setting, "IOC:cam1:Nope")]
    {
        let (error, code, _) = viewer.refusal().await;
        let text = error["error"].as_str().unwrap();
        assert!(text.starts_with(&format!("PV {pv} connection failed: ")), "{text}");
        assert_eq!((&error["pv"], code), (&json!(pv), 1000));
    }
}

#[tokio::test]
async fn an_array_waits_until_its_size_is_known() {
    let control = camera().await;
    let mut viewer = Viewer::open(&control, "camera-socket", &first()).await;
    viewer.text().await;
    viewer.picture().await;
    // The settings come first, axis by axis; the array of the new size follows.
    set(&control, "IOC:cam1:SizeX", 8);
    assert_eq!(viewer.text().await, r#"{"x":8,"y":4,"colorMode":"Mono","dataType":"UInt8"}"#);
    set(&control, "IOC:cam1:SizeY", 6);
    assert_eq!(viewer.text().await, r#"{"x":8,"y":6,"colorMode":"Mono","dataType":"UInt8"}"#);
    post(&control, ARRAY, bytes(0..48));
    let (width, height, _) = decoded(&viewer.picture().await);
    assert_eq!((width, height), (8, 6));
    // The other way round, and with colours.
    post(&control, ARRAY, bytes(0..12));
    set(&control, "IOC:cam1:ColorMode", 1);
    set(&control, "IOC:cam1:SizeX", 2);
    set(&control, "IOC:cam1:SizeY", 2);
    let coloured = r#"{"x":2,"y":2,"colorMode":"RGB1","dataType":"UInt8"}"#;
    while viewer.next_text().await != coloured {}
    let (width, height, pixels) = decoded(&viewer.picture().await);
    assert_eq!((width, height, pixels.len()), (2, 2, 12));
}

#[tokio::test]
async fn the_region_of_a_real_detector_has_its_true_size() {
    let control = camera().await;
    for (pv, value) in [
        ("IOC:cam1:MinX", 100),
        ("IOC:cam1:MinY", 50),
        ("IOC:cam1:SizeX", 8),
        ("IOC:cam1:SizeY", 2),
    ] {
        set(&control, pv, value);
    }
    let mut viewer = Viewer::open(&control, "camera-socket", &first()).await;
    let told = viewer.text().await;
    assert_eq!(told, r#"{"x":8,"y":2,"colorMode":"Mono","dataType":"UInt8"}"#);
    assert_eq!(decoded(&viewer.picture().await).0, 8);
    // The plugin has the last word, here after a transformation.
    for (axis, size) in [(0, 2), (1, 8), (2, 0)] {
        set(&control, &format!("IOC:image1:ArraySize{axis}_RBV"), size);
    }
    let turned = r#"{"x":2,"y":8,"colorMode":"Mono","dataType":"UInt8"}"#;
    while viewer.next_text().await != turned {}
}

#[tokio::test]
async fn twenty_clients_share_one_rendering() {
    let control = camera().await;
    let mut viewers = Vec::new();
    for _ in 0..20 {
        viewers.push(Viewer::open(&control, "camera-socket", &first()).await);
    }
    for viewer in &mut viewers {
        viewer.text().await;
        viewer.picture().await;
    }
    for frame in 1..10 {
        post(&control, ARRAY, bytes((0..16).map(|i| i + frame)));
        let mut files = Vec::new();
        for viewer in &mut viewers {
            files.push(viewer.picture().await);
        }
        assert!(files.iter().all(|file| *file == files[0]));
    }
    let stats = control.get("/api/v1/stats").await.1;
    let camera = &stats["camera_socket"]["cameras"][0];
    assert_eq!((&camera["pv"], &camera["rendered"]), (&json!(ARRAY), &json!(10)));
    assert_eq!((&camera["streams"], &camera["failed"]), (&json!(1), &json!(0)));
    assert_eq!(camera["clients"].as_array().unwrap().len(), 20);
    assert!(camera["clients"].as_array().unwrap().iter().all(|client| client["sent"] == 10));
    drop(viewers);
    control.until("/api/v1/stats", |_, stats| stats["camera_socket"]["cameras"] == json!([])).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_itself_alone() {
    let control = camera().await;
    set(&control, "IOC:cam1:SizeX", 512);
    set(&control, "IOC:cam1:SizeY", 512);
    // Noise, so that pictures are large and fill what the kernel holds for a client.
    let noise = |seed: u32| {
        let mut state = seed + 1;
        bytes((0..512 * 512).map(move |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }))
    };
    post(&control, ARRAY, noise(0));
    let mut idle = Viewer::open(&control, "camera-socket", &first()).await;
    let mut quick = Viewer::open(&control, "camera-socket", &first()).await;
    idle.text().await;
    quick.text().await;
    quick.picture().await;
    const FRAMES: u32 = 60;
    for frame in 1..FRAMES {
        post(&control, ARRAY, noise(frame));
        quick.picture().await;
    }
    set(&control, "IOC:cam1:SizeX", 4);
    set(&control, "IOC:cam1:SizeY", 4);
    post(&control, ARRAY, bytes(0..16));
    while decoded(&quick.next_picture().await).0 != 4 {}
    // It gets what the kernel held, and then the newest.
    let mut taken = 0;
    loop {
        taken += 1;
        if decoded(&idle.next_picture().await).0 == 4 {
            break;
        }
    }
    assert!(taken < FRAMES, "{taken}");
    let stats = control.get("/api/v1/stats").await.1;
    let clients = stats["camera_socket"]["cameras"][0]["clients"].as_array().unwrap().clone();
    let passed_over: Vec<_> =
        clients.iter().map(|client| client["passed_over"].as_u64().unwrap()).collect();
    assert_eq!(passed_over.iter().filter(|count| **count > 0).count(), 1, "{passed_over:?}");
    assert!(
        clients.iter().all(|client| client["from"].as_str().unwrap().starts_with("127.0.0.1:"))
    );
}

#[tokio::test]
async fn a_client_says_how_it_wants_its_pictures() {
    let control = camera().await;
    let mut wishes = first();
    wishes["encoding"] = json!("png");
    wishes["logNormalization"] = json!(false);
    let mut viewer = Viewer::open(&control, "camera-socket", &wishes).await;
    viewer.text().await;
    let file = viewer.picture().await;
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = [0; 16];
    reader.next_frame(&mut pixels).unwrap();
    assert_eq!(pixels, LINEAR, "without loss, so exactly");
    viewer.send(r#"{"encoding": "webp"}"#).await;
    assert!(viewer.picture().await.starts_with(b"RIFF"), "the current frame at once");
    viewer.send(r#"{"encoding": "jpeg", "quality": 10}"#).await;
    let coarse = viewer.picture().await.len();
    viewer.send(r#"{"quality": 95}"#).await;
    assert!(coarse < viewer.picture().await.len());
}

#[tokio::test]
async fn a_client_that_wants_few_pictures_gets_the_newest_when_it_is_time() {
    let control = camera().await;
    let mut rare = first();
    rare["maxRate"] = json!(0.001);
    let mut rare = Viewer::open(&control, "camera-socket", &rare).await;
    let mut every = Viewer::open(&control, "camera-socket", &first()).await;
    rare.text().await;
    rare.picture().await;
    every.text().await;
    every.picture().await;
    for frame in 1..5 {
        post(&control, ARRAY, bytes((0..16).map(|i| i * frame)));
        every.picture().await;
    }
    set(&control, "IOC:cam1:SizeX", 16);
    set(&control, "IOC:cam1:SizeY", 1);
    let wide = r#"{"x":16,"y":1,"colorMode":"Mono","dataType":"UInt8"}"#;
    while every.next_text().await != wide {}
    rare.send(r#"{"maxRate": 1000}"#).await;
    let newest = decoded(&rare.next_picture().await);
    assert_eq!(newest.0, 16, "the newest and none of those before");
}

#[tokio::test]
async fn compressed_arrays_are_unpacked() {
    let control = camera().await;
    post(&control, "IOC:image1:CompressedSize_RBV", PvValue::Long(0));
    let pixels: Vec<u8> = (0..16).collect();
    let mut packed = lz4_flex::block::compress(&pixels);
    let length = packed.len();
    packed.extend([0xff; 9]);
    post(&control, "IOC:image1:CompressedSize_RBV", PvValue::Long(length as i32));
    post(&control, ARRAY, bytes(packed));
    post(&control, "IOC:image1:Codec_RBV", PvValue::String("lz4".to_owned()));
    let mut viewer = Viewer::open(&control, "camera-socket", &first()).await;
    assert_eq!(viewer.text().await, r#"{"x":4,"y":4,"colorMode":"Mono","dataType":"UInt8"}"#);
    assert!(near(&decoded(&viewer.picture().await).2, &LOGARITHMIC));
}

#[tokio::test]
async fn a_codec_that_is_not_known_is_named_to_the_client() {
    let control = camera().await;
    let refusal = "PV IOC:image1:ArrayData cannot be shown: the codec 'blosc' is not supported, \
                   only jpeg, zlib, lz4, lz4hdf5, bslz4";
    let mut before = Viewer::open(&control, "camera-socket", &first()).await;
    before.text().await;
    before.picture().await;
    // Somebody switches the compression of the plugin on while a client looks.
    post(&control, "IOC:image1:Codec_RBV", PvValue::String("blosc".to_owned()));
    let mut after = Viewer::open(&control, "camera-socket", &first()).await;
    for viewer in [&mut before, &mut after] {
        let (error, code, _) = viewer.refusal().await;
        assert_eq!((&error["error"], &error["pv"]), (&json!(refusal), &json!(ARRAY)));
        assert_eq!(code, 1000);
    }
    let mut other = Viewer::open_oas(&control, "camera-socket", &first()).await;
    assert_eq!(other.text().await, json!({ "error": refusal }).to_string().replace("\":", "\": "));
}

/// An array of PVAccess, which says everything itself.
fn post_image(control: &Control, value: PvValue, image: Image) {
    let metadata = Metadata { image: Some(Arc::new(image)), ..Metadata::default() };
    control.pvs.add_with("IOC:Pva1:Image", value, metadata);
}

#[tokio::test]
async fn an_array_that_says_everything_itself_needs_no_other_pv() {
    let control = Control::start(settings()).await;
    control.standalone("IOC:Pva1:Image").await;
    // A camera of other frames beside it, which says nothing of these.
    for setting in ["SizeX", "SizeY"] {
        set(&control, &format!("IOC:cam1:{setting}"), 2);
    }
    let image =
        |sizes: &[usize], data_type| Image { sizes: sizes.into(), data_type, ..Image::default() };
    post_image(&control, PvValue::CharArray(Arc::default()), image(&[], "UInt8"));
    let array = json!({"imageArray_PV": "IOC:Pva1:Image", "logNormalization": false});
    let mut viewer = Viewer::open(&control, "camera-socket", &array).await;
    post_image(&control, bytes(0..16), image(&[4, 4], "UInt8"));
    assert_eq!(viewer.text().await, r#"{"x":4,"y":4,"colorMode":"Mono","dataType":"UInt8"}"#);
    assert!(near(&decoded(&viewer.picture().await).2, &LINEAR));
    let shorts = PvValue::LongArray((0..16).map(|i| i * 4000).collect());
    post_image(&control, shorts, image(&[16, 1], "UInt16"));
    assert_eq!(viewer.text().await, r#"{"x":16,"y":1,"colorMode":"Mono","dataType":"UInt16"}"#);
    assert!(near(&decoded(&viewer.picture().await).2, &LINEAR));
    let packed = bytes(lz4_flex::block::compress(&[255, 0, 0].repeat(35)));
    let packed_image = Image { codec: "lz4".to_owned(), ..image(&[3, 7, 5], "UInt8") };
    post_image(&control, packed, packed_image);
    assert_eq!(viewer.text().await, r#"{"x":7,"y":5,"colorMode":"RGB1","dataType":"UInt8"}"#);
    let (width, height, pixels) = decoded(&viewer.picture().await);
    assert_eq!((width, height, pixels.len()), (7, 5, 105));
    let packed_image = Image { codec: "blosc".to_owned(), ..image(&[7, 5], "UInt8") };
    post_image(&control, bytes([1]), packed_image);
    let (error, code, _) = viewer.refusal().await;
    assert!(error["error"].as_str().unwrap().contains("'blosc'"), "{error}");
    assert_eq!(code, 1000);
}

#[tokio::test]
async fn the_loss_of_the_ioc_keeps_the_socket_open() {
    let control = camera().await;
    let array = control.pvs.add_with(ARRAY, bytes(0..16), Metadata::default());
    let mut viewer = Viewer::open(&control, "camera-socket", &first()).await;
    viewer.text().await;
    viewer.picture().await;
    array.set_connected(false);
    array.set_connected(true);
    viewer.send(r#"{"toggleLogNormalization": true}"#).await;
    assert_eq!(viewer.text().await, r#"{"logNormalization":true}"#, "no frame is shown twice");
    array.post(bytes((0..16).rev()));
    viewer.picture().await;
}

#[tokio::test]
async fn capacity_shutdown_and_read_only_mode_are_those_of_all_sockets() {
    let settings = Settings { ws_max_connections: 1, global_read_only: true, ..settings() };
    let mut control = camera_with(settings).await;
    let mut viewer = Viewer::open(&control, "camera-socket", &first()).await;
    viewer.text().await;
    viewer.picture().await;
    let mut second = Viewer::silent(&control, "tiff-socket").await;
    let Shown::Closed(code, reason) = second.next().await else { panic!("no close") };
    assert_eq!(code, 1013);
    assert_eq!(reason, "server at WebSocket connection capacity; try again later");
    control.ask_to_stop();
    let Shown::Closed(code, reason) = viewer.next().await else { panic!("no close") };
    assert_eq!((code, reason.as_str()), (1001, "Service shutting down"));
    control.stop().await;
}

#[tokio::test]
async fn what_is_larger_than_a_browser_shows_is_scaled_down() {
    let control = camera_with(Settings { image_max_dimension: 2, ..settings() }).await;
    let mut viewer = Viewer::open(&control, "camera-socket", &first()).await;
    let told = viewer.text().await;
    assert_eq!(told, r#"{"x":4,"y":4,"colorMode":"Mono","dataType":"UInt8"}"#, "as it was taken");
    let (width, height, _) = decoded(&viewer.picture().await);
    assert_eq!((width, height), (2, 2));
}
