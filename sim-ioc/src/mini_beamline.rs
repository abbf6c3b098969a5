//! `mini:`: beam current, three point detectors with their motors, and the camera of the moving dot
//! (contract §6.3).

use std::time::{Duration, Instant};

use epics_base_rs::types::EpicsValue;

use crate::ioc::{Error, Ioc};

mod detectors;
mod dot;
mod positioner;

use detectors::{Shape, beam_current, poisson};
use dot::Dot;
pub(crate) use positioner::Positioner;

const BEAM_PERIOD: Duration = Duration::from_millis(100);
const DETECTOR_PERIOD: Duration = Duration::from_millis(500);
const IMAGE_PERIOD: Duration = Duration::from_secs(2);

/// Records of the beam current and the dot. `DRVL` clips the exposure at 0.
pub(crate) const RECORDS: &str = r#"
record(ai, "$(P)current") { field(DESC, "Beam current") field(VAL, "500") field(ASG, "readonly") }
record(waveform, "$(P)dot:det") {
    field(DESC, "Detector image (480x640)") field(FTVL, "DOUBLE") field(NELM, "307200") field(ASG, "readonly") }
record(ai, "$(P)dot:img_sum") { field(DESC, "Image sum") field(ASG, "readonly") }
record(ao, "$(P)dot:mtrx") { field(DESC, "Motor X") field(VAL, "0") }
record(ao, "$(P)dot:mtry") { field(DESC, "Motor Y") field(VAL, "0") }
record(ao, "$(P)dot:exp") { field(DESC, "Exposure") field(VAL, "1") field(DRVL, "0") field(DRVH, "1e300") }
record(longout, "$(P)dot:shutter_open") { field(DESC, "Shutter open/close") field(VAL, "1") }
record(longin, "$(P)dot:ArraySizeY_RBV") { field(DESC, "Image array size Y") field(VAL, "480") field(ASG, "readonly") }
record(longin, "$(P)dot:ArraySizeX_RBV") { field(DESC, "Image array size X") field(VAL, "640") field(ASG, "readonly") }
record(waveform, "$(P)dot:ArraySize_RBV") {
    field(DESC, "Image array size [Y, X]") field(FTVL, "LONG") field(NELM, "2") field(ASG, "readonly") }
"#;

/// Records of one point detector `$(P)$(D)` and its motor.
pub(crate) const DETECTOR_RECORDS: &str = r#"
record(ai, "$(P)$(D):det") { field(DESC, "Scalar detector value") field(ASG, "readonly") }
record(positioner, "$(P)$(D):mtr") {
    field(DESC, "Motor") field(PREC, "3") field(INPV, "$(P)$(D):vel") field(INPR, "$(P)$(D):mtr_tick_rate") }
record(ao, "$(P)$(D):exp") { field(DESC, "Exposure") field(VAL, "1") field(DRVL, "0") field(DRVH, "1e300") }
record(ao, "$(P)$(D):vel") { field(DESC, "Velocity") field(VAL, "1") }
record(ao, "$(P)$(D):mtr_tick_rate") { field(DESC, "Update tick rate") field(EGU, "Hz") field(VAL, "10") }
"#;

/// The point detectors: name, suffixes of motor, exposure and counts, and what stands in the beam.
const DETECTORS: [(&str, [&str; 3], Shape); 3] = [
    ("ph", ["ph:mtr", "ph:exp", "ph:det"], Shape::Pinhole),
    ("edge", ["edge:mtr", "edge:exp", "edge:det"], Shape::Edge),
    ("slit", ["slit:mtr", "slit:exp", "slit:det"], Shape::Slit),
];

/// Names of the point detectors, for [`DETECTOR_RECORDS`].
pub(crate) fn detector_names() -> impl Iterator<Item = &'static str> {
    DETECTORS.into_iter().map(|(name, ..)| name)
}

/// Runs current, detectors and camera at their rates.
pub(crate) async fn run(ioc: Ioc) -> Result<(), Error> {
    let size = vec![dot::HEIGHT as i32, dot::WIDTH as i32];
    ioc.post("dot:ArraySize_RBV", EpicsValue::LongArray(size.into())).await?;
    tokio::try_join!(beam(&ioc), point_detectors(&ioc), camera(&ioc))?;
    Ok(())
}

async fn beam(ioc: &Ioc) -> Result<(), Error> {
    let started = Instant::now();
    let mut scan = tokio::time::interval(BEAM_PERIOD);
    loop {
        scan.tick().await;
        ioc.post_number("current", beam_current(started.elapsed().as_secs_f64())).await?;
    }
}

async fn point_detectors(ioc: &Ioc) -> Result<(), Error> {
    let mut scan = tokio::time::interval(DETECTOR_PERIOD);
    loop {
        scan.tick().await;
        let current = ioc.number("current")?;
        for (_, [motor, exposure, counts], shape) in DETECTORS {
            let mean = shape.mean_counts(ioc.number(motor)?, ioc.number(exposure)?, current);
            let drawn = poisson(mean, &mut rand::rng());
            ioc.post_number(counts, drawn).await?;
        }
    }
}

async fn camera(ioc: &Ioc) -> Result<(), Error> {
    let mut scan = tokio::time::interval(IMAGE_PERIOD);
    loop {
        scan.tick().await;
        let dot = Dot {
            x: ioc.number("dot:mtrx")?,
            y: ioc.number("dot:mtry")?,
            exposure: ioc.number("dot:exp")?,
            current: ioc.number("current")?,
            shutter_open: ioc.number("dot:shutter_open")? != 0.0,
        };
        let frame = tokio::task::spawn_blocking(move || dot.frame(&mut rand::rng()))
            .await
            .map_err(|e| Error::Stopped(format!("a frame of the dot failed: {e}")))?;
        ioc.post_number("dot:img_sum", frame.iter().sum()).await?;
        ioc.post("dot:det", EpicsValue::DoubleArray(frame.into())).await?;
    }
}
