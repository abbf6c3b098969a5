//! The EPICS motor record over an [`Axis`]: which field means what, and what a put to it does.

use std::time::{Duration, Instant};

use epics_base_rs::error::{CaError, CaResult};
use epics_base_rs::server::record::{
    FieldDesc, FieldMetadataOverride, ProcessAction, ProcessOutcome, Record,
};
use epics_base_rs::types::{DbFieldType, EpicsValue, PvString};

use super::axis::{Axis, Permission, Refused};

/// Time between two updates of the readback while moving.
const UPDATE_PERIOD: Duration = Duration::from_millis(50);

const fn double(name: &'static str) -> FieldDesc {
    FieldDesc::new(name, DbFieldType::Double, false)
}

const fn short(name: &'static str) -> FieldDesc {
    FieldDesc::new(name, DbFieldType::Short, false)
}

const fn menu(name: &'static str, choices: &'static [&'static str]) -> FieldDesc {
    FieldDesc { menu: Some(choices), ..FieldDesc::new(name, DbFieldType::Enum, false) }
}

const fn readback(name: &'static str, dbf_type: DbFieldType) -> FieldDesc {
    FieldDesc::new(name, dbf_type, true)
}

static FIELDS: &[FieldDesc] = &[
    double("VAL"),
    double("DVAL"),
    FieldDesc::new("RVAL", DbFieldType::Long, false),
    double("RLV"),
    readback("RBV", DbFieldType::Double),
    readback("DRBV", DbFieldType::Double),
    readback("RRBV", DbFieldType::Long),
    readback("DIFF", DbFieldType::Double),
    double("OFF"),
    menu("DIR", &["Pos", "Neg"]),
    menu("FOFF", &["Variable", "Frozen"]),
    menu("SET", &["Use", "Set"]),
    menu("SPMG", &["Stop", "Pause", "Move", "Go"]),
    short("STOP"),
    double("VELO"),
    double("VBAS"),
    double("VMAX"),
    double("ACCL"),
    double("JVEL"),
    double("HVEL"),
    double("BDST"),
    double("BVEL"),
    double("MRES"),
    double("TWV"),
    short("TWF"),
    short("TWR"),
    short("JOGF"),
    short("JOGR"),
    short("HOMF"),
    short("HOMR"),
    double("HLM"),
    double("LLM"),
    double("DHLM"),
    double("DLLM"),
    readback("HLS", DbFieldType::Short),
    readback("LLS", DbFieldType::Short),
    readback("LVIO", DbFieldType::Short),
    readback("DMOV", DbFieldType::Short),
    readback("MOVN", DbFieldType::Short),
    readback("TDIR", DbFieldType::Short),
    readback("ATHM", DbFieldType::Short),
    readback("MSTA", DbFieldType::ULong),
    menu("CNEN", &["Disable", "Enable"]),
    short("PREC"),
    FieldDesc::new("EGU", DbFieldType::String, false),
];

/// Fields whose put processes the record.
static PROCESSING: &[&str] = &[
    "VAL", "DVAL", "RVAL", "RLV", "OFF", "DIR", "SET", "SPMG", "STOP", "TWF", "TWR", "JOGF",
    "JOGR", "HOMF", "HOMR", "HLM", "LLM", "DHLM", "DLLM", "MRES",
];

/// A record of type `motor`.
#[derive(Debug)]
pub(crate) struct MotorRecord {
    axis: Axis,
    created: Instant,
    precision: i16,
    units: PvString,
    /// Units of user coordinates for a raw step.
    resolution: f64,
    tweak: f64,
    base_velocity: f64,
    maximum_velocity: f64,
    acceleration_time: f64,
    powered: bool,
}

impl Default for MotorRecord {
    fn default() -> Self {
        Self {
            axis: Axis::default(),
            created: Instant::now(),
            precision: 0,
            units: PvString::from(""),
            resolution: 1e-6,
            tweak: 1.0,
            base_velocity: 0.0,
            maximum_velocity: 0.0,
            acceleration_time: 1.0,
            powered: true,
        }
    }
}

impl MotorRecord {
    fn now(&self) -> f64 {
        self.created.elapsed().as_secs_f64()
    }

    /// The hardware status word of the motor record.
    fn status_word(&self) -> u32 {
        [
            (0x1, self.axis.raised),
            (0x2, !self.axis.moving()),
            (0x80, self.axis.homed && self.axis.dial_position == 0.0),
            (0x400, self.axis.moving()),
            (0x4000, self.axis.homed),
        ]
        .into_iter()
        .filter_map(|(bit, on)| on.then_some(bit))
        .sum()
    }

    fn raw(&self, dial: f64) -> i32 {
        (dial / self.resolution).round() as i32
    }

    fn put_number(&mut self, name: &str, value: f64) -> Result<(), Refused> {
        let now = self.now();
        let finite = if value.is_finite() { Ok(value) } else { Err(Refused::NotFinite) };
        let positive = finite.and_then(|v| if v > 0.0 { Ok(v) } else { Err(Refused::NotPositive) });
        let axis = &mut self.axis;
        match name {
            "VAL" => axis.set_user(value, now)?,
            "DVAL" => axis.set_dial(value, now)?,
            "RVAL" => axis.set_dial(value * self.resolution, now)?,
            "RLV" => axis.set_user(axis.user(axis.dial_setpoint) + value, now)?,
            "OFF" => axis.offset = finite?,
            "VELO" => {
                axis.velocity = positive?;
                axis.jog_velocity = value;
                axis.home_velocity = value;
                axis.backlash_velocity = value;
            }
            "JVEL" => axis.jog_velocity = positive?,
            "HVEL" => axis.home_velocity = positive?,
            "BVEL" => axis.backlash_velocity = positive?,
            "BDST" => axis.backlash = finite?,
            "HLM" => self.put_user_limit(finite?, true),
            "LLM" => self.put_user_limit(finite?, false),
            "DHLM" => axis.dial_high = finite?,
            "DLLM" => axis.dial_low = finite?,
            "VBAS" => self.base_velocity = finite?,
            "VMAX" => self.maximum_velocity = finite?,
            "ACCL" => self.acceleration_time = positive?,
            "MRES" => self.resolution = positive?,
            _ => self.tweak = finite?,
        }
        Ok(())
    }

    /// The dial limit behind a user limit is the other one on a reversed axis.
    fn put_user_limit(&mut self, user: f64, high: bool) {
        let dial = self.axis.dial(user);
        if high != self.axis.reversed {
            self.axis.dial_high = dial;
        } else {
            self.axis.dial_low = dial;
        }
    }

    fn put_switch(&mut self, name: &str, on: bool) -> Result<(), Refused> {
        let now = self.now();
        match name {
            "STOP" if on => self.axis.stop(now),
            "TWF" if on => self.put_number("RLV", self.tweak)?,
            "TWR" if on => self.put_number("RLV", -self.tweak)?,
            "JOGF" => self.axis.jog(true, on, now)?,
            "JOGR" => self.axis.jog(false, on, now)?,
            "HOMF" | "HOMR" => self.axis.home(on, now)?,
            _ => {}
        }
        Ok(())
    }

    fn put_choice(&mut self, name: &str, choice: i16) {
        let now = self.now();
        match name {
            "DIR" => self.axis.reversed = choice == 1,
            "FOFF" => self.axis.offset_frozen = choice == 1,
            "SET" => self.axis.calibrating = choice == 1,
            "CNEN" => self.powered = choice == 1,
            _ => self.axis.permit(
                match choice {
                    0 => Permission::Stop,
                    1 => Permission::Pause,
                    2 => Permission::Move,
                    _ => Permission::Go,
                },
                now,
            ),
        }
    }

    fn get_number(&self, name: &str) -> Option<f64> {
        let axis = &self.axis;
        let (low, high) = axis.user_limits();
        Some(match name {
            "VAL" => axis.user(axis.dial_setpoint),
            "DVAL" => axis.dial_setpoint,
            "RBV" => axis.user(axis.dial_position),
            "DRBV" => axis.dial_position,
            "DIFF" => axis.dial_setpoint - axis.dial_position,
            "RLV" => 0.0,
            "OFF" => axis.offset,
            "VELO" => axis.velocity,
            "JVEL" => axis.jog_velocity,
            "HVEL" => axis.home_velocity,
            "BVEL" => axis.backlash_velocity,
            "BDST" => axis.backlash,
            "HLM" => high,
            "LLM" => low,
            "DHLM" => axis.dial_high,
            "DLLM" => axis.dial_low,
            "VBAS" => self.base_velocity,
            "VMAX" => self.maximum_velocity,
            "ACCL" => self.acceleration_time,
            "MRES" => self.resolution,
            "TWV" => self.tweak,
            _ => return None,
        })
    }

    fn get_flag(&self, name: &str) -> Option<bool> {
        let axis = &self.axis;
        Some(match name {
            "DIR" => axis.reversed,
            "FOFF" => axis.offset_frozen,
            "SET" => axis.calibrating,
            "CNEN" => self.powered,
            "JOGF" => axis.jogging(true),
            "JOGR" => axis.jogging(false),
            "HOMF" | "HOMR" => axis.homing(),
            "LVIO" => axis.limit_violation,
            "DMOV" => !axis.moving(),
            "MOVN" => axis.moving(),
            "TDIR" => axis.raised,
            "ATHM" => axis.homed && axis.dial_position == 0.0,
            // Momentary commands read back as done; a simulated axis has no limit switches to
            // press.
            "STOP" | "TWF" | "TWR" | "HLS" | "LLS" => false,
            _ => return None,
        })
    }
}

impl Record for MotorRecord {
    fn record_type(&self) -> &'static str {
        "motor"
    }

    fn declared_fields(&self) -> &'static [FieldDesc] {
        FIELDS
    }

    fn process_passive_fields(&self) -> &'static [&'static str] {
        PROCESSING
    }

    fn process(&mut self) -> CaResult<ProcessOutcome> {
        self.axis.tick(self.now());
        if self.axis.moving() {
            return Ok(ProcessOutcome::complete_with(vec![ProcessAction::ReprocessAfter(
                UPDATE_PERIOD,
            )]));
        }
        Ok(ProcessOutcome::complete())
    }

    /// A put-callback is answered with the forward link: not while the motor moves.
    fn should_fire_forward_link(&self) -> bool {
        !self.axis.moving()
    }

    fn field_metadata_override(&self, field: &str) -> Option<FieldMetadataOverride> {
        let user = self.axis.user_limits();
        let dial = (self.axis.dial_low, self.axis.dial_high);
        let limits = match field {
            "VAL" | "RBV" => user,
            "DVAL" | "DRBV" => dial,
            "PREC" | "EGU" => return None,
            _ => (0.0, 0.0),
        };
        let units = match field {
            "VELO" | "VBAS" | "VMAX" | "JVEL" | "HVEL" | "BVEL" => {
                PvString::from(format!("{}/sec", self.units.as_str_lossy()).as_str())
            }
            "ACCL" => PvString::from("sec"),
            _ => self.units.clone(),
        };
        Some(FieldMetadataOverride {
            units: Some(units),
            precision: Some(self.precision),
            disp_limits: Some((limits.1, limits.0)),
            ctrl_limits: Some((limits.1, limits.0)),
            alarm_limits: None,
        })
    }

    fn get_field(&self, name: &str) -> Option<EpicsValue> {
        if let Some(number) = self.get_number(name) {
            return Some(EpicsValue::Double(number));
        }
        if let Some(flag) = self.get_flag(name) {
            return Some(EpicsValue::Short(flag.into()));
        }
        Some(match name {
            "SPMG" => EpicsValue::Short(self.axis.permission as i16),
            "RVAL" => EpicsValue::Long(self.raw(self.axis.dial_setpoint)),
            "RRBV" => EpicsValue::Long(self.raw(self.axis.dial_position)),
            "MSTA" => EpicsValue::ULong(self.status_word()),
            "PREC" => EpicsValue::Short(self.precision),
            "EGU" => EpicsValue::String(self.units.clone()),
            _ => return None,
        })
    }

    fn put_field(&mut self, name: &str, value: EpicsValue) -> CaResult<()> {
        let refused = |why: Refused| CaError::InvalidValue(format!("{name}: {why}"));
        match (name, value) {
            ("PREC", EpicsValue::Short(precision)) => self.precision = precision,
            ("EGU", EpicsValue::String(units)) => self.units = units,
            ("DIR" | "FOFF" | "SET" | "CNEN" | "SPMG", value) => {
                let choice =
                    value.to_f64().ok_or_else(|| CaError::TypeMismatch(name.to_owned()))?;
                self.put_choice(name, choice as i16);
            }
            (_, EpicsValue::Double(number)) => self.put_number(name, number).map_err(refused)?,
            ("RVAL", EpicsValue::Long(raw)) => {
                self.put_number(name, f64::from(raw)).map_err(refused)?;
            }
            (_, EpicsValue::Short(on)) => self.put_switch(name, on != 0).map_err(refused)?,
            (name, _) => return Err(CaError::TypeMismatch(name.to_owned())),
        }
        Ok(())
    }
}
