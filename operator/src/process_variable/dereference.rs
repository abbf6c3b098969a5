//! What else must be known to judge a PV: who owns its name.

use crds::ProcessVariable;
use crds::claims::Claim;
use kube::ResourceExt;

use super::ProcessVariables;
use crate::mirror::current;

/// Another object that owns the PV name of this one. Reads the mirror; no call to the API.
pub(super) fn dereference(pvs: &ProcessVariables, pv: &ProcessVariable) -> Option<Claim> {
    let owner = current(&pvs.owners, pv).get(&pv.spec.pv_name).cloned();
    owner.filter(|owner| Some(&owner.uid) != pv.uid().as_ref())
}
