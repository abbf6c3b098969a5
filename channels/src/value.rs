//! Values of PVs.

/// A value as it travels to and from a PV. Arrays are shared, never copied, on their way to many clients.
#[derive(Clone, Debug, PartialEq)]
pub enum PvValue {
    /// Text.
    String(String),
    /// Signed 16 bit.
    Short(i16),
    /// 32 bit floating point.
    Float(f32),
    /// Index into the labels.
    Enum(u16),
    /// Unsigned 8 bit.
    Char(u8),
    /// Signed 32 bit.
    Long(i32),
    /// 64 bit floating point.
    Double(f64),
    /// Array of text.
    StringArray(std::sync::Arc<[String]>),
    /// Array of signed 16 bit.
    ShortArray(std::sync::Arc<[i16]>),
    /// Array of 32 bit floating point.
    FloatArray(std::sync::Arc<[f32]>),
    /// Array of indexes into the labels.
    EnumArray(std::sync::Arc<[u16]>),
    /// Array of unsigned 8 bit.
    CharArray(std::sync::Arc<[u8]>),
    /// Array of signed 32 bit.
    LongArray(std::sync::Arc<[i32]>),
    /// Array of 64 bit floating point.
    DoubleArray(std::sync::Arc<[f64]>),
}

impl PvValue {
    /// The value as a number, for scalars that are one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Short(value) => Some(f64::from(*value)),
            Self::Float(value) => Some(f64::from(*value)),
            Self::Enum(value) => Some(f64::from(*value)),
            Self::Char(value) => Some(f64::from(*value)),
            Self::Long(value) => Some(f64::from(*value)),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// Number of elements; 1 for a scalar.
    pub fn count(&self) -> usize {
        match self {
            Self::StringArray(items) => items.len(),
            Self::ShortArray(items) => items.len(),
            Self::FloatArray(items) => items.len(),
            Self::EnumArray(items) => items.len(),
            Self::CharArray(items) => items.len(),
            Self::LongArray(items) => items.len(),
            Self::DoubleArray(items) => items.len(),
            _ => 1,
        }
    }
}
