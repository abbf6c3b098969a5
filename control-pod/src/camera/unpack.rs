//! Arrays that areaDetector has compressed: its plugin says how in `Codec_RBV`.
//!
//! JPEG brings its own size; zlib, LZ4 and bit-shuffled LZ4 are unpacked to as many bytes as the image
//! has. Everything comes from outside: lengths are checked before anything is allocated.

use flate2::{Decompress, FlushDecompress, Status};
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::camera::color_mode::ColorMode;
use crate::camera::geometry::{Extent, Layout};
use crate::camera::pixel_type::PixelType;
use crate::camera::render::RenderError;

/// Largest image that is unpacked: 8192 × 8192 of 32 bit.
const MAX_IMAGE_BYTES: usize = 256 << 20;
/// Bytes that a block of bit-shuffled numbers aims at.
const SHUFFLED_BLOCK_BYTES: usize = 8192;
/// Numbers that such a block has at least.
const SHUFFLED_BLOCK_LEAST: usize = 128;
/// Bits of a byte: numbers are shuffled so many at a time.
const GROUP: usize = 8;

/// How an array is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Codec {
    /// A JPEG file.
    Jpeg,
    /// One zlib stream.
    Zlib,
    /// One LZ4 block.
    Lz4,
    /// LZ4 in the frame of the HDF5 filter.
    Lz4Hdf5,
    /// LZ4 after the bits of equal weight were put together.
    Bslz4,
}

impl Codec {
    /// areaDetector's names of those that are unpacked here. It has one more, `blosc`: see `docs/dependencies.md`.
    pub(crate) const NAMES: [&str; 5] = ["jpeg", "zlib", "lz4", "lz4hdf5", "bslz4"];

    /// The codec of areaDetector's name for it.
    ///
    /// # Errors
    /// [`RenderError::Codec`] for one that is not known here.
    pub(crate) fn of_name(name: &str) -> Result<Self, RenderError> {
        match name {
            "jpeg" => Ok(Self::Jpeg),
            "zlib" => Ok(Self::Zlib),
            "lz4" => Ok(Self::Lz4),
            "lz4hdf5" => Ok(Self::Lz4Hdf5),
            "bslz4" => Ok(Self::Bslz4),
            other => Err(RenderError::Codec(other.to_owned())),
        }
    }
}

/// An unpacked array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) bytes: Vec<u8>,
    pub(crate) extent: Extent,
    pub(crate) color: ColorMode,
    pub(crate) pixel_type: PixelType,
}

/// Unpacks an image of `layout`; a JPEG has a layout of its own.
///
/// # Errors
/// [`RenderError::Damaged`] when the bytes are not what the codec makes, [`RenderError::Size`] for
/// an image that is too large.
pub(crate) fn unpack(
    codec: Codec,
    packed: &[u8],
    layout: &Layout,
) -> Result<Unpacked, RenderError> {
    if codec == Codec::Jpeg {
        return jpeg(packed);
    }
    let pixel_type = layout.pixel_type.unwrap_or(PixelType::UInt8);
    let length = layout.numbers().saturating_mul(pixel_type.bytes());
    if length == 0 || length > MAX_IMAGE_BYTES {
        return Err(RenderError::Size);
    }
    let mut bytes = vec![0; length];
    match codec {
        Codec::Zlib => inflate(packed, &mut bytes)?,
        Codec::Lz4Hdf5 => framed_lz4(packed, &mut bytes)?,
        Codec::Bslz4 => shuffled_lz4(packed, &mut bytes, pixel_type.bytes())?,
        Codec::Lz4 | Codec::Jpeg => block(packed, &mut bytes)?,
    }
    Ok(Unpacked { bytes, extent: layout.extent, color: layout.color, pixel_type })
}

fn jpeg(packed: &[u8]) -> Result<Unpacked, RenderError> {
    let damaged = |_| RenderError::Damaged;
    let mut decoder = zune_jpeg::JpegDecoder::new(std::io::Cursor::new(packed));
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or(RenderError::Damaged)?;
    if width.saturating_mul(height).saturating_mul(3) > MAX_IMAGE_BYTES {
        return Err(RenderError::Size);
    }
    if decoder.input_colorspace() == Some(ColorSpace::Luma) {
        decoder.set_options(DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma));
    }
    let bytes = decoder.decode().map_err(damaged)?;
    let extent = Extent { width, height };
    let color = match bytes.len() / extent.pixels().max(1) {
        1 => ColorMode::Mono,
        3 => ColorMode::Rgb1,
        _ => return Err(RenderError::Damaged),
    };
    Ok(Unpacked { bytes, extent, color, pixel_type: PixelType::UInt8 })
}

