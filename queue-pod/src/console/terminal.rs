//! Where the console of the queue is seen in the terminal of its server: as events of the log, as printed, or not at all.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::Level;

/// Chunks of text that may wait for a terminal that does not take them; more are left out.
const WAITING: usize = 1_000;

/// Where a process shows its console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// As events of its log.
    #[default]
    Log,
    /// On its standard output, as printed.
    Output,
    /// Nowhere.
    Nowhere,
}

/// The terminal of this process. Clones share it.
#[derive(Clone, Debug)]
pub(super) enum Terminal {
    Log,
    /// Behind it is a thread: who prints never waits for a terminal that nobody reads.
    Output(Arc<SyncSender<String>>),
    Nowhere,
}

impl Terminal {
    pub(super) fn new(shown: Shown) -> Self {
        match shown {
            Shown::Log => Self::Log,
            Shown::Nowhere => Self::Nowhere,
            Shown::Output => {
                let (sender, texts) = sync_channel(WAITING);
                std::thread::spawn(move || write(&texts));
                Self::Output(Arc::new(sender))
            }
        }
    }

    /// Shows that text; the log has a time and a level of its own, and takes the `bare` one.
    pub(super) fn show(&self, level: Level, bare: &str, text: &str) {
        match self {
            Self::Log => match level {
                Level::Info => tracing::info!(text = bare.trim_end(), "console"),
                Level::Warning => tracing::warn!(text = bare, "console"),
                Level::Error => tracing::error!(text = bare, "console"),
            },
            Self::Output(sender) => {
                if let Err(TrySendError::Full(_)) = sender.try_send(text.to_owned()) {
                    metrics::counter!("queue_console_unseen_total").increment(1);
                }
            }
            Self::Nowhere => {}
        }
    }
}

/// Writes until nobody prints any more, or nobody reads.
fn write(texts: &Receiver<String>) {
    let mut output = std::io::stdout();
    while let Ok(text) = texts.recv() {
        if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}
