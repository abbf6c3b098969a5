//! The protocol of `/api/v1/pv-socket` (contract §2.9).

use std::sync::Arc;

use axum::extract::ws::Message;
use futures::future::join_all;
use serde_json::{Map, Value, json};

use crate::device::command::{Command, command};
use crate::gate::Refusal;
use crate::monitors::Monitor;
use crate::put::{CONNECT_TIMEOUT, PutError, PutRequest, put};
use crate::socket::actions::{Action, Actions, carry_out};
use crate::socket::client::Client;
use crate::socket::command::{Manner, Received, names, set_options, text};
use crate::socket::dialect::Dialect;
use crate::socket::following::Followed;
use crate::socket::frames::{self, Words};
use crate::socket::lanes::Keys;
use crate::socket::session::{Malformed, Protocol};

/// In whose words a PV is told here.
const DIALECT: Dialect = Dialect::Direct(Words::Pv);

/// One pv-socket.
#[derive(Debug)]
pub(crate) struct PvSocket {
    client: Client,
}

impl Protocol for PvSocket {
    fn keys(&self, received: &Received) -> Keys {
        let names = pv_names(received);
        match Action::of(received, Self::OR_TYPE) {
            Ok(Action::Refresh) if names.is_empty() => Keys::All("pv"),
            Ok(Action::Subscribe(_) | Action::Unsubscribe | Action::Refresh) => {
                Keys::of("pv", &names)
            }
            Ok(Action::Set) => Keys::of("set", &names),
            Ok(Action::Stop | Action::Ping) | Err(_) => Keys::none(),
        }
    }

    async fn handle(&self, received: Received) {
        carry_out(self, &received).await;
    }

    fn malformed(&self, malformed: Malformed) -> Message {
        frames::malformed(malformed)
    }

    fn heartbeat(&self) -> Message {
        frames::envelope("heartbeat", Map::new())
    }
}

fn pv_names(received: &Received) -> Vec<String> {
    names(received, "pv", &["pv_names", "pvs"])
}

fn about(pv: &str) -> Map<String, Value> {
    Map::from_iter([("pv".to_owned(), pv.into())])
}

impl PvSocket {
    /// A socket for that client.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn error(&self, text: impl Into<String>, context: Map<String, Value>) {
        self.client.error(text, context);
    }

    fn ack(&self, kind: &str, names: &[String], more: Option<(&str, bool)>) {
        let mut fields = Map::new();
        fields.insert("pv_names".into(), json!(names));
        if let Some((key, value)) = more {
            fields.insert(key.into(), value.into());
        }
        self.client.tell(kind, fields);
    }

    /// Connects all at the same time. Each live PV is sent as soon as it is there; the ack comes
    /// last and names those that are.
    async fn follow(&self, names: Vec<String>, manner: Manner) {
        if names.is_empty() {
            return self.error("pv or pv_names field required for subscribe", Map::new());
        }
        if !self.reserve(&names) {
            return;
        }
        let connected = join_all(names.iter().map(|pv| self.connect(pv, manner))).await;
        let live: Vec<String> =
            names.into_iter().zip(connected).filter_map(|(pv, live)| live.then_some(pv)).collect();
        if live.is_empty() {
            return;
        }
        self.ack("subscribed", &live, manner.flag());
    }

    /// Counts the new names against the cap before anything waits.
    fn reserve(&self, names: &[String]) -> bool {
        let wanted = names.iter().map(|pv| (pv.as_str(), 1));
        let Err(current) = self.client.following.reserve(wanted) else { return true };
        let (cap, requested) = (self.client.following.cap(), names.len());
        let text = format!(
            "Subscribe would exceed max_subscriptions_per_client (cap={cap}, current={current}, requested={requested})."
        );
        let context = json!({ "cap": cap, "current": current, "requested": requested });
        self.error(text, context.as_object().cloned().unwrap_or_default());
        false
    }

    async fn connect(&self, pv: &str, manner: Manner) -> bool {
        let Some(monitor) = self.monitor(pv, manner).await else {
            self.client.following.release(pv);
            return false;
        };
        self.client.following.start(pv, vec![Followed { dialect: DIALECT, monitor }]);
        true
    }

    /// The monitor of the PV, once it is connected; otherwise the client has been told why not.
    async fn monitor(&self, pv: &str, manner: Manner) -> Option<Arc<Monitor>> {
        if let Err(refusal) = self.client.gateway.known_pv(pv) {
            self.error(refusal.to_string(), about(pv));
            return None;
        }
        let monitor = self.client.gateway.monitors.of(pv);
        if monitor.connected(CONNECT_TIMEOUT).await.is_ok() {
            return Some(monitor);
        }
        let seconds = CONNECT_TIMEOUT.as_secs_f64();
        let failed = format!(
            "PV {pv} subscription failed: {pv} could not connect within {seconds:?}-second timeout."
        );
        if manner == Manner::Safely {
            self.error(failed, about(pv));
        } else {
            let mut context = about(pv);
            context.insert("reason".into(), "pv_subscribe_failed".into());
            self.error(format!("PV {pv} failed to subscribe: {failed}"), context);
        }
        None
    }
}

