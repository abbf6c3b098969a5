use epics_pva_rs::pvdata::PvArray;
use proptest::prelude::*;

use super::*;

fn real(number: f64) -> PvField {
    PvField::Scalar(ScalarValue::Double(number))
}

fn int(number: i32) -> PvField {
    PvField::Scalar(ScalarValue::Int(number))
}

fn long(number: i64) -> PvField {
    PvField::Scalar(ScalarValue::Long(number))
}

fn text_of(text: &str) -> PvField {
    PvField::Scalar(ScalarValue::String(text.into()))
}

fn texts_of(texts: &[&str]) -> PvField {
    let texts = texts.iter().map(|text| (*text).into()).collect();
    PvField::ScalarArrayTyped(TypedScalarArray::String(texts))
}

fn bytes(bytes: &[u8]) -> PvField {
    PvField::ScalarArrayTyped(TypedScalarArray::UByte(PvArray::from(bytes.to_vec())))
}

fn structure_of(fields: &[(&str, PvField)]) -> PvStructure {
    let fields = fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect();
    PvStructure { struct_id: String::new(), fields }
}

fn nested(fields: &[(&str, PvField)]) -> PvField {
    PvField::Structure(structure_of(fields))
}

fn image_of(value: PvField, dimension: PvField) -> PvField {
    let union = PvField::Union { selector: 0, variant_name: String::new(), value: Box::new(value) };
    nested(&[("value", union), ("dimension", dimension)])
}

fn described(value: FieldDesc) -> FieldDesc {
    FieldDesc::Structure {
        struct_id: "epics:nt/NTScalar:1.0".to_owned(),
        fields: vec![("value".to_owned(), value)],
    }
}

#[test]
fn a_type_is_one_of_those_that_can_be_shown_or_named() {
    let choice = FieldDesc::Structure { struct_id: "enum_t".to_owned(), fields: Vec::new() };
    let union = FieldDesc::Union { struct_id: String::new(), variants: Vec::new() };
    for (value, shape) in [
        (FieldDesc::Scalar(ScalarType::Int), Shape::Scalar(ScalarType::Int)),
        (FieldDesc::ScalarArray(ScalarType::Byte), Shape::Array(ScalarType::Byte)),
        (choice, Shape::Enum),
        (union, Shape::Image),
    ] {
        assert_eq!(Shape::of(&described(value)), Ok(shape));
    }
    let table = FieldDesc::Structure { struct_id: "other".to_owned(), fields: Vec::new() };
    for strange in [table, FieldDesc::Variant, FieldDesc::VariantArray] {
        let reason = Shape::of(&described(strange)).unwrap_err();
        assert!(reason.contains("NTScalar:1.0"), "{reason}");
    }
    let bare = FieldDesc::Structure { struct_id: String::new(), fields: Vec::new() };
    assert!(Shape::of(&bare).is_err(), "there is no value");
    assert_eq!(
        Shape::of(&FieldDesc::Scalar(ScalarType::Int)),
        Err("its type is no structure".to_owned())
    );
}

#[test]
fn a_value_of_each_scalar_type_is_of_the_type_that_its_pv_announces() {
    for (value, kind) in [
        (ScalarValue::Boolean(true), ScalarType::Boolean),
        (ScalarValue::Byte(-128), ScalarType::Byte),
        (ScalarValue::UByte(255), ScalarType::UByte),
        (ScalarValue::Short(-1), ScalarType::Short),
        (ScalarValue::UShort(65_535), ScalarType::UShort),
        (ScalarValue::Int(i32::MIN), ScalarType::Int),
        (ScalarValue::UInt(u32::MAX), ScalarType::UInt),
        (ScalarValue::Long(1 << 53), ScalarType::Long),
        (ScalarValue::ULong(1 << 53), ScalarType::ULong),
        (ScalarValue::Float(1.5), ScalarType::Float),
        (ScalarValue::Double(1.5), ScalarType::Double),
        (ScalarValue::String("x".into()), ScalarType::String),
    ] {
        let read = reading(&nested(&[("value", PvField::Scalar(value.clone()))])).unwrap();
        let native = match read.value {
            PvValue::String(_) => NativeType::String,
            PvValue::Short(_) => NativeType::Short,
            PvValue::Float(_) => NativeType::Float,
            PvValue::Enum(_) => NativeType::Enum,
            PvValue::Char(_) => NativeType::Char,
            PvValue::Long(_) => NativeType::Long,
            PvValue::Double(_) => NativeType::Double,
            ref array => panic!("{array:?}"),
        };
        assert_eq!(native, Shape::Scalar(kind).native(), "{value:?}");
        let labels = read.metadata.enum_labels.unwrap_or_default();
        assert_eq!(labels, Shape::Scalar(kind).fixed_labels().unwrap(), "{value:?}");
    }
}

#[test]
fn a_structure_that_says_nothing_more_has_no_metadata_and_no_alarm() {
    let read = reading(&nested(&[("value", real(2.5))])).unwrap();
    assert_eq!(
        read,
        Reading {
            value: PvValue::Double(2.5),
            time: SystemTime::UNIX_EPOCH,
            alarm: Alarm::default(),
            metadata: Metadata::default(),
        }
    );
}

#[test]
fn what_is_of_another_type_than_it_should_be_counts_as_missing() {
    let wrong = nested(&[
        ("value", real(1.0)),
        ("display", text_of("mm")),
        ("control", nested(&[("limitLow", text_of("low")), ("limitHigh", real(1.0))])),
        ("valueAlarm", nested(&[("lowAlarmLimit", real(1.0))])),
        ("alarm", int(3)),
        ("timeStamp", nested(&[("secondsPastEpoch", real(5.0)), ("nanoseconds", text_of("7"))])),
    ]);
    let read = reading(&wrong).unwrap();
    assert_eq!(read.metadata, Metadata::default());
    assert_eq!((read.alarm, read.time), (Alarm::default(), SystemTime::UNIX_EPOCH));
}

