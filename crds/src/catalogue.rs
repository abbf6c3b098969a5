//! The shipped catalogue of device classes, read off the Python packages by
//! `crds/catalogue/generate.py`.

use crate::DeviceClass;
use crate::resolve::Catalogue;

/// The manifests, a file for every Python module.
const FILES: [(&str, &str); 11] = [
    ("localdevs", include_str!("../catalogue/localdevs.yaml")),
    ("ophyd.areadetector.base", include_str!("../catalogue/ophyd.areadetector.base.yaml")),
    ("ophyd.areadetector.cam", include_str!("../catalogue/ophyd.areadetector.cam.yaml")),
    (
        "ophyd.areadetector.detectors",
        include_str!("../catalogue/ophyd.areadetector.detectors.yaml"),
    ),
    ("ophyd.areadetector.plugins", include_str!("../catalogue/ophyd.areadetector.plugins.yaml")),
    ("ophyd.epics_motor", include_str!("../catalogue/ophyd.epics_motor.yaml")),
    ("ophyd.mca", include_str!("../catalogue/ophyd.mca.yaml")),
    ("ophyd.pv_positioner", include_str!("../catalogue/ophyd.pv_positioner.yaml")),
    ("ophyd.scaler", include_str!("../catalogue/ophyd.scaler.yaml")),
    ("ophyd.signal", include_str!("../catalogue/ophyd.signal.yaml")),
    ("ophyd_async.epics.motor", include_str!("../catalogue/ophyd_async.epics.motor.yaml")),
];

/// A file of the catalogue is not a list of device classes.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the device classes of {module}")]
pub struct Error {
    module: &'static str,
    #[source]
    source: Box<serde_saphyr::Error>,
}

/// The shipped device classes, as manifests without a namespace.
///
/// Reads about a megabyte of YAML, some 100 ms: call it once.
///
/// # Errors
/// When a file of the catalogue cannot be read, which a test rules out.
pub fn shipped() -> Result<Vec<DeviceClass>, Error> {
    let mut classes = Vec::new();
    for (module, text) in FILES {
        let of_module: Vec<DeviceClass> = serde_saphyr::from_multiple(text)
            .map_err(|error| Error { module, source: Box::new(error) })?;
        classes.extend(of_module);
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
