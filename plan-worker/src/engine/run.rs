//! The documents of one run: pure bookkeeping from readings to event-model documents.

mod flight;

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use thiserror::Error;
use uuid::Uuid;

use super::message::RunStatus;
use crate::devices::{DataKeys, Device, DeviceRef, Hints, Readings};

/// A document with its name.
pub type Document = (&'static str, Value);

/// Messages that do not belong where they came.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RunError {
    /// `create` within an event.
    #[error("an event is already open: it has to be saved or dropped before the next one")]
    EventOpen,
    /// `save` or `drop` outside of an event.
    #[error("no event is open")]
    NoEvent,
    /// Two devices of one event give the same field.
    #[error("{first} and {second} both give the field {field}")]
    FieldTwice {
        /// Device that was read first.
        first: String,
        /// Device that was read now.
        second: String,
        /// The field.
        field: String,
    },
    /// An event of a stream has other devices than its descriptor.
    #[error("stream {stream} consists of {expected}, but the event has {found}")]
    OtherDevices {
        /// Name of the stream.
        stream: String,
        /// Devices of the descriptor.
        expected: String,
        /// Devices of the event.
        found: String,
    },
}

/// What a descriptor says about one device.
#[derive(Clone, Debug)]
pub struct Description {
    /// Fields of its readings.
    pub data_keys: DataKeys,
    /// Its configuration.
    pub configuration: Readings,
    /// Fields of its configuration.
    pub configuration_keys: DataKeys,
}

/// An open run.
#[derive(Debug)]
pub struct Run {
    uid: String,
    scan_id: i64,
    streams: IndexMap<String, Stream>,
    event: Option<OpenEvent>,
}

#[derive(Debug, Default)]
struct Stream {
    described: Vec<(DeviceRef, Description)>,
    descriptor: Option<Descriptor>,
    next: u64,
    next_at_checkpoint: u64,
}

#[derive(Debug)]
struct Descriptor {
    uid: String,
    devices: Vec<DeviceRef>,
}

#[derive(Debug)]
struct OpenEvent {
    stream: String,
    readings: Vec<(DeviceRef, Readings)>,
}

impl Run {
    /// Opens a run at `time`; `metadata` is complete but for `uid` and `time`. Gives the start document.
    pub fn open(metadata: &Map<String, Value>, scan_id: i64, time: f64) -> (Self, Document) {
        let uid = Uuid::new_v4().to_string();
        let mut start = Map::new();
        start.insert("uid".into(), json!(uid));
        start.insert("time".into(), json!(time));
        for (key, value) in metadata {
            start.entry(key.as_str()).or_insert_with(|| value.clone());
        }
        let run = Self { uid, scan_id, streams: IndexMap::new(), event: None };
        (run, ("start", Value::Object(start)))
    }

    /// Uid of the run.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Scan id of the run.
    pub fn scan_id(&self) -> i64 {
        self.scan_id
    }

    /// Whether an event is open.
    pub fn event_is_open(&self) -> bool {
        self.event.is_some()
    }

    /// Begins an event.
    ///
    /// # Errors
    /// [`RunError::EventOpen`].
    pub fn create(&mut self, stream: &str) -> Result<(), RunError> {
        if self.event.is_some() {
            return Err(RunError::EventOpen);
        }
        self.streams.entry(stream.to_owned()).or_default();
        self.event = Some(OpenEvent { stream: stream.to_owned(), readings: Vec::new() });
        Ok(())
    }

    /// Whether `device` has yet to be described for the open event's stream.
    pub fn needs_description(&self, device: &DeviceRef) -> bool {
        self.event.as_ref().and_then(|event| self.streams.get(&event.stream)).is_some_and(
            |stream| !stream.described.iter().any(|(known, _)| Arc::ptr_eq(known, device)),
        )
    }

    /// Adds a device's description to the open event's stream.
    pub fn describe(&mut self, device: &DeviceRef, description: Description) {
        let Some(event) = &self.event else { return };
        if let Some(stream) = self.streams.get_mut(&event.stream) {
            stream.described.push((Arc::clone(device), description));
        }
    }

    /// Adds readings to the open event; without one they are only for the plan.
    ///
    /// # Errors
    /// [`RunError::FieldTwice`].
    pub fn add(&mut self, device: &DeviceRef, readings: Readings) -> Result<(), RunError> {
        let Some(event) = &mut self.event else { return Ok(()) };
        for (other, fields) in &event.readings {
            if let Some(field) = readings.keys().find(|field| fields.contains_key(*field)) {
                return Err(RunError::FieldTwice {
                    first: other.name().to_owned(),
                    second: device.name().to_owned(),
                    field: field.clone(),
                });
            }
        }
        event.readings.push((Arc::clone(device), readings));
        Ok(())
    }

    /// What the open event has in that field, if it has it.
    pub fn field(&self, field: &str) -> Option<&Value> {
        let event = self.event.as_ref()?;
        let reading = event.readings.iter().find_map(|(_, readings)| readings.get(field))?;
        Some(&reading.value)
    }

    /// Forgets the open event.
    ///
    /// # Errors
    /// [`RunError::NoEvent`].
    pub fn drop_event(&mut self) -> Result<(), RunError> {
        self.event.take().map(drop).ok_or(RunError::NoEvent)
    }

