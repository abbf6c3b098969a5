//! The git checkout of a profile: how it stands, and bringing it up to its upstream (contract queue-server §5.4).
//!
//! It only ever moves forward, by commits that upstream has already. What somebody has changed in it is never touched: then nothing is
//! done, and somebody has to look at it on that machine.

mod git;
mod standing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{Mutex, Semaphore};

pub use git::GitError;
use git::{FETCH, Git, LOCAL};
pub use standing::Standing;

/// The file from which the environment of Python is made: when it changes, opening the worker anew is not enough.
const PIXI: &str = "pixi.toml";
/// Looks at the checkout at the same time, which is polled.
const LOOKS: usize = 4;
/// Changed files that are named in a refusal.
const NAMED: usize = 5;

/// The checkout of a profile, if there is one. Clones share its turn.
#[derive(Clone, Debug)]
pub struct Checkout {
    folder: Option<PathBuf>,
    /// Who pulls.
    turn: Arc<Mutex<()>>,
    looks: Arc<Semaphore>,
}

/// What a pull has changed (`ProfilePullResponse`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// The commit before.
    pub commit_before: String,
    /// The commit now.
    pub commit_after: String,
    /// Files that differ between the two, as far as they fit.
    pub files_changed: Vec<String>,
    /// Whether `pixi.toml` is among them.
    pub pixi_toml_changed: bool,
}

/// The checkout cannot be looked at, or not be pulled.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// None is named.
    #[error(
        "Profile-collection directory is not configured. Set QSERVER_HTTP_SERVER_PROFILE_COLLECTION_DIR to a git checkout where the \
         queue server runs"
    )]
    NotConfigured,
    /// Somebody else is at it.
    #[error("The profile collection is being pulled already")]
    Busy,
    /// Something was changed in it.
    #[error(
        "Profile-collection working tree is dirty. Commit or revert on-host changes before pulling: {0}"
    )]
    Dirty(String),
    /// It cannot move forward.
    #[error("The profile collection cannot be fast-forwarded (git merge --ff-only): {0}")]
    Diverged(String),
    /// There is no such folder.
    #[error("Profile-collection directory '{0}' cannot be used: {1}")]
    Folder(PathBuf, std::io::Error),
    /// Git says something that is not understood.
    #[error("git said something unexpected: {0}")]
    Unexpected(String),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl CheckoutError {
    /// Whether somebody can do something about it, and then try again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::NotConfigured | Self::Busy | Self::Dirty(_) | Self::Diverged(_))
    }
}

impl Checkout {
    /// The checkout in that folder.
    pub fn new(folder: Option<PathBuf>) -> Self {
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        Self { folder, turn: Arc::default(), looks: Arc::new(Semaphore::new(LOOKS)) }
    }

    /// How it stands, as far as is known without asking upstream.
    ///
    /// # Errors
    /// [`CheckoutError`].
    pub async fn standing(&self) -> Result<Standing, CheckoutError> {
        let folder = self.folder().await?;
        // It is closed by nobody.
        let _look = self.looks.acquire().await.map_err(|_| CheckoutError::Busy)?;
        look(&folder).await
    }

    /// Asks upstream, and moves forward to where it is. A caller who leaves must not end this halfway.
    ///
    /// # Errors
    /// [`CheckoutError`].
    pub async fn pull(&self) -> Result<Pulled, CheckoutError> {
        let pulled = self.advance().await;
        let outcome = match &pulled {
            Ok(pulled) if pulled.commit_before == pulled.commit_after => "unchanged",
            Ok(_) => "changed",
            Err(error) if error.is_conflict() => "refused",
            Err(_) => "failed",
        };
        metrics::counter!("queue_profile_pulls_total", "outcome" => outcome).increment(1);
        pulled
    }

    async fn advance(&self) -> Result<Pulled, CheckoutError> {
        let folder = self.folder().await?;
        let _turn = self.turn.try_lock().map_err(|_| CheckoutError::Busy)?;
        let before = look(&folder).await?;
        if before.is_dirty {
            return Err(CheckoutError::Dirty(named(&before.changed)));
        }
        let git = Git::new(&folder);
        git.run(&["fetch", "--quiet"], FETCH).await?;
        // The commit that is moved to is the one that was looked at.
        let upstream = git.run(&["rev-parse", "--verify", "@{upstream}^{commit}"], LOCAL).await?;
        let upstream = upstream.text();
        let now = look(&folder).await?;
        match (now.ahead, now.behind) {
            (_, Some(0)) => {}
            (Some(ahead), Some(behind)) if ahead > 0 => {
                return Err(CheckoutError::Diverged(format!(
                    "it has {ahead} commits that upstream has not, and upstream {behind} that it has not"
                )));
            }
            _ => forward(&git, &upstream).await?,
        }
        changes(&git, before.commit, &look(&folder).await?.commit).await
    }

    async fn folder(&self) -> Result<PathBuf, CheckoutError> {
        let folder = self.folder.as_ref().ok_or(CheckoutError::NotConfigured)?;
        let found = tokio::fs::canonicalize(folder).await;
        found.map_err(|error| CheckoutError::Folder(folder.clone(), error))
    }
}

async fn look(folder: &Path) -> Result<Standing, CheckoutError> {
    let wanted = ["status", "--porcelain=v2", "--branch", "--untracked-files=normal", "-z"];
    let said = Git::new(folder).run(&wanted, LOCAL).await?;
    Standing::read(folder, &said.bytes).map_err(CheckoutError::Unexpected)
}

/// Moves forward to that commit. Git refuses to when a file would be lost, also one that it is told to ignore.
async fn forward(git: &Git<'_>, commit: &str) -> Result<(), CheckoutError> {
    let merge = ["merge", "--quiet", "--ff-only", "--no-overwrite-ignore", commit];
    match git.run(&merge, FETCH).await {
        Ok(_) => Ok(()),
        Err(GitError::Failed { words, .. }) => Err(CheckoutError::Diverged(words)),
        Err(error) => Err(error.into()),
    }
}

/// What differs between two commits.
async fn changes(git: &Git<'_>, before: String, after: &str) -> Result<Pulled, CheckoutError> {
    let after = after.to_owned();
    if before == after {
        let (files_changed, pixi_toml_changed) = (Vec::new(), false);
        return Ok(Pulled {
            commit_before: before,
            commit_after: after,
            files_changed,
            pixi_toml_changed,
        });
    }
    let files = ["diff", "--name-only", "--no-renames", "-z", &before, &after];
    let files_changed = git.run(&files, LOCAL).await?.names();
    // Not from the names, which may be too many.
    let pixi = ["diff", "--name-only", "--no-renames", "-z", &before, &after, "--", PIXI];
    let pixi_toml_changed = !git.run(&pixi, LOCAL).await?.bytes.is_empty();
    Ok(Pulled { commit_before: before, commit_after: after, files_changed, pixi_toml_changed })
}

/// The first of some files.
fn named(files: &[String]) -> String {
    let first = files.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match files.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
