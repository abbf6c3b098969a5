//! `13SIM1:`: a camera `cam1:` with the image plugin `image1:`, as ophyd and camera viewers use
//! areaDetector (contract §6.3 and §2.11).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use epics_base_rs::types::EpicsValue;
use futures::{FutureExt as _, StreamExt as _};

use crate::ioc::{Changes, Error, Ioc};

mod picture;
mod records;

use picture::{ColorMode, Picture, Span, full_scale};
pub(crate) use records::RECORDS;

/// Shortest time between two frames.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// Settings that a client may write, each with the readback of the same name.
const SETTINGS: [&str; 14] = [
    "cam1:MinX",
    "cam1:MinY",
    "cam1:SizeX",
    "cam1:SizeY",
    "cam1:BinX",
    "cam1:BinY",
    "cam1:ColorMode",
    "cam1:DataType",
    "cam1:ImageMode",
    "cam1:TriggerMode",
    "cam1:AcquireTime",
    "cam1:AcquirePeriod",
    "cam1:Gain",
    "cam1:NumImages",
];

const ACQUIRE: &str = "cam1:Acquire";
const ENABLE: &str = "image1:EnableCallbacks";

/// How many frames an acquisition takes; none means until it is stopped.
fn frames_wanted(image_mode: f64, num_images: f64) -> Option<u32> {
    match image_mode as i64 {
        0 => Some(1),
        1 => Some(num_images.max(1.0) as u32),
        _ => None,
    }
}

/// Time from one frame to the next for an exposure and a period in seconds.
fn frame_period(acquire_time: f64, acquire_period: f64) -> Duration {
    Duration::try_from_secs_f64(acquire_time.max(acquire_period).max(0.0))
        .unwrap_or(Duration::MAX)
        .max(SHORTEST_PERIOD)
}

/// Runs the camera; it acquires continuously from the start.
pub(crate) async fn run(ioc: Ioc) -> Result<(), Error> {
    let watched: Vec<&'static str> = SETTINGS.into_iter().chain([ACQUIRE, ENABLE]).collect();
    let mut changes = ioc.changes(&watched).await?;
    let camera = Camera { ioc };
    camera.follow_settings().await?;
    camera.ioc.put(ACQUIRE, EpicsValue::Enum(1)).await?;
    loop {
        if camera.ioc.number(ACQUIRE)? == 0.0 {
            camera.next_change(&mut changes).await?;
        } else {
            camera.acquire(&mut changes).await?;
        }
    }
}

/// A simulated camera.
struct Camera {
    ioc: Ioc,
}

impl Camera {
    async fn next_change(&self, changes: &mut Changes) -> Result<(), Error> {
        let _ = changes.next().await;
        while changes.next().now_or_never().flatten().is_some() {}
        self.follow_settings().await
    }

    /// Brings the readbacks to what the camera makes of the settings.
    async fn follow_settings(&self) -> Result<(), Error> {
        let (x, y) = self.region()?;
        for (axis, span) in [("X", x), ("Y", y)] {
            for (what, value) in [("Min", span.start), ("Size", span.size), ("Bin", span.binning)] {
                let readback = format!("cam1:{what}{axis}_RBV");
                self.ioc.post_integer(&readback, value as i32).await?;
            }
        }
        for setting in &SETTINGS[6..] {
            self.copy_to_readback(setting).await?;
        }
        self.copy_to_readback(ENABLE).await?;
        let picture = self.picture(0)?;
        let bytes = picture.width
            * picture.height
            * if picture.color_mode == ColorMode::Mono { 1 } else { 3 }
            * if picture.full_scale > 255.0 { 2 } else { 1 };
        for (suffix, value) in [
            ("cam1:ArraySizeX_RBV", picture.width),
            ("cam1:ArraySizeY_RBV", picture.height),
            ("cam1:ArraySizeZ_RBV", if picture.color_mode == ColorMode::Mono { 0 } else { 3 }),
            ("cam1:ArraySize_RBV", bytes),
        ] {
            self.ioc.post_integer(suffix, value as i32).await?;
        }
        Ok(())
    }

    async fn copy_to_readback(&self, setting: &str) -> Result<(), Error> {
        let value = self.ioc.number(setting)?;
        self.ioc.post_number(&format!("{setting}_RBV"), value).await
    }

    fn region(&self) -> Result<(Span, Span), Error> {
        let ioc = &self.ioc;
        let x = Span::fit(
            ioc.number("cam1:MinX")?,
            ioc.number("cam1:SizeX")?,
            ioc.number("cam1:BinX")?,
        );
        let y = Span::fit(
            ioc.number("cam1:MinY")?,
            ioc.number("cam1:SizeY")?,
            ioc.number("cam1:BinY")?,
        );
        Ok((x, y))
    }

