//! What clients send over a socket: a JSON object with an `action`. Pure.

use std::time::Duration;

use serde_json::{Map, Value};
use service::validation::{Fields, Model, kinds};

use crate::http::fields::{given, seconds};

/// A received JSON object.
pub(crate) type Received = Map<String, Value>;

/// How a subscription was asked for; the ack says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `subscribe`.
    Plain,
    /// `subscribeSafely`: only if everything is connected.
    Safely,
    /// `subscribeReadOnly`.
    ReadOnly,
}

impl Manner {
    /// What the ack carries.
    pub(crate) fn flag(self) -> Option<(&'static str, bool)> {
        match self {
            Self::Plain => None,
            Self::Safely => Some(("connected", true)),
            Self::ReadOnly => Some(("read_only", true)),
        }
    }
}

/// Text under `key`, if it is a non-empty text.
pub(crate) fn text<'a>(received: &'a Received, key: &str) -> Option<&'a str> {
    received.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The names under `one`, or in the lists under `many`, each once and in their order.
pub(crate) fn names(received: &Received, one: &str, many: &[&str]) -> Vec<String> {
    let lists = many.iter().filter_map(|key| received.get(*key).and_then(Value::as_array));
    let listed = lists.flatten().filter_map(Value::as_str);
    let mut names: Vec<String> = Vec::new();
    for name in text(received, one).into_iter().chain(listed) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// How a `set` is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct SetOptions {
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    /// Whether not to wait for the completion.
    pub(crate) use_put: bool,
}

impl Model for SetOptions {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let timeout = fields.nullable("timeout", seconds);
        let use_put = fields.default("use_put", kinds::boolean, false);
        Some(Self { timeout: given(timeout?), use_put: use_put? })
    }
}

/// Reads the options of a `set`.
///
/// # Errors
/// Pydantic's text about the request model `model`.
pub(crate) fn set_options(received: &Received, model: &str) -> Result<SetOptions, String> {
    let body = Value::Object(received.clone());
    service::validation::read::<SetOptions>(&body).map_err(|problems| {
        let count = problems.len();
        let plural = if count == 1 { "" } else { "s" };
        let mut text = format!("{count} validation error{plural} for {model}");
        for problem in problems.iter() {
            let place = problem.loc.last().and_then(Value::as_str).unwrap_or_default();
            let (msg, kind) = (&problem.msg, problem.kind);
            text.push_str(&format!(
                "\n{place}\n  {msg} [type={kind}, input_value={}]",
                problem.input
            ));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn received(value: impl std::borrow::Borrow<Value>) -> Received {
        value.borrow().as_object().unwrap().clone()
    }

    #[test]
    fn names_come_alone_or_in_a_list_and_each_once() {
        let many = ["pv_names", "pvs"];
        assert_eq!(names(&received(json!({"pv": "X"})), "pv", &many), ["X"]);
        assert_eq!(
            names(&received(json!({"pv_names": ["X", "Y", "X", 3]})), "pv", &many),
            ["X", "Y"]
        );
        assert_eq!(names(&received(json!({"pvs": ["Z"]})), "pv", &many), ["Z"]);
        assert!(names(&received(json!({"pv": ""})), "pv", &many).is_empty());
    }

    #[test]
    fn a_bad_option_is_named() {
        let options =
            set_options(&received(json!({"timeout": 2, "use_put": true})), "PVSetRequest");
        assert_eq!(
            options,
            Ok(SetOptions { timeout: Some(Duration::from_secs(2)), use_put: true })
        );
        let error = set_options(&received(json!({"timeout": "q"})), "PVSetRequest").unwrap_err();
        assert!(error.starts_with(
            "1 validation error for PVSetRequest\ntimeout\n  Input should be a valid number"
        ));
    }
}
