//! The protocol of `/api/v1/control-socket`: that of pv-socket, and that of device-socket for
//! commands that name a device.
//!
//! A `stop` needs no subscription, as on pv-socket.

use std::sync::Arc;

use axum::extract::ws::Message;

use crate::audit::Caller;
use crate::gateway::Gateway;
use crate::socket::Seat;
use crate::socket::actions::Action;
use crate::socket::command::Received;
use crate::socket::device::DeviceSocket;
use crate::socket::following::Following;
use crate::socket::lanes::Keys;
use crate::socket::outbox::Outbox;
use crate::socket::pv::PvSocket;
use crate::socket::session::{Malformed, Protocol};

/// One control-socket.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    pvs: PvSocket,
    devices: DeviceSocket,
}

impl ControlSocket {
    /// A socket without subscriptions.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        outbox: Arc<Outbox>,
        seat: Seat,
        caller: Arc<Caller>,
    ) -> Self {
        let cap = gateway.settings.max_subscriptions_per_client;
        let of_pvs = Following::new(seat.session, &outbox, cap);
        let of_devices = of_pvs.of_another_kind();
        let seat = Arc::new(seat);
        Self {
            pvs: PvSocket::following(
                Arc::clone(&gateway),
                Arc::clone(&outbox),
                of_pvs,
                Arc::clone(&seat),
                Arc::clone(&caller),
            ),
            devices: DeviceSocket::following(gateway, outbox, of_devices, seat, caller),
        }
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
