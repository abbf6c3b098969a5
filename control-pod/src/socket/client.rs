//! What every socket of direct control has: the client at its other end, and what that follows.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::audit::Caller;
use crate::gateway::Gateway;
use crate::socket::Seat;
use crate::socket::following::Following;
use crate::socket::frames;
use crate::socket::outbox::Outbox;

/// The client of one socket.
#[derive(Debug)]
pub(crate) struct Client {
    /// The core.
    pub(crate) gateway: Arc<Gateway>,
    /// What it follows.
    pub(crate) following: Following,
    /// Who it is, for the record of writes.
    pub(crate) caller: Arc<Caller>,
    outbox: Arc<Outbox>,
    /// Taken as long as the socket is open.
    seat: Arc<Seat>,
}

impl Client {
    /// One without subscriptions.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        outbox: Arc<Outbox>,
        seat: Seat,
        caller: Arc<Caller>,
    ) -> Self {
        let cap = gateway.settings.max_subscriptions_per_client;
        let following = Following::new(seat.session, &outbox, cap);
        Self { gateway, following, caller, outbox, seat: Arc::new(seat) }
    }

    /// The same client, with subscriptions to things of another kind. Both count.
    pub(crate) fn of_another_kind(&self) -> Self {
        Self {
            gateway: Arc::clone(&self.gateway),
            following: self.following.of_another_kind(),
            caller: Arc::clone(&self.caller),
            outbox: Arc::clone(&self.outbox),
            seat: Arc::clone(&self.seat),
        }
    }

    /// Tells it `fields`, under the name `kind`.
    pub(crate) fn tell(&self, kind: &str, fields: Map<String, Value>) {
        self.outbox.push(frames::envelope(kind, fields));
    }

    /// Tells it that a device has been stopped.
    pub(crate) fn tell_stopped(&self, device: &str, message: &str) {
        self.outbox.push(frames::stop_complete(device, message));
    }

    /// Tells it what is wrong.
    pub(crate) fn error(&self, text: impl Into<String>, context: Map<String, Value>) {
        self.outbox.push(frames::error(text, context));
    }
}
