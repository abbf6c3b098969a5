//! `ProcessVariable`: accepted, unless an older object has the same PV.
//!
//! Woken by its own objects, and by another one that gives up or takes its PV.

mod build;
mod dereference;
mod status;
mod validate;

pub(crate) use validate::validate;

use async_trait::async_trait;
use crds::ProcessVariable;
use crds::claims::Owners;

use crate::context::Context;
use crate::controller::Reconcile;
use crate::error::Error;
use crate::mirror::Mirrored;

/// The controller of standalone PVs.
pub(crate) struct ProcessVariables {
    /// The API, events and backoff.
    pub(crate) context: Context,
    /// Who owns which PV name.
    pub(crate) owners: Mirrored<Owners>,
}

#[async_trait]
impl Reconcile for ProcessVariables {
    type Object = ProcessVariable;
    const NAME: &'static str = "process_variable";

    fn context(&self) -> &Context {
        &self.context
    }

    async fn reconcile(&self, pv: &ProcessVariable) -> Result<(), Error> {
        let rival = dereference::dereference(self, pv);
        let verdict = validate(pv, rival.as_ref());
        let wanted = build::build(pv, &verdict);
        status::update(&self.context, pv, &wanted, &verdict).await
    }
}
