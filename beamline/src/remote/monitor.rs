//! `beamline monitor`: a line for every change of PVs and devices, until Ctrl-C.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use clap::Args;
use futures::stream::{self, BoxStream, SelectAll};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use super::client::{Client, Socket};
use super::output::{Format, Output, plain, say};
use super::place::{Part, Place};
use super::subject::{Subject, find};
use crate::signals;

/// What to watch.
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    /// Devices (`motor_ph`), parts of them (`motor_ph.velocity`), and PVs.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Leave after that many lines.
    #[arg(long, short)]
    count: Option<u64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// The subscriptions of one command.
#[derive(Debug, Default)]
struct Wanted {
    devices: Vec<String>,
    /// EPICS name to the name as it was given.
    pvs: BTreeMap<String, String>,
}

type Frames = SelectAll<BoxStream<'static, tungstenite::Result<Message>>>;

pub(crate) async fn run(args: &MonitorArgs) -> anyhow::Result<()> {
    let interrupted = signals::shutdown()?;
    let followed = async {
        let mut control = args.place.client(Part::Control).await?;
        let wanted = wanted(find(&mut control, &args.names).await?);
        let frames = subscribe(&control, &wanted).await?;
        follow(frames, &wanted, args).await
    };
    interrupted.run_until_cancelled(followed).await.unwrap_or(Ok(()))
}

fn wanted(subjects: Vec<Subject>) -> Wanted {
    let mut wanted = Wanted::default();
    for subject in subjects {
        match subject {
            Subject::Device(name) => wanted.devices.push(name),
            Subject::Signal { address, pv } => {
                wanted.pvs.insert(pv, address);
            }
            Subject::Pv(pv) => {
                wanted.pvs.insert(pv.clone(), pv);
            }
        }
    }
    wanted
}

/// Subscribes on one socket for the PVs and one for the devices, where there are any.
async fn subscribe(control: &Client, wanted: &Wanted) -> anyhow::Result<Frames> {
    let mut frames = Frames::new();
    if !wanted.pvs.is_empty() {
        let names: Vec<&String> = wanted.pvs.keys().collect();
        let mut socket = control.socket("/api/v1/pv-socket").await?;
        send(&mut socket, &json!({ "action": "subscribe", "pv_names": names })).await?;
        frames.push(frames_of(socket));
    }
    if !wanted.devices.is_empty() {
        let mut socket = control.socket("/api/v1/device-socket").await?;
        for device in &wanted.devices {
            send(&mut socket, &json!({ "action": "subscribe", "device": device })).await?;
        }
        frames.push(frames_of(socket));
    }
    Ok(frames)
}

async fn send(socket: &mut Socket, request: &Value) -> anyhow::Result<()> {
    let text = Message::Text(request.to_string().into());
    socket.send(text).await.context("direct control does not listen")
}

/// The frames of a socket. Its sending half lives as long, so that pings are answered.
fn frames_of(socket: Socket) -> BoxStream<'static, tungstenite::Result<Message>> {
    stream::unfold(socket, |mut socket| async move {
        let frame = socket.next().await?;
        Some((frame, socket))
    })
    // The end of one socket is an event of its own, not silence while the other goes on.
    .chain(stream::once(async { Err(tungstenite::Error::ConnectionClosed) }))
    .boxed()
}

async fn follow(mut frames: Frames, wanted: &Wanted, args: &MonitorArgs) -> anyhow::Result<()> {
    let mut left = args.count;
    let mut silent = 0;
    while left != Some(0) {
        let frame = frames.next().await.context("direct control closed the socket")?;
        let text = match frame.context("direct control closed the socket")? {
            Message::Text(text) => text,
            Message::Close(Some(frame)) => {
                bail!("direct control closed the socket: {}", frame.reason)
            }
            _ => continue,
        };
        let frame: Value = serde_json::from_str(&text).context("direct control sent no JSON")?;
        match read(&frame, &wanted.pvs) {
            Frame::Update(line) => {
                match args.output.format {
                    Format::Table => say(&line)?,
                    Format::Json => say(&text)?,
                }
                left = left.map(|left| left - 1);
            }
            Frame::Refused(reason) => {
                // The others go on; with none left there is nothing to wait for.
                silent += 1;
                if silent == args.names.len() {
                    bail!("{reason}");
                }
                tracing::warn!("{reason}");
            }
            Frame::Other => {}
        }
    }
    Ok(())
}

