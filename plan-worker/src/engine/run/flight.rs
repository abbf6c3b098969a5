//! What a flyer has measured, as documents: many events in one page.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Description, Descriptor, Document, OpenEvent, Run, RunError};
use crate::devices::{DeviceRef, Readings};

impl Run {
    /// The events that `device` has measured: a page of them, after a descriptor if they are the first of their stream. Without any
    /// there is no page.
    ///
    /// # Errors
    /// [`RunError::OtherDevices`] when the stream is that of other devices.
    pub fn collect(
        &mut self,
        device: &DeviceRef,
        (name, description): (String, Description),
        measured: Vec<(f64, Readings)>,
        now: f64,
    ) -> Result<Vec<Document>, RunError> {
        let stream = self.streams.entry(name.clone()).or_default();
        let flown =
            OpenEvent { stream: name, readings: vec![(Arc::clone(device), Readings::new())] };
        let mut documents = Vec::new();
        let descriptor = match &stream.descriptor {
            Some(descriptor) => {
                super::same_devices(&flown, &descriptor.devices)?;
                descriptor.uid.clone()
            }
            None => {
                let uid = Uuid::new_v4().to_string();
                stream.described.push((Arc::clone(device), description));
                documents.push(stream.descriptor(&uid, &self.uid, &flown, now));
                let devices = vec![Arc::clone(device)];
                stream.descriptor = Some(Descriptor { uid: uid.clone(), devices });
                stream.next = stream.next.max(1);
                stream.next_at_checkpoint = stream.next_at_checkpoint.max(1);
                uid
            }
        };
        if !measured.is_empty() {
            let first = stream.next;
            stream.next += measured.len() as u64;
            documents.push(page(measured, &descriptor, first));
        }
        Ok(documents)
    }
}

/// Events column by column.
fn page(measured: Vec<(f64, Readings)>, descriptor: &str, first: u64) -> Document {
    let uids: Vec<_> = measured.iter().map(|_| Uuid::new_v4().to_string()).collect();
    let numbers: Vec<_> = (first..).take(measured.len()).collect();
    let mut times = Vec::with_capacity(measured.len());
    let mut data: Map<String, Value> = Map::new();
    let mut timestamps: Map<String, Value> = Map::new();
    for (time, readings) in measured {
        times.push(time);
        for (field, reading) in readings {
            append(&mut timestamps, &field, json!(reading.timestamp));
            append(&mut data, &field, reading.value);
        }
    }
    let page = json!({
        "time": times,
        "uid": uids,
        "seq_num": numbers,
        "descriptor": descriptor,
        "filled": {},
        "data": data,
        "timestamps": timestamps,
    });
    ("event_page", page)
}

fn append(columns: &mut Map<String, Value>, field: &str, value: Value) {
    if let Value::Array(column) = columns.entry(field).or_insert_with(|| json!([])) {
        column.push(value);
    }
}
