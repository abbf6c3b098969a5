//! The registry's devices: made of PVs, operated as their class says.
//!
//! A PV is searched for when a plan first uses it, so an IOC that is off hinders nobody but the plan that needs it.

mod mover;
mod signal;
mod values;

use std::sync::Arc;

use async_trait::async_trait;
use channels::PvClient;
use crds::DeviceSpec;
use crds::device::Framework;
use crds::device_class::{Behaviour, Kind};
use crds::resolve::{ResolvedDevice, Signal};
use futures::future::try_join_all;
use serde_json::Value;

use super::{DataKeys, Device, DeviceError, DeviceRef, Hints, PythonClass, Readings};
use mover::Mover;
use signal::PvSignal;

/// Components that start a counter, the first that a device has.
const START_COUNTING: &[&str] = &["count", "erase_start"];
/// Components that take where a positioner should go.
const SETPOINTS: &[&str] = &["user_setpoint", "setpoint"];
/// Components that tell where a positioner is.
const READBACKS: &[&str] = &["user_readback", "readback"];
/// Components that tell that a positioner has arrived.
const DONE: &[&str] = &["motor_done_move", "done"];
/// Components that stop a positioner.
const STOPS: &[&str] = &["motor_stop", "stop_signal"];

/// The device that `resolved` describes.
pub fn device(
    spec: &DeviceSpec,
    resolved: ResolvedDevice,
    framework: Framework,
    pvs: &Arc<dyn PvClient>,
) -> DeviceRef {
    let class = PythonClass {
        name: resolved.ophyd_class.clone(),
        module: resolved.module.clone().unwrap_or_default(),
    };
    if resolved.behaviour == Behaviour::Signal
        && let Some(signal) = single_signal(&resolved)
    {
        return Arc::new(PvSignal::new(&resolved.name, &signal, class, pvs));
    }
    let parts: Vec<Part> = resolved
        .signals
        .iter()
        .map(|signal| Part {
            kind: kind(spec, signal),
            attribute: signal.name.clone(),
            signal: Arc::new(PvSignal::new(
                &field(&resolved, framework, signal),
                signal,
                part_class(signal),
                pvs,
            )),
        })
        .collect();
    let operation = operation(&resolved, &parts);
    Arc::new(EpicsDevice {
        name: resolved.name,
        class,
        prefix: crds::resolve::prefix(spec).unwrap_or_default(),
        hints: spec.hints.as_ref().and_then(|hints| given_hints(&Value::from_iter(hints.clone()))),
        parts,
        operation,
    })
}

/// A signal that is read from `readback` and written to `setpoint`, where it has one.
fn single_signal(resolved: &ResolvedDevice) -> Option<Signal> {
    let readback = resolved.signal("readback").or(resolved.signals.first())?;
    let setpoint = resolved.signal("setpoint").unwrap_or(readback);
    let capabilities = resolved.capabilities;
    Some(Signal {
        pv: setpoint.pv.clone(),
        read_only: setpoint.read_only || (resolved.class_known && !capabilities.movable),
        ..readback.clone()
    })
}

/// Field name of a component, as its framework writes it. The motor's readback carries the name of the motor itself.
fn field(resolved: &ResolvedDevice, framework: Framework, signal: &Signal) -> String {
    if resolved.behaviour == Behaviour::EpicsMotor && signal.name == "user_readback" {
        return resolved.name.clone();
    }
    let separator = match framework {
        Framework::OphydSync => "_",
        Framework::OphydAsync => "-",
    };
    format!("{}{separator}{}", resolved.name, signal.name.replace('.', separator))
}

fn kind(spec: &DeviceSpec, signal: &Signal) -> Kind {
    let named =
        |list: &Option<Vec<String>>| list.as_ref().map(|names| names.contains(&signal.name));
    match (named(&spec.read_attrs), named(&spec.configuration_attrs)) {
        (Some(true), _) if signal.kind == Kind::Hinted => Kind::Hinted,
        (Some(true), _) => Kind::Normal,
        (_, Some(true)) => Kind::Config,
        (Some(false), _) if matches!(signal.kind, Kind::Hinted | Kind::Normal) => Kind::Omitted,
        (_, Some(false)) if signal.kind == Kind::Config => Kind::Omitted,
        _ => signal.kind,
    }
}

fn part_class(signal: &Signal) -> PythonClass {
    let name = match (signal.read_only, signal.pv == signal.readback_pv) {
        (true, _) => "EpicsSignalRO",
        (false, true) => "EpicsSignal",
        (false, false) => "EpicsSignalWithRBV",
    };
    PythonClass { name: name.into(), module: "ophyd.signal".into() }
}

fn given_hints(hints: &Value) -> Option<Hints> {
    let fields = hints.get("fields")?.as_array()?;
    Some(Hints::Fields(fields.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()))
}

