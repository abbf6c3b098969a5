//! Every port of the beamline, bound before anything is served: one that is in use is one clear error.

use std::net::SocketAddr;

use anyhow::Context;
use service::access::Entrance;
use service::http::Listener;

use super::UpArgs;

/// The bound ports.
pub(super) struct Ports {
    pub(super) api: Listener,
    pub(super) registry: registry_pod::Server,
    pub(super) control: control_pod::Server,
    pub(super) queue: queue_pod::Server,
    /// Where the queue server publishes.
    zmq_info: SocketAddr,
    pub(super) ioc: Option<sim_ioc::Server>,
}

/// Where everything is reached from this machine.
#[derive(Clone, Debug)]
pub(super) struct Urls {
    pub(super) api: String,
    pub(super) registry: String,
    pub(super) control: String,
    /// The API of ophyd-websocket, unless it is switched off.
    pub(super) oas: Option<String>,
    pub(super) queue: String,
    pub(super) zmq_control: String,
    pub(super) zmq_info: String,
    pub(super) ioc: Option<String>,
    /// Which services ask for a key over HTTP.
    pub(super) asking: Vec<&'static str>,
    /// Whether every address is a loopback address.
    pub(super) loopback_only: bool,
}

impl Ports {
    pub(super) async fn bind(args: &UpArgs) -> anyhow::Result<Self> {
        let api_addr = SocketAddr::from((args.api_host, args.api_port)).to_string();
        let ioc = if args.no_sim_ioc {
            None
        } else {
            let settings = sim_ioc::Settings {
                host: args.ioc_host,
                port: args.ioc_port,
                ..sim_ioc::Settings::default()
            };
            Some(sim_ioc::Server::bind(settings).await.context("the simulated IOC cannot start")?)
        };
        let queue = queue_pod::Server::bind(queue(args)).await?;
        let mut control = args.control.clone();
        let zmq_info = queue.zmq_info_addr().context("the queue server publishes nothing")?;
        control.oas = control.oas.with_queue_at(queue.http_addr(), zmq_info);
        if let Some(key) = queue.entrance().key() {
            key.reveal().clone_into(&mut control.oas.queue_key);
        }
        Ok(Self {
            api: Listener::bind(&api_addr, "the Kubernetes API").await?,
            registry: registry_pod::Server::bind(args.registry.clone()).await?,
            control: control_pod::Server::bind(control).await?,
            queue,
            zmq_info,
            ioc,
        })
    }

    pub(super) fn ioc_port(&self) -> Option<u16> {
        self.ioc.as_ref().map(sim_ioc::Server::port)
    }

    /// Which services ask for a key over HTTP.
    fn asking(&self) -> Vec<&'static str> {
        let all = [
            ("the registry", self.registry.asks_for_a_key()),
            ("direct control", self.control.asks_for_a_key()),
            ("the queue server", *self.queue.entrance() != Entrance::Open),
        ];
        all.into_iter().filter(|(_, asks)| *asks).map(|(name, _)| name).collect()
    }

    pub(super) fn urls(&self) -> Urls {
        let http =
            [self.api.addr(), self.registry.addr(), self.control.addr(), self.queue.http_addr()];
        let oas = self.control.oas_addr();
        let zmq = [self.queue.zmq_control_addr(), self.zmq_info];
        Urls {
            api: format!("http://{}", http[0]),
            registry: format!("http://{}", http[1]),
            control: format!("http://{}", http[2]),
            oas: oas.map(|address| format!("http://{address}")),
            queue: format!("http://{}", http[3]),
            zmq_control: format!("tcp://{}", zmq[0]),
            zmq_info: format!("tcp://{}", zmq[1]),
            asking: self.asking(),
            ioc: self.ioc_port().map(|port| format!("port {port}")),
            loopback_only: http
                .iter()
                .chain(&zmq)
                .chain(&oas)
                .all(|address| address.ip().is_loopback()),
        }
    }
}

/// The queue server of one machine is known by one name for ever: only one can run on a state folder, so that a lease which a crash
/// has left behind is not waited for.
fn queue(args: &UpArgs) -> queue_pod::Settings {
    queue_pod::Settings {
        holder: Some("beamline-up".to_owned()),
        can_be_stopped: false,
        ..args.queue.clone()
    }
}
