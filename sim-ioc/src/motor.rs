//! `sim:`: three motor records as `EpicsMotor` and `pyepics.Motor` use them (contract §6.3).

mod axis;
mod record;

pub(crate) use record::MotorRecord;

/// Record of one motor `$(P)$(M)`.
pub(crate) const RECORDS: &str = r#"
record(motor, "$(P)$(M)") {
    field(DESC, "Simulated motor $(M)") field(EGU, "mm") field(PREC, "$(PREC)") field(VELO, "$(VELO)")
    field(DHLM, "$(HIGH)") field(DLLM, "$(LOW)") }
"#;

/// Macros of the three motors: name, velocity in EGU/s, precision, low and high limit.
pub(crate) const MOTORS: [[(&str, &str); 5]; 3] = [
    [("M", "mtr1"), ("VELO", "1"), ("PREC", "3"), ("LOW", "0"), ("HIGH", "10")],
    [("M", "mtr2"), ("VELO", "2"), ("PREC", "2"), ("LOW", "-10"), ("HIGH", "20")],
    [("M", "mtr3"), ("VELO", "3"), ("PREC", "2"), ("LOW", "0"), ("HIGH", "30")],
];
