use channels::PvValue;
use proptest::prelude::*;

use super::*;
use crate::camera::pixel_type::PixelType;

fn of(numbers: &[f64], kind: PixelType, scale: Scale) -> Vec<u8> {
    let array = PvValue::DoubleArray(numbers.into());
    normalise(&Samples::of_array(&array, numbers.len(), Some(kind)).unwrap(), scale)
}

#[test]
fn the_golden_vectors_hold_for_every_type_that_has_the_numbers() {
    let ramp: Vec<f64> = (0..16).map(f64::from).collect();
    let linear_ramp: Vec<u8> = (0..16).map(|step| step * 17).collect();
    let log_ramp =
        [0, 63, 101, 127, 148, 164, 178, 191, 202, 211, 220, 228, 235, 242, 249, 255].to_vec();
    for (numbers, linear, log) in [
        (vec![0.0, 5.0, 10.0], vec![0, 127, 255], vec![0, 190, 255]),
        (vec![0.0, 1.0, 10.0, 100.0, 1000.0], vec![0, 0, 2, 25, 255], vec![0, 25, 88, 170, 255]),
        (ramp, linear_ramp, log_ramp),
        (vec![7.0; 4], vec![255; 4], vec![0; 4]),
        (vec![100.0, 200.0, 65535.0], vec![0, 0, 255], vec![0, 27, 255]),
    ] {
        let most = numbers.iter().copied().fold(0.0, f64::max);
        for kind in PixelType::ALL {
            let holds = match kind {
                PixelType::Int8 => 127.0,
                PixelType::UInt8 => 255.0,
                PixelType::Int16 => 32767.0,
                _ => f64::MAX,
            };
            if most > holds {
                continue;
            }
            assert_eq!(of(&numbers, kind, Scale::Linear), linear, "{numbers:?} {kind:?}");
            let got = of(&numbers, kind, Scale::Logarithmic);
            // Single precision may cut one below; all else is exact.
            let slack = u8::from(kind == PixelType::Float32);
            let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= slack;
            assert!(got.iter().zip(&log).all(near), "{numbers:?} {kind:?} {got:?}");
        }
    }
}

#[test]
fn a_gap_of_a_detector_is_black_and_spoils_nothing() {
    for scale in [Scale::Linear, Scale::Logarithmic] {
        let shown = of(&[-1.0, 0.0, 1000.0], PixelType::Int32, scale);
        assert_eq!(shown, [0, 0, 255], "{scale:?}");
        let shown = of(&[-5.0, -2.0], PixelType::Float64, scale);
        assert_eq!(shown, [0, 0], "{scale:?}");
    }
}

#[test]
fn what_is_no_number_is_black_and_what_is_infinite_is_white() {
    for scale in [Scale::Linear, Scale::Logarithmic] {
        for kind in [PixelType::Float32, PixelType::Float64] {
            let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 8.0];
            assert_eq!(of(&numbers, kind, scale), [0, 255, 0, 0, 255], "{kind:?} {scale:?}");
            assert_eq!(of(&[f64::NAN; 2], kind, scale), [0, 0], "{kind:?} {scale:?}");
        }
    }
}

#[test]
fn an_empty_array_has_no_grey_values() {
    for kind in PixelType::ALL {
        assert!(of(&[], kind, Scale::Logarithmic).is_empty());
    }
}

proptest! {
    /// The table is a shortcut: number by number the formula gives the same.
    #[test]
    fn a_table_changes_nothing(numbers in prop::collection::vec(0u16..5000, 1..6000)) {
        let integers = Samples::UInt16(numbers.clone().into());
        let fractions = Samples::Float64(numbers.iter().map(|it| f64::from(*it)).collect());
        for scale in [Scale::Linear, Scale::Logarithmic] {
            prop_assert_eq!(normalise(&integers, scale), normalise(&fractions, scale));
        }
    }

    #[test]
    fn a_larger_number_is_never_darker(mut numbers in prop::collection::vec(any::<i64>(), 1..500)) {
        numbers.sort_unstable();
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let grey = normalise(&Samples::Int64(numbers.clone().into()), scale);
            prop_assert!(grey.is_sorted());
        }
    }

    #[test]
    fn any_fraction_has_a_grey_value(numbers in prop::collection::vec(any::<f32>(), 0..500)) {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let grey = normalise(&Samples::Float32(numbers.clone().into()), scale);
            prop_assert_eq!(grey.len(), numbers.len());
        }
    }
}
