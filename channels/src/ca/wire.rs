//! Between the protocol library's types and ours.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use epics_base_rs::server::snapshot::Snapshot;
use epics_ca_rs::client::ChannelInfo;
use epics_ca_rs::protocol::{ECA_DISCONN, ECA_NOWTACCESS};
use epics_ca_rs::{CaError, DbFieldType, EpicsValue, PvString};

use crate::{Alarm, ConnectedInfo, Metadata, NativeType, PvError, PvValue, Severity};

/// What the library says of a connected channel.
pub(super) fn connected_info(info: &ChannelInfo) -> ConnectedInfo {
    ConnectedInfo {
        native: native_type(info.native_type),
        max_count: info.element_count as usize,
        read_access: info.access_rights.read,
        write_access: info.access_rights.write,
        host: info.server_addr.to_string(),
    }
}

fn native_type(native: DbFieldType) -> NativeType {
    match native {
        DbFieldType::String => NativeType::String,
        DbFieldType::Short => NativeType::Short,
        DbFieldType::Float => NativeType::Float,
        DbFieldType::Enum => NativeType::Enum,
        DbFieldType::Char | DbFieldType::UChar => NativeType::Char,
        DbFieldType::Long | DbFieldType::UShort => NativeType::Long,
        // Integers that Channel Access has no type for travel as doubles.
        DbFieldType::Double | DbFieldType::Int64 | DbFieldType::UInt64 | DbFieldType::ULong => {
            NativeType::Double
        }
    }
}

/// Value, time and alarm of a reading. A PV that can hold several elements gives an array, however many it has now.
pub(super) fn reading(snapshot: Snapshot, max_count: usize) -> (PvValue, SystemTime, Alarm) {
    let alarm = Alarm {
        status: snapshot.alarm.status,
        severity: match snapshot.alarm.severity {
            0 => Severity::None,
            1 => Severity::Minor,
            2 => Severity::Major,
            _ => Severity::Invalid,
        },
    };
    (value(snapshot.value, max_count > 1), snapshot.timestamp.into(), alarm)
}

fn value(value: EpicsValue, array: bool) -> PvValue {
    let value = match value {
        EpicsValue::String(text) => PvValue::String(self::text(&text)),
        EpicsValue::Short(number) => PvValue::Short(number),
        EpicsValue::Float(number) => PvValue::Float(number),
        EpicsValue::Enum(index) | EpicsValue::EnumWithChoices { index, .. } => PvValue::Enum(index),
        EpicsValue::Char(byte) | EpicsValue::UChar(byte) => PvValue::Char(byte),
        EpicsValue::Long(number) => PvValue::Long(number),
        EpicsValue::UShort(number) => PvValue::Long(i32::from(number)),
        EpicsValue::Double(number) => PvValue::Double(number),
        EpicsValue::Int64(number) => PvValue::Double(number as f64),
        EpicsValue::UInt64(number) => PvValue::Double(number as f64),
        EpicsValue::ULong(number) => PvValue::Double(f64::from(number)),
        EpicsValue::StringArray(items) => PvValue::StringArray(items.iter().map(text).collect()),
        EpicsValue::ShortArray(items) => PvValue::ShortArray(shared(&items)),
        EpicsValue::FloatArray(items) => PvValue::FloatArray(shared(&items)),
        EpicsValue::EnumArray(items) => PvValue::EnumArray(shared(&items)),
        EpicsValue::CharArray(items) | EpicsValue::UCharArray(items) => {
            PvValue::CharArray(shared(&items))
        }
        EpicsValue::LongArray(items) => PvValue::LongArray(shared(&items)),
        EpicsValue::DoubleArray(items) => PvValue::DoubleArray(shared(&items)),
        EpicsValue::UShortArray(items) => {
            PvValue::LongArray(items.iter().map(|item| i32::from(*item)).collect())
        }
        EpicsValue::ULongArray(items) => {
            PvValue::DoubleArray(items.iter().map(|item| f64::from(*item)).collect())
        }
        EpicsValue::Int64Array(items) => {
            PvValue::DoubleArray(items.iter().map(|item| *item as f64).collect())
        }
        EpicsValue::UInt64Array(items) => {
            PvValue::DoubleArray(items.iter().map(|item| *item as f64).collect())
        }
    };
    if array { value.into_array() } else { value }
}

/// The library's buffer itself, unless it is longer than its content.
fn shared<T: Clone>(items: &epics_base_rs::types::SharedArray<T>) -> Arc<[T]> {
    if items.buffer().len() == items.len() { items.buffer().clone() } else { Arc::from(&items[..]) }
}

/// EPICS texts are bytes; what is not UTF-8 is shown as replacement characters.
fn text(text: &PvString) -> String {
    text.as_str_lossy().into_owned()
}

/// A value of the PV's own type as the library takes it.
pub(super) fn outgoing(value: PvValue) -> EpicsValue {
    match value {
        PvValue::String(text) => EpicsValue::String(text.into()),
        PvValue::Short(number) => EpicsValue::Short(number),
        PvValue::Float(number) => EpicsValue::Float(number),
        PvValue::Enum(index) => EpicsValue::Enum(index),
        PvValue::Char(byte) => EpicsValue::Char(byte),
        PvValue::Long(number) => EpicsValue::Long(number),
        PvValue::Double(number) => EpicsValue::Double(number),
        PvValue::StringArray(items) => {
            EpicsValue::StringArray(items.iter().map(PvString::from).collect())
        }
        PvValue::ShortArray(items) => EpicsValue::ShortArray(items.into()),
        PvValue::FloatArray(items) => EpicsValue::FloatArray(items.into()),
        PvValue::EnumArray(items) => EpicsValue::EnumArray(items.into()),
        PvValue::CharArray(items) => EpicsValue::CharArray(items.into()),
        PvValue::LongArray(items) => EpicsValue::LongArray(items.into()),
        PvValue::DoubleArray(items) => EpicsValue::DoubleArray(items.into()),
    }
}

/// Units, limits and labels of a `DBR_CTRL` reading.
pub(super) fn metadata(snapshot: &Snapshot, native: NativeType) -> Metadata {
    let real = matches!(native, NativeType::Float | NativeType::Double);
    let display = snapshot.display.as_ref();
    Metadata {
        units: display.map(|display| text(&display.units)),
        precision: display.filter(|_| real).map(|display| display.precision),
        enum_labels: snapshot.enums.as_ref().map(|enums| enums.strings.iter().map(text).collect()),
        display_limits: display.map(|it| (it.lower_disp_limit, it.upper_disp_limit)),
        control_limits: snapshot
            .control
            .as_ref()
            .map(|control| (control.lower_ctrl_limit, control.upper_ctrl_limit)),
        warning_limits: display.map(|it| (it.lower_warning_limit, it.upper_warning_limit)),
        alarm_limits: display.map(|it| (it.lower_alarm_limit, it.upper_alarm_limit)),
        image: None,
    }
}

/// The library's error in our words. `timeout` is how long the caller would have waited.
pub(super) fn error(pv: &str, error: &CaError, timeout: Duration) -> PvError {
    let pv = pv.to_owned();
    match error {
        CaError::Disconnected | CaError::Shutdown | CaError::ServerError(ECA_DISCONN) => {
            PvError::Disconnected { pv }
        }
        CaError::Timeout => PvError::Timeout { pv, timeout },
        CaError::WriteFailed(ECA_NOWTACCESS) => PvError::ReadOnly { pv },
        CaError::WriteFailed(status) | CaError::ServerError(status) => {
            PvError::Rejected { pv, status: *status }
        }
        other => PvError::Protocol { pv, message: other.to_string() },
    }
}
