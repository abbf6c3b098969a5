//! `beamline get`, `set` and `stop`: PVs and devices through direct control.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::client::{ANSWER, Client, segment};
use super::json_or_text;
use super::output::{Output, plain, say, table};
use super::place::{Part, Place};
use super::subject::{Subject, find_one};

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// A device (`motor_ph`), a part of one (`motor_ph.velocity`), or a PV.
    name: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What to write.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// A device (`motor_ph`), a part of one (`motor_ph.velocity`), or a PV.
    name: String,
    /// The value: JSON, else text.
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// Wait until everything that the write caused is done.
    #[arg(long)]
    wait: bool,
    /// Seconds that it may take.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout: Option<u32>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What to stop.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The devices.
    #[arg(required = true, value_name = "DEVICE")]
    devices: Vec<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn get(args: &GetArgs) -> anyhow::Result<()> {
    let mut control = args.place.client(Part::Control).await?;
    let path = match find_one(&mut control, &args.name).await? {
        Subject::Device(path) | Subject::Signal { address: path, .. } => {
            format!("/api/v1/device/{}/value", segment(&path))
        }
        Subject::Pv(pv) => format!("/api/v1/pv/{}/value", segment(&pv)),
    };
    let answer = control.ask(Method::GET, &path, None).await?;
    args.output.show(&answer, |answer| reading(&answer["value"]))
}

/// A value; the readings of a device as a table.
fn reading(value: &Value) -> String {
    let readings = value.as_object().filter(|object| {
        !object.is_empty() && object.values().all(|reading| reading.get("value").is_some())
    });
    let Some(readings) = readings else { return plain(value) };
    if let (1, Some(reading)) = (readings.len(), readings.values().next()) {
        return plain(&reading["value"]);
    }
    let rows: Vec<[String; 2]> =
        readings.iter().map(|(name, reading)| [name.clone(), plain(&reading["value"])]).collect();
    table(["SIGNAL", "VALUE"], &rows)
}

pub(crate) async fn set(args: &SetArgs) -> anyhow::Result<()> {
    let mut control = args.place.client(Part::Control).await?;
    let value = json_or_text(&args.value);
    let (path, mut body) = match find_one(&mut control, &args.name).await? {
        Subject::Device(path) | Subject::Signal { address: path, .. } => (
            "/api/v1/device/execute",
            json!({ "device_name": path, "method": "set", "args": [value], "use_put": !args.wait }),
        ),
        Subject::Pv(pv) => {
            ("/api/v1/pv/set", json!({ "pv_name": pv, "value": value, "wait": args.wait }))
        }
    };
    let mut limit = ANSWER;
    if let Some(seconds) = args.timeout {
        body["timeout"] = json!(seconds);
        limit += Duration::from_secs(seconds.into());
    }
    let answer = control.ask_within(limit, Method::POST, path, Some(body)).await?;
    args.output.show(&answer, message)
}

pub(crate) async fn stop(args: &StopArgs) -> anyhow::Result<()> {
    let mut control = args.place.client(Part::Control).await?;
    let mut failed = Ok(());
    // Each is tried, whatever became of those before it.
    for device in &args.devices {
        match stop_one(&mut control, device).await {
            Ok(answer) => args.output.show(&answer, message)?,
            Err(error) if failed.is_ok() => failed = Err(error),
            Err(error) => say(&format!("{error:#}"))?,
        }
    }
    failed
}

async fn stop_one(control: &mut Client, device: &str) -> anyhow::Result<Value> {
    let path = format!("/api/v1/device/{}/stop", segment(device));
    control.ask(Method::POST, &path, None).await
}

fn message(answer: &Value) -> String {
    answer["message"].as_str().unwrap_or("done").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_is_its_value_and_several_are_a_table() {
        let one = json!({ "det": { "value": 3.5, "timestamp": 1.0 } });
        assert_eq!(reading(&one), "3.5");
        let two = json!({ "m": { "value": "on" }, "m_setpoint": { "value": 2 } });
        assert_eq!(reading(&two), "SIGNAL       VALUE\nm            on\nm_setpoint   2");
        assert_eq!(reading(&json!([1, 2])), "[1,2]");
        assert_eq!(reading(&json!({ "a": 1 })), r#"{"a":1}"#);
    }
}
