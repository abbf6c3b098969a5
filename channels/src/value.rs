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

    /// A scalar as an array of one; an array as it is.
    #[must_use]
    pub fn into_array(self) -> Self {
        match self {
            Self::String(item) => Self::StringArray([item].into()),
            Self::Short(item) => Self::ShortArray([item].into()),
            Self::Float(item) => Self::FloatArray([item].into()),
            Self::Enum(item) => Self::EnumArray([item].into()),
            Self::Char(item) => Self::CharArray([item].into()),
            Self::Long(item) => Self::LongArray([item].into()),
            Self::Double(item) => Self::DoubleArray([item].into()),
            array => array,
        }
    }

    /// An array of one as a scalar; anything else as it is.
    #[must_use]
    pub fn into_scalar(self) -> Self {
        if self.count() != 1 {
            return self;
        }
        match self {
            Self::StringArray(items) => Self::String(items[0].clone()),
            Self::ShortArray(items) => Self::Short(items[0]),
            Self::FloatArray(items) => Self::Float(items[0]),
            Self::EnumArray(items) => Self::Enum(items[0]),
            Self::CharArray(items) => Self::Char(items[0]),
            Self::LongArray(items) => Self::Long(items[0]),
            Self::DoubleArray(items) => Self::Double(items[0]),
            scalar => scalar,
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

impl From<bool> for PvValue {
    /// 1 or 0, which every numeric type and every enum of two states takes.
    fn from(value: bool) -> Self {
        Self::Long(i32::from(value))
    }
}

impl From<i64> for PvValue {
    /// An integer where it fits; Channel Access carries wider ones as doubles.
    fn from(value: i64) -> Self {
        i32::try_from(value).map_or(Self::Double(value as f64), Self::Long)
    }
}

impl From<f64> for PvValue {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<&str> for PvValue {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for PvValue {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}
