//! The one thread that writes: takes every waiting command, commits them together, answers them all.
//!
//! Group commit is what makes the store fast: the disk is flushed once a batch, not once a write. A command is checked
//! against the state that the commands before it will leave, also inside its own batch.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::index::{Change, Key};
use super::log::{Log, LogChange};
use super::object::{Draft, Stored};

/// Commands that may wait: at 5,000 writes/s a fifth of a second of work; beyond it callers wait to send.
pub(super) const QUEUE: usize = 1_024;
/// Most commands in one commit. Bounds the time to the first answer of a batch.
const MAX_BATCH: usize = 512;

/// What must hold for a command to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// No such object exists.
    Absent,
    /// The object exists at this version.
    Version(u64),
}

/// Why a write did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("the object already exists")]
    Exists,
    #[error("the object has been changed or deleted meanwhile")]
    Changed,
    #[error("the store cannot write: {0}")]
    Storage(String),
    #[error("the store is closed")]
    Closed,
}

/// One write and the place for its answer.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) key: Key,
    pub(super) expect: Expect,
    pub(super) draft: Draft,
    pub(super) delete: bool,
    pub(super) reply: oneshot::Sender<Result<Arc<Stored>, WriteError>>,
}

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Write(Box<Write>),
    Close,
}

type Reply = (oneshot::Sender<Result<Arc<Stored>, WriteError>>, Arc<Stored>);

/// Serves commands until told to close, then closes the file.
pub(super) fn run(mut log: Log, shared: &Shared, mut commands: mpsc::Receiver<Command>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while let Some(first) = commands.blocking_recv() {
        let mut next = Some(first);
        let mut close = false;
        while let Some(command) = next {
            match command {
                Command::Write(write) => batch.push(*write),
                Command::Close => {
                    commands.close();
                    close = true;
                }
            }
            next = if batch.len() < MAX_BATCH { commands.try_recv().ok() } else { None };
        }
        commit(&mut log, shared, batch.drain(..));
        if close && commands.is_empty() {
            break;
        }
    }
    if let Err(error) = log.close() {
        tracing::warn!(%error, "the state file was not closed cleanly; nothing is lost");
    }
}

fn commit(log: &mut Log, shared: &Shared, batch: impl Iterator<Item = Write>) {
    let mut version = shared.index.read().version();
    let mut pending: HashMap<Key, Option<Arc<Stored>>> = HashMap::new();
    let mut changes = Vec::new();
    let mut replies: Vec<Reply> = Vec::new();
    for Write { key, expect, draft, delete, reply } in batch {
        let current = match pending.get(&key) {
            Some(state) => state.clone(),
            None => shared.index.read().get(&key),
        };
        let refusal = match (expect, current.as_ref().map(|object| object.version)) {
            (Expect::Absent, Some(_)) => Some(WriteError::Exists),
            (Expect::Version(wanted), found) if found != Some(wanted) => Some(WriteError::Changed),
            _ => None,
        };
        if let Some(error) = refusal {
            // A caller that went away does not want its answer.
            let _ = reply.send(Err(error));
            continue;
        }
        version += 1;
        let object = Arc::new(draft.finish(version));
        pending.insert(key.clone(), (!delete).then(|| object.clone()));
        changes.push(Change { key, object: object.clone(), deleted: delete });
        replies.push((reply, object));
    }
    if changes.is_empty() {
        return;
    }
    let rows: Vec<LogChange<'_>> = changes
        .iter()
        .map(|change| LogChange {
            resource: shared.resources.get(change.key.resource).map_or("", String::as_str),
            namespace: change.key.namespace(),
            name: change.key.name(),
            body: (!change.deleted).then(|| (change.object.version, change.object.json.as_ref())),
        })
        .collect();
    match log.write(&rows, version) {
        Ok(()) => {
            drop(rows);
            if shared.index.write().apply(changes) {
                shared.suspicion.notify_one();
            }
            for (reply, object) in replies {
                let _ = reply.send(Ok(object));
            }
        }
        Err(error) => {
            tracing::error!(%error, "cannot write the state file");
            for (reply, _) in replies {
                let _ = reply.send(Err(WriteError::Storage(error.to_string())));
            }
        }
    }
}