fn operation(resolved: &ResolvedDevice, parts: &[Part]) -> Operation {
    let first = |names: &[&str]| {
        names.iter().find_map(|name| {
            parts.iter().find(|part| part.attribute == *name).map(|part| Arc::clone(&part.signal))
        })
    };
    match resolved.behaviour {
        Behaviour::EpicsMotor | Behaviour::Positioner => {
            match (first(SETPOINTS), first(READBACKS)) {
                (Some(setpoint), readback) => Operation::Move(Mover {
                    device: resolved.name.clone(),
                    readback: readback.unwrap_or_else(|| Arc::clone(&setpoint)),
                    setpoint,
                    travel: first(&["low_limit_travel"]).zip(first(&["high_limit_travel"])),
                    done: first(DONE),
                    stop: first(STOPS),
                }),
                (None, _) => Operation::Read,
            }
        }
        Behaviour::Counter => first(START_COUNTING).map_or(Operation::Read, Operation::Count),
        Behaviour::Signal | Behaviour::Camera | Behaviour::Settling | Behaviour::Composite => {
            Operation::Read
        }
    }
}

/// What a device can do beside being read.
#[derive(Debug)]
enum Operation {
    Read,
    Move(Mover),
    Count(Arc<PvSignal>),
}

#[derive(Debug)]
struct Part {
    attribute: String,
    kind: Kind,
    signal: Arc<PvSignal>,
}

/// A device with components.
#[derive(Debug)]
struct EpicsDevice {
    name: String,
    class: PythonClass,
    prefix: String,
    hints: Option<Hints>,
    parts: Vec<Part>,
    operation: Operation,
}

impl EpicsDevice {
    fn of_kind(&self, kinds: &'static [Kind]) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| kinds.contains(&part.kind))
    }

    async fn readings(&self, kinds: &'static [Kind]) -> Result<Readings, DeviceError> {
        let reads = self.of_kind(kinds).map(|part| part.signal.field_reading(&self.name));
        Ok(try_join_all(reads).await?.into_iter().collect())
    }

    async fn data_keys(&self, kinds: &'static [Kind]) -> Result<DataKeys, DeviceError> {
        let keys = self.of_kind(kinds).map(|part| part.signal.field_key(&self.name));
        Ok(try_join_all(keys).await?.into_iter().collect())
    }

    fn attributes(&self, kinds: &'static [Kind]) -> String {
        let names: Vec<_> =
            self.of_kind(kinds).map(|part| format!("'{}'", part.attribute)).collect();
        names.join(", ")
    }
}

const READ: &[Kind] = &[Kind::Hinted, Kind::Normal];
const CONFIG: &[Kind] = &[Kind::Config];

#[async_trait]
impl Device for EpicsDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn class(&self) -> PythonClass {
        self.class.clone()
    }

    fn representation(&self) -> String {
        format!(
            "{}(prefix='{}', name='{}', read_attrs=[{}], configuration_attrs=[{}])",
            self.class.name,
            self.prefix,
            self.name,
            self.attributes(READ),
            self.attributes(CONFIG)
        )
    }

    fn hints(&self) -> Hints {
        self.hints.clone().unwrap_or_else(|| {
            let hinted = self.of_kind(&[Kind::Hinted]).map(|part| part.signal.name().to_owned());
            Hints::Fields(hinted.collect())
        })
    }

    fn is_movable(&self) -> bool {
        matches!(self.operation, Operation::Move(_))
    }

    fn components(&self) -> Vec<(String, DeviceRef)> {
        let named = |part: &Part| (part.attribute.clone(), Arc::clone(&part.signal) as DeviceRef);
        self.parts.iter().map(named).collect()
    }

    async fn read(&self) -> Result<Readings, DeviceError> {
        self.readings(READ).await
    }

    async fn describe(&self) -> Result<DataKeys, DeviceError> {
        self.data_keys(READ).await
    }

    async fn read_configuration(&self) -> Result<Readings, DeviceError> {
        self.readings(CONFIG).await
    }

    async fn describe_configuration(&self) -> Result<DataKeys, DeviceError> {
        self.data_keys(CONFIG).await
    }

    async fn trigger(&self) -> Result<(), DeviceError> {
        match &self.operation {
            Operation::Count(start) => start.put(&self.name, &Value::from(1)).await,
            Operation::Read | Operation::Move(_) => Ok(()),
        }
    }

    async fn set(&self, value: &Value) -> Result<(), DeviceError> {
        match &self.operation {
            Operation::Move(mover) => mover.go(value).await,
            Operation::Read | Operation::Count(_) => {
                Err(DeviceError::NotMovable { device: self.name.clone() })
            }
        }
    }

    async fn position(&self) -> Result<Value, DeviceError> {
        match &self.operation {
            Operation::Move(mover) => mover.position().await,
            Operation::Read | Operation::Count(_) => {
                Err(DeviceError::NotMovable { device: self.name.clone() })
            }
        }
    }

    async fn stop(&self) -> Result<(), DeviceError> {
        match &self.operation {
            Operation::Move(mover) => mover.stop().await,
            Operation::Read | Operation::Count(_) => Ok(()),
        }
    }
}
