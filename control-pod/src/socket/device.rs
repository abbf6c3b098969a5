//! The protocol of `/api/v1/device-socket` (contract §2.10).

use axum::extract::ws::Message;
use futures::future::join_all;
use serde_json::{Map, Value, json};

use crate::device::DeviceError;
use crate::device::command::{Arguments, Command, command};
use crate::gate::Refusal;
use crate::put::CONNECT_TIMEOUT;
use crate::registry::KnownDevice;
use crate::socket::actions::{Action, Actions, carry_out};
use crate::socket::client::Client;
use crate::socket::command::{Manner, Received, names, set_options, text};
use crate::socket::dialect::Dialect;
use crate::socket::following::Followed;
use crate::socket::frames::{self, Words};
use crate::socket::lanes::Keys;
use crate::socket::session::{Malformed, Protocol};

/// The actions, as the refusal lists them.
const EXPECTED: &str =
    "subscribe, unsubscribe, subscribeSafely, subscribeReadOnly, refresh, set, stop, ping";

/// One device-socket.
#[derive(Debug)]
pub(crate) struct DeviceSocket {
    client: Client,
}

impl Protocol for DeviceSocket {
    fn keys(&self, received: &Received) -> Keys {
        let devices = device_names(received);
        match Action::of(received, Self::OR_TYPE) {
            // A stop waits for nothing, least of all for the move that it is to end.
            Ok(Action::Stop | Action::Ping) | Err(_) => Keys::none(),
            Ok(Action::Refresh) if devices.is_empty() => Keys::All("device"),
            Ok(Action::Set) => {
                let component = text(received, "component").unwrap_or_default();
                let path = |device: &String| format!("{device}.{component}");
                Keys::of("set", &devices.iter().map(path).collect::<Vec<_>>())
            }
            Ok(Action::Subscribe(_) | Action::Unsubscribe | Action::Refresh) => {
                Keys::of("device", &devices)
            }
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

/// The signals that do not answer. However many there are, they cost one timeout.
async fn dead(signals: &[Followed]) -> Vec<&Followed> {
    let connecting = signals.iter().map(|signal| signal.monitor.connected(CONNECT_TIMEOUT));
    let connected = join_all(connecting).await.into_iter().zip(signals);
    connected.filter_map(|(connected, signal)| connected.is_err().then_some(signal)).collect()
}

fn device_names(received: &Received) -> Vec<String> {
    names(received, "device", &["devices"])
}

fn about(device: &str) -> Map<String, Value> {
    Map::from_iter([("device".to_owned(), device.into())])
}

fn because(device: &str, reason: &str) -> Map<String, Value> {
    let mut context = about(device);
    context.insert("reason".into(), reason.into());
    context
}

impl DeviceSocket {
    /// A socket for that client.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn error(&self, text: impl Into<String>, context: Map<String, Value>) {
        self.client.error(text, context);
    }

    /// Follows every signal of the device at once; those that answer are sent as they come. The ack
    /// comes last.
    async fn subscribe_to(&self, device: &str, manner: Manner) {
        let subscribed = self.client.following.get(device);
        let is_new = subscribed.is_none();
        let Some(signals) = subscribed.or_else(|| self.follow(device)) else { return };
        if is_new || manner == Manner::Safely {
            let dead = dead(&signals).await;
            if manner == Manner::Safely && !dead.is_empty() {
                if is_new {
                    self.client.following.end(device);
                }
                let text = format!("Device {device} PVs are not connected");
                return self.error(text, because(device, "not_connected"));
            }
            dead.into_iter().for_each(|signal| self.report_dead(device, signal));
        }
        let mut fields = about(device);
        match manner.flag() {
            Some((flag, set)) => fields.insert(flag.into(), set.into()),
            None => {
                fields.insert("message".into(), format!("Subscribed to device {device}").into())
            }
        };
        self.client.tell("subscribed", fields);
    }

    fn report_dead(&self, device: &str, dead: &Followed) {
        let Dialect::Direct(Words::Device { signal: name, .. }) = &dead.dialect else { return };
        let (pv, seconds) = (dead.monitor.pv(), CONNECT_TIMEOUT.as_secs_f64());
        let text = format!(
            "PV {name} ({pv}) failed to subscribe: PV {pv} subscription failed: {pv} could not connect within \
             {seconds:?}-second timeout."
        );
        let context = json!({
            "device": device, "signal": name, "pv": pv, "reason": "pv_subscribe_failed",
        });
        self.error(text, context.as_object().cloned().unwrap_or_default());
    }

    /// Starts to follow the device; `None` when the client has been told why not.
    fn follow(&self, device: &str) -> Option<Vec<Followed>> {
        let known = match self.client.gateway.known_device(device) {
            Ok(known) => known,
            Err(Refusal::UnknownDevice(_)) => {
                let text = format!("Device '{device}' not found in configuration service");
                self.error(text, because(device, "not_found"));
                return None;
            }
            Err(_) => {
                let text = format!(
                    "Configuration service is unreachable; cannot resolve device '{device}'."
                );
                self.error(text, because(device, "upstream_unreachable"));
                return None;
            }
        };
        if self.client.following.reserve([(device, known.listed.signals.len())]).is_err() {
            self.error(self.client.following.full(), because(device, "cap_exceeded"));
            return None;
        }
        let signals = self.signals(&known);
        self.client.following.start(device, signals.clone());
        Some(signals)
    }

    fn signals(&self, known: &KnownDevice) -> Vec<Followed> {
        let words =
            |signal: &str| Words::Device { device: known.name.clone(), signal: signal.to_owned() };
        let listed = known.listed.signals.iter().map(|signal| Followed {
            dialect: Dialect::Direct(words(&signal.name)),
            monitor: self.client.gateway.monitors.of(&signal.readback_pv),
        });
        listed.collect()
    }

    /// The devices that a command names; without one the client is told.
    fn required(&self, received: &Received) -> Vec<String> {
        let devices = device_names(received);
        if devices.is_empty() {
            self.error("device field required", Map::new());
        }
        devices
    }

    fn is_subscribed(&self, device: &str, before: &str) -> bool {
        if self.client.following.contains(device) {
            return true;
        }
        let text = format!("Device {device} not subscribed. Subscribe before {before}.");
        self.error(text, about(device));
        false
    }

    fn refused(&self, device: &str, error: &DeviceError) {
        let mut context = about(device);
        if matches!(error, DeviceError::Refused(Refusal::Locked { .. })) {
            context.insert("locked".into(), true.into());
        }
        self.error(error.to_string(), context);
    }
}

impl Actions for DeviceSocket {
    const OR_TYPE: bool = false;

    async fn subscribe(&self, received: &Received, manner: Manner) {
        let devices = self.required(received);
        join_all(devices.iter().map(|device| self.subscribe_to(device, manner))).await;
    }

    fn unsubscribe(&self, received: &Received) {
        for device in self.required(received) {
            self.client.following.end(&device);
            let mut fields = about(&device);
            fields.insert("message".into(), format!("Unsubscribed from {device}").into());
            self.client.tell("unsubscribed", fields);
        }
    }

    fn refresh(&self, received: &Received) {
        let named = device_names(received);
        let wanted = |name: &String| named.is_empty() || named.contains(name);
        let mut devices = self.client.following.names();
        devices.retain(|name| wanted(name) && self.client.following.refresh(name, true));
        let fields = Map::from_iter([("devices".to_owned(), json!(devices))]);
        self.client.tell("refreshed", fields);
    }

    async fn set(&self, received: &Received) {
        let value = received.get("value").filter(|value| !value.is_null());
        let (Some(device), Some(value)) = (text(received, "device"), value) else {
            return self.error("device and value fields required", Map::new());
        };
        let options = match set_options(received, "DeviceSetRequest") {
            Ok(options) => options,
            Err(text) => return self.error(text, about(device)),
        };
        if !self.is_subscribed(device, "setting") {
            return;
        }
        let component = text(received, "component");
        let path = match component {
            Some(component) => format!("{device}.{component}"),
            None => device.to_owned(),
        };
        let set = Command {
            path,
            method: if options.use_put { "put" } else { "set" }.to_owned(),
            arguments: Arguments::Value(Some(value.clone())),
            timeout: options.timeout,
            wait: true,
            supersedes: false,
            gate_reads: false,
        };
        let attempt = self.client.gateway.audit.command(&self.client.caller, &set);
        match command(&self.client.gateway, attempt, set).await {
            Ok(outcome) => {
                let fields = json!({
                    "device": device, "component": component, "value": value, "success": true,
                    "result": outcome.result, "use_put": options.use_put,
                });
                let fields = fields.as_object().cloned().unwrap_or_default();
                self.client.tell("set_complete", fields);
            }
            Err(error) => self.refused(device, &error),
        }
    }

    async fn stop(&self, received: &Received) {
        let Some(device) = text(received, "device") else {
            return self.error("device field required", Map::new());
        };
        if !self.is_subscribed(device, "stopping") {
            return;
        }
        let stop = Command::stop(device);
        let attempt = self.client.gateway.audit.command(&self.client.caller, &stop);
        match command(&self.client.gateway, attempt, stop).await {
            Ok(outcome) => self.client.tell_stopped(device, &outcome.message),
            Err(error) => self.refused(device, &error),
        }
    }

    fn ping(&self) {
        self.client.tell("pong", Map::new());
    }

    fn unknown(&self, action: &str) {
        let text = format!("Unknown action: {action}. Expected: {EXPECTED}");
        self.error(text, Map::new());
    }
}
