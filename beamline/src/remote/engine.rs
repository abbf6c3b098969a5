//! `beamline re …`: the running plan.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::QueueUrl;

/// A request to the Run Engine.
#[derive(Debug, Subcommand)]
pub(crate) enum EngineCommand {
    /// Pause the running plan at its next checkpoint.
    Pause(PauseArgs),
    /// Continue a paused plan.
    Resume(QueueUrl),
    /// End a paused plan as a success.
    Stop(QueueUrl),
    /// End a paused plan as a failure, with its clean-up.
    Abort(QueueUrl),
    /// End a paused plan at once, without clean-up.
    Halt(QueueUrl),
}

/// Where to pause.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// Pause now and go back to the last checkpoint on resume.
    #[arg(long)]
    immediate: bool,
    #[command(flatten)]
    server: QueueUrl,
}

pub(crate) async fn run(command: EngineCommand) -> anyhow::Result<()> {
    let (server, verb, body) = match &command {
        EngineCommand::Pause(args) => {
            let option = if args.immediate { "immediate" } else { "deferred" };
            (&args.server, "pause", Some(json!({ "option": option })))
        }
        EngineCommand::Resume(server) => (server, "resume", None),
        EngineCommand::Stop(server) => (server, "stop", None),
        EngineCommand::Abort(server) => (server, "abort", None),
        EngineCommand::Halt(server) => (server, "halt", None),
    };
    let answer = server.ask(Method::POST, &format!("/api/re/{verb}"), body).await?;
    server.show(&answer, |_| "accepted".to_owned());
    Ok(())
}
