//! Whether an IOC serves a PV, without reading it.

use tokio::sync::watch;

use crate::Connection;

/// A look at the connection of one PV. As long as it is held, the PV is searched for and its channel is kept.
pub struct Presence {
    connection: watch::Receiver<Connection>,
    /// What keeps the channel.
    _hold: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence").field("connection", &*self.connection.borrow()).finish()
    }
}

impl Presence {
    /// A look at `connection`, which goes on as long as `hold` is there.
    pub fn new(connection: watch::Receiver<Connection>, hold: impl Send + Sync + 'static) -> Self {
        Self { connection, _hold: Box::new(hold) }
    }

    /// The connection, and every change of it.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }
}
