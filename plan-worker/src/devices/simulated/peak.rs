//! Detectors: a peak over one or two motors, and sets of simple values.

use std::sync::Arc;

use async_trait::async_trait;
use crds::device_class::Kind;
use rand::Rng;
use serde_json::{Value, json};

use super::super::{DataKeys, Device, DeviceError, DeviceRef, Hints, PythonClass, Readings};
use super::cell::Cell;
use super::signal::{Behaviour, SoftSignal};
use super::{CONFIG, Part, Parts, READ, SIM};

/// Decimals of a simulated measurement.
const PRECISION: i64 = 3;
/// Kinds of noise, as the `noise` component names them.
const NOISES: &[&str] = &["none", "poisson", "uniform"];

/// What sees the motors.
#[derive(Debug)]
pub(super) struct Peak {
    motors: Vec<Arc<Cell>>,
    value: Arc<Cell>,
    height: Arc<Cell>,
    center: Arc<Cell>,
    sigma: Arc<Cell>,
    noise: Arc<Cell>,
    noise_multiplier: Arc<Cell>,
}

impl Peak {
    pub(super) fn measure(&self) {
        let center = self.center.raw();
        let distance: f64 = self
            .motors
            .iter()
            .enumerate()
            .map(|(index, motor)| {
                let center = center.get(index).unwrap_or(&center).as_f64().unwrap_or_default();
                (motor.number() - center).powi(2)
            })
            .sum();
        let exact = self.height.number() * (-distance / (2.0 * self.sigma.number().powi(2))).exp();
        let measured = match self.noise.reading().value.as_str() {
            Some("uniform") => {
                let off: f64 = rand::rng().random_range(-1.0..1.0);
                json!(exact + off * self.noise_multiplier.number())
            }
            Some("poisson") => json!(poisson(exact.round())),
            _ => json!(exact),
        };
        self.value.store(measured);
    }
}

/// From here on a Poisson number cannot be told from a normal one, and counting up to it would take long.
const MANY: f64 = 10_000.0;

/// A Poisson number: how many exponential waiting times fit into `mean`. 0 for a mean that is no number.
fn poisson(mean: f64) -> u64 {
    if !mean.is_finite() {
        return 0;
    }
    let mut random = rand::rng();
    let mut waiting_time = || -(1.0 - random.random::<f64>()).ln();
    if mean > MANY {
        let radius = (2.0 * waiting_time()).sqrt();
        let angle = std::f64::consts::TAU * random.random::<f64>();
        return (mean + mean.sqrt() * radius * angle.cos()).round() as u64;
    }
    let mut waited = waiting_time();
    let mut count = 0;
    while waited <= mean {
        waited += waiting_time();
        count += 1;
    }
    count
}

/// A simulated detector.
#[derive(Debug)]
pub(super) struct Detector {
    parts: Parts,
    peak: Option<Arc<Peak>>,
}

/// Height, center and width of a peak.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) center: Value,
    pub(super) height: Value,
    pub(super) sigma: Value,
    /// Uniform noise of that size, else none.
    pub(super) noise: Option<f64>,
}

impl Detector {
    /// `SynGauss` over one motor, `Syn2DGauss` over two.
    pub(super) fn peak(name: &str, motors: Vec<Arc<Cell>>, shape: Shape) -> Self {
        let class = if motors.len() == 1 { "SynGauss" } else { "Syn2DGauss" };
        let cell = |part: &str, value| Arc::new(Cell::new(format!("{name}_{part}"), value));
        let (noise, size) = match shape.noise {
            Some(size) => (2, json!(size)),
            None => (0, json!(1)),
        };
        let noise = Cell::new(format!("{name}_noise"), json!(noise)).labels(NOISES);
        let peak = Arc::new(Peak {
            motors,
            value: Arc::new(Cell::new(name, json!(0.0)).precision(PRECISION)),
            height: cell("Imax", shape.height),
            center: cell("center", shape.center),
            sigma: cell("sigma", shape.sigma),
            noise: Arc::new(noise),
            noise_multiplier: cell("noise_multiplier", size),
        });
        let plain = ("Signal", "ophyd.signal");
        let part = |attribute, kind, cell: &Arc<Cell>, class| Part {
            attribute,
            kind,
            signal: Arc::new(SoftSignal::new(Arc::clone(cell), class, Behaviour::Keep)),
        };
        let measured = Behaviour::Measured(Arc::downgrade(&peak));
        let parts = vec![
            Part {
                attribute: "val",
                kind: Kind::Hinted,
                signal: Arc::new(SoftSignal::new(
                    Arc::clone(&peak.value),
                    ("SynSignal", SIM),
                    measured,
                )),
            },
            part("Imax", Kind::Config, &peak.height, plain),
            part("center", Kind::Config, &peak.center, plain),
            part("sigma", Kind::Config, &peak.sigma, plain),
            part("noise", Kind::Config, &peak.noise, ("EnumSignal", SIM)),
            part("noise_multiplier", Kind::Config, &peak.noise_multiplier, plain),
        ];
        peak.measure();
        Self { parts: Parts { name: name.to_owned(), class, parts }, peak: Some(peak) }
    }

