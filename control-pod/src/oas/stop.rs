//! Stopping a device over either socket: ours, as on port 8003. It needs neither a subscription nor
//! a lock.

use std::sync::Arc;

use axum::extract::ws::Message;

use crate::audit::Caller;
use crate::device::DeviceError;
use crate::device::command::{Command, command};
use crate::oas::{Oas, frames};
use crate::socket::command::{Received, text};

/// Stops the device; the answer.
pub(crate) async fn stop(oas: &Oas, caller: &Arc<Caller>, received: &Received) -> Message {
    let Some(device) = text(received, "device") else {
        return frames::error("No device name specified");
    };
    let stop = Command::stop(device);
    match command(&oas.gateway, oas.gateway.audit.command(caller, &stop), stop).await {
        Ok(_) => frames::ack(format!("Successfully stopped {device}")),
        Err(error) => {
            let text = format!("Could not stop {device}: {error}");
            match &error {
                DeviceError::Refused(refusal) => frames::refused(&text, refusal.word()),
                _ => frames::error(text),
            }
        }
    }
}
