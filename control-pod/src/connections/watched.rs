//! The PVs whose connection is followed, and the news of all of them.

use std::collections::HashMap;

use channels::{Connection, Presence};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The PVs whose connection is followed.
#[derive(Default)]
pub(super) struct Watched {
    held: HashMap<String, Held>,
    changes: FuturesUnordered<BoxFuture<'static, Option<Change>>>,
}

/// A PV that is followed; let go when dropped.
struct Held {
    _presence: Presence,
    _stop: DropGuard,
}

/// The connection of a PV has changed.
struct Change {
    pv: String,
    connection: watch::Receiver<Connection>,
    stop: CancellationToken,
}

impl Watched {
    /// Follows `pv` from now on; answers whether it is connected already.
    pub(super) fn follow(&mut self, pv: &str, presence: Presence) -> bool {
        let (mut connection, stop) = (presence.connection(), CancellationToken::new());
        let up = is_up(&connection.borrow_and_update());
        self.wait(Change { pv: pv.to_owned(), connection, stop: stop.clone() });
        self.held.insert(pv.to_owned(), Held { _presence: presence, _stop: stop.drop_guard() });
        up
    }

    /// Lets go of `pv`.
    pub(super) fn forget(&mut self, pv: &str) {
        self.held.remove(pv);
    }

    /// The next PV whose connection changed, and whether it is connected now; none while nothing is followed. Dropping it
    /// while it waits loses nothing.
    pub(super) async fn next(&mut self) -> Option<(String, bool)> {
        loop {
            let Some(mut change) = self.changes.next().await? else { continue };
            let news = (change.pv.clone(), is_up(&change.connection.borrow_and_update()));
            self.wait(change);
            return Some(news);
        }
    }

    /// Number of PVs that are followed.
    pub(super) fn count(&self) -> usize {
        self.held.len()
    }

    fn wait(&self, mut change: Change) {
        self.changes.push(Box::pin(async move {
            let stop = change.stop.clone();
            let changed = stop.run_until_cancelled(change.connection.changed()).await;
            matches!(changed, Some(Ok(()))).then_some(change)
        }));
    }
}

fn is_up(connection: &Connection) -> bool {
    matches!(connection, Connection::Connected(_))
}
