//! Stopping a device over either socket: ours, as on port 8003. It needs neither a subscription nor
//! a lock.

use axum::extract::ws::Message;

use crate::device::DeviceError;
use crate::device::command::{Command, command};
use crate::oas::{Oas, frames};
use crate::socket::command::{Received, text};

/// Stops the device; the answer.
pub(crate) async fn stop(oas: &Oas, received: &Received) -> Message {
    let Some(device) = text(received, "device") else {
        return frames::error("No device name specified");
    };
    match command(&oas.gateway, Command::stop(device)).await {
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
