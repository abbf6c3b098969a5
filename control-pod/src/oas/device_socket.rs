//! The protocol of this API's `/api/v1/device-socket` (contract §5).

use std::time::Duration;

use axum::extract::ws::Message;
use serde_json::Value;

use crate::device::DeviceError;
use crate::device::command::{Arguments, Command, command};
use crate::gate::Refusal;
use crate::monitors::heard::Heard;
use crate::oas::Oas;
use crate::oas::command::{Unfit, outside, printed, timeout, value_for};
use crate::oas::command_socket::{CommandSocket, Subject};
use crate::oas::frames::{self, SignalWords, Words};
use crate::oas::refused::Refused;
use crate::oas::shown::{self, Shown};
use crate::oas::subscriptions::What;
use crate::socket::command::{Received, text};
use crate::socket::dialect::Dialect;
use crate::socket::following::Followed;

/// How long a `set` without a timeout may take: as long as the longest motion.
const NO_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// What a device-socket is for.
#[derive(Debug)]
pub(crate) struct Devices;

/// One device-socket. A set and a stop wait for nothing, least of all for the motion that they are to end.
type DeviceSocket = CommandSocket<Devices>;

impl Subject for Devices {
    const WHAT: What = What::Devices;
    const EXAMPLE: &'static str = "device: 'motor1'";

    /// What is followed for the device or component of that name.
    fn admit(oas: &Oas, name: &str, read_only: bool) -> Result<Vec<Followed>, String> {
        let gateway = &oas.gateway;
        let root = name.split('.').next().unwrap_or_default();
        let device = gateway.known_device(root).map_err(|refusal| match refusal {
            Refusal::UnknownDevice(_) => "not found in device registry".to_owned(),
            other => other.to_string(),
        })?;
        let shown = shown::of(&device, name, read_only).map_err(|error| error.to_string())?;
        let follow = |Shown { words, pv, setpoint }| Followed {
            dialect: Dialect::Oas(words),
            monitor: match setpoint {
                Some(setpoint) => gateway.monitors.of_pair(&pv, &setpoint),
                None => gateway.monitors.of(&pv),
            },
        };
        Ok(shown.into_iter().map(follow).collect())
    }

    async fn set(socket: &DeviceSocket, received: &Received) {
        let Some(device) = text(received, "device") else {
            return socket.subscriptions.error("No device name specified");
        };
        socket.subscriptions.following.settled(device).await;
        let path = match text(received, "component") {
            Some(component) => format!("{device}.{component}"),
            None => device.to_owned(),
        };
        let write = socket.writes.begin(&path);
        let set = socket.write(device, &path, received, write.supersedes);
        socket.outbox.push(match write.unless_superseded(set).await {
            Some(Ok(answer) | Err(answer)) => answer,
            None => frames::error(format!(
                "Could not set value of {path}: a newer set came before it was done"
            )),
        });
    }
}

impl DeviceSocket {
    async fn write(
        &self,
        device: &str,
        path: &str,
        received: &Received,
        supersedes: bool,
    ) -> Result<Message, Message> {
        let given = received.get("value").unwrap_or(&Value::Null);
        let set = |value, timeout: Option<Duration>| Command {
            path: path.to_owned(),
            method: "set".to_owned(),
            arguments: Arguments::Value(Some(value)),
            timeout: Some(timeout.unwrap_or(NO_TIMEOUT)),
            wait: true,
            supersedes,
            gate_reads: false,
        };
        let gateway = &self.oas.gateway;
        let attempt = gateway.audit.command(&self.caller, &set(given.clone(), None));
        let (value, timeout) = match self.request(device, path, given, received).await {
            Ok(request) => request,
            Err(refused) => {
                attempt.end(&refused);
                return Err(refused.frame());
            }
        };
        let shown = printed(&value);
        let start = format!("Could not set value of {path} to {shown}");
        match command(gateway, attempt, set(value, timeout)).await {
            Ok(_) => Ok(frames::ack(format!("Successfully set {path} to {shown}"))),
            Err(DeviceError::Refused(refusal)) => {
                Err(frames::refused(&format!("{start}: {refusal}"), refusal.word()))
            }
            Err(DeviceError::SoftLimits { low, high, .. }) => Err(frames::error(format!(
                "Value {shown} is outside of limits for device {path}. Low limit: {low:?}, High limit: {high:?}"
            ))),
            Err(error) => Err(frames::error(format!("{start}: {error}"))),
        }
    }

    /// What is to be set and how long that may take, unless this API knows already that it must
    /// not be.
    async fn request(
        &self,
        device: &str,
        path: &str,
        given: &Value,
        received: &Received,
    ) -> Result<(Value, Option<Duration>), Refused> {
        let Some(followed) = self.subscriptions.following.get(device) else {
            let text = format!(
                "Device {device} is not subscribed. Subscribe to device before setting value."
            );
            return Err(Refused::because("not_subscribed", text));
        };
        if is_read_only(&followed) {
            let text =
                format!("Write access is not enabled for device {device}. Cannot set value.");
            return Err(Refused::because("access_denied", text));
        }
        // Only what was subscribed by this very name shows what can be written.
        let heard = followed.first().filter(|_| device == path && followed_main(&followed));
        let heard = heard.and_then(|followed| followed.monitor.heard());
        let like = heard.as_ref().and_then(Heard::written).map(|sample| &sample.value);
        let unfit = |unfit: Unfit| Refused::because("bad_value", unfit.told(path, given));
        let value = value_for(given, like).map_err(unfit)?;
        let start = format!("Could not set value of {path} to {}", printed(&value));
        let timeout = timeout(received).map_err(|_| {
            Refused::because("bad_value", format!("Timeout must be a number. {start}"))
        })?;
        if self.oas.queue.gates_sockets() {
            let busy = |busy| Refused::with_word("queue_busy", format!("{start}: {busy}"));
            self.oas.queue.idle().await.map_err(busy)?;
        }
        let limits = heard.as_ref().filter(|_| self.oas.gateway.settings.check_ctrl_limits);
        if let Some(text) =
            limits.and_then(|heard| outside("device", path, &value, frames::limits(heard)))
        {
            return Err(Refused::because("limits", text));
        }
        Ok((value, timeout))
    }
}

/// Whether the first followed PV is the value of what the client named.
fn followed_main(followed: &[Followed]) -> bool {
    signals(followed).count() == 1
}

fn signals(followed: &[Followed]) -> impl Iterator<Item = &SignalWords> {
    followed.iter().filter_map(|followed| match &followed.dialect {
        Dialect::Oas(Words::Signal(words)) => Some(words),
        _ => None,
    })
}

fn is_read_only(followed: &[Followed]) -> bool {
    signals(followed).all(|words| words.read_only)
}
