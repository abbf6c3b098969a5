//! Which device a PV belongs to (contract §1.5).
//!
//! Several devices may list one PV. The one registered last owns it; when that one goes or drops
//! the PV, the next last takes over. "Registered" is the creation time of the object, and its name
//! within one second, so that every replica and every restart comes to the same answer.

use std::collections::{BTreeSet, HashMap};

use crds::Device;
use kube::ResourceExt;

use crate::device::DeviceMetadata;

/// Suffix of the main field of an EPICS record: `P` and `P.VAL` are one channel.
const MAIN_FIELD: &str = ".VAL";

/// Orders device objects by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    created: i64,
    object: String,
}

impl Rank {
    pub(super) fn of(device: &Device) -> Self {
        let created = device.metadata.creation_timestamp.as_ref();
        Self { created: created.map_or(0, |time| time.0.as_second()), object: device.name_any() }
    }
}

/// The device and component that a PV belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) device: String,
    pub(crate) component: String,
}

/// All claims on all PVs.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    claims: HashMap<String, BTreeSet<Claim>>,
    /// Sorted, for lists.
    pvs: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    rank: Rank,
    /// Of two components of one device with the same PV the last owns it.
    position: usize,
    owner: Owner,
}

fn claims<'a>(
    rank: &'a Rank,
    device: &'a DeviceMetadata,
) -> impl Iterator<Item = (&'a String, Claim)> {
    device.pvs.iter().enumerate().map(|(position, (component, pv))| {
        let owner = Owner { device: device.name.clone(), component: component.clone() };
        (pv, Claim { rank: rank.clone(), position, owner })
    })
}

impl Ownership {
    pub(super) fn claim(&mut self, rank: &Rank, device: &DeviceMetadata) {
        for (pv, claim) in claims(rank, device) {
            self.claims.entry(pv.clone()).or_default().insert(claim);
            self.pvs.insert(pv.clone());
        }
    }

    pub(super) fn release(&mut self, rank: &Rank, device: &DeviceMetadata) {
        for (pv, claim) in claims(rank, device) {
            if let Some(others) = self.claims.get_mut(pv) {
                others.remove(&claim);
                if others.is_empty() {
                    self.claims.remove(pv);
                    self.pvs.remove(pv);
                }
            }
        }
    }

    /// The owner of `pv`.
    pub(super) fn owner(&self, pv: &str) -> Option<&Owner> {
        self.owners(pv).next()
    }

    /// All components that are `pv`, the owner first. A record and its main field are one PV.
    pub(super) fn owners(&self, pv: &str) -> impl Iterator<Item = &Owner> {
        let other = match pv.strip_suffix(MAIN_FIELD) {
            Some(record) => record.to_owned(),
            None => format!("{pv}{MAIN_FIELD}"),
        };
        let claims = [self.claims.get(pv), self.claims.get(&other)];
        claims.into_iter().flatten().flat_map(|claims| claims.iter().rev()).map(|c| &c.owner)
    }

    pub(super) fn pvs(&self) -> impl Iterator<Item = &str> {
        self.pvs.iter().map(String::as_str)
    }
}