impl Actions for PvSocket {
    async fn subscribe(&self, received: &Received, manner: Manner) {
        if manner != Manner::Safely {
            return self.follow(pv_names(received), manner).await;
        }
        match text(received, "pv") {
            Some(pv) => self.follow(vec![pv.to_owned()], manner).await,
            None => self.error("pv field required for subscribeSafely", Map::new()),
        }
    }

    fn unsubscribe(&self, received: &Received) {
        let names = pv_names(received);
        for pv in &names {
            self.client.following.end(pv);
        }
        self.ack("unsubscribed", &names, None);
    }

    /// Sends the last values once more: of the named PVs, or of all.
    fn refresh(&self, received: &Received) {
        let names = pv_names(received);
        let names = if names.is_empty() { self.client.following.names() } else { names };
        let known: Vec<String> =
            names.into_iter().filter(|pv| self.client.following.refresh(pv, false)).collect();
        self.ack("refreshed", &known, None);
    }

    async fn set(&self, received: &Received) {
        let value = received.get("value").filter(|value| !value.is_null());
        let (Some(pv), Some(value)) = (text(received, "pv"), value) else {
            return self.error("pv and value fields required for set", Map::new());
        };
        let options = match set_options(received, "PVSetRequest") {
            Ok(options) => options,
            Err(text) => return self.error(text, about(pv)),
        };
        let request = PutRequest {
            pv: pv.to_owned(),
            value: value.clone(),
            wait: !options.use_put,
            use_complete: false,
            timeout: options.timeout,
            connection_timeout: None,
            check_limits: None,
        };
        let attempt = self.client.gateway.audit.put(&self.client.caller, pv, value);
        match put(&self.client.gateway, attempt, &request).await {
            Ok(done) => {
                let fields = json!({
                    "pv": pv, "value": value, "success": true, "message": done.message(),
                    "use_put": options.use_put,
                });
                let fields = fields.as_object().cloned().unwrap_or_default();
                self.client.tell("set_complete", fields);
            }
            Err(error) => {
                let mut context = about(pv);
                match &error {
                    PutError::Refused(Refusal::ReadOnlyMode) => context.clear(),
                    PutError::Refused(Refusal::Locked { .. }) => {
                        context.insert("locked".into(), true.into());
                    }
                    _ => {}
                }
                self.error(error.to_string(), context);
            }
        }
    }

    async fn stop(&self, received: &Received) {
        let Some(device) = text(received, "device") else {
            return self.error("device field required for stop", Map::new());
        };
        let stop = Command::stop(device);
        let attempt = self.client.gateway.audit.command(&self.client.caller, &stop);
        match command(&self.client.gateway, attempt, stop).await {
            Ok(outcome) => self.client.tell_stopped(device, &outcome.message),
            Err(error) => {
                let context = Map::from_iter([("device".to_owned(), device.into())]);
                self.error(error.to_string(), context);
            }
        }
    }

    fn ping(&self) {
        self.client.tell("pong", Map::new());
    }

    fn unknown(&self, action: &str) {
        self.error(format!("Unknown action: {action}"), Map::new());
    }
}
