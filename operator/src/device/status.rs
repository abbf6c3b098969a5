//! Writes the status of a device, only when it says something else.

use crds::Device;

use super::build::{Wanted, is_said};
use crate::context::Context;
use crate::error::Error;
use crate::report;

/// Brings the status to `wanted`.
pub(super) async fn update(
    context: &Context,
    device: &Device,
    wanted: &Wanted,
) -> Result<(), Error> {
    let present = device.status.as_ref();
    if is_said(&wanted.status, present) {
        return Ok(());
    }
    let before = present.map(|status| status.conditions.as_slice()).unwrap_or_default();
    report::write(context, device, before, &wanted.status, &wanted.verdict).await
}
