//! Request fields that only this API has.

use serde_json::Value;
use service::validation::{Fields, Reader, kinds};

/// A text, an integer or a number, told apart as pydantic does; of what is none of them each is
/// complained about.
pub(crate) fn set_value(value: &Value, reader: &mut Reader) -> Option<Value> {
    match value {
        Value::String(_) | Value::Number(_) => Some(value.clone()),
        Value::Bool(flag) => Some(i64::from(*flag).into()),
        other => {
            let problems = [
                ("str", "string_type", "Input should be a valid string"),
                ("int", "int_type", "Input should be a valid integer"),
                ("float", "float_type", "Input should be a valid number"),
            ];
            for (kind, word, msg) in problems {
                reader.within(kind, |reader| reader.problem::<()>(word, msg, other, None));
            }
            None
        }
    }
}

/// A whole number of seconds.
pub(crate) fn timeout(fields: &mut Fields<'_, '_>) -> Option<Option<i64>> {
    fields.nullable("timeout", kinds::integer)
}
