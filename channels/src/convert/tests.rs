use proptest::prelude::*;

use super::*;

fn target(native: NativeType, max_count: usize) -> Target<'static> {
    Target { native, max_count, labels: &[], max_text: 39 }
}

fn shutter() -> Vec<String> {
    ["Closed", "Open", "Moving"].map(str::to_owned).to_vec()
}

fn put(value: impl Into<PvValue>, native: NativeType) -> Result<PvValue, String> {
    convert(&value.into(), &target(native, 1))
}

fn put_enum(value: impl Into<PvValue>, labels: &[String]) -> Result<PvValue, String> {
    convert(&value.into(), &Target { native: NativeType::Enum, max_count: 1, labels, max_text: 39 })
}

#[test]
fn an_enum_takes_a_label_an_index_and_an_index_as_text() {
    let labels = shutter();
    for value in ["Open", "1", "0x1"] {
        assert_eq!(put_enum(value, &labels), Ok(PvValue::Enum(1)));
    }
    assert_eq!(put_enum(1.0, &labels), Ok(PvValue::Enum(1)));
    assert_eq!(put_enum(true, &labels), Ok(PvValue::Enum(1)));
}

#[test]
fn a_label_that_looks_like_a_number_is_a_label() {
    let labels = ["10", "1", "0"].map(str::to_owned);
    assert_eq!(put_enum("0", &labels), Ok(PvValue::Enum(2)));
}

#[test]
fn an_enum_refuses_what_has_no_label_and_names_the_labels() {
    let labels = shutter();
    let expected = |got: &str| {
        Err(format!(
            "expected one of [\"Closed\", \"Open\", \"Moving\"] or an index from 0 to 2, got {got}"
        ))
    };
    assert_eq!(put_enum("Bogus", &labels), expected("\"Bogus\""));
    assert_eq!(put_enum(3_i64, &labels), expected("3"));
    assert_eq!(put_enum(-1_i64, &labels), expected("-1"));
    assert_eq!(put_enum(0.5, &labels), expected("0.5"));
}

#[test]
fn a_menu_with_more_choices_than_labels_takes_a_higher_index() {
    let labels: Vec<String> = (0..16).map(|number| format!("choice {number}")).collect();
    assert_eq!(put_enum(20_i64, &labels), Ok(PvValue::Enum(20)));
}

#[test]
fn integers_refuse_fractions_and_what_is_out_of_range() {
    assert_eq!(put(3.0, NativeType::Long), Ok(PvValue::Long(3)));
    assert_eq!(put("0x10", NativeType::Short), Ok(PvValue::Short(16)));
    assert_eq!(
        put(40_000_i64, NativeType::Short),
        Err("expected an integer from -32768 to 32767, got 40000".to_owned())
    );
    for value in [3.5, f64::NAN, f64::INFINITY, 1e300] {
        assert!(put(value, NativeType::Long).is_err(), "{value}");
    }
    assert!(put("3.0", NativeType::Long).is_err());
}

#[test]
fn real_numbers_take_numeric_text_and_refuse_other_text() {
    assert_eq!(put("2.5", NativeType::Double), Ok(PvValue::Double(2.5)));
    assert_eq!(put(7_i64, NativeType::Double), Ok(PvValue::Double(7.0)));
    assert_eq!(put("abc", NativeType::Double), Err("expected a number, got \"abc\"".to_owned()));
    assert_eq!(put(f64::INFINITY, NativeType::Float), Ok(PvValue::Float(f32::INFINITY)));
    assert!(put(1e300, NativeType::Float).is_err());
}

#[test]
fn text_is_kept_whole_or_refused() {
    let longest = "x".repeat(39);
    assert_eq!(put(longest.as_str(), NativeType::String), Ok(PvValue::String(longest.clone())));
    assert_eq!(
        put(format!("{longest}x"), NativeType::String),
        Err("expected text of at most 39 bytes, got 40".to_owned())
    );
    assert_eq!(put(1.5, NativeType::String), Ok(PvValue::String("1.5".to_owned())));
}

#[test]
fn a_character_array_takes_text_and_closes_it_with_a_zero() {
    let chars = |text: &str| convert(&text.into(), &target(NativeType::Char, 5));
    assert_eq!(chars("abc"), Ok(PvValue::CharArray((*b"abc\0").into())));
    assert_eq!(chars("abcde"), Ok(PvValue::CharArray((*b"abcde").into())));
    assert_eq!(chars(""), Ok(PvValue::CharArray([0].into())));
    assert_eq!(chars("abcdef"), Err("expected text of at most 5 bytes, got 6".to_owned()));
}

#[test]
fn bytes_are_signed_or_not() {
    assert_eq!(put(200_i64, NativeType::Char), Ok(PvValue::Char(200)));
    assert_eq!(put(-1_i64, NativeType::Char), Ok(PvValue::Char(255)));
    assert!(put(256_i64, NativeType::Char).is_err());
    assert!(put(-129_i64, NativeType::Char).is_err());
}

#[test]
fn an_array_takes_fewer_values_and_refuses_more() {
    let three = PvValue::LongArray([1, 2, 3].into());
    assert_eq!(
        convert(&three, &target(NativeType::Double, 4)),
        Ok(PvValue::DoubleArray([1.0, 2.0, 3.0].into()))
    );
    assert_eq!(
        convert(&three, &target(NativeType::Double, 2)),
        Err("expected at most 2 values, got 3".to_owned())
    );
    assert_eq!(
        convert(&three, &target(NativeType::Double, 1)),
        Err("expected one value, got an array of 3".to_owned())
    );
    assert_eq!(
        convert(&7_i64.into(), &target(NativeType::Double, 4)),
        Ok(PvValue::DoubleArray([7.0].into()))
    );
}

#[test]
fn an_array_of_the_own_type_is_not_copied() {
    let items: Arc<[f64]> = vec![0.0; 1000].into();
    let value = PvValue::DoubleArray(items.clone());
    match convert(&value, &target(NativeType::Double, 2000)) {
        Ok(PvValue::DoubleArray(converted)) => assert!(Arc::ptr_eq(&items, &converted)),
        other => panic!("{other:?}"),
    }
}

fn native() -> impl Strategy<Value = NativeType> {
    prop::sample::select(vec![
        NativeType::String,
        NativeType::Short,
        NativeType::Float,
        NativeType::Enum,
        NativeType::Char,
        NativeType::Long,
        NativeType::Double,
    ])
}

proptest! {
    #[test]
    fn a_number_that_is_taken_is_kept(number in any::<i32>(), native in native()) {
        prop_assume!(native != NativeType::String);
        if let Ok(value) = put(i64::from(number), native) {
            let kept = value.as_f64().unwrap();
            let wanted = match native {
                NativeType::Char => f64::from(number.rem_euclid(256)),
                NativeType::Float => f64::from(number as f32),
                _ => f64::from(number),
            };
            prop_assert_eq!(kept, wanted);
        }
    }

    #[test]
    fn any_text_is_taken_or_refused_with_a_reason(text in ".{0,60}", native in native(), max in 1_usize..64) {
        match convert(&text.as_str().into(), &target(native, max)) {
            Ok(value) => prop_assert!(value.count() <= max),
            Err(reason) => prop_assert!(reason.starts_with("expected ")),
        }
    }

    #[test]
    fn real_numbers_survive_as_text(number in any::<f64>()) {
        prop_assume!(!number.is_nan());
        prop_assert_eq!(put(number.to_string(), NativeType::Double), Ok(PvValue::Double(number)));
    }
}
