//! From the normative types of PVAccess to samples: `NTScalar`, `NTScalarArray`, `NTEnum` and `NTNDArray`.
//!
//! The types that Channel Access has stay what they are. Of the others, unsigned and 8-bit integers become the next wider type;
//! 64-bit integers become doubles, as on Channel Access, and are exact up to 2^53. Booleans are enums.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(any(test, fuzzing))]
use epics_pva_rs::proto::ByteOrder;
#[cfg(any(test, fuzzing))]
use epics_pva_rs::pvdata::encode::{decode_pv_field, decode_type_desc};
use epics_pva_rs::pvdata::{
    FieldDesc, PvField, PvStructure, ScalarType, ScalarValue, TypedScalarArray,
};

use super::image;
use super::pv::Current;
use crate::{Alarm, ConnectedInfo, Metadata, NativeType, PvValue, Severity};

/// Labels of a boolean.
const TRUTH: [&str; 2] = ["false", "true"];

/// What the value of a PV is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar(ScalarType),
    Array(ScalarType),
    Enum,
    Image,
}

impl Shape {
    /// What a PV of that type can be shown as.
    ///
    /// # Errors
    /// That it cannot.
    pub(super) fn of(description: &FieldDesc) -> Result<Self, String> {
        let FieldDesc::Structure { struct_id, fields } = description else {
            return Err("its type is no structure".to_owned());
        };
        let value = fields.iter().find(|(name, _)| name == "value").map(|(_, value)| value);
        match value {
            Some(FieldDesc::Scalar(kind)) => Ok(Self::Scalar(*kind)),
            Some(FieldDesc::ScalarArray(kind)) => Ok(Self::Array(*kind)),
            Some(FieldDesc::Structure { struct_id, .. }) if struct_id == "enum_t" => Ok(Self::Enum),
            Some(FieldDesc::Union { .. }) => Ok(Self::Image),
            _ => Err(format!(
                "its type {struct_id:?} is none of NTScalar, NTScalarArray, NTEnum and NTNDArray"
            )),
        }
    }

    /// Where the value is written.
    pub(super) fn path(self) -> &'static str {
        if self == Self::Enum { "value.index" } else { "value" }
    }

    pub(super) fn native(self) -> NativeType {
        match self {
            Self::Enum => NativeType::Enum,
            // What an image consists of is told by each.
            Self::Image => NativeType::Char,
            Self::Array(ScalarType::Byte) => NativeType::Char,
            Self::Scalar(kind) | Self::Array(kind) => match kind {
                ScalarType::Boolean => NativeType::Enum,
                ScalarType::UByte => NativeType::Char,
                ScalarType::Byte | ScalarType::Short => NativeType::Short,
                ScalarType::UShort | ScalarType::Int => NativeType::Long,
                ScalarType::Float => NativeType::Float,
                ScalarType::UInt | ScalarType::Long | ScalarType::ULong | ScalarType::Double => {
                    NativeType::Double
                }
                ScalarType::String => NativeType::String,
            },
        }
    }

    /// Most elements. PVAccess bounds no array.
    pub(super) fn max_count(self) -> usize {
        match self {
            Self::Scalar(_) | Self::Enum => 1,
            Self::Array(_) | Self::Image => ConnectedInfo::UNBOUNDED,
        }
    }

    /// Labels that come with the type; `None` for those that the PV tells.
    pub(super) fn fixed_labels(self) -> Option<Arc<[String]>> {
        match self {
            Self::Enum => None,
            Self::Scalar(ScalarType::Boolean) | Self::Array(ScalarType::Boolean) => Some(truth()),
            Self::Scalar(_) | Self::Array(_) | Self::Image => Some(Arc::default()),
        }
    }
}

/// What is said of a connected PV. PVAccess tells no rights: who may not write hears it when writing.
pub(super) fn connected_info(now: &Current) -> ConnectedInfo {
    let shape = now.shape.as_ref();
    ConnectedInfo {
        native: shape.map_or(NativeType::String, |shape| shape.native()),
        max_count: shape.map_or(1, |shape| shape.max_count()),
        read_access: true,
        write_access: true,
        host: now.wire.try_get_active().map_or_else(String::new, |(it, _)| it.addr.to_string()),
    }
}

/// What one structure says.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) value: PvValue,
    pub(super) time: SystemTime,
    pub(super) alarm: Alarm,
    pub(super) metadata: Metadata,
}

