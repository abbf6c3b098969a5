//! The PVs with the protocol that the registry says they have.

use std::sync::Arc;

use async_trait::async_trait;
use channels::{Diagnosis, Presence, PvChannel, PvClient};

use crate::registry::View;

/// A client that searches a PV over the protocol of its declaration, unless its name asks for another.
///
/// A channel keeps the protocol that it was opened with; a declaration that changes holds for those that are opened later.
pub(crate) struct Declared {
    client: Arc<dyn PvClient>,
    registry: View,
}

impl Declared {
    /// The PVs of `client`, as `registry` declares them.
    pub(crate) fn new(client: Arc<dyn PvClient>, registry: View) -> Self {
        Self { client, registry }
    }
}

#[async_trait]
impl PvClient for Declared {
    fn channel(&self, name: &str) -> Arc<dyn PvChannel> {
        self.client.channel(self.registry.snapshot().searched_as(name))
    }

    fn presence(&self, name: &str) -> Presence {
        self.client.presence(self.registry.snapshot().searched_as(name))
    }

    async fn diagnose(&self, name: &str) -> Diagnosis {
        let registry = self.registry.snapshot();
        self.client.diagnose(registry.searched_as(name)).await
    }
}
