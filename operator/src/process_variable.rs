//! `ProcessVariable`: accepted, unless an older object has the same PV.
//!
//! Woken by its own objects, and by another one that gives up or takes its PV.

mod build;
mod dereference;
mod status;
mod validate;

pub(crate) use validate::validate;

use std::sync::Arc;

use async_trait::async_trait;
use crds::ProcessVariable;

use crate::context::Context;
use crate::controller::Reconcile;
use crate::error::Error;
use crate::index::Index;

/// The controller of standalone PVs.
pub(crate) struct ProcessVariables {
    /// The API, events and backoff.
    pub(crate) context: Context,
    /// Who owns which PV name.
    pub(crate) index: Arc<Index>,
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
