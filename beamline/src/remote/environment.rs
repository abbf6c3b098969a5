//! `beamline env …`: the worker environment.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use http::Method;
use tokio::time::{Instant, sleep};

use super::QueueServer;
use super::output::say;
use super::profile::{self, SyncArgs};

/// Pause between two looks at the status.
const PAUSE: Duration = Duration::from_millis(100);

/// A request about the worker environment.
#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentCommand {
    /// Open the environment, and wait until it is open.
    Open(WaitArgs),
    /// Close the environment, and wait until it is closed.
    Close(WaitArgs),
    /// Kill the environment, whatever it does.
    Destroy(WaitArgs),
    /// Show how the devices of the profile differ from those of the registry.
    Diff(QueueServer),
    /// Put devices of the profile into the registry: those that it does not have, or what is named.
    Sync(SyncArgs),
    /// Pull the git checkout of the profile, and open the environment anew if one is open.
    Reload(QueueServer),
}

/// How long to wait.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Seconds to wait for it; 0 does not wait.
    #[arg(long, default_value_t = 60)]
    wait: u64,
    #[command(flatten)]
    server: QueueServer,
}

pub(crate) async fn run(command: EnvironmentCommand) -> anyhow::Result<()> {
    match command {
        EnvironmentCommand::Open(args) => change(&args, "open", true).await,
        EnvironmentCommand::Close(args) => change(&args, "close", false).await,
        EnvironmentCommand::Destroy(args) => change(&args, "destroy", false).await,
        EnvironmentCommand::Diff(server) => profile::diff(&server).await,
        EnvironmentCommand::Sync(args) => profile::sync(&args).await,
        EnvironmentCommand::Reload(server) => profile::reload(&server).await,
    }
}

async fn change(args: &WaitArgs, verb: &str, exists: bool) -> anyhow::Result<()> {
    let path = format!("/api/environment/{verb}");
    let mut queue = args.server.client().await?;
    queue.ask(Method::POST, &path, None).await?;
    if args.wait == 0 {
        return say("accepted");
    }
    let deadline = Instant::now() + Duration::from_secs(args.wait);
    loop {
        let status = queue.ask(Method::GET, "/api/status", None).await?;
        if status["manager_state"] == "idle" {
            if status["worker_environment_exists"] != exists {
                bail!("the environment did not {verb}: see the console of the queue server");
            }
            return queue.show(&status, |_| {
                format!("the environment is {}", if exists { "open" } else { "closed" })
            });
        }
        if Instant::now() > deadline {
            bail!("the manager is still {} after {} s", status["manager_state"], args.wait);
        }
        sleep(PAUSE).await;
    }
}
