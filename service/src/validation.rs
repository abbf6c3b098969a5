//! Reading request bodies and queries, and refusing them as pydantic v2 does (contract §1.1).
//!
//! A request model says which fields it has and of which kind; reading it collects every problem
//! with its place, so that a client sees all of them at once:
//!
//! ```
//! use serde_json::json;
//! use service::validation::{Fields, Model, kinds, read};
//!
//! struct Unlock { device_names: Vec<String>, item_id: String }
//!
//! impl Model for Unlock {
//!     fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
//!         let device_names = fields.required("device_names", kinds::list(kinds::string));
//!         let item_id = fields.required("item_id", kinds::string);
//!         Some(Self { device_names: device_names?, item_id: item_id? })
//!     }
//! }
//!
//! let problems = read::<Unlock>(&json!({ "device_names": "m1" })).err().unwrap();
//! assert_eq!(problems.len(), 2);
//! ```
//!
//! The extractors [`Body`], [`OptionalBody`] and [`Query`] do this for a handler.

mod extract;
mod json;
pub mod kinds;

pub use extract::{Body, OptionalBody, Query};
pub use json::parse as parse_json;
pub use kinds::parse_bool;

use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// A request model: which fields it has, read one by one.
pub trait Model: Sized {
    /// Whether members that no field reads are refused (`extra=forbid`) or ignored.
    const FORBID_EXTRA: bool = false;

    /// Reads the fields. `None` when one of them is not valid; read them all before returning, so
    /// that every problem is reported.
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self>;
}

/// One thing that is wrong with a request, as pydantic reports it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Stable word for programs, such as `missing` or `bool_parsing`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where: `body` or `query`, then member names and list positions.
    pub loc: Vec<Value>,
    /// Sentence for people.
    pub msg: String,
    /// What was given there.
    pub input: Value,
    /// Figures that the sentence mentions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}

/// Everything that is wrong with a request; answered as 422.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by one, in the order of the fields.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        let detail = serde_json::to_value(&problems.0).unwrap_or_default();
        Self::unprocessable(detail)
    }
}

impl IntoResponse for Problems {
    fn into_response(self) -> Response {
        ApiError::from(self).into_response()
    }
}

/// Reads a model from a request body.
///
/// # Errors
/// Every problem found, at `["body", …]`.
pub fn read<M: Model>(body: &Value) -> Result<M, Problems> {
    read_at("body", body, false)
}

fn read_at<M: Model>(root: &'static str, value: &Value, flat: bool) -> Result<M, Problems> {
    let mut reader = Reader { loc: vec![root.into()], problems: Vec::new(), flat };
    match reader.model(value) {
        Some(model) if reader.problems.is_empty() => Ok(model),
        _ => Err(Problems(reader.problems)),
    }
}

/// Walks a value, knows where it is, and collects problems.
#[derive(Debug)]
pub struct Reader {
    loc: Vec<Value>,
    problems: Vec<Problem>,
    /// Queries have no enclosing object that a missing field could show as its input.
    flat: bool,
}

impl Reader {
    /// Notes a problem with `input` at the current place. Always `None`, for a kind to return.
    pub fn problem<T>(
        &mut self,
        kind: &'static str,
        msg: impl Into<String>,
        input: &Value,
        ctx: Option<Value>,
    ) -> Option<T> {
        self.problems.push(Problem {
            kind,
            loc: self.loc.clone(),
            msg: msg.into(),
            input: input.clone(),
            ctx,
        });
        None
    }

    /// Notes that a rule of the domain refuses `input` (pydantic's `value_error`).
    pub fn value_error<T>(&mut self, msg: &str, input: &Value) -> Option<T> {
        let ctx = serde_json::json!({ "error": {} });
        self.problem("value_error", format!("Value error, {msg}"), input, Some(ctx))
    }

    /// Reads one step deeper.
    pub fn within<T>(&mut self, at: impl Into<Value>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.loc.push(at.into());
        let out = read(self);
        self.loc.pop();
        out
    }

    /// Reads a nested model.
    pub fn model<M: Model>(&mut self, value: &Value) -> Option<M> {
        let Value::Object(object) = value else {
            return self.problem(
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
                value,
                None,
            );
        };
        let before = self.problems.len();
        let mut fields = Fields { object, whole: value, reader: self, known: Vec::new() };
        let model = M::read(&mut fields);
        if M::FORBID_EXTRA {
            fields.refuse_extra();
        }
        model.filter(|_| self.problems.len() == before)
    }
}

/// The members of an object, read by name.
#[derive(Debug)]
pub struct Fields<'v, 'r> {
    object: &'v Map<String, Value>,
    whole: &'v Value,
    reader: &'r mut Reader,
    known: Vec<&'static str>,
}

impl<'v> Fields<'v, '_> {
    /// A field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        kind: impl Fn(&Value, &mut Reader) -> Option<T>,
    ) -> Option<T> {
        if let Some(value) = self.member(name) {
            return self.reader.within(name, |reader| kind(value, reader));
        }
        let input = if self.reader.flat { &Value::Null } else { self.whole };
        self.reader.within(name, |reader| reader.problem("missing", "Field required", input, None))
    }

    /// A field that may be absent: `Some(None)` then, and `None` when it is not valid.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        kind: impl Fn(&Value, &mut Reader) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.member(name) {
            None => Some(None),
            Some(value) => self.reader.within(name, |reader| kind(value, reader)).map(Some),
        }
    }

    /// A field with a default.
    pub fn default<T>(
        &mut self,
        name: &'static str,
        kind: impl Fn(&Value, &mut Reader) -> Option<T>,
        default: T,
    ) -> Option<T> {
        self.optional(name, kind).map(|value| value.unwrap_or(default))
    }

    /// A field that may be absent or null.
    pub fn nullable<T>(
        &mut self,
        name: &'static str,
        kind: impl Fn(&Value, &mut Reader) -> Option<T>,
    ) -> Option<Option<T>> {
        self.optional(name, kinds::nullable(kind)).map(Option::flatten)
    }

    /// Whether the client gave the field, null included.
    pub fn given(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// All members, for a model that reads them later.
    pub fn members(&self) -> &'v Map<String, Value> {
        self.object
    }

    /// The reader, for a rule over several fields.
    pub fn reader(&mut self) -> &mut Reader {
        self.reader
    }

    fn member(&mut self, name: &'static str) -> Option<&'v Value> {
        self.known.push(name);
        self.object.get(name)
    }

    fn refuse_extra(&mut self) {
        for (name, value) in self.object {
            if !self.known.contains(&name.as_str()) {
                self.reader.within(name.as_str(), |reader| {
                    reader.problem::<()>(
                        "extra_forbidden",
                        "Extra inputs are not permitted",
                        value,
                        None,
                    )
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
