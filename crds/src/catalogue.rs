//! The shipped catalogue of device classes, read off the Python packages by
//! `crds/catalogue/generate.py`.

use serde::Deserialize;

use crate::DeviceClass;
use crate::resolve::Catalogue;

/// The manifests, a list for every Python module.
const FILES: [(&str, &str); 11] = [
    ("localdevs", include_str!("../catalogue/localdevs.json")),
    ("ophyd.areadetector.base", include_str!("../catalogue/ophyd.areadetector.base.json")),
    ("ophyd.areadetector.cam", include_str!("../catalogue/ophyd.areadetector.cam.json")),
    (
        "ophyd.areadetector.detectors",
        include_str!("../catalogue/ophyd.areadetector.detectors.json"),
    ),
    ("ophyd.areadetector.plugins", include_str!("../catalogue/ophyd.areadetector.plugins.json")),
    ("ophyd.epics_motor", include_str!("../catalogue/ophyd.epics_motor.json")),
    ("ophyd.mca", include_str!("../catalogue/ophyd.mca.json")),
    ("ophyd.pv_positioner", include_str!("../catalogue/ophyd.pv_positioner.json")),
    ("ophyd.scaler", include_str!("../catalogue/ophyd.scaler.json")),
    ("ophyd.signal", include_str!("../catalogue/ophyd.signal.json")),
    ("ophyd_async.epics.motor", include_str!("../catalogue/ophyd_async.epics.motor.json")),
];

/// A file of the catalogue is not a list of device classes.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the device classes of {module}")]
pub struct Error {
    module: &'static str,
    #[source]
    source: serde_json::Error,
}

#[derive(Deserialize)]
struct Listed {
    items: Vec<DeviceClass>,
}

/// The shipped device classes, as manifests without a namespace.
///
/// Reads about a megabyte: call it once.
///
/// # Errors
/// When a file of the catalogue cannot be read, which a test rules out.
pub fn shipped() -> Result<Vec<DeviceClass>, Error> {
    let mut classes = Vec::new();
    for (module, text) in FILES {
        let of_module: Listed =
            serde_json::from_str(text).map_err(|source| Error { module, source })?;
        classes.extend(of_module.items);
    }
    Ok(classes)
}

/// The shipped classes ready for [`crate::resolve::resolve`].
///
/// # Errors
/// As [`shipped`].
pub fn shipped_catalogue() -> Result<Catalogue, Error> {
    Ok(Catalogue::new(shipped()?.into_iter().map(|class| class.spec)))
}
