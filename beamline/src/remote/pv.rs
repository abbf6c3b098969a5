//! `beamline get` and `beamline set`: PVs through direct control.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, json_or_text};

/// Where direct control is.
#[derive(Debug, Args)]
struct ControlUrl {
    /// Address of direct control.
    #[arg(long = "url", env = "BEAMLINE_CONTROL_URL", default_value = "http://127.0.0.1:8003")]
    url: String,
}

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Name of the PV.
    pv: String,
    #[command(flatten)]
    server: ControlUrl,
}

/// What to write.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Name of the PV.
    pv: String,
    /// The value: JSON, else text.
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// Wait until everything that the write caused is done.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    server: ControlUrl,
}

pub(crate) async fn get(args: &GetArgs) -> anyhow::Result<()> {
    let path = format!("/api/v1/pv/{}/value", args.pv);
    let answer = ask(&args.server.url, Method::GET, &path, None).await?;
    match &answer["value"] {
        Value::String(text) => println!("{text}"),
        value => println!("{value}"),
    }
    Ok(())
}

pub(crate) async fn set(args: &SetArgs) -> anyhow::Result<()> {
    let body = json!({ "pv_name": args.pv, "value": json_or_text(&args.value), "wait": args.wait });
    let answer = ask(&args.server.url, Method::POST, "/api/v1/pv/set", Some(body)).await?;
    println!("{}", answer["message"].as_str().unwrap_or("done"));
    Ok(())
}
