//! What else must be known to judge a PV: who owns its name.

use crds::ProcessVariable;
use crds::claims::Claim;
use kube::ResourceExt;

use super::ProcessVariables;

/// Another object that owns the PV name of this one. Reads the index; no call to the API.
pub(super) fn dereference(pvs: &ProcessVariables, pv: &ProcessVariable) -> Option<Claim> {
    let owner = pvs.index.owner(&pv.namespace().unwrap_or_default(), &pv.spec.pv_name);
    owner.filter(|owner| Some(&owner.uid) != pv.uid().as_ref())
}
