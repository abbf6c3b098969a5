//! What the operator will say of objects that nobody has applied yet: its own rules, without an API.

use std::sync::Arc;

use crds::claims::Claim;
use crds::conditions::Verdict;
use crds::resolve::Catalogue;
use crds::{Beamline, Device, ProcessVariable};

use crate::{beamline, device, process_variable};

/// Stands for the image of the operator, which is not known here.
const SOME_IMAGE: &str = "beamline";

/// What `Ready` says of a device, where `rival` owns its name.
pub fn device(device: &Device, catalogue: &Arc<Catalogue>, rival: Option<Claim>) -> Verdict {
    device::verdict(device, catalogue, rival)
}

/// What `Ready` says of a PV, where `rival` owns its name.
pub fn process_variable(pv: &ProcessVariable, rival: Option<&Claim>) -> Verdict {
    process_variable::validate(pv, rival)
}

/// Whether a beamline can be built, where `rival` is another one in its namespace.
///
/// # Errors
/// What is wrong, with the field.
pub fn beamline(beamline: &Beamline, rival: Option<&str>) -> Result<(), String> {
    let judged = beamline::validate(beamline, Some(SOME_IMAGE), rival);
    judged.map(|_| ()).map_err(|invalid| invalid.to_string())
}
