//! Values of PVs as JSON, as text and as raw bytes, and JSON as a value to write.

pub(crate) mod array;
pub(crate) mod json;
pub(crate) mod text;
pub(crate) mod write;
