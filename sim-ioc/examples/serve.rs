//! Serves the simulated beamline: `cargo run -p sim-ioc --example serve -- --port 5064`.

use std::net::Ipv4Addr;

use clap::Parser;
use sim_ioc::{Server, Settings};

/// Serve the simulated beamline over Channel Access.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    host: Ipv4Addr,
    /// UDP and TCP port; 0 takes a free one.
    #[arg(long, default_value_t = 5064)]
    port: u16,
    /// Print names and record types of all PVs and exit.
    #[arg(long)]
    list_pvs: bool,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings = Settings { host: arguments.host, port: arguments.port, ..Settings::default() };
    if arguments.list_pvs {
        for pv in sim_ioc::list_pvs(&settings).await? {
            println!("{} {}", pv.name, pv.record_type);
        }
        return Ok(());
    }
    let server = Server::bind(settings).await?;
    println!("{}", server.port());
    let shutdown = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    shutdown.cancel();
    serving.await??;
    Ok(())
}
