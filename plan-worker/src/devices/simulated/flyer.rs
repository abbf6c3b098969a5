//! Flyers: `MockFlyer` takes a motor along a line and measures at each step; trivial ones have nothing to tell.

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;

use super::super::{
    DataKeys, Device, DeviceError, DeviceRef, Flyer, Hints, PythonClass, Readings, unix_now,
};
use super::SIM;

/// Events of a trivial flyer.
const EMPTY_EVENTS: usize = 100;

/// Where a flyer goes.
#[derive(Debug)]
enum Course {
    Line { motor: DeviceRef, detector: DeviceRef, positions: Vec<f64> },
    Nowhere,
}

/// What a flyer does.
#[derive(Debug, Default)]
enum Flight {
    #[default]
    None,
    Started,
    Measured(Vec<(f64, Readings)>),
}

/// A simulated flyer. It flies while it is waited for, so that it rests as soon as nobody waits.
#[derive(Debug)]
pub(super) struct SimulatedFlyer {
    name: &'static str,
    class: &'static str,
    course: Course,
    flight: Mutex<Flight>,
}

impl SimulatedFlyer {
    /// Takes `motor` from `start` to `stop` in `num` even steps, both ends included.
    pub(super) fn along_line(
        name: &'static str,
        (motor, detector): (DeviceRef, DeviceRef),
        (start, stop): (f64, f64),
        num: usize,
    ) -> Self {
        let step = (stop - start) / num.saturating_sub(1).max(1) as f64;
        let at = |index| if index + 1 == num { stop } else { index as f64 * step + start };
        let positions = (0..num).map(at).collect();
        let course = Course::Line { motor, detector, positions };
        Self { name, class: "MockFlyer", course, flight: Mutex::default() }
    }

    /// Goes nowhere and measures nothing, many times.
    pub(super) fn trivial(name: &'static str, class: &'static str) -> Self {
        Self { name, class, course: Course::Nowhere, flight: Mutex::default() }
    }

    async fn fly(&self) -> Result<Vec<(f64, Readings)>, DeviceError> {
        let Course::Line { motor, detector, positions } = &self.course else {
            return Ok((0..EMPTY_EVENTS).map(|_| (unix_now(), Readings::new())).collect());
        };
        let mut measured = Vec::with_capacity(positions.len());
        for position in positions {
            motor.set(&json!(position)).await?;
            detector.trigger().await?;
            let time = unix_now();
            let mut readings = motor.read().await?;
            readings.extend(detector.read().await?);
            measured.push((time, readings));
        }
        Ok(measured)
    }

    fn not_readable(&self) -> DeviceError {
        DeviceError::NotReadable { device: self.name.to_owned() }
    }
}

#[async_trait]
impl Flyer for SimulatedFlyer {
    async fn kickoff(&self) -> Result<(), DeviceError> {
        *self.flight.lock() = Flight::Started;
        Ok(())
    }

    async fn complete(&self) -> Result<(), DeviceError> {
        if matches!(*self.flight.lock(), Flight::None) {
            return Err(DeviceError::NotStarted { device: self.name.to_owned() });
        }
        let measured = self.fly().await?;
        *self.flight.lock() = Flight::Measured(measured);
        Ok(())
    }

    async fn describe_collect(&self) -> Result<(String, DataKeys), DeviceError> {
        let Course::Line { motor, detector, .. } = &self.course else {
            return Ok(("stream_name".to_owned(), DataKeys::new()));
        };
        let mut fields = motor.describe().await?;
        fields.extend(detector.describe().await?);
        Ok((self.name.to_owned(), fields))
    }

    async fn collect(&self) -> Result<Vec<(f64, Readings)>, DeviceError> {
        match std::mem::take(&mut *self.flight.lock()) {
            Flight::Measured(measured) => Ok(measured),
            Flight::None | Flight::Started => Ok(Vec::new()),
        }
    }
}

#[async_trait]
impl Device for SimulatedFlyer {
    fn name(&self) -> &str {
        self.name
    }

    fn class(&self) -> PythonClass {
        PythonClass { name: self.class.into(), module: SIM.into() }
    }

    fn representation(&self) -> String {
        format!("{}(name='{}')", self.class, self.name)
    }

    fn hints(&self) -> Hints {
        Hints::Absent
    }

    fn is_movable(&self) -> bool {
        false
    }

    fn is_readable(&self) -> bool {
        false
    }

    fn flyer(&self) -> Option<&dyn Flyer> {
        Some(self)
    }

    async fn read(&self) -> Result<Readings, DeviceError> {
        Err(self.not_readable())
    }

    async fn describe(&self) -> Result<DataKeys, DeviceError> {
        Err(self.not_readable())
    }

    async fn read_configuration(&self) -> Result<Readings, DeviceError> {
        Ok(Readings::new())
    }

    async fn describe_configuration(&self) -> Result<DataKeys, DeviceError> {
        Ok(DataKeys::new())
    }

    async fn trigger(&self) -> Result<(), DeviceError> {
        Err(self.not_readable())
    }

    async fn set(&self, _: &serde_json::Value) -> Result<(), DeviceError> {
        Err(DeviceError::NotMovable { device: self.name.to_owned() })
    }

    async fn position(&self) -> Result<serde_json::Value, DeviceError> {
        Err(self.not_readable())
    }
}
