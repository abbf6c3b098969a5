//! The record behind `mini:*:mtr`: a put walks there at `vel`, with a step each `1/mtr_tick_rate`
//! s, and its put-callback ends at the end of the walk (contract §6.3).

use std::time::{Duration, Instant};

use epics_base_rs::error::{CaError, CaResult};
use epics_base_rs::server::record::{
    FieldDesc, FieldMetadataOverride, ProcessAction, ProcessOutcome, Record,
};
use epics_base_rs::types::{DbFieldType, EpicsValue, PvString};

static FIELDS: &[FieldDesc] = &[
    FieldDesc::new("VAL", DbFieldType::Double, false),
    FieldDesc::new("TVAL", DbFieldType::Double, true),
    FieldDesc::new("PREC", DbFieldType::Short, false),
    FieldDesc::new("EGU", DbFieldType::String, false),
    FieldDesc::new("INPV", DbFieldType::String, false),
    FieldDesc::new("INPR", DbFieldType::String, false),
    FieldDesc::new("VELO", DbFieldType::Double, true),
    FieldDesc::new("RATE", DbFieldType::Double, true),
];

/// Shortest time between two steps, so that a huge tick rate does not spin.
const SHORTEST_TICK: Duration = Duration::from_millis(5);

/// A walk from one position to another.
#[derive(Clone, Copy, Debug)]
struct Walk {
    from: f64,
    began: Instant,
}

/// Position after `elapsed` seconds of walking, and whether the target is reached. A velocity of
/// 0 cannot walk: the target is taken at once.
fn position(from: f64, target: f64, velocity: f64, elapsed: f64) -> (f64, bool) {
    let way = target - from;
    let gone = velocity.abs() * elapsed;
    if velocity == 0.0 || !gone.is_finite() || gone >= way.abs() {
        (target, true)
    } else {
        (from + way.signum() * gone, false)
    }
}

/// A record of type `positioner`.
#[derive(Debug)]
pub(crate) struct Positioner {
    value: f64,
    target: f64,
    walk: Option<Walk>,
    velocity: f64,
    tick_rate: f64,
    precision: i16,
    units: PvString,
    velocity_link: PvString,
    tick_rate_link: PvString,
}

impl Default for Positioner {
    fn default() -> Self {
        Self {
            value: 0.0,
            target: 0.0,
            walk: None,
            velocity: 1.0,
            tick_rate: 10.0,
            precision: 0,
            units: PvString::from(""),
            velocity_link: PvString::from(""),
            tick_rate_link: PvString::from(""),
        }
    }
}

impl Positioner {
    fn tick(&self) -> Duration {
        let period = 1.0 / self.tick_rate.abs();
        Duration::try_from_secs_f64(period)
            .unwrap_or(Duration::from_secs(1))
            .clamp(SHORTEST_TICK, Duration::from_secs(1))
    }
}

impl Record for Positioner {
    fn record_type(&self) -> &'static str {
        "positioner"
    }

    fn declared_fields(&self) -> &'static [FieldDesc] {
        FIELDS
    }

    fn process_passive_fields(&self) -> &'static [&'static str] {
        &["VAL"]
    }

    fn multi_input_links(&self) -> &'static [(&'static str, &'static str)] {
        &[("INPV", "VELO"), ("INPR", "RATE")]
    }

    fn put_multi_input_f64(&mut self, field: &'static str, value: f64) -> CaResult<()> {
        match field {
            "VELO" => self.velocity = value,
            _ => self.tick_rate = value,
        }
        Ok(())
    }

    fn process(&mut self) -> CaResult<ProcessOutcome> {
        let Some(walk) = self.walk else { return Ok(ProcessOutcome::complete()) };
        let elapsed = walk.began.elapsed().as_secs_f64();
        let (value, arrived) = position(walk.from, self.target, self.velocity, elapsed);
        self.value = value;
        if arrived {
            self.walk = None;
            return Ok(ProcessOutcome::complete());
        }
        Ok(ProcessOutcome::complete_with(vec![ProcessAction::ReprocessAfter(self.tick())]))
    }

    /// A put-callback is answered with the forward link: not while the walk goes on.
    fn should_fire_forward_link(&self) -> bool {
        self.walk.is_none()
    }

    fn field_metadata_override(&self, field: &str) -> Option<FieldMetadataOverride> {
        matches!(field, "VAL" | "TVAL" | "VELO").then(|| FieldMetadataOverride {
            units: Some(self.units.clone()),
            precision: Some(self.precision),
            disp_limits: Some((0.0, 0.0)),
            ctrl_limits: Some((0.0, 0.0)),
            alarm_limits: None,
        })
    }

    fn get_field(&self, name: &str) -> Option<EpicsValue> {
        Some(match name {
            "VAL" => EpicsValue::Double(self.value),
            "TVAL" => EpicsValue::Double(self.target),
            "VELO" => EpicsValue::Double(self.velocity),
            "RATE" => EpicsValue::Double(self.tick_rate),
            "PREC" => EpicsValue::Short(self.precision),
            "EGU" => EpicsValue::String(self.units.clone()),
            "INPV" => EpicsValue::String(self.velocity_link.clone()),
            "INPR" => EpicsValue::String(self.tick_rate_link.clone()),
            _ => return None,
        })
    }

    fn put_field(&mut self, name: &str, value: EpicsValue) -> CaResult<()> {
        match (name, value) {
            ("VAL", EpicsValue::Double(target)) if target.is_finite() => {
                self.target = target;
                self.walk = Some(Walk { from: self.value, began: Instant::now() });
            }
            ("VAL", value) => return Err(CaError::InvalidValue(format!("{value:?}"))),
            ("PREC", EpicsValue::Short(precision)) => self.precision = precision,
            ("EGU", EpicsValue::String(units)) => self.units = units,
            ("INPV", EpicsValue::String(link)) => self.velocity_link = link,
            ("INPR", EpicsValue::String(link)) => self.tick_rate_link = link,
            (name, _) => return Err(CaError::FieldNotFound(name.to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_at_its_velocity_and_ends_on_the_target() {
        assert_eq!(position(0.0, 5.0, 2.0, 1.0), (2.0, false));
        assert_eq!(position(0.0, -5.0, 2.0, 1.0), (-2.0, false));
        assert_eq!(position(0.0, 5.0, 2.0, 3.0), (5.0, true));
        assert_eq!(position(0.0, 5.0, 0.0, 0.0), (5.0, true));
    }
}
