//! Names, labels and ports of what a beamline consists of.

use std::collections::BTreeMap;

use crate::context::MANAGER;

/// The name of the application, on everything.
pub(crate) const NAME: &str = "app.kubernetes.io/name";
/// The beamline.
pub(crate) const INSTANCE: &str = "app.kubernetes.io/instance";
/// The part.
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";
/// The operator.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// What [`NAME`] says.
const APPLICATION: &str = "beamline";
/// Label that the leader among the queue pods puts on itself.
const ROLE: &str = "beamline.dev/role";
/// What [`ROLE`] says.
const LEADER: &str = "leader";
/// Label of a worker pod: the `PlanWorker` that it is.
pub(crate) const WORKER: &str = "beamline.dev/worker";

/// A part of a beamline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The configuration API.
    Registry,
    /// Direct control.
    Control,
    /// The queue server.
    Queue,
    /// The simulated IOC.
    SimIoc,
    /// An open worker environment.
    Worker,
}

impl Component {
    /// Its label, and its command in the image.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Control => "control",
            Self::Queue => "queue",
            Self::SimIoc => "sim-ioc",
            Self::Worker => "worker",
        }
    }

    /// Its field in the spec of a beamline.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::SimIoc => "simIoc",
            Self::Worker => "queue.worker",
            other => other.as_str(),
        }
    }

    /// Its first port: HTTP, or Channel Access.
    pub fn port(self) -> i32 {
        match self {
            Self::Registry => 8004,
            Self::Control => 8003,
            Self::Queue => 60610,
            Self::SimIoc => 5064,
            Self::Worker => 0,
        }
    }

    /// All its ports: name, number, protocol.
    pub(crate) fn ports(self) -> &'static [(&'static str, i32, &'static str)] {
        match self {
            Self::Registry => &[("http", 8004, "TCP")],
            Self::Control => &[("http", 8003, "TCP"), ("ophyd-websocket", 8001, "TCP")],
            Self::Queue => {
                &[("http", 60610, "TCP"), ("control", 60615, "TCP"), ("info", 60625, "TCP")]
            }
            Self::SimIoc => &[("ca", 5064, "TCP"), ("ca-udp", 5064, "UDP")],
            Self::Worker => &[],
        }
    }

    /// Name of its objects for that beamline.
    pub fn object_name(self, beamline: &str) -> String {
        format!("{beamline}-{}", self.as_str())
    }

    /// What selects its pods. Never changes for a beamline.
    pub(crate) fn selector(self, beamline: &str) -> BTreeMap<String, String> {
        [(NAME, APPLICATION), (INSTANCE, beamline), (COMPONENT, self.as_str())]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// What selects those of its pods that answer: of the queue servers the one that leads.
    pub fn serving(self, beamline: &str) -> BTreeMap<String, String> {
        let mut selector = self.selector(beamline);
        if self == Self::Queue {
            selector.insert(ROLE.to_owned(), LEADER.to_owned());
        }
        selector
    }

    /// Labels of its objects.
    pub(crate) fn labels(self, beamline: &str) -> BTreeMap<String, String> {
        let mut labels = self.selector(beamline);
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        labels
    }
}
