//! The protocol of `/api/v1/control-socket`: that of pv-socket, and that of device-socket for
//! commands that name a device.
//!
//! A `stop` needs no subscription, as on pv-socket.

use axum::extract::ws::Message;

use crate::socket::actions::Action;
use crate::socket::client::Client;
use crate::socket::command::Received;
use crate::socket::device::DeviceSocket;
use crate::socket::lanes::Keys;
use crate::socket::pv::PvSocket;
use crate::socket::session::{Malformed, Protocol};

/// One control-socket.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    pvs: PvSocket,
    devices: DeviceSocket,
}

impl ControlSocket {
    /// A socket for that client.
    pub(crate) fn new(client: Client) -> Self {
        let devices = DeviceSocket::new(client.of_another_kind());
        Self { pvs: PvSocket::new(client), devices }
    }
}

/// Whether the command is one for device-socket.
fn is_of_device(received: &Received) -> bool {
    let names_one = received.contains_key("device") || received.contains_key("devices");
    names_one && Action::of(received, true) != Ok(Action::Stop)
}

impl Protocol for ControlSocket {
    fn keys(&self, received: &Received) -> Keys {
        if is_of_device(received) { self.devices.keys(received) } else { self.pvs.keys(received) }
    }

    async fn handle(&self, received: Received) {
        if is_of_device(&received) {
            self.devices.handle(received).await;
        } else {
            self.pvs.handle(received).await;
        }
    }

    fn malformed(&self, malformed: Malformed) -> Message {
        self.pvs.malformed(malformed)
    }

    fn heartbeat(&self) -> Message {
        self.pvs.heartbeat()
    }
}