/// Reads a structure.
///
/// # Errors
/// Why it cannot be understood.
pub(super) fn reading(structure: &PvField) -> Result<Reading, String> {
    let PvField::Structure(root) = structure else { return Err("no structure".to_owned()) };
    let value = root.get_field("value").ok_or("a structure without a value")?;
    let mut metadata = Metadata::default();
    let value = match value {
        PvField::Scalar(value) => {
            if matches!(value, ScalarValue::Boolean(_)) {
                metadata.enum_labels = Some(truth());
            }
            scalar(value)
        }
        PvField::ScalarArrayTyped(items) => {
            if matches!(items, TypedScalarArray::Boolean(_)) {
                metadata.enum_labels = Some(truth());
            }
            array(items)
        }
        PvField::Structure(choice) => {
            metadata.enum_labels = texts(choice.get_field("choices"));
            let index = integer(choice, "index").and_then(|index| u16::try_from(index).ok());
            PvValue::Enum(index.ok_or("an enum without an index from 0 to 65535")?)
        }
        PvField::Union { value, .. } => {
            metadata.image = Some(Arc::new(image::described(root, value)));
            match &**value {
                PvField::ScalarArrayTyped(TypedScalarArray::Byte(items)) => {
                    PvValue::ShortArray(items.iter().map(|item| i16::from(*item)).collect())
                }
                PvField::ScalarArrayTyped(items) => array(items),
                _ => PvValue::CharArray(Arc::default()),
            }
        }
        _ => return Err("a value of a type that is not understood".to_owned()),
    };
    let is_real = matches!(
        value,
        PvValue::Float(_) | PvValue::Double(_) | PvValue::FloatArray(_) | PvValue::DoubleArray(_)
    );
    describe(root, is_real, &mut metadata);
    Ok(Reading { value, time: time(root), alarm: alarm(root), metadata })
}

fn truth() -> Arc<[String]> {
    TRUTH.map(str::to_owned).into()
}

pub(super) fn scalar(value: &ScalarValue) -> PvValue {
    match value {
        ScalarValue::Boolean(truth) => PvValue::Enum(u16::from(*truth)),
        ScalarValue::Byte(number) => PvValue::Short(i16::from(*number)),
        ScalarValue::Short(number) => PvValue::Short(*number),
        ScalarValue::Int(number) => PvValue::Long(*number),
        ScalarValue::Long(number) => PvValue::Double(*number as f64),
        ScalarValue::UByte(number) => PvValue::Char(*number),
        ScalarValue::UShort(number) => PvValue::Long(i32::from(*number)),
        ScalarValue::UInt(number) => PvValue::Double(f64::from(*number)),
        ScalarValue::ULong(number) => PvValue::Double(*number as f64),
        ScalarValue::Float(number) => PvValue::Float(*number),
        ScalarValue::Double(number) => PvValue::Double(*number),
        ScalarValue::String(text) => PvValue::String(text.as_str_lossy().into_owned()),
    }
}

fn array(items: &TypedScalarArray) -> PvValue {
    use TypedScalarArray as Items;
    match items {
        Items::Boolean(items) => {
            PvValue::EnumArray(items.iter().map(|item| u16::from(*item)).collect())
        }
        // Records of characters, which are text, have this type.
        Items::Byte(items) => {
            PvValue::CharArray(items.iter().map(|item| item.cast_unsigned()).collect())
        }
        Items::UByte(items) => PvValue::CharArray(items.as_slice().into()),
        Items::Short(items) => PvValue::ShortArray(items.as_slice().into()),
        Items::UShort(items) => {
            PvValue::LongArray(items.iter().map(|item| i32::from(*item)).collect())
        }
        Items::Int(items) => PvValue::LongArray(items.as_slice().into()),
        Items::UInt(items) => {
            PvValue::DoubleArray(items.iter().map(|item| f64::from(*item)).collect())
        }
        Items::Long(items) => PvValue::DoubleArray(items.iter().map(|item| *item as f64).collect()),
        Items::ULong(items) => {
            PvValue::DoubleArray(items.iter().map(|item| *item as f64).collect())
        }
        Items::Float(items) => PvValue::FloatArray(items.as_slice().into()),
        Items::Double(items) => PvValue::DoubleArray(items.as_slice().into()),
        Items::String(items) => PvValue::StringArray(
            items.iter().map(|item| item.as_str_lossy().into_owned()).collect(),
        ),
    }
}

