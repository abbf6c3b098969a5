use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use lz4_flex::block::compress;
use proptest::prelude::*;

use super::*;

fn layout(width: usize, height: usize, pixel_type: PixelType) -> Layout {
    Layout {
        extent: Extent { width, height },
        color: ColorMode::Mono,
        pixel_type: Some(pixel_type),
    }
}

/// What the golden files hold: number `i` is `i / 5 % 250` times a factor.
fn numbers(count: usize, factor: u32) -> impl Iterator<Item = u32> {
    (0..count as u32).map(move |i| i / 5 % 250 * factor)
}

#[test]
fn what_the_reference_library_has_shuffled_and_compressed_comes_back() {
    let of =
        |packed, count, kind| unpack(Codec::Bslz4, packed, &layout(count, 1, kind)).unwrap().bytes;
    let bytes = of(include_bytes!("golden/uint8.bslz4").as_slice(), 16_411, PixelType::UInt8);
    assert!(bytes.iter().map(|byte| u32::from(*byte)).eq(numbers(16_411, 1)));
    let bytes = of(include_bytes!("golden/uint16.bslz4").as_slice(), 4115, PixelType::UInt16);
    let shorts = bytes.as_chunks().0.iter().map(|two| u32::from(u16::from_le_bytes(*two)));
    assert!(shorts.eq(numbers(4115, 201)));
    let bytes = of(include_bytes!("golden/uint32.bslz4").as_slice(), 2117, PixelType::UInt32);
    let longs = bytes.as_chunks().0.iter().map(|four| u32::from_le_bytes(*four));
    assert!(longs.eq(numbers(2117, 1_000_003)));
}

#[test]
fn an_lz4_block_fills_the_image_exactly() {
    let pixels: Vec<u8> = (0..2000u32).map(|i| (i / 7) as u8).collect();
    let packed = compress(&pixels);
    let unpacked = unpack(Codec::Lz4, &packed, &layout(50, 20, PixelType::UInt16)).unwrap();
    assert_eq!((unpacked.bytes, unpacked.pixel_type), (pixels, PixelType::UInt16));
    for wrong in [layout(51, 20, PixelType::UInt16), layout(49, 20, PixelType::UInt16)] {
        assert_eq!(unpack(Codec::Lz4, &packed, &wrong), Err(RenderError::Damaged));
    }
}

#[test]
fn a_zlib_stream_fills_the_image_exactly() {
    let pixels: Vec<u8> = (0..2000u32).map(|i| (i / 7) as u8).collect();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&pixels).unwrap();
    let packed = packed.finish().unwrap();
    let of = |packed: &[u8], width| {
        unpack(Codec::Zlib, packed, &layout(width, 20, PixelType::UInt16)).map(|it| it.bytes)
    };
    assert_eq!(of(&packed, 50), Ok(pixels));
    for width in [49, 51] {
        assert_eq!(of(&packed, width), Err(RenderError::Damaged));
    }
    assert_eq!(of(&packed[..packed.len() / 2], 50), Err(RenderError::Damaged));
    let mut changed = packed.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(of(&changed, 50), Err(RenderError::Damaged), "the checksum");
}

#[test]
fn the_frame_of_the_hdf5_filter_is_understood() {
    let pixels: Vec<u8> = (0..1000u32).map(|i| ((i * i * 31) >> 4) as u8).collect();
    let mut packed = 1000u64.to_be_bytes().to_vec();
    packed.extend(300u32.to_be_bytes());
    for (index, part) in pixels.chunks(300).enumerate() {
        // One block that was not worth compressing is as it was.
        let block = if index == 1 { part.to_vec() } else { compress(part) };
        packed.extend((block.len() as u32).to_be_bytes());
        packed.extend(block);
    }
    let of = |packed: &[u8]| unpack(Codec::Lz4Hdf5, packed, &layout(40, 25, PixelType::UInt8));
    assert_eq!(of(&packed).unwrap().bytes, pixels);
    assert_eq!(of(&packed[..packed.len() - 1]), Err(RenderError::Damaged));
}

#[test]
fn a_jpeg_brings_its_own_size_and_colours() {
    let pixels = vec![128; 16 * 8 * 3];
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, 95);
    encoder.encode(&pixels, 16, 8, jpeg_encoder::ColorType::Rgb).unwrap();
    let unpacked = unpack(Codec::Jpeg, &file, &layout(1, 1, PixelType::Float64)).unwrap();
    assert_eq!(unpacked.extent, Extent { width: 16, height: 8 });
    assert_eq!((unpacked.color, unpacked.pixel_type), (ColorMode::Rgb1, PixelType::UInt8));
    assert!(unpacked.bytes.iter().all(|byte| byte.abs_diff(128) < 3));
}

#[test]
fn a_codec_that_is_not_known_is_named_with_those_that_are() {
    assert!(Codec::NAMES.iter().all(|name| Codec::of_name(name).is_ok()));
    assert_eq!(
        Codec::of_name("blosc").unwrap_err().to_string(),
        "the codec 'blosc' is not supported, only jpeg, zlib, lz4, lz4hdf5, bslz4"
    );
}

#[test]
fn an_image_beyond_all_bounds_allocates_nothing() {
    for side in [usize::MAX, 1 << 31, 0] {
        let huge = layout(side, side, PixelType::Float64);
        assert_eq!(unpack(Codec::Bslz4, &[0; 16], &huge), Err(RenderError::Size));
    }
}

#[test]
fn eight_by_eight_bits_are_transposed() {
    let rows = [0b1000_0001, 0, 0, 0, 0, 0, 0, 0b0000_0010];
    assert_eq!(transposed(rows), [1, 0b1000_0000, 0, 0, 0, 0, 0, 1]);
}

proptest! {
    #[test]
    fn any_bytes_are_an_image_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        width in 0usize..40,
    ) {
        for codec in [Codec::Jpeg, Codec::Zlib, Codec::Lz4, Codec::Lz4Hdf5, Codec::Bslz4] {
            let _ = unpack(codec, &bytes, &layout(width, 5, PixelType::Int32));
        }
    }
}
