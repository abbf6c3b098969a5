//! What an `NTNDArray` says of its image, as areaDetector's plugin writes it.

use epics_pva_rs::pvdata::{PvField, PvStructure, ScalarType};

use super::normative::{integer, scalar, structure, text};
use crate::Image;

/// The types that pixels may have.
const NUMBERS: [ScalarType; 10] = [
    ScalarType::Byte,
    ScalarType::Short,
    ScalarType::Int,
    ScalarType::Long,
    ScalarType::UByte,
    ScalarType::UShort,
    ScalarType::UInt,
    ScalarType::ULong,
    ScalarType::Float,
    ScalarType::Double,
];

/// What `root` says of the image whose numbers are in `value`.
pub(super) fn described(root: &PvStructure, value: &PvField) -> Image {
    let codec = structure(root, "codec");
    let name = codec.and_then(|codec| text(codec, "name")).unwrap_or_default();
    let data_type = if name.is_empty() { of_numbers(value) } else { codec.and_then(of_codec) };
    Image {
        sizes: sizes(root),
        data_type: data_type.and_then(type_name).unwrap_or_default(),
        color_mode: attribute(root, "ColorMode"),
        bayer_pattern: attribute(root, "BayerPattern"),
        codec: name,
    }
}

fn of_numbers(value: &PvField) -> Option<ScalarType> {
    match value {
        PvField::ScalarArrayTyped(items) => Some(items.scalar_type()),
        _ => None,
    }
}

fn sizes(root: &PvStructure) -> Vec<usize> {
    let Some(PvField::StructureArray(dimensions)) = root.get_field("dimension") else {
        return Vec::new();
    };
    let size = |one| usize::try_from(integer(one, "size")?).ok();
    dimensions.iter().flatten().filter_map(size).collect()
}

/// The number in an attribute. Who writes it chooses the type.
fn attribute(root: &PvStructure, name: &str) -> Option<i64> {
    let Some(PvField::StructureArray(attributes)) = root.get_field("attribute") else {
        return None;
    };
    let named = |one: &&PvStructure| text(one, "name").is_some_and(|its| its == name);
    let found = attributes.iter().flatten().find(named)?;
    whole(found.get_field("value")?)
}

/// A number, whether it is there itself or in something that may be of any type.
fn whole(field: &PvField) -> Option<i64> {
    match field {
        PvField::Scalar(number) => Some(scalar(number).as_f64()? as i64),
        PvField::Variant(any) => whole(&any.value),
        PvField::Union { value, .. } => whole(value),
        _ => None,
    }
}

/// The type of the numbers that were compressed: areaDetector puts pvData's number of it into the parameters of the codec.
fn of_codec(codec: &PvStructure) -> Option<ScalarType> {
    let number = whole(codec.get_field("parameters")?)?;
    NUMBERS.into_iter().find(|kind| *kind as i64 == number)
}

/// areaDetector's name of a number type. Booleans come as the numbers 0 and 1.
fn type_name(kind: ScalarType) -> Option<&'static str> {
    Some(match kind {
        ScalarType::Byte => "Int8",
        ScalarType::Boolean | ScalarType::UByte => "UInt8",
        ScalarType::Short => "Int16",
        ScalarType::UShort => "UInt16",
        ScalarType::Int => "Int32",
        ScalarType::UInt => "UInt32",
        ScalarType::Long => "Int64",
        ScalarType::ULong => "UInt64",
        ScalarType::Float => "Float32",
        ScalarType::Double => "Float64",
        ScalarType::String => return None,
    })
}
