//! What is known of an array beside its numbers. Pure.
//!
//! Over Channel Access the PVs around the array say it, each when it changes; over PVAccess every array says it of itself
//! (`NTNDArray`), and what other PVs say does not count.

use channels::{Image, Sample};

use crate::camera::color_mode::{AREA_DETECTOR_LABELS, BayerPattern};
use crate::camera::geometry::{Dimensions, Statements};
use crate::camera::render::{RawFrame, RenderError};
use crate::camera::unpack::Codec;

/// What is known of an array beside its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Description {
    /// How large it is, and what its numbers are.
    pub(crate) statements: Statements,
    /// Where the filters of a mosaic begin.
    pub(crate) pattern: BayerPattern,
    /// areaDetector's name of what it is compressed with; empty when it is not.
    pub(crate) codec: String,
    /// How many bytes of a compressed array count; all of them when nobody says.
    pub(crate) compressed_size: Option<f64>,
}

impl Description {
    /// What an array says of itself.
    pub(crate) fn of_image(image: &Image) -> Self {
        let size = |axis: usize| image.sizes.get(axis).map(|size| *size as f64);
        // One row of pixels has one dimension; an array of more than three is no image.
        let array_size = match image.sizes.len() {
            1 => [size(0), Some(1.0), None],
            2 | 3 => [size(0), size(1), size(2)],
            _ => [None; 3],
        };
        let told = image.color_mode.and_then(|index| usize::try_from(index).ok());
        let label = told.and_then(|index| AREA_DETECTOR_LABELS.get(index));
        let color = label.copied().unwrap_or_else(|| likely_color(&image.sizes));
        Self {
            statements: Statements {
                array_size,
                plugin_color: Some(color.to_owned()),
                plugin_type: Some(image.data_type.to_owned()).filter(|name| !name.is_empty()),
                ..Statements::default()
            },
            pattern: BayerPattern::of_index(image.bayer_pattern.unwrap_or_default() as f64),
            codec: image.codec.clone(),
            compressed_size: None,
        }
    }

    /// The frame that an array makes, with what a client is told of it; `None` while nothing that is
    /// said fits.
    ///
    /// # Errors
    /// [`RenderError::Codec`] for an array that nobody here can unpack.
    pub(crate) fn frame(
        &self,
        array: &Sample,
    ) -> Result<Option<(RawFrame, Dimensions)>, RenderError> {
        let count = array.value.count();
        let (found, packed) = if self.codec.is_empty() {
            (self.statements.layout(count), None)
        } else {
            let bytes = self.compressed_size.map_or(count, |size| (size as usize).min(count));
            (self.statements.likely_layout(), Some((Codec::of_name(&self.codec)?, bytes)))
        };
        Ok(found.map(|(layout, dimensions)| {
            let array = array.value.clone();
            (RawFrame { array, layout, pattern: self.pattern, packed }, dimensions)
        }))
    }
}

/// The colour mode of an array that does not tell it: a dimension of three is one of colours.
fn likely_color(sizes: &[usize]) -> &'static str {
    match sizes {
        [3, _, _] => "RGB1",
        [_, 3, _] => "RGB2",
        [_, _, 3] => "RGB3",
        _ => "Mono",
    }
}

#[cfg(test)]
#[path = "description/tests.rs"]
mod tests;