    /// Closes the open event: its document, after a descriptor if it is the first of its stream. An event in which nothing was
    /// read leaves no document.
    ///
    /// # Errors
    /// [`RunError::NoEvent`], [`RunError::OtherDevices`].
    pub fn save(&mut self, now: impl Fn() -> f64) -> Result<Vec<Document>, RunError> {
        let event = self.event.take().ok_or(RunError::NoEvent)?;
        let Some(stream) = self.streams.get_mut(&event.stream) else { return Ok(Vec::new()) };
        if event.readings.is_empty() {
            return Ok(Vec::new());
        }
        let mut documents = Vec::new();
        let descriptor = match &stream.descriptor {
            Some(descriptor) => {
                same_devices(&event, &descriptor.devices)?;
                descriptor.uid.clone()
            }
            None => {
                let uid = Uuid::new_v4().to_string();
                documents.push(stream.descriptor(&uid, &self.uid, &event, now()));
                let devices = event.readings.iter().map(|(device, _)| Arc::clone(device)).collect();
                stream.descriptor = Some(Descriptor { uid: uid.clone(), devices });
                if stream.next == 0 {
                    stream.next = 1;
                    stream.next_at_checkpoint = 1;
                }
                uid
            }
        };
        documents.push(event_document(event, &descriptor, stream.next, now()));
        stream.next += 1;
        Ok(documents)
    }

    /// Remembers where the streams are, to go back there.
    pub fn checkpoint(&mut self) {
        for stream in self.streams.values_mut() {
            stream.next_at_checkpoint = stream.next;
        }
    }

    /// Goes back to the last checkpoint: the same events will be taken again.
    pub fn rewind(&mut self) {
        for stream in self.streams.values_mut() {
            stream.next = stream.next_at_checkpoint;
        }
        self.event = None;
    }

    /// The stop document.
    pub fn close(&self, status: RunStatus, reason: &str, time: f64) -> Document {
        let counted: Map<String, Value> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.descriptor.is_some())
            .map(|(name, stream)| (name.clone(), json!(stream.next.saturating_sub(1))))
            .collect();
        let stop = json!({
            "uid": Uuid::new_v4().to_string(),
            "time": time,
            "run_start": self.uid,
            "exit_status": status.as_str(),
            "reason": reason,
            "num_events": counted,
        });
        ("stop", stop)
    }
}

impl Stream {
    fn descriptor(&self, uid: &str, run: &str, event: &OpenEvent, time: f64) -> Document {
        let mut data_keys = Map::new();
        let mut configuration = Map::new();
        let mut object_keys = Map::new();
        let mut hints = Map::new();
        for (device, _) in &event.readings {
            let Some((_, description)) =
                self.described.iter().find(|(known, _)| Arc::ptr_eq(known, device))
            else {
                continue;
            };
            let name = device.name();
            match device.hints() {
                Hints::Absent => {}
                Hints::Empty => drop(hints.insert(name.to_owned(), json!({}))),
                Hints::Fields(fields) => {
                    hints.insert(name.to_owned(), json!({ "fields": fields }));
                }
            }
            let fields: Vec<&String> = description.data_keys.keys().collect();
            object_keys.insert(name.to_owned(), json!(fields));
            for (field, key) in &description.data_keys {
                let mut key = key.clone();
                if let Some(key) = key.as_object_mut() {
                    key.insert("object_name".into(), json!(name));
                }
                data_keys.insert(field.clone(), key);
            }
            let (data, timestamps) = in_parallel(description.configuration.clone());
            configuration.insert(
                name.to_owned(),
                json!({
                    "data": data,
                    "timestamps": timestamps,
                    "data_keys": description.configuration_keys,
                }),
            );
        }
        let descriptor = json!({
            "configuration": configuration,
            "data_keys": data_keys,
            "name": event.stream,
            "object_keys": object_keys,
            "run_start": run,
            "time": time,
            "uid": uid,
            "object_classes": {},
            "hints": hints,
        });
        ("descriptor", descriptor)
    }
}

fn same_devices(event: &OpenEvent, expected: &[DeviceRef]) -> Result<(), RunError> {
    let found: Vec<_> = event.readings.iter().map(|(device, _)| device).collect();
    let same = found.len() == expected.len()
        && expected.iter().all(|device| found.iter().any(|other| Arc::ptr_eq(device, other)));
    if same {
        return Ok(());
    }
    Err(RunError::OtherDevices {
        stream: event.stream.clone(),
        expected: names(expected.iter().map(AsRef::as_ref)),
        found: names(found.into_iter().map(AsRef::as_ref)),
    })
}

fn names<'a>(devices: impl Iterator<Item = &'a dyn Device>) -> String {
    devices.map(Device::name).collect::<Vec<_>>().join(", ")
}

fn event_document(event: OpenEvent, descriptor: &str, number: u64, time: f64) -> Document {
    let readings = event.readings.into_iter().flat_map(|(_, readings)| readings).collect();
    let (data, timestamps) = in_parallel(readings);
    let event = json!({
        "uid": Uuid::new_v4().to_string(),
        "time": time,
        "data": data,
        "timestamps": timestamps,
        "seq_num": number,
        "filled": {},
        "descriptor": descriptor,
    });
    ("event", event)
}

fn in_parallel(readings: Readings) -> (Map<String, Value>, Map<String, Value>) {
    let mut data = Map::new();
    let mut timestamps = Map::new();
    for (field, reading) in readings {
        timestamps.insert(field.clone(), json!(reading.timestamp));
        data.insert(field, reading.value);
    }
    (data, timestamps)
}
