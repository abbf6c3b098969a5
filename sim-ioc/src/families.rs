//! The families of PVs: which records and which simulation each one has.

use std::collections::HashMap;
use std::sync::Arc;

use epics_base_rs::error::CaError;
use epics_base_rs::server::database::PvDatabase;
use epics_base_rs::server::ioc_builder::IocBuilder;
use epics_base_rs::server::record::Record;
use epics_base_rs::server::records::busy::BusyRecord;
use epics_base_rs::types::EpicsValue;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ioc::{Error, Ioc};
use crate::settings::{Family, Settings};
use crate::{area_detector, mini_beamline, motor, random_walk, thermo};

/// A PV that a server of some settings has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PvInfo {
    /// Name, prefix included. A motor's fields (`.RBV`, `.STOP`, …) belong to its name.
    pub name: String,
    /// EPICS record type.
    pub record_type: String,
}

/// The PVs that a server with these settings has, sorted by name.
///
/// # Errors
/// [`Error::Database`] when a prefix makes an impossible name, [`Error::DoubledPrefix`].
pub async fn list_pvs(settings: &Settings) -> Result<Vec<PvInfo>, Error> {
    let db = build(settings).await?;
    let mut names = db.all_record_names().await;
    names.sort();
    Ok(names
        .into_iter()
        .filter_map(|name| {
            let record_type = db.get_record(&name)?.read().record.record_type().to_owned();
            Some(PvInfo { name, record_type })
        })
        .collect())
}

fn macros(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The records to load: text of record definitions and the macros to expand in it.
fn definitions(settings: &Settings) -> Vec<(&'static str, HashMap<String, String>)> {
    let prefixes = &settings.prefixes;
    let mut all = Vec::new();
    for family in &settings.families {
        match family {
            Family::MiniBeamline => {
                let prefix = ("P", prefixes.mini_beamline.as_str());
                all.push((mini_beamline::RECORDS, macros(&[prefix])));
                all.extend(mini_beamline::detector_names().map(|detector| {
                    (mini_beamline::DETECTOR_RECORDS, macros(&[prefix, ("D", detector)]))
                }));
            }
            Family::Motors => all.extend(motor::MOTORS.iter().map(|motor| {
                let mut of_motor = macros(motor);
                of_motor.insert("P".to_owned(), prefixes.motors.clone());
                (motor::RECORDS, of_motor)
            })),
            Family::RandomWalk => all.extend(
                prefixes.random_walks.iter().map(|p| (random_walk::RECORDS, macros(&[("P", p)]))),
            ),
            Family::Thermo => {
                all.push((thermo::RECORDS, macros(&[("P", &prefixes.thermo)])));
            }
            Family::AreaDetector => {
                all.push((area_detector::RECORDS, macros(&[("P", &prefixes.area_detector)])));
            }
        }
    }
    all
}

/// Builds the records of all families and takes them out of their undefined state.
pub(crate) async fn build(settings: &Settings) -> Result<Arc<PvDatabase>, Error> {
    let walks = &settings.prefixes.random_walks;
    // A record that is defined twice is merged, not refused, by the rules of record definitions.
    if let Some((_, prefix)) = walks.iter().enumerate().find(|(i, p)| walks[..*i].contains(p)) {
        return Err(Error::DoubledPrefix { prefix: prefix.clone() });
    }
    let mut builder = IocBuilder::new()
        .register_record_type("motor", || Box::<motor::MotorRecord>::default() as Box<dyn Record>)
        .register_record_type("busy", || Box::<BusyRecord>::default() as Box<dyn Record>)
        .register_record_type("positioner", || {
            Box::<mini_beamline::Positioner>::default() as Box<dyn Record>
        });
    for (text, macros) in definitions(settings) {
        builder = builder.db_string(text, &macros).map_err(Error::Database)?;
    }
    let (db, _) = builder.build().await.map_err(Error::Database)?;
    for name in db.all_record_names().await {
        define(&db, &name).await.map_err(Error::Database)?;
    }
    Ok(db)
}

/// A record whose value came with its definition is `UDF` until it is written or processed.
async fn define(db: &PvDatabase, name: &str) -> Result<(), CaError> {
    let value = db.get_pv(name)?;
    if matches!(value, EpicsValue::Enum(_)) {
        db.put_pv_and_post(name, value).await?;
    }
    db.process_record(name).await
}

/// Starts the simulations of all families. Each ends when `shutdown` is cancelled.
pub(crate) fn spawn(
    parts: &mut JoinSet<Result<(), Error>>,
    settings: &Settings,
    db: &Arc<PvDatabase>,
    shutdown: &CancellationToken,
) {
    let prefixes = &settings.prefixes;
    for family in &settings.families {
        match family {
            Family::MiniBeamline => {
                let ioc = Ioc::new(db, &prefixes.mini_beamline);
                parts.spawn(until(shutdown.clone(), mini_beamline::run(ioc)));
            }
            // Motor records move by themselves.
            Family::Motors => {}
            Family::RandomWalk => {
                for prefix in &prefixes.random_walks {
                    let ioc = Ioc::new(db, prefix);
                    parts.spawn(until(shutdown.clone(), random_walk::run(ioc)));
                }
            }
            Family::Thermo => {
                let ioc = Ioc::new(db, &prefixes.thermo);
                parts.spawn(until(shutdown.clone(), thermo::run(ioc)));
            }
            Family::AreaDetector => {
                let ioc = Ioc::new(db, &prefixes.area_detector);
                parts.spawn(until(shutdown.clone(), area_detector::run(ioc)));
            }
        }
    }
}

async fn until(
    shutdown: CancellationToken,
    simulation: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        ended = simulation => ended,
    }
}
