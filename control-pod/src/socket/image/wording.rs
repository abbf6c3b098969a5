//! The words of the image sockets in the two dialects that clients know: that of ophyd-service's
//! direct control (contract §2.11) and that of ophyd-websocket (its §7). Pure.

use std::time::Duration;

use axum::extract::ws::Message;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::camera::geometry::Dimensions;
use crate::camera::selection::Selection;
use crate::camera::source::Missing;
use crate::oas::command::type_name;
use crate::socket::frames;

/// Whose words an image socket uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wording {
    /// Compact JSON, errors in an envelope.
    DirectControl,
    /// JSON as Python writes it, bare errors.
    OphydWebsocket,
}

#[derive(Serialize)]
struct Size<'a> {
    x: i64,
    y: i64,
    #[serde(rename = "colorMode")]
    color_mode: &'a str,
    #[serde(rename = "dataType")]
    data_type: &'a str,
}

impl Wording {
    /// How long the PVs of a camera may take to connect.
    pub(crate) fn connect_timeout(self) -> Duration {
        match self {
            Self::DirectControl => Duration::from_secs(5),
            Self::OphydWebsocket => Duration::from_secs(1),
        }
    }

    /// The first message of a client.
    ///
    /// # Errors
    /// The text that tells what is wrong with it.
    pub(crate) fn first_message(self, text: &str) -> Result<Value, String> {
        let message = serde_json::from_str(text);
        match (self, message) {
            (Self::DirectControl, Ok(message)) => Ok(message),
            (Self::DirectControl, Err(error)) => Err(format!("invalid JSON: {error}")),
            (Self::OphydWebsocket, Ok(Value::Object(message))) => Ok(Value::Object(message)),
            (Self::OphydWebsocket, Ok(other)) => {
                Err(format!("'{}' object has no attribute 'get'", type_name(&other)))
            }
            (Self::OphydWebsocket, Err(error)) => {
                let (line, column) = (error.line().max(1), error.column().max(1));
                let before: usize =
                    text.lines().take(line - 1).map(|line| line.chars().count() + 1).sum();
                let at = before + column - 1;
                Err(format!("Expecting value: line {line} column {column} (char {at})"))
            }
        }
    }

    /// How large the images are, and what they are made of.
    pub(crate) fn dimensions(self, dimensions: &Dimensions) -> Message {
        let Dimensions { x, y, color_mode, data_type } = dimensions;
        self.object(&Size { x: *x, y: *y, color_mode, data_type })
    }

    /// Echo of a toggle.
    pub(crate) fn log_normalization(self, log: bool) -> Message {
        self.object(&json!({ "logNormalization": log }))
    }

    /// The last message before the end.
    pub(crate) fn error(self, text: &str, pv: Option<&str>) -> Message {
        match self {
            Self::DirectControl => {
                let mut context = Map::new();
                context.extend(pv.map(|pv| ("pv".to_owned(), pv.into())));
                frames::error(text, context)
            }
            Self::OphydWebsocket => self.object(&json!({ "error": text })),
        }
    }

    /// What to say of a PV that no IOC serves, and which one it is.
    pub(crate) fn not_connected(self, missing: Missing, pvs: &Selection) -> (String, &str) {
        let pv = match missing {
            Missing::Array => pvs.array.as_str(),
            Missing::Setting(index) => pvs.settings()[index],
        };
        let seconds = self.connect_timeout().as_secs_f64();
        let text = match (self, missing) {
            (Self::DirectControl, _) => format!(
                "PV {pv} connection failed: {pv} could not connect within {seconds:?}-second timeout."
            ),
            (Self::OphydWebsocket, Missing::Array) => format!("The {pv} pv could not connect"),
            (Self::OphydWebsocket, Missing::Setting(_)) => {
                format!("Failed to connect to {pv} within {seconds:.2} sec")
            }
        };
        (text, pv)
    }

