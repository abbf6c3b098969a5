//! `git` as a child process: no shell, no questions, a bounded time and bounded output.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest time for what needs no network, and for what does.
pub(super) const LOCAL: Duration = Duration::from_secs(30);
pub(super) const FETCH: Duration = Duration::from_secs(120);
/// Most of what it prints that is kept: names of files, and what went wrong.
const LONGEST_OUTPUT: u64 = 4 << 20;
const LONGEST_WORDS: u64 = 8 << 10;
/// What would point it at another repository than that of the folder.
const MISLEADING: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// Git did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It is not installed.
    #[error("there is no 'git' on the PATH of the queue server")]
    Missing,
    /// It cannot be run.
    #[error("git cannot be run: {0}")]
    Io(#[from] io::Error),
    /// It takes too long.
    #[error("git {command} did not end within {} s", .limit.as_secs())]
    TimedOut {
        /// What was asked of it.
        command: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It said no.
    #[error("git {command} failed: {words}")]
    Failed {
        /// What was asked of it.
        command: String,
        /// What it said.
        words: String,
    },
}

/// Git in one folder, which is the top of its checkout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Git<'a> {
    folder: &'a Path,
}

/// What it printed.
#[derive(Debug)]
pub(super) struct Output {
    /// The first of it.
    pub(super) bytes: Vec<u8>,
}

impl Output {
    /// One line of text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim().to_owned()
    }

    /// The names in it, each with a NUL behind it; one that was cut off is left out.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.bytes.split(|byte| *byte == 0).collect();
        names.pop();
        names.into_iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }
}

impl<'a> Git<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { folder }
    }

    /// Runs it, and everything that it starts, for that long at most.
    pub(super) async fn run(&self, args: &[&str], limit: Duration) -> Result<Output, GitError> {
        let mut child = match self.command(args).spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(GitError::Missing),
            Err(error) => return Err(error.into()),
        };
        let group = Group::of(child.id());
        let out = child.stdout.take().map(|out| keep(out, LONGEST_OUTPUT));
        let words = child.stderr.take().map(|words| keep(words, LONGEST_WORDS));
        let ended =
            timeout(limit, async { tokio::try_join!(read(out), read(words), child.wait()) });
        let command = args.first().copied().unwrap_or_default().to_owned();
        let (bytes, words, status) = match ended.await {
            Ok(ended) => ended?,
            Err(_) => return Err(GitError::TimedOut { command, limit }),
        };
        group.release();
        if status.success() {
            return Ok(Output { bytes });
        }
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        let words = if words.is_empty() { status.to_string() } else { words };
        Err(GitError::Failed { command, words })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        // Nothing goes on in the background, which would keep our pipes open.
        command.args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"]).args(args);
        command.current_dir(self.folder);
        for name in MISLEADING {
            command.env_remove(name);
        }
        let parent = self.folder.parent().map_or_else(OsString::new, |above| above.into());
        command
            // A folder in somebody else's checkout is none.
            .env("GIT_CEILING_DIRECTORIES", parent)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// The process and what it has started: none of it outlives whoever waits for it.
struct Group(Option<Pid>);

impl Group {
    fn of(process: Option<u32>) -> Self {
        Self(process.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    /// It has ended by itself.
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended just now.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// The first bytes of a stream that is read to its end, so that who writes never waits.
async fn keep(mut from: impl AsyncRead + Unpin, most: u64) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    (&mut from).take(most).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(kept)
}

async fn read(stream: Option<impl Future<Output = io::Result<Vec<u8>>>>) -> io::Result<Vec<u8>> {
    match stream {
        Some(stream) => stream.await,
        None => Ok(Vec::new()),
    }
}
