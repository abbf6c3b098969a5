//! `thermo:`: an oscillating temperature controller (contract §6.3).

use std::time::{Duration, Instant};

use futures::StreamExt as _;

use crate::ioc::{Error, Ioc};

/// Records of the controller.
pub(crate) const RECORDS: &str = r#"
record(ai, "$(P)I") { field(DESC, "Readback temperature") field(PREC, "3") field(ASG, "readonly") }
record(ao, "$(P)SP") { field(DESC, "Setpoint temperature") field(PREC, "3") field(VAL, "100") }
record(ao, "$(P)K") { field(DESC, "Decay constant") field(PREC, "3") field(VAL, "10") }
record(ao, "$(P)omega") { field(DESC, "Oscillation frequency") field(PREC, "5") field(VAL, "3.141592653589793") }
record(ao, "$(P)Tvar") { field(DESC, "Scale of oscillations") field(PREC, "3") field(VAL, "10") }
"#;

const SCAN_PERIOD: Duration = Duration::from_millis(100);

/// Temperature: a decaying oscillation around the setpoint. `elapsed` is the time since the
/// setpoint was written and `time` that of the oscillation, both in seconds.
fn temperature(setpoint: f64, k: f64, omega: f64, scale: f64, elapsed: f64, time: f64) -> f64 {
    scale * (-elapsed / k).exp() * (omega * time).sin() + setpoint
}

/// Updates the readback ten times a second; a write to the setpoint starts the oscillation anew.
pub(crate) async fn run(ioc: Ioc) -> Result<(), Error> {
    let started = Instant::now();
    let mut written = started;
    let mut setpoint_writes = ioc.changes(&["SP"]).await?;
    let mut scan = tokio::time::interval(SCAN_PERIOD);
    loop {
        tokio::select! {
            _ = scan.tick() => {}
            _ = setpoint_writes.next() => written = Instant::now(),
        }
        let value = temperature(
            ioc.number("SP")?,
            ioc.number("K")?,
            ioc.number("omega")?,
            ioc.number("Tvar")?,
            written.elapsed().as_secs_f64(),
            started.elapsed().as_secs_f64(),
        );
        // K = 0 has no temperature; the last one stays, as on a controller that holds its reading.
        if value.is_finite() {
            ioc.post_number("I", value).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_temperature_oscillates_around_the_setpoint_and_decays() {
        let quarter = temperature(100.0, 10.0, std::f64::consts::PI, 10.0, 0.0, 0.5);
        assert!((quarter - 110.0).abs() < 1e-9);
        let late = temperature(100.0, 10.0, std::f64::consts::PI, 10.0, 100.0, 0.5);
        assert!((late - 100.0).abs() < 1e-3);
    }
}
