//! The sockets of commands of this API: the same for PVs and for devices, but for what is followed and how it is set (contract §4,
//! §5).

use std::sync::Arc;

use axum::extract::ws::Message;

use crate::audit::Caller;
use crate::oas::command::{malformed, unknown_action};
use crate::oas::frames;
use crate::oas::subscriptions::{Subscriptions, What};
use crate::oas::supersede::Writes;
use crate::oas::{Oas, stop};
use crate::socket::Seat;
use crate::socket::actions::{Actions, carry_out};
use crate::socket::command::{Manner, Received};
use crate::socket::following::{Followed, Following};
use crate::socket::lanes::Keys;
use crate::socket::outbox::Outbox;
use crate::socket::session::{Malformed, Protocol};

/// What a socket is for.
pub(crate) trait Subject: Sized + Send + Sync + 'static {
    /// PVs or devices.
    const WHAT: What;

    /// What a command about one says, for clients that sent something else.
    const EXAMPLE: &'static str;

    /// What a command concerns, where that is not the rule of [`Subscriptions::keys`].
    fn keys(_received: &Received) -> Option<Keys> {
        None
    }

    /// What is followed for the thing of that name.
    ///
    /// # Errors
    /// Why it cannot be.
    fn admit(oas: &Oas, name: &str, read_only: bool) -> Result<Vec<Followed>, String>;

    /// Writes what the command says.
    fn set(socket: &CommandSocket<Self>, received: &Received) -> impl Future<Output = ()> + Send;
}

/// One socket of commands.
#[derive(Debug)]
pub(crate) struct CommandSocket<S> {
    /// What it works on.
    pub(crate) oas: Arc<Oas>,
    /// What its client is told.
    pub(crate) outbox: Arc<Outbox>,
    /// What its client follows.
    pub(crate) subscriptions: Subscriptions,
    /// What its client writes.
    pub(crate) writes: Writes,
    /// Who its client is.
    pub(crate) caller: Arc<Caller>,
    _subject: S,
    _seat: Seat,
}

impl<S: Subject> CommandSocket<S> {
    /// A socket without subscriptions.
    pub(crate) fn new(
        subject: S,
        oas: Arc<Oas>,
        outbox: Arc<Outbox>,
        seat: Seat,
        caller: Arc<Caller>,
    ) -> Self {
        let cap = oas.gateway.settings.max_subscriptions_per_client;
        let following = Following::new(seat.session, &outbox, cap);
        let subscriptions = Subscriptions::new(S::WHAT, Arc::clone(&outbox), following);
        let writes = Writes::default();
        Self { oas, outbox, subscriptions, writes, caller, _subject: subject, _seat: seat }
    }
}

impl<S: Subject> Protocol for CommandSocket<S> {
    fn keys(&self, received: &Received) -> Keys {
        S::keys(received).unwrap_or_else(|| self.subscriptions.keys(received))
    }

    async fn handle(&self, received: Received) {
        carry_out(self, &received).await;
    }

    fn malformed(&self, what: Malformed) -> Message {
        malformed(what)
    }

    fn heartbeat(&self) -> Message {
        Message::Ping(bytes::Bytes::new())
    }
}

impl<S: Subject> Actions for CommandSocket<S> {
    async fn subscribe(&self, received: &Received, manner: Manner) {
        let admit = |name: &str| S::admit(&self.oas, name, manner == Manner::ReadOnly);
        self.subscriptions.subscribe(received, manner, admit).await;
    }

    fn unsubscribe(&self, received: &Received) {
        self.subscriptions.unsubscribe(received);
    }

    fn refresh(&self, _: &Received) {
        self.subscriptions.refresh();
    }

    async fn set(&self, received: &Received) {
        S::set(self, received).await;
    }

    async fn stop(&self, received: &Received) {
        self.outbox.push(stop::stop(&self.oas, &self.caller, received).await);
    }

    fn ping(&self) {
        self.outbox.push(frames::ack("pong"));
    }

    fn unknown(&self, action: &str) {
        self.outbox.push(unknown_action(action, S::EXAMPLE));
    }
}
