//! The protocol of this API's `/api/v1/pv-socket` (contract §4).

use axum::extract::ws::Message;
use serde_json::Value;

use crate::monitors::heard::Heard;
use crate::oas::command::{Unfit, outside, printed, timeout, value_for};
use crate::oas::command_socket::{CommandSocket, Subject};
use crate::oas::frames::{self, Words};
use crate::oas::refused::Refused;
use crate::oas::subscriptions::What;
use crate::oas::{CONNECT, Oas};
use crate::put::{PutError, PutRequest, admit, put};
use crate::socket::actions::Action;
use crate::socket::command::{Received, text};
use crate::socket::dialect::Dialect;
use crate::socket::following::Followed;
use crate::socket::lanes::Keys;

/// What a pv-socket is for.
#[derive(Debug)]
pub(crate) struct Pvs;

/// One pv-socket.
type PvSocket = CommandSocket<Pvs>;

impl Subject for Pvs {
    const WHAT: What = What::Pvs;
    const EXAMPLE: &'static str = "pv: 'IOC:m1'";

    fn keys(received: &Received) -> Option<Keys> {
        // One that waits for the IOC must not hold up the next, which may be meant to end it.
        let waits_for_nothing =
            Action::of(received, true) == Ok(Action::Set) && matches!(timeout(received), Ok(None));
        waits_for_nothing.then(|| {
            let names: Vec<String> = What::Pvs.names(received).into_iter().flatten().collect();
            Keys::of("set", &names)
        })
    }

    fn admit(oas: &Oas, pv: &str, read_only: bool) -> Result<Vec<Followed>, String> {
        oas.gateway.readable_in_oas(pv).map_err(|refusal| refusal.to_string())?;
        let dialect = Dialect::Oas(Words::Pv { read_only });
        Ok(vec![Followed { dialect, monitor: oas.gateway.monitors.of(pv) }])
    }

    async fn set(socket: &PvSocket, received: &Received) {
        let Some(pv) = text(received, "pv") else {
            return socket.subscriptions.error("No PV specified");
        };
        socket.subscriptions.following.settled(pv).await;
        let write = socket.writes.begin(pv);
        let set = socket.write(pv, received, write.supersedes);
        match write.unless_superseded(set).await {
            Some(Ok(())) => {}
            Some(Err(frame)) => socket.outbox.push(frame),
            None => socket
                .subscriptions
                .error(format!("Could not set value of {pv}: a newer set came before it was done")),
        }
    }
}

impl PvSocket {
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
