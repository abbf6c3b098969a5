//! `Beamline`: from settings to the pods of a beamline and everything around them.
//!
//! On one machine there are no pods to make: the same parts run in one process, and the object only
//! says so. Woken by its own objects, by everything that it made, by pods that do not come up, by
//! queues that begin or end a plan, by device classes, by the number of devices, and by one that is required and is not
//! connected.

mod apply;
mod build;
mod children;
mod claim;
mod classes;
mod dereference;
mod status;
mod validate;

pub(crate) use build::names;
pub(crate) use build::worker::worker_pod;
pub(crate) use classes::Shipped;
pub(crate) use validate::{serving, validate};

use std::sync::Arc;

use async_trait::async_trait;
use crds::Beamline;
use crds::resolve::Catalogue;

use crate::context::Context;
use crate::controller::Reconcile;
use crate::error::Error;
use crate::index::Index;
use crate::mirror::{Mirrored, current};
use crate::mirrors::Troubles;

/// The controller of beamlines.
pub(crate) struct Beamlines {
    /// The API, events and backoff.
    pub(crate) context: Context,
    /// The device classes of each namespace.
    pub(crate) catalogue: Mirrored<Catalogue>,
    /// The devices: how many there are, and which are required and not connected.
    pub(crate) devices: Arc<Index>,
    /// Why pods do not come up; none on one machine.
    pub(crate) troubles: Option<Mirrored<Troubles>>,
    /// How pods are made; none on one machine.
    pub(crate) cluster: Option<Cluster>,
}

/// What pods are made of besides the beamline's own settings.
pub(crate) struct Cluster {
    /// The namespace of the operator, by which beamlines name it.
    pub(crate) operator: String,
    /// The image of pods whose beamline names none.
    pub(crate) image: Option<String>,
    /// The device classes that every namespace with a beamline gets.
    pub(crate) shipped: Arc<Shipped>,
}

#[async_trait]
impl Reconcile for Beamlines {
    type Object = Beamline;
    const NAME: &'static str = "beamline";

    fn context(&self) -> &Context {
        &self.context
    }

    async fn reconcile(&self, beamline: &Beamline) -> Result<(), Error> {
        if beamline.metadata.deletion_timestamp.is_some() {
            // What it made goes with it, by owner reference.
            return Ok(());
        }
        let Some(cluster) = &self.cluster else {
            let devices = dereference::devices(self, beamline);
            let verdicts = status::in_process(&devices);
            return status::update(&self.context, beamline, &verdicts, &devices).await;
        };
        claim::claim(&self.context, beamline, &cluster.operator).await?;
        let found = dereference::dereference(self, beamline).await?;
        let devices = &found.devices;
        let valid = match validate(beamline, cluster.image.as_deref(), found.rival.as_deref()) {
            Ok(valid) => valid,
            Err(invalid) => {
                let verdicts = status::refused(&invalid);
                return status::update(&self.context, beamline, &verdicts, devices).await;
            }
        };
        let wanted = build::build(&valid, &found);
        let held = wanted.held.clone();
        let applied = async {
            let bare = current(&self.catalogue, beamline).is_empty();
            classes::bring(&self.context, beamline, &cluster.shipped, bare).await?;
            apply::apply(&self.context, beamline, wanted, found.live.clone()).await
        };
        match applied.await {
            Ok(applied) => {
                let verdicts = status::verdicts(&applied, held, &found.troubles, devices);
                status::update(&self.context, beamline, &verdicts, devices).await
            }
            Err(error) => {
                let verdicts = status::failed(&error);
                status::update(&self.context, beamline, &verdicts, devices).await?;
                Err(error)
            }
        }
    }
}
