//! The protocol of this API's `/api/v1/pv-socket` (contract §4).

use std::sync::Arc;

use axum::extract::ws::Message;
use serde_json::Value;

use crate::audit::Caller;
use crate::monitors::heard::Heard;
use crate::oas::command::{Unfit, malformed, outside, printed, timeout, unknown_action, value_for};
use crate::oas::frames::{self, Words};
use crate::oas::refused::Refused;
use crate::oas::subscriptions::{Subscriptions, What};
use crate::oas::supersede::Writes;
use crate::oas::{CONNECT, Oas, stop};
use crate::put::{PutError, PutRequest, admit, put};
use crate::socket::Seat;
use crate::socket::actions::{Action, Actions, carry_out};
use crate::socket::command::{Manner, Received, text};
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
    caller: Arc<Caller>,
    _seat: Seat,
}

impl Protocol for PvSocket {
    fn keys(&self, received: &Received) -> Keys {
        // One that waits for the IOC must not hold up the next, which may be meant to end it.
        if Action::of(received, true) == Ok(Action::Set) && matches!(timeout(received), Ok(None)) {
            let names: Vec<String> = What::Pvs.names(received).into_iter().flatten().collect();
            return Keys::of("set", &names);
        }
        self.subscriptions.keys(received)
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

impl Actions for PvSocket {
    async fn subscribe(&self, received: &Received, manner: Manner) {
        let admit = |pv: &str| {
            self.oas.gateway.readable_in_oas(pv).map_err(|refusal| refusal.to_string())?;
            let dialect = Dialect::Oas(Words::Pv { read_only: manner == Manner::ReadOnly });
            Ok(vec![Followed { dialect, monitor: self.oas.gateway.monitors.of(pv) }])
        };
        self.subscriptions.subscribe(received, manner, admit).await;
    }

    fn unsubscribe(&self, received: &Received) {
        self.subscriptions.unsubscribe(received);
    }

    fn refresh(&self, _: &Received) {
        self.subscriptions.refresh();
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

    async fn stop(&self, received: &Received) {
        self.outbox.push(stop::stop(&self.oas, &self.caller, received).await);
    }

    fn ping(&self) {
        self.outbox.push(frames::ack("pong"));
    }

    fn unknown(&self, action: &str) {
        self.outbox.push(unknown_action(action, "pv: 'IOC:m1'"));
    }
}

impl PvSocket {
    /// A socket without subscriptions.
    pub(crate) fn new(oas: Arc<Oas>, outbox: Arc<Outbox>, seat: Seat, caller: Arc<Caller>) -> Self {
        let cap = oas.gateway.settings.max_subscriptions_per_client;
        let following = Following::new(seat.session, &outbox, cap);
        let subscriptions = Subscriptions::new(What::Pvs, Arc::clone(&outbox), following);
        Self { oas, outbox, subscriptions, writes: Writes::default(), caller, _seat: seat }
    }

    async fn write(&self, pv: &str, received: &Received, supersedes: bool) -> Result<(), Message> {
        let given = received.get("value").unwrap_or(&Value::Null);
        let gateway = &self.oas.gateway;
        let attempt = gateway.audit.put(&self.caller, pv, given);
        match self.request(pv, given, received, supersedes).await {
            Ok(request) => {
                let written = put(gateway, attempt, &request).await;
                written.map(drop).map_err(|error| failed(pv, &printed(&request.value), &error))
            }
            Err(refused) => {
                attempt.end(&refused);
                Err(refused.frame())
            }
        }
    }

    /// What is to be written, unless this API knows already that it must not be.
    async fn request(
        &self,
        pv: &str,
        given: &Value,
        received: &Received,
        supersedes: bool,
    ) -> Result<PutRequest, Refused> {
        let Some(followed) = self.subscriptions.following.get(pv).and_then(|mut all| all.pop())
        else {
            let text = format!("PV {pv} is not subscribed. Subscribe to PV before setting value.");
            return Err(Refused::because("not_subscribed", text));
        };
        let heard = followed.monitor.heard();
        let read_only = followed.dialect == Dialect::Oas(Words::Pv { read_only: true });
        if read_only || heard.as_ref().is_some_and(is_write_protected) {
            let text = format!("Write access is not enabled for PV {pv}. Cannot set value.");
            return Err(Refused::because("access_denied", text));
        }
        let like = heard.as_ref().map(|heard| &heard.sample.value);
        let unfit = |unfit: Unfit| Refused::because("bad_value", unfit.told(pv, given));
        let value = value_for(given, like).map_err(unfit)?;
        let shown = printed(&value);
        let start = format!("Could not set value of {pv} to {shown}");
        let timeout = timeout(received).map_err(|_| {
            Refused::because("bad_value", format!("Timeout must be a number. {start}"))
        })?;
        admit(&self.oas.gateway, pv)
            .map_err(|refusal| Refused::with_word(refusal.word(), format!("{start}: {refusal}")))?;
        if self.oas.queue.gates_sockets() {
            let busy = |busy| Refused::with_word("queue_busy", format!("{start}: {busy}"));
            self.oas.queue.idle().await.map_err(busy)?;
        }
        let limits = heard.as_ref().filter(|_| self.oas.gateway.settings.check_ctrl_limits);
        if let Some(text) =
            limits.and_then(|heard| outside("PV", pv, &value, frames::limits(heard)))
        {
            return Err(Refused::because("limits", text));
        }
        Ok(PutRequest {
            pv: pv.to_owned(),
            value,
            wait: timeout.is_some() && !supersedes,
            use_complete: false,
            timeout,
            connection_timeout: Some(CONNECT),
            check_limits: Some(false),
        })
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
