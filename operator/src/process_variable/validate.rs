//! Whether a PV is accepted. A plain function.

use crds::ProcessVariable;
use crds::claims::Claim;
use crds::conditions::{Verdict, reasons, types};

/// Judges `pv`, whose name `rival` owns.
pub(crate) fn validate(pv: &ProcessVariable, rival: Option<&Claim>) -> Verdict {
    let (ready, reason, message) = match rival {
        None => (true, reasons::ACCEPTED, "registered".to_owned()),
        Some(rival) => {
            let message = format!(
                "the older ProcessVariable '{}' already stands for '{}'; delete one of the two",
                rival.object, pv.spec.pv_name
            );
            (false, reasons::CONFLICT, message)
        }
    };
    Verdict { type_: types::READY, status: Some(ready), reason, message }
}
