//! The protocol of this API's `/api/v1/pv-socket` (contract §4).

use std::sync::Arc;

use axum::extract::ws::Message;
use serde_json::Value;

use crate::monitors::heard::Heard;
use crate::oas::command::{malformed, outside, printed, timeout, unknown_action, value_for};
use crate::oas::frames::{self, Words};
use crate::oas::subscriptions::{Subscriptions, What};
use crate::oas::supersede::Writes;
use crate::oas::{CONNECT, Oas, stop};
use crate::put::{PutError, PutRequest, admit, put};
use crate::socket::Seat;
use crate::socket::command::{Manner, Received, action, text};
use crate::socket::dialect::Dialect;
use crate::socket::following::{Followed, Following};
use crate::socket::lanes::Keys;
use crate::socket::outbox::Outbox;
use crate::socket::session::{Malformed, Protocol};

/// One pv-socket.
#[derive(Debug)]
pub(crate) struct PvSocket {
    oas: Arc<Oas>,
    outbox: Arc<Outbox>,
    subscriptions: Subscriptions,
    writes: Writes,
    _seat: Seat,
}

impl Protocol for PvSocket {
    fn keys(&self, received: &Received) -> Keys {
        // One that waits for the IOC must not hold up the next, which may be meant to end it.
        if action(received, true) == "set" && matches!(timeout(received), Ok(None)) {
            let names: Vec<String> = What::Pvs.names(received).into_iter().flatten().collect();
            return Keys::of("set", &names);
        }
        self.subscriptions.keys(received)
    }

    async fn handle(&self, received: Received) {
        match action(&received, true).as_str() {
            "subscribe" => self.subscribe(&received, Manner::Plain).await,
            "subscribeReadOnly" => self.subscribe(&received, Manner::ReadOnly).await,
            "subscribeSafely" => self.subscribe(&received, Manner::Safely).await,
            "unsubscribe" => self.subscriptions.unsubscribe(&received),
            "refresh" => self.subscriptions.refresh(),
            "set" => self.set(&received).await,
            "stop" => self.outbox.push(stop::stop(&self.oas, &received).await),
            "ping" => self.outbox.push(frames::ack("pong")),
            other => self.outbox.push(unknown_action(other, "pv: 'IOC:m1'")),
        }
    }

    fn malformed(&self, what: Malformed) -> Message {
        malformed(what)
    }

    fn heartbeat(&self) -> Message {
        Message::Ping(bytes::Bytes::new())
    }
}

impl PvSocket {
    /// A socket without subscriptions.
    pub(crate) fn new(oas: Arc<Oas>, outbox: Arc<Outbox>, seat: Seat) -> Self {
        let cap = oas.gateway.settings.max_subscriptions_per_client;
        let following = Following::new(seat.session, &outbox, cap);
        let subscriptions = Subscriptions::new(What::Pvs, Arc::clone(&outbox), following);
        Self { oas, outbox, subscriptions, writes: Writes::default(), _seat: seat }
    }

    async fn subscribe(&self, received: &Received, manner: Manner) {
        let admit = |pv: &str| {
            self.oas.gateway.readable_in_oas(pv).map_err(|refusal| refusal.to_string())?;
            let dialect = Dialect::Oas(Words::Pv { read_only: manner == Manner::ReadOnly });
            Ok(vec![Followed { dialect, monitor: self.oas.gateway.monitors.of(pv) }])
        };
        self.subscriptions.subscribe(received, manner, admit).await;
    }

    async fn set(&self, received: &Received) {
        let Some(pv) = text(received, "pv") else {
            return self.subscriptions.error("No PV specified");
        };
        self.subscriptions.following.settled(pv).await;
        let write = self.writes.begin(pv);
        let set = self.write(pv, received, write.supersedes);
        match write.unless_superseded(set).await {
            Some(Ok(())) => {}
            Some(Err(frame)) => self.outbox.push(frame),
            None => self
                .subscriptions
                .error(format!("Could not set value of {pv}: a newer set came before it was done")),
        }
    }

    async fn write(&self, pv: &str, received: &Received, supersedes: bool) -> Result<(), Message> {
        let Some(followed) = self.subscriptions.following.get(pv).and_then(|mut all| all.pop())
        else {
            return Err(frames::error(format!(
                "PV {pv} is not subscribed. Subscribe to PV before setting value."
            )));
        };
        let heard = followed.monitor.heard();
        let read_only = followed.dialect == Dialect::Oas(Words::Pv { read_only: true });
        if read_only || heard.as_ref().is_some_and(is_write_protected) {
            return Err(frames::error(format!(
                "Write access is not enabled for PV {pv}. Cannot set value."
            )));
        }
        let given = received.get("value").unwrap_or(&Value::Null);
        let like = heard.as_ref().map(|heard| &heard.sample.value);
        let value = value_for(given, like).map_err(|unfit| frames::error(unfit.told(pv, given)))?;
        let shown = printed(&value);
        let timeout = timeout(received).map_err(|_| {
            frames::error(format!(
                "Timeout must be a number. Could not set value of {pv} to {shown}"
            ))
        })?;
        let failed = |error: PutError| failed(pv, &shown, &error);
        admit(&self.oas.gateway, pv).map_err(failed)?;
        if self.oas.queue.gates_sockets() {
            self.oas.queue.idle().await.map_err(|busy| {
                let text = format!("Could not set value of {pv} to {shown}: {busy}");
                frames::refused(&text, "queue_busy")
            })?;
        }
        let limits = heard.as_ref().filter(|_| self.oas.gateway.settings.check_ctrl_limits);
        if let Some(text) =
            limits.and_then(|heard| outside("PV", pv, &value, frames::limits(heard)))
        {
            return Err(frames::error(text));
        }
        let request = PutRequest {
            pv: pv.to_owned(),
            value: value.clone(),
            wait: timeout.is_some() && !supersedes,
            use_complete: false,
            timeout,
            connection_timeout: Some(CONNECT),
            check_limits: Some(false),
        };
        put(&self.oas.gateway, &request).await.map(drop).map_err(failed)
    }
}

fn is_write_protected(heard: &Heard) -> bool {
    heard.sample.connected && !heard.sample.write_access
}

fn failed(pv: &str, value: &str, error: &PutError) -> Message {
    let start = format!("Could not set value of {pv} to {value}");
    match error {
        PutError::Refused(refusal) => {
            frames::refused(&format!("{start}: {refusal}"), refusal.word())
        }
        PutError::NotConnected(_) => frames::error(format!(
            "{start}: {pv} could not connect within {:?}-second timeout.",
            CONNECT.as_secs_f64()
        )),
        other => frames::error(format!("{start}: {other}")),
    }
}
