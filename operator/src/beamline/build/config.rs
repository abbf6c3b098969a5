//! The settings of a part as a ConfigMap, for all to read.

use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata;
use crate::beamline::validate::{Valid, ValidPart};

/// The settings of a part, which its container has as environment.
pub(super) fn config_map(valid: &Valid, part: &ValidPart) -> ConfigMap {
    ConfigMap {
        metadata: metadata(valid, part.component),
        data: Some(part.config.clone()),
        ..ConfigMap::default()
    }
}
