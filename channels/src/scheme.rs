//! Which protocol a PV name asks for, and the client that speaks both.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{CaClient, Diagnosis, Presence, PvChannel, PvClient, PvaClient};

/// EPICS protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Channel Access, `ca://`.
    #[default]
    Ca,
    /// PVAccess, `pva://`.
    Pva,
}

impl Protocol {
    const ALL: [Self; 2] = [Self::Ca, Self::Pva];

    /// What stands before the name of a PV that has to be served over it.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Ca => "ca://",
            Self::Pva => "pva://",
        }
    }
}

/// The protocol that a PV name asks for, if it asks for one, and the EPICS name.
pub fn split_scheme(name: &str) -> (Option<Protocol>, &str) {
    Protocol::ALL
        .into_iter()
        .find_map(|protocol| Some((Some(protocol), name.strip_prefix(protocol.scheme())?)))
        .unwrap_or((None, name))
}

/// Both protocols behind one trait: `pva://NAME` is looked for over PVAccess, `ca://NAME` and a bare name over Channel Access.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Channel Access.
    pub ca: CaClient,
    /// PVAccess.
    pub pva: PvaClient,
}

impl Clients {
    /// Closes all channels, telling the IOCs. Every user sees its PVs disconnect.
    pub async fn shutdown(&self) {
        tokio::join!(self.ca.shutdown(), self.pva.shutdown());
    }

    fn of<'a>(&self, name: &'a str) -> (&dyn PvClient, &'a str) {
        match split_scheme(name) {
            (Some(Protocol::Pva), name) => (&self.pva, name),
            (Some(Protocol::Ca) | None, name) => (&self.ca, name),
        }
    }
}

#[async_trait]
impl PvClient for Clients {
    fn channel(&self, name: &str) -> Arc<dyn PvChannel> {
        let (client, name) = self.of(name);
        client.channel(name)
    }

    fn presence(&self, name: &str) -> Presence {
        let (client, name) = self.of(name);
        client.presence(name)
    }

    async fn diagnose(&self, name: &str) -> Diagnosis {
        let (client, name) = self.of(name);
        client.diagnose(name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_protocol_or_none() {
        assert_eq!(split_scheme("pva://IOC:m1"), (Some(Protocol::Pva), "IOC:m1"));
        assert_eq!(split_scheme("ca://IOC:m1"), (Some(Protocol::Ca), "IOC:m1"));
        assert_eq!(split_scheme("IOC:m1"), (None, "IOC:m1"));
        assert_eq!(split_scheme("PVA://IOC:m1"), (None, "PVA://IOC:m1"));
        assert_eq!(split_scheme("pva://"), (Some(Protocol::Pva), ""));
    }
}
