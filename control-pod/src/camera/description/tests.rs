use std::time::SystemTime;

use channels::{Alarm, PvValue};

use super::*;
use crate::camera::geometry::Extent;
use crate::camera::pixel_type::PixelType;

fn array(count: usize) -> Sample {
    Sample {
        value: PvValue::LongArray(vec![7; count].into()),
        time: SystemTime::UNIX_EPOCH,
        alarm: Alarm::default(),
        connected: true,
        read_access: true,
        write_access: true,
        metadata: None,
    }
}

fn image(sizes: &[usize], color_mode: Option<i64>) -> Image {
    Image { sizes: sizes.into(), data_type: "UInt16", color_mode, ..Image::default() }
}

/// Size and colour mode of the frame that an array of as many numbers as its dimensions have makes.
fn shown(image: &Image) -> Option<(usize, usize, String)> {
    let frame = Description::of_image(image).frame(&array(image.sizes.iter().product()));
    frame.unwrap().map(|(raw, told)| {
        let Extent { width, height } = raw.layout.extent;
        assert_eq!((told.x, told.y), (width as i64, height as i64));
        assert_eq!(raw.layout.pixel_type, Some(PixelType::UInt16));
        (width, height, told.color_mode)
    })
}

#[test]
fn an_array_says_its_size_and_colours_itself() {
    for (sizes, color, expected) in [
        (&[8, 6][..], Some(0), (8, 6, "Mono")),
        (&[8, 6], None, (8, 6, "Mono")),
        (&[8], None, (8, 1, "Mono")),
        (&[8, 6], Some(1), (8, 6, "Bayer")),
        (&[3, 8, 6], Some(2), (8, 6, "RGB1")),
        (&[8, 3, 6], Some(3), (8, 6, "RGB2")),
        (&[8, 6, 3], Some(4), (8, 6, "RGB3")),
        (&[8, 3, 6], None, (8, 6, "RGB2")),
        (&[3, 3, 3], None, (3, 3, "RGB1")),
    ] {
        let (width, height, label) = expected;
        let expected = Some((width, height, label.to_owned()));
        assert_eq!(shown(&image(sizes, color)), expected, "{sizes:?} {color:?}");
    }
}

#[test]
fn an_array_that_is_no_image_makes_no_frame() {
    for sizes in [&[][..], &[0, 4], &[4, 3, 2, 2], &[5, 4, 2]] {
        assert_eq!(shown(&image(sizes, Some(0))), None, "{sizes:?}");
    }
    let short = Description::of_image(&image(&[4, 3], Some(0))).frame(&array(11));
    assert!(short.unwrap().is_none());
}

#[test]
fn a_compressed_array_has_the_size_that_it_says() {
    let packed = Image { codec: "lz4".to_owned(), ..image(&[3, 8, 6], Some(2)) };
    let (raw, told) = Description::of_image(&packed).frame(&array(17)).unwrap().unwrap();
    assert_eq!(raw.packed, Some((Codec::Lz4, 17)));
    assert_eq!((told.x, told.y, told.data_type.as_str()), (8, 6, "UInt16"));
    assert_eq!(raw.layout.numbers(), 3 * 8 * 6);
}

#[test]
fn a_codec_that_is_not_known_is_an_error() {
    let packed = Image { codec: "blosc".to_owned(), ..image(&[8, 6], None) };
    let error = Description::of_image(&packed).frame(&array(17)).unwrap_err();
    assert_eq!(error, RenderError::Codec("blosc".to_owned()));
}

#[test]
fn the_mosaic_comes_with_the_array() {
    let mosaic = Image { bayer_pattern: Some(3), ..image(&[8, 6], Some(1)) };
    let (raw, _) = Description::of_image(&mosaic).frame(&array(48)).unwrap().unwrap();
    assert_eq!(raw.pattern, BayerPattern::Bggr);
}
