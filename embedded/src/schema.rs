//! What a kind's OpenAPI schema demands of its objects: pruning, defaults, structure and rules.

pub(crate) mod default;
pub(crate) mod format;
pub(crate) mod node;
mod place;
pub(crate) mod prune;
pub(crate) mod rules;
pub(crate) mod validate;

/// One thing that is wrong with an object, as it appears among the causes of an `Invalid` error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Path of the field, such as `spec.items[0].name`.
    pub(crate) field: String,
    /// Fixed word of Kubernetes, such as `FieldValueInvalid`.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Problem {
    /// `Invalid value: <shown>: <detail>`.
    pub(crate) fn invalid(field: &str, shown: &str, detail: &str) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {shown}: {detail}"),
        }
    }

    /// `Required value`, with a word of explanation if there is one.
    pub(crate) fn required(field: &str, detail: &str) -> Self {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Self { field: field.to_owned(), reason: "FieldValueRequired", message }
    }

    /// `Forbidden: <detail>`.
    pub(crate) fn forbidden(field: &str, detail: &str) -> Self {
        Self {
            field: field.to_owned(),
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {detail}"),
        }
    }
}