/// What a frame says.
#[derive(Debug, PartialEq)]
enum Frame {
    /// A change, as a line.
    Update(String),
    /// Something cannot be followed.
    Refused(String),
    /// Nothing that was asked for.
    Other,
}

fn read(frame: &Value, given: &BTreeMap<String, String>) -> Frame {
    if frame["type"] == "error" {
        return Frame::Refused(
            frame["error"].as_str().unwrap_or("direct control refused").to_owned(),
        );
    }
    let name = match frame["event_type"].as_str() {
        Some("pv_update") => {
            let pv = frame["pv"].as_str().unwrap_or("?");
            given.get(pv).cloned().unwrap_or_else(|| pv.to_owned())
        }
        Some("device_update") => {
            format!("{}.{}", plain(&frame["device"]), plain(&frame["signal"]))
        }
        _ => return Frame::Other,
    };
    let value = if frame["connected"] == false {
        "disconnected".to_owned()
    } else {
        let units = frame["units"].as_str().filter(|units| !units.is_empty());
        let alarm = frame["alarm_severity_name"].as_str().filter(|name| *name != "NO_ALARM");
        let status = alarm.and_then(|_| frame["alarm_status"].as_str());
        let value = plain(&frame["value"]);
        [Some(value.as_str()), units, alarm, status]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    };
    Frame::Update(format!("{}   {name}   {value}", time(&frame["timestamp"])))
}

/// Local time of day with milliseconds.
fn time(seconds: &Value) -> String {
    let milliseconds = (seconds.as_f64().unwrap_or_default() * 1000.0).round();
    // A time that no clock has is shown as the first.
    let stamp = jiff::Timestamp::from_millisecond(milliseconds as i64).unwrap_or_default();
    stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S.%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(frame: &Value) -> String {
        let given = BTreeMap::from([("X:1.VELO".to_owned(), "m.velocity".to_owned())]);
        match read(frame, &given) {
            // The time depends on where the test runs.
            Frame::Update(line) => line.split_once("   ").unwrap().1.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_change_is_a_line_with_units_and_alarm() {
        let frame = json!({
            "event_type": "pv_update", "pv": "X:1", "value": 3.5, "timestamp": 0.0, "connected": true,
            "units": "mm", "alarm_severity_name": "MINOR", "alarm_status": "HIGH",
        });
        assert_eq!(line(&frame), "X:1   3.5 mm MINOR HIGH");
        let quiet = json!({
            "event_type": "pv_update", "pv": "X:1.VELO", "value": 1, "timestamp": 0.0, "connected": true,
            "units": "", "alarm_severity_name": "NO_ALARM", "alarm_status": "NO_ALARM",
        });
        assert_eq!(line(&quiet), "m.velocity   1");
    }

    #[test]
    fn a_device_is_followed_signal_by_signal_and_says_when_it_is_gone() {
        let frame = json!({
            "event_type": "device_update", "device": "m", "signal": "user_readback", "value": 3.5,
            "timestamp": 0.0, "connected": false,
        });
        assert_eq!(line(&frame), "m.user_readback   disconnected");
    }

    #[test]
    fn acknowledgements_are_nothing_and_errors_are_refusals() {
        let none = BTreeMap::new();
        assert_eq!(read(&json!({ "type": "subscribed" }), &none), Frame::Other);
        let refused = json!({ "type": "error", "error": "no such PV" });
        assert_eq!(read(&refused, &none), Frame::Refused("no such PV".to_owned()));
    }
}
