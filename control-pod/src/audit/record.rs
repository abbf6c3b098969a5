//! What is told of a write. Plain data, bounded in size whatever is written.

use std::io;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use crate::audit::{Caller, Outcome};

/// Most bytes of a value.
const MOST_BYTES: usize = 256;
/// Most bytes of a message.
const MOST_OF_MESSAGE: usize = 1_000;

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// `put` for a PV, else the method of the device.
    pub(crate) action: &'static str,
    /// EPICS name, where a PV was to be written.
    pub(crate) pv: Option<String>,
    /// Device, or device and component, where one was commanded.
    pub(crate) device: Option<String>,
    /// The value, cut short.
    pub(crate) value: Option<Value>,
    /// What made direct control do it of its own accord.
    pub(crate) cause: Option<&'static str>,
}

impl Asked {
    /// That, and nothing said of what it is done to.
    pub(crate) fn to(action: &'static str) -> Self {
        Self { action, pv: None, device: None, value: None, cause: None }
    }
}

/// One value that was handed to a PV.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Write {
    /// EPICS name.
    pub(crate) pv: String,
    /// What the PV showed before, as last heard; null when that is not known.
    pub(crate) old: Option<Value>,
    /// What was written.
    pub(crate) new: Value,
}

/// What is told of a command that writes.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Record {
    /// Number in this process. What is still under way after a second is told once more, with the same number, when it has
    /// ended.
    pub(crate) id: u64,
    /// When it came, UTC.
    pub(crate) time: String,
    /// Who sent it; null for what direct control does by itself.
    #[serde(serialize_with = "shared")]
    #[schema(value_type = Option<Caller>)]
    pub(crate) caller: Option<Arc<Caller>>,
    /// `put`, `set`, `trigger` or `stop`.
    pub(crate) action: &'static str,
    /// EPICS name, where a PV was to be written.
    pub(crate) pv: Option<String>,
    /// Device, or device and component, where one was commanded.
    pub(crate) device: Option<String>,
    /// The value that was asked for. What is long is text with an ellipsis at its end.
    pub(crate) value: Option<Value>,
    /// What made direct control do it of its own accord.
    pub(crate) cause: Option<&'static str>,
    /// What was handed to PVs: nothing when it was refused.
    pub(crate) writes: Vec<Write>,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Why it did not succeed, for programs.
    pub(crate) reason: Option<&'static str>,
    /// Why it did not succeed, as the client was told.
    pub(crate) message: Option<String>,
    /// Seconds from the command to this record.
    pub(crate) seconds: f64,
}

fn shared<S: Serializer>(caller: &Option<Arc<Caller>>, out: S) -> Result<S::Ok, S::Error> {
    caller.as_deref().serialize(out)
}

impl Record {
    /// One line for each PV that was written, or one when there is none.
    pub(super) fn log(&self) {
        let api = self.caller.as_ref().map(|caller| caller.api.label());
        metrics::counter!("control_writes_total", "dialect" => api.unwrap_or("none"), "outcome" => self.outcome.word())
            .increment(1);
        for write in &self.writes {
            self.line(Some(&write.pv), write.old.as_ref(), Some(&write.new));
        }
        if self.writes.is_empty() {
            self.line(self.pv.as_deref(), None, self.value.as_ref());
        }
    }

    fn line(&self, pv: Option<&str>, old: Option<&Value>, new: Option<&Value>) {
        let caller = self.caller.as_deref();
        let old = old.map_or_else(|| "unknown".to_owned(), Value::to_string);
        tracing::info!(
            target: "audit",
            id = self.id,
            time = self.time,
            api = caller.map(|caller| caller.api.label()),
            route = caller.map(|caller| caller.route.as_str()),
            from = caller.map(|caller| caller.from.as_str()),
            user = caller.and_then(|caller| caller.user.as_deref()),
            forwarded_for = caller.and_then(|caller| caller.forwarded_for.as_deref()),
            agent = caller.and_then(|caller| caller.agent.as_deref()),
            action = self.action,
            device = self.device.as_deref(),
            pv,
            old,
            new = new.map(|new| new.to_string()),
            outcome = self.outcome.word(),
            reason = self.reason,
            why = self.message.as_deref(),
            cause = self.cause,
            seconds = self.seconds,
            "audit"
        );
    }
}

/// The value, or the beginning of its text when that is long. Costs no more than what is kept.
pub(crate) fn bounded(value: &impl Serialize) -> Value {
    let mut text = Beginning { text: Vec::new(), is_whole: true };
    let written = serde_json::to_writer(&mut text, value);
    if text.is_whole && written.is_ok() {
        return serde_json::from_slice(&text.text).unwrap_or_default();
    }
    Value::String(format!("{}…", String::from_utf8_lossy(&text.text)))
}

/// The text, or its beginning.
pub(super) fn bounded_text(mut text: String) -> String {
    if text.len() > MOST_OF_MESSAGE {
        text.truncate(text.floor_char_boundary(MOST_OF_MESSAGE));
        text.push('…');
    }
    text
}

/// Takes the first bytes and refuses all others.
struct Beginning {
    text: Vec<u8>,
    is_whole: bool,
}

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = MOST_BYTES - self.text.len();
        if bytes.len() > room {
            self.text.extend_from_slice(&bytes[..room]);
            self.is_whole = false;
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_short_value_stays_what_it_is_and_a_long_one_becomes_the_beginning_of_its_text() {
        for value in [json!(1.5), json!("Open"), json!([1, 2.5, null]), json!(null), json!({})] {
            assert_eq!(bounded(&value), value);
        }
        let numbers: Vec<u32> = (0..1_000_000).collect();
        let Value::String(shown) = bounded(&numbers) else { panic!("no text") };
        assert!(shown.starts_with("[0,1,2,") && shown.ends_with('…'), "{shown}");
    }

    proptest! {
        #[test]
        fn no_value_is_longer_than_its_bound(text in "\\PC{0,600}") {
            let shown = bounded(&text);
            // A character that is cut is replaced by one of three bytes.
            prop_assert!(shown.as_str().unwrap().len() <= MOST_BYTES + 9);
            prop_assert!(bounded_text(text.repeat(10)).len() <= MOST_OF_MESSAGE + 3);
        }
    }
}
