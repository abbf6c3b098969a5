//! One value of a PV with everything that came with it.

use std::sync::Arc;
use std::time::SystemTime;

use crate::value::PvValue;

/// One value of a PV at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The value.
    pub value: PvValue,
    /// Time stamp of the IOC.
    pub time: SystemTime,
    /// Alarm of the IOC.
    pub alarm: Alarm,
    /// Whether the IOC is connected; a sample with `false` repeats the last value.
    pub connected: bool,
    /// Whether the PV may be read.
    pub read_access: bool,
    /// Whether the PV may be written.
    pub write_access: bool,
    /// Units, limits and labels, where known. Shared by all samples until it changes.
    pub metadata: Option<Arc<Metadata>>,
}

/// Alarm state of a PV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    /// EPICS alarm status, 0 (`NO_ALARM`) to 21.
    pub status: u16,
    /// How bad it is.
    pub severity: Severity,
}

impl Alarm {
    /// The alarm statuses of EPICS records, in the order of their numbers.
    pub const STATUS_NAMES: [&'static str; 22] = [
        "NO_ALARM",
        "READ",
        "WRITE",
        "HIHI",
        "HIGH",
        "LOLO",
        "LOW",
        "STATE",
        "COS",
        "COMM",
        "TIMEOUT",
        "HWLIMIT",
        "CALC",
        "SCAN",
        "LINK",
        "SOFT",
        "BAD_SUB",
        "UDF",
        "DISABLE",
        "SIMM",
        "READ_ACCESS",
        "WRITE_ACCESS",
    ];
}

/// EPICS alarm severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No alarm.
    #[default]
    None,
    /// Minor.
    Minor,
    /// Major.
    Major,
    /// The value means nothing.
    Invalid,
}

/// Everything that changes rarely (`DBR_CTRL_*`). A field that the PV's type does not have is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// Engineering units.
    pub units: Option<String>,
    /// Decimals to show.
    pub precision: Option<i16>,
    /// Labels of an enum.
    pub enum_labels: Option<Arc<[String]>>,
    /// Lower and upper limit of the display.
    pub display_limits: Option<(f64, f64)>,
    /// Lower and upper limit of what may be written.
    pub control_limits: Option<(f64, f64)>,
    /// Lower and upper limit beyond which the PV warns.
    pub warning_limits: Option<(f64, f64)>,
    /// Lower and upper limit beyond which the PV alarms.
    pub alarm_limits: Option<(f64, f64)>,
    /// What an image consists of, where the protocol tells it with each.
    pub image: Option<Arc<Image>>,
}

/// What comes with an image over PVAccess (`NTNDArray`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Sizes of the dimensions, the fastest first.
    pub sizes: Vec<usize>,
    /// Type of its numbers before they were compressed, as areaDetector names it; empty when it is not told.
    pub data_type: &'static str,
    /// areaDetector's number of the colour mode, its attribute `ColorMode`.
    pub color_mode: Option<i64>,
    /// areaDetector's number of the mosaic before the sensor, its attribute `BayerPattern`.
    pub bayer_pattern: Option<i64>,
    /// Name of what it is compressed with; empty when it is not.
    pub codec: String,
}