pub(super) fn structure<'a>(of: &'a PvStructure, name: &str) -> Option<&'a PvStructure> {
    match of.get_field(name)? {
        PvField::Structure(structure) => Some(structure),
        _ => None,
    }
}

fn number(of: &PvStructure, name: &str) -> Option<f64> {
    match of.get_field(name)? {
        PvField::Scalar(value) => scalar(value).as_f64(),
        _ => None,
    }
}

pub(super) fn integer(of: &PvStructure, name: &str) -> Option<i64> {
    match of.get_field(name)? {
        PvField::Scalar(ScalarValue::Int(number)) => Some(i64::from(*number)),
        PvField::Scalar(ScalarValue::Long(number)) => Some(*number),
        _ => None,
    }
}

pub(super) fn text(of: &PvStructure, name: &str) -> Option<String> {
    match of.get_field(name)? {
        PvField::Scalar(ScalarValue::String(text)) => Some(text.as_str_lossy().into_owned()),
        _ => None,
    }
}

fn texts(field: Option<&PvField>) -> Option<Arc<[String]>> {
    match field? {
        PvField::ScalarArrayTyped(TypedScalarArray::String(items)) => {
            Some(items.iter().map(|item| item.as_str_lossy().into_owned()).collect())
        }
        // An empty list may come without its type.
        PvField::ScalarArray(items) if items.is_empty() => Some(Arc::default()),
        _ => None,
    }
}

/// Units and limits, of whatever integer or real type they are.
fn describe(root: &PvStructure, is_real: bool, metadata: &mut Metadata) {
    let pair = |of: &PvStructure, low, high| Some((number(of, low)?, number(of, high)?));
    if let Some(display) = structure(root, "display") {
        metadata.units = text(display, "units");
        metadata.display_limits = pair(display, "limitLow", "limitHigh");
        let precision = integer(display, "precision").filter(|_| is_real);
        metadata.precision = precision.and_then(|digits| i16::try_from(digits).ok());
    }
    if let Some(control) = structure(root, "control") {
        metadata.control_limits = pair(control, "limitLow", "limitHigh");
    }
    if let Some(alarm) = structure(root, "valueAlarm") {
        metadata.warning_limits = pair(alarm, "lowWarningLimit", "highWarningLimit");
        metadata.alarm_limits = pair(alarm, "lowAlarmLimit", "highAlarmLimit");
    }
}

fn time(root: &PvStructure) -> SystemTime {
    let stamp = structure(root, "timeStamp");
    let part = |name| stamp.and_then(|stamp| integer(stamp, name)).unwrap_or_default();
    let seconds = u64::try_from(part("secondsPastEpoch")).unwrap_or_default();
    let nanoseconds = u32::try_from(part("nanoseconds")).unwrap_or_default();
    let since = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds.into()));
    since
        .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The alarm. Records name their alarm status in the message; others have a coarser status alone.
fn alarm(root: &PvStructure) -> Alarm {
    const COMM: u16 = 9;
    const LINK: u16 = 14;
    const SOFT: u16 = 15;
    const UDF: u16 = 17;
    let Some(alarm) = structure(root, "alarm") else { return Alarm::default() };
    let severity = match integer(alarm, "severity") {
        None | Some(0) => return Alarm::default(),
        Some(1) => Severity::Minor,
        Some(2) => Severity::Major,
        Some(_) => Severity::Invalid,
    };
    let named = text(alarm, "message")
        .and_then(|message| Alarm::STATUS_NAMES.iter().position(|name| *name == message))
        .and_then(|index| u16::try_from(index).ok());
    let status = named.unwrap_or_else(|| match integer(alarm, "status") {
        // Of the device and of its driver.
        Some(1 | 2) => COMM,
        Some(6) => UDF,
        // Of the client of a gateway.
        Some(7) => LINK,
        _ => SOFT,
    });
    Alarm { status, severity }
}

/// What a description of a type, and behind it a value of that type, are shown as; `None` for what is no such thing.
#[cfg(any(test, fuzzing))]
pub(super) fn shown(bytes: &[u8], order: ByteOrder) -> Option<(Shape, Reading)> {
    let mut rest = std::io::Cursor::new(bytes);
    let description = decode_type_desc(&mut rest, order).ok()?;
    let structure = decode_pv_field(&description, &mut rest, order).ok()?;
    Some((Shape::of(&description).ok()?, reading(&structure).ok()?))
}

#[cfg(test)]
#[path = "normative/tests.rs"]
mod tests;