/// One zlib stream that fills `bytes` exactly.
fn inflate(packed: &[u8], bytes: &mut [u8]) -> Result<(), RenderError> {
    let length = bytes.len() as u64;
    let mut stream = Decompress::new(true);
    match stream.decompress(packed, bytes, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if stream.total_out() == length => Ok(()),
        _ => Err(RenderError::Damaged),
    }
}

/// One LZ4 block that fills `bytes` exactly.
fn block(packed: &[u8], bytes: &mut [u8]) -> Result<(), RenderError> {
    match lz4_flex::block::decompress_into(packed, bytes) {
        Ok(length) if length == bytes.len() => Ok(()),
        _ => Err(RenderError::Damaged),
    }
}

/// A big-endian number of `N` bytes, and what follows it.
fn length_of<const N: usize>(packed: &[u8]) -> Result<(usize, &[u8]), RenderError> {
    let (number, rest) = packed.split_first_chunk::<N>().ok_or(RenderError::Damaged)?;
    let number = number
        .iter()
        .try_fold(0usize, |sum, byte| Some(sum.checked_mul(256)? + usize::from(*byte)));
    Ok((number.ok_or(RenderError::Damaged)?, rest))
}

/// Total length, block length, then blocks with their lengths; a block that LZ4 would have made
/// longer is as it was.
fn framed_lz4(packed: &[u8], bytes: &mut [u8]) -> Result<(), RenderError> {
    let (total, rest) = length_of::<8>(packed)?;
    let (block_length, mut rest) = length_of::<4>(rest)?;
    if total != bytes.len() || block_length == 0 {
        return Err(RenderError::Damaged);
    }
    for part in bytes.chunks_mut(block_length) {
        let (length, blocks) = length_of::<4>(rest)?;
        let (one, after) = blocks.split_at_checked(length).ok_or(RenderError::Damaged)?;
        if length == part.len() {
            part.copy_from_slice(one);
        } else {
            block(one, part)?;
        }
        rest = after;
    }
    Ok(())
}

/// Blocks with their lengths, each of shuffled numbers; the last few numbers that make no group
/// are as they were.
fn shuffled_lz4(packed: &[u8], bytes: &mut [u8], number: usize) -> Result<(), RenderError> {
    let numbers = SHUFFLED_BLOCK_BYTES / number / GROUP * GROUP;
    let block_length = numbers.max(SHUFFLED_BLOCK_LEAST) * number;
    let group_length = GROUP * number;
    let loose = bytes.len() % group_length;
    let (whole, tail) = bytes.split_at_mut(bytes.len() - loose);
    let mut rest = packed;
    let mut shuffled = vec![0; block_length];
    for part in whole.chunks_mut(block_length) {
        let (length, blocks) = length_of::<4>(rest)?;
        let (one, after) = blocks.split_at_checked(length).ok_or(RenderError::Damaged)?;
        let shuffled = &mut shuffled[..part.len()];
        block(one, shuffled)?;
        unshuffle(shuffled, part, number);
        rest = after;
    }
    let last = rest.get(..loose).ok_or(RenderError::Damaged)?;
    tail.copy_from_slice(last);
    Ok(())
}

/// Puts the bits of each number together again. Of `shuffled`, row after row holds one bit of all
/// numbers: those of the first byte from the lowest bit on, then those of the second byte.
fn unshuffle(shuffled: &[u8], numbers: &mut [u8], number: usize) {
    let row = numbers.len() / number / GROUP;
    for group in 0..row {
        for byte in 0..number {
            let mut bits = [0u8; GROUP];
            for (bit, eight) in bits.iter_mut().enumerate() {
                *eight = shuffled[(byte * GROUP + bit) * row + group];
            }
            let bits = transposed(bits);
            for (index, value) in bits.into_iter().enumerate() {
                numbers[(group * GROUP + index) * number + byte] = value;
            }
        }
    }
}

/// Rows and columns of eight by eight bits exchanged, in three rounds of swaps of ever larger
/// squares.
fn transposed(rows: [u8; GROUP]) -> [u8; GROUP] {
    let mut bits = u64::from_le_bytes(rows);
    for (distance, mask) in
        [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
    {
        let swapped = (bits ^ (bits >> distance)) & mask;
        bits ^= swapped ^ (swapped << distance);
    }
    bits.to_le_bytes()
}

#[cfg(test)]
#[path = "unpack/tests.rs"]
mod tests;