    fn picture(&self, frame: i32) -> Result<Picture, Error> {
        let (x, y) = self.region()?;
        Ok(Picture {
            width: x.pixels(),
            height: y.pixels(),
            color_mode: ColorMode::of_index(self.ioc.number("cam1:ColorMode")?),
            full_scale: full_scale(self.ioc.number("cam1:DataType")?),
            gain: self.ioc.number("cam1:Gain")?,
            frame,
        })
    }

    /// One acquisition: frames until enough are taken or a client ends it. The `busy` record
    /// completes the put-callback of the client that started it when it goes back to 0.
    async fn acquire(&self, changes: &mut Changes) -> Result<(), Error> {
        self.show_acquiring(true).await?;
        self.ioc.post_integer("cam1:NumImagesCounter_RBV", 0).await?;
        let mut taken = 0u32;
        loop {
            let began = tokio::time::Instant::now();
            loop {
                let period = frame_period(
                    self.ioc.number("cam1:AcquireTime")?,
                    self.ioc.number("cam1:AcquirePeriod")?,
                );
                let left = period.saturating_sub(began.elapsed());
                tokio::select! {
                    () = tokio::time::sleep(left) => break,
                    changed = self.next_change(changes) => changed?,
                }
                if self.ioc.number(ACQUIRE)? == 0.0 {
                    return self.show_acquiring(false).await;
                }
            }
            taken = taken.saturating_add(1);
            self.take_frame(taken).await?;
            let wanted = frames_wanted(
                self.ioc.number("cam1:ImageMode")?,
                self.ioc.number("cam1:NumImages")?,
            );
            if wanted.is_some_and(|wanted| taken >= wanted) {
                self.show_acquiring(false).await?;
                return self.ioc.put(ACQUIRE, EpicsValue::Enum(0)).await;
            }
        }
    }

    async fn show_acquiring(&self, on: bool) -> Result<(), Error> {
        for suffix in ["cam1:Acquire_RBV", "cam1:DetectorState_RBV"] {
            self.ioc.post_integer(suffix, on.into()).await?;
        }
        Ok(())
    }

    async fn take_frame(&self, taken: u32) -> Result<(), Error> {
        let ioc = &self.ioc;
        let frame = (ioc.number("cam1:ArrayCounter")? as i32).wrapping_add(1);
        let picture = self.picture(frame)?;
        ioc.post_integer("cam1:NumImagesCounter_RBV", taken as i32).await?;
        ioc.post_integer("cam1:ArrayCounter", frame).await?;
        ioc.post_integer("cam1:ArrayCounter_RBV", frame).await?;
        if ioc.number(ENABLE)? == 0.0 {
            return Ok(());
        }
        let pixels = tokio::task::spawn_blocking(move || picture.pixels())
            .await
            .map_err(|e| Error::Stopped(format!("a frame of the camera failed: {e}")))?;
        self.publish(picture, frame, pixels).await
    }

    /// The array comes last, so that who hears of it reads matching sizes.
    async fn publish(&self, picture: Picture, frame: i32, pixels: Vec<i32>) -> Result<(), Error> {
        let ioc = &self.ioc;
        let dimensions = picture.dimensions().map(|size| size as i32);
        let present = if picture.color_mode == ColorMode::Mono { 2 } else { 3 };
        for (suffix, value) in [
            ("image1:NDimensions_RBV", present),
            ("image1:ArraySize0_RBV", dimensions[0]),
            ("image1:ArraySize1_RBV", dimensions[1]),
            ("image1:ArraySize2_RBV", dimensions[2]),
            ("image1:ArraySize_RBV", pixels.len() as i32),
            ("image1:UniqueId_RBV", frame),
        ] {
            ioc.post_integer(suffix, value).await?;
        }
        ioc.post("image1:Dimensions_RBV", EpicsValue::LongArray(dimensions.to_vec().into()))
            .await?;
        ioc.post_number("image1:ColorMode_RBV", ioc.number("cam1:ColorMode")?).await?;
        ioc.post_number("image1:DataType_RBV", ioc.number("cam1:DataType")?).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ioc.post_number("image1:TimeStamp_RBV", now.as_secs_f64()).await?;
        ioc.post("image1:ArrayData", EpicsValue::LongArray(pixels.into())).await?;
        ioc.post_integer("image1:ArrayCounter_RBV", frame).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acquisition_takes_the_frames_of_its_mode() {
        assert_eq!(frames_wanted(0.0, 7.0), Some(1));
        assert_eq!(frames_wanted(1.0, 7.0), Some(7));
        assert_eq!(frames_wanted(1.0, 0.0), Some(1));
        assert_eq!(frames_wanted(2.0, 7.0), None);
    }

    #[test]
    fn the_longer_of_exposure_and_period_sets_the_rate() {
        assert_eq!(frame_period(0.2, 0.005), Duration::from_millis(200));
        assert_eq!(frame_period(0.1, 0.5), Duration::from_millis(500));
        assert_eq!(frame_period(0.0, 0.0), SHORTEST_PERIOD);
    }
}