    /// A detector of single values: attribute, kind, start and whether each trigger gives a random number.
    pub(super) fn values(
        name: &str,
        class: &'static str,
        values: Vec<(&'static str, Kind, Value, bool)>,
    ) -> Self {
        let part = |(attribute, kind, value, random): (&'static str, Kind, Value, bool)| {
            let cell = Cell::new(format!("{name}_{attribute}"), value);
            let (cell, class) = if attribute == "count_time" {
                (cell, ("Signal", "ophyd.signal"))
            } else {
                (cell.precision(PRECISION), ("SynSignal", SIM))
            };
            let behaviour = if random { Behaviour::Random } else { Behaviour::Keep };
            Part {
                attribute,
                kind,
                signal: Arc::new(SoftSignal::new(Arc::new(cell), class, behaviour)),
            }
        };
        let parts = values.into_iter().map(part).collect();
        Self { parts: Parts { name: name.to_owned(), class, parts }, peak: None }
    }
}

#[async_trait]
impl Device for Detector {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn class(&self) -> PythonClass {
        self.parts.class()
    }

    fn representation(&self) -> String {
        self.parts.representation()
    }

    fn hints(&self) -> Hints {
        self.parts.hints()
    }

    fn is_movable(&self) -> bool {
        false
    }

    fn components(&self) -> Vec<(String, DeviceRef)> {
        self.parts.components()
    }

    async fn read(&self) -> Result<Readings, DeviceError> {
        Ok(self.parts.readings(READ))
    }

    async fn describe(&self) -> Result<DataKeys, DeviceError> {
        Ok(self.parts.data_keys(READ))
    }

    async fn read_configuration(&self) -> Result<Readings, DeviceError> {
        Ok(self.parts.readings(CONFIG))
    }

    async fn describe_configuration(&self) -> Result<DataKeys, DeviceError> {
        Ok(self.parts.data_keys(CONFIG))
    }

    async fn trigger(&self) -> Result<(), DeviceError> {
        match &self.peak {
            Some(peak) => peak.measure(),
            None => self.parts.of_kind(READ).for_each(|part| part.signal.measure()),
        }
        Ok(())
    }

    async fn set(&self, _: &Value) -> Result<(), DeviceError> {
        Err(DeviceError::NotMovable { device: self.parts.name.clone() })
    }

    async fn position(&self) -> Result<Value, DeviceError> {
        Err(DeviceError::NotMovable { device: self.parts.name.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::poisson;

    #[test]
    fn poisson_numbers_lie_around_their_mean() {
        for mean in [0.0, 3.0, 400.0, 9_999.0, 1e12] {
            let drawn: f64 = (0..1000).map(|_| poisson(mean) as f64).sum::<f64>() / 1000.0;
            // Seven standard deviations of the mean of a thousand.
            let off = 7.0 * (mean / 1000.0_f64).sqrt();
            assert!((drawn - mean).abs() <= off, "{drawn} for {mean}");
        }
    }

    #[test]
    fn a_mean_that_is_no_number_ends_as_well() {
        assert_eq!((poisson(f64::NAN), poisson(f64::INFINITY)), (0, 0));
    }
}
