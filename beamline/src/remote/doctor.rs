//! `beamline doctor`: why a PV or a device is reachable or not, as direct control sees it from where
//! it runs.

use anyhow::{Context, bail};
use clap::Args;
use http::Method;
use serde_json::Value;

use super::client::segment;
use super::output::{Output, plain, table};
use super::place::{Part, Place};
use super::subject::{Subject, find_one};

/// What to look into.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// A device (`motor_ph`), a part of one (`motor_ph.velocity`), or a PV.
    name: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// Prints all that was found. What is not reachable is an error, in a sentence.
pub(crate) async fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    let mut control = args.place.client(Part::Control).await?;
    let path = match find_one(&mut control, &args.name).await? {
        Subject::Pv(pv) => format!("/api/v1/diagnostics/pv/{}", segment(&pv)),
        // A part that is one PV is looked into as that PV, which knows its device.
        Subject::Signal { address, pv } if address.contains('.') => {
            format!("/api/v1/diagnostics/pv/{}", segment(&pv))
        }
        Subject::Device(path) | Subject::Signal { address: path, .. } => {
            let device = path.split('.').next().unwrap_or_default();
            format!("/api/v1/diagnostics/device/{}", segment(device))
        }
    };
    let answer = control.ask(Method::GET, &path, None).await?;
    args.output.show(&answer, report)?;
    let summary = answer["summary"].as_str().context("direct control sent no diagnosis")?;
    if answer["reachable"] == false {
        bail!("{}: {summary}", args.name);
    }
    Ok(())
}

fn report(diagnosis: &Value) -> String {
    let name = diagnosis.get("device_name").unwrap_or(&diagnosis["pv_name"]);
    let mut text = format!("{}: {}\n", plain(name), plain(&diagnosis["summary"]));
    text.push_str(&findings(diagnosis));
    let channels = diagnosis["pvs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !channels.is_empty() {
        text.push_str(&format!("\n\n{}", pvs(channels)));
    }
    for one in diagnosis["looked_into"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n\n{}", report(one)));
    }
    text
}

/// A line for each finding, and below it what to do.
fn findings(diagnosis: &Value) -> String {
    let all = diagnosis["findings"].as_array().into_iter().flatten();
    let lines = all.map(|finding| {
        let word = |key: &str| plain(&finding[key]);
        let line = format!("  {:<8} {}: {}", word("level"), word("tried"), word("result"));
        match finding["advice"].as_str() {
            Some(advice) => format!("{line}\n           → {advice}"),
            None => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn pvs(channels: &[Value]) -> String {
    let rows: Vec<[String; 5]> = channels
        .iter()
        .map(|channel| {
            let may = |key: &str, letter: &str| {
                if channel[key] == true { letter.to_owned() } else { "-".to_owned() }
            };
            let access = may("read_access", "r") + &may("write_access", "w");
            [
                plain(&channel["pv_name"]),
                plain(&channel["state"]),
                access,
                plain(&channel["host"]),
                plain(&channel["last_connected"]),
            ]
        })
        .collect();
    table(["PV", "STATE", "ACCESS", "IOC", "LAST CONNECTED"], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_device_is_told_with_its_pvs_and_what_was_looked_into() {
        let diagnosis = json!({
            "device_name": "m", "summary": "1 of 1 PVs are not connected: X:1",
            "findings": [{ "level": "ok", "tried": "device m", "result": "known", "advice": null }],
            "pvs": [{ "pv_name": "X:1", "state": "never", "read_access": false, "write_access": false,
                "host": null, "last_connected": null }],
            "looked_into": [{ "pv_name": "X:1", "summary": "nobody answered", "findings": [
                { "level": "problem", "tried": "channel", "result": "away", "advice": "look" }] }],
        });
        let expected = "\
m: 1 of 1 PVs are not connected: X:1
  ok       device m: known

PV    STATE   ACCESS   IOC   LAST CONNECTED
X:1   never   --       -     -

X:1: nobody answered
  problem  channel: away
           → look";
        assert_eq!(report(&diagnosis), expected);
    }
}