    fn object(self, fields: &impl Serialize) -> Message {
        // These plain structs can always be written; an empty object would show if they could not.
        let text = match self {
            Self::DirectControl => serde_json::to_string(fields).unwrap_or_default(),
            Self::OphydWebsocket => {
                let mut text = Vec::new();
                let mut writer = serde_json::Serializer::with_formatter(&mut text, Spaced);
                let _ = fields.serialize(&mut writer);
                String::from_utf8(text).unwrap_or_default()
            }
        };
        Message::Text(text.into())
    }
}

/// JSON with a space after each comma and colon.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_object_key<W>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()>
    where
        W: ?Sized + std::io::Write,
    {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W>(&mut self, writer: &mut W) -> std::io::Result<()>
    where
        W: ?Sized + std::io::Write,
    {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: Message) -> String {
        message.into_text().unwrap().to_string()
    }

    fn dimensions() -> Dimensions {
        Dimensions { x: 1024, y: 768, color_mode: "Mono".into(), data_type: "UInt16".into() }
    }

    #[test]
    fn direct_control_writes_compact_json_and_enveloped_errors() {
        let words = Wording::DirectControl;
        let compact = r#"{"x":1024,"y":768,"colorMode":"Mono","dataType":"UInt16"}"#;
        assert_eq!(text(words.dimensions(&dimensions())), compact);
        assert_eq!(text(words.log_normalization(false)), r#"{"logNormalization":false}"#);
        let error: Value = serde_json::from_str(&text(words.error("no", Some("A:b")))).unwrap();
        assert_eq!(
            (&error["type"], &error["error"], &error["pv"]),
            (&json!("error"), &json!("no"), &json!("A:b"))
        );
        assert!(error["timestamp"].is_string());
    }

    #[test]
    fn ophyd_websocket_writes_json_as_python_does() {
        let words = Wording::OphydWebsocket;
        let spaced = r#"{"x": 1024, "y": 768, "colorMode": "Mono", "dataType": "UInt16"}"#;
        assert_eq!(text(words.dimensions(&dimensions())), spaced);
        assert_eq!(text(words.log_normalization(true)), r#"{"logNormalization": true}"#);
        assert_eq!(text(words.error("no", Some("A:b"))), r#"{"error": "no"}"#);
    }

    #[test]
    fn what_does_not_connect_is_named_in_each_dialect() {
        let pvs = Selection::of_tiff(&Map::new(), "X");
        let of = |words: Wording, missing| words.not_connected(missing, &pvs).0;
        assert_eq!(
            of(Wording::DirectControl, Missing::Array),
            "PV X:image1:ArrayData connection failed: X:image1:ArrayData could not connect within \
             5.0-second timeout."
        );
        assert_eq!(
            of(Wording::OphydWebsocket, Missing::Setting(2)),
            "Failed to connect to X:cam1:SizeX within 1.00 sec"
        );
        assert_eq!(
            of(Wording::OphydWebsocket, Missing::Array),
            "The X:image1:ArrayData pv could not connect"
        );
    }

    #[test]
    fn a_first_message_that_is_no_object_is_understood_or_answered() {
        assert_eq!(Wording::DirectControl.first_message("[1]"), Ok(json!([1])));
        assert!(
            Wording::DirectControl.first_message("{").unwrap_err().starts_with("invalid JSON: ")
        );
        let words = Wording::OphydWebsocket;
        for (message, error) in [
            ("hello", "Expecting value: line 1 column 1 (char 0)"),
            ("", "Expecting value: line 1 column 1 (char 0)"),
            ("[1]", "'list' object has no attribute 'get'"),
            ("null", "'NoneType' object has no attribute 'get'"),
            ("1.5", "'float' object has no attribute 'get'"),
        ] {
            assert_eq!(words.first_message(message), Err(error.to_owned()), "{message}");
        }
        assert_eq!(words.first_message("{}"), Ok(json!({})));
    }
}
