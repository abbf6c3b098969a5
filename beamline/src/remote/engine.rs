//! `beamline re …`: the running plan.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use super::QueueServer;

/// A request to the Run Engine.
#[derive(Debug, Subcommand)]
pub(crate) enum EngineCommand {
    /// Pause the running plan at its next checkpoint.
    Pause(PauseArgs),
    /// Continue a paused plan.
    Resume(QueueServer),
    /// End a paused plan as a success.
    Stop(QueueServer),
    /// End a paused plan as a failure, with its clean-up.
    Abort(QueueServer),
    /// End a paused plan at once, without clean-up.
    Halt(QueueServer),
}

/// Where to pause.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// Pause now and go back to the last checkpoint on resume.
    #[arg(long)]
    immediate: bool,
    #[command(flatten)]
    server: QueueServer,
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
    let mut queue = server.client().await?;
    let answer = queue.ask(Method::POST, &format!("/api/re/{verb}"), body).await?;
    queue.show(&answer, |_| "accepted".to_owned())
}
