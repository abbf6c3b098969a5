//! The one executable: a beamline on one machine (`up`), each of its parts, and a command line for its APIs.

mod alone;
mod called;
mod cli;
mod files;
mod http_server;
mod manifests;
mod measured;
mod parts;
mod re_manager;
mod remote;
mod signals;
mod up;
mod validate;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use called::Called;
use cli::{Cli, Command, Reference};
use service::telemetry;

/// Answers and updates are made of many small pieces, beside the large lists of a registry. The allocator of the C library searches long
/// for room between those, and keeps what was free once.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long blocking work may hold up the end of the process.
const RUNTIME_GRACE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let called = Called::now();
    if called == Called::HttpServer {
        return http_server::run(words).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS);
    }
    let cli = match Cli::read(called, words) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if let Err(error) = telemetry::init(cli.log.format, &cli.log()) {
        return fail(&error.into());
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let outcome = runtime.block_on(run(cli.command));
    runtime.shutdown_timeout(RUNTIME_GRACE);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(args) => up::run(*args).await,
        Command::Registry(args) => parts::registry(*args).await,
        Command::Control(args) => parts::control(*args).await,
        Command::Queue(args) => match args.command {
            Some(command) => remote::queue::run(command).await,
            None => parts::queue(args.server).await,
        },
        Command::Operator(args) => parts::operator(*args).await,
        Command::Worker(args) => parts::worker(*args).await,
        Command::SimIoc(args) => parts::sim_ioc(args).await,
        Command::Crds(args) => files::crds(&args),
        Command::Import(args) => files::import(&args),
        Command::Reference(Reference::Metrics) => measured::print(),
        Command::Export(args) => remote::export::run(&args).await,
        Command::Validate(args) => validate::run(&args),
        Command::Status(args) => remote::status::run(&args).await,
        Command::Devices(args) => remote::devices::run(&args).await,
        Command::Env(command) => remote::environment::run(command).await,
        Command::Re(command) => remote::engine::run(command).await,
        Command::Plan(command) => remote::plan::run(command).await,
        Command::History(args) => remote::history::run(&args).await,
        Command::Get(args) => remote::value::get(&args).await,
        Command::Set(args) => remote::value::set(&args).await,
        Command::Stop(args) => remote::value::stop(&args).await,
        Command::Doctor(args) => remote::doctor::run(&args).await,
        Command::Monitor(args) => remote::monitor::run(&args).await,
    }
}

/// Exit code of a command line that cannot be followed, as clap has it.
const USAGE: u8 = 2;

/// One clear line, with the causes behind it. A reader of ours that has gone is no failure.
fn fail(error: &anyhow::Error) -> ExitCode {
    let io = error.downcast_ref::<std::io::Error>();
    if io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.contains(&cause) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(&cause);
    }
    let mark = if std::io::stderr().is_terminal() { "\x1b[31merror:\x1b[0m" } else { "error:" };
    // Nothing is left to do when not even this line can be written.
    let _ = writeln!(std::io::stderr(), "{mark} {message}");
    if error.is::<remote::Usage>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}