#[test]
fn what_is_no_value_is_refused_in_words() {
    for (field, words) in [
        (real(1.0), "no structure"),
        (nested(&[]), "without a value"),
        (nested(&[("value", PvField::Null)]), "not understood"),
        (nested(&[("value", PvField::StructureArray(vec![None]))]), "not understood"),
        (nested(&[("value", nested(&[("index", int(-1))]))]), "from 0 to 65535"),
        (nested(&[("value", nested(&[("index", int(65_536))]))]), "from 0 to 65535"),
        (nested(&[("value", nested(&[("index", text_of("1"))]))]), "from 0 to 65535"),
    ] {
        let reason = reading(&field).unwrap_err();
        assert!(reason.contains(words), "{words}: {reason}");
    }
}

#[test]
fn an_enum_has_its_labels_also_when_its_index_is_none_of_them() {
    let choices = texts_of(&["Off", "On"]);
    let read = reading(&nested(&[("value", nested(&[("index", int(7)), ("choices", choices)]))]));
    let read = read.unwrap();
    assert_eq!(read.value, PvValue::Enum(7));
    assert_eq!(*read.metadata.enum_labels.unwrap(), ["Off", "On"]);
    let bare = reading(&nested(&[("value", nested(&[("index", long(1))]))])).unwrap();
    assert_eq!((bare.value, bare.metadata.enum_labels), (PvValue::Enum(1), None));
    let empty = nested(&[("index", int(0)), ("choices", PvField::ScalarArray(Vec::new()))]);
    let empty = reading(&nested(&[("value", empty)])).unwrap();
    assert_eq!(empty.metadata.enum_labels, Some(Arc::default()));
}

#[test]
fn an_array_of_bytes_is_text_and_an_image_of_bytes_is_numbers() {
    let signed = || PvField::ScalarArrayTyped(TypedScalarArray::Byte(vec![-1_i8, 65].into()));
    let characters = reading(&nested(&[("value", signed())])).unwrap();
    assert_eq!(characters.value, PvValue::CharArray([255, 65].into()));
    let pixels = reading(&image_of(signed(), PvField::Null)).unwrap();
    assert_eq!(pixels.value, PvValue::ShortArray([-1, 65].into()));
}

#[test]
fn sizes_of_an_image_that_cannot_be_are_left_out_and_bound_nothing() {
    let size = |field: PvField| Some(structure_of(&[("size", field)]));
    let dimensions = PvField::StructureArray(vec![
        size(int(-4)),
        size(int(i32::MAX)),
        size(long(i64::MAX)),
        size(real(4.0)),
        None,
        Some(structure_of(&[])),
    ]);
    let read = reading(&image_of(bytes(&[1, 2, 3]), dimensions)).unwrap();
    assert_eq!(read.value, PvValue::CharArray([1, 2, 3].into()));
    let image = read.metadata.image.unwrap();
    assert_eq!(image.sizes, [i32::MAX as usize, i64::MAX as usize]);
    let none = reading(&image_of(PvField::Null, text_of("4x3"))).unwrap();
    assert_eq!(none.value, PvValue::CharArray(Arc::default()));
    assert_eq!(*none.metadata.image.unwrap(), crate::Image::default());
}

#[test]
fn an_alarm_is_named_by_its_message_and_otherwise_by_where_it_comes_from() {
    let alarm_of = |severity, status, message| {
        let alarm = nested(&[
            ("severity", int(severity)),
            ("status", int(status)),
            ("message", text_of(message)),
        ]);
        reading(&nested(&[("value", real(0.0)), ("alarm", alarm)])).unwrap().alarm
    };
    assert_eq!(alarm_of(0, 1, "HIHI"), Alarm::default());
    let status = |alarm: Alarm| Alarm::STATUS_NAMES[usize::from(alarm.status)];
    assert_eq!(status(alarm_of(2, 0, "HIHI")), "HIHI");
    assert_eq!(status(alarm_of(1, 1, "too warm")), "COMM");
    assert_eq!(status(alarm_of(1, 6, "")), "UDF");
    assert_eq!(status(alarm_of(1, 7, "")), "LINK");
    assert_eq!(status(alarm_of(1, i32::MIN, "")), "SOFT");
    for severity in [3, 99, -1] {
        assert_eq!(alarm_of(severity, 0, "").severity, Severity::Invalid);
    }
}

#[test]
fn a_precision_is_told_of_real_numbers_alone_and_only_when_it_can_be_one() {
    let precision = |value, digits| {
        let display = nested(&[("precision", int(digits))]);
        reading(&nested(&[("value", value), ("display", display)])).unwrap().metadata.precision
    };
    assert_eq!(precision(real(1.0), 3), Some(3));
    assert_eq!(precision(int(1), 3), None);
    assert_eq!(precision(real(1.0), i32::MAX), None);
}

proptest! {
    #[test]
    fn any_time_is_a_time(seconds: i64, nanoseconds: i32) {
        let stamp = [("secondsPastEpoch", long(seconds)), ("nanoseconds", int(nanoseconds))];
        let read = reading(&nested(&[("value", real(0.0)), ("timeStamp", nested(&stamp))]));
        prop_assert!(read.unwrap().time >= SystemTime::UNIX_EPOCH);
    }
}
