//! Which device a PV belongs to (contract §1.5).
//!
//! Several devices may list one PV. The one registered last owns it; when that one goes or drops
//! the PV, the next last takes over. "Registered" is the creation time of the object, and its name
//! within one second, so that every replica and every restart comes to the same answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crds::Device;
use kube::ResourceExt;
use smallvec::SmallVec;

use super::Shown;

/// Suffix of the main field of an EPICS record: `P` and `P.VAL` are one channel.
const MAIN_FIELD: &str = ".VAL";

/// Orders device objects by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    created: i64,
    object: String,
}

impl Rank {
    fn of(device: &Device) -> Self {
        let created = device.metadata.creation_timestamp.as_ref();
        Self { created: created.map_or(0, |time| time.0.as_second()), object: device.name_any() }
    }
}

/// The device and component that a PV belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner<'a> {
    pub(crate) device: &'a str,
    pub(crate) component: &'a str,
}

/// A device that lists PVs.
#[derive(Debug)]
struct Claimant {
    rank: Rank,
    shown: Arc<Shown>,
}

/// One PV of a device. There are hundreds of thousands, so they are small.
#[derive(Debug)]
struct Claim {
    claimant: Arc<Claimant>,
    /// Which of its PVs. Of two components of one device with the same PV the last owns it.
    position: u32,
}

impl Claim {
    fn rank(&self) -> (&Rank, u32) {
        (&self.claimant.rank, self.position)
    }

    fn owner(&self) -> Option<Owner<'_>> {
        let metadata = &self.claimant.shown.metadata;
        let (component, _) = metadata.pvs.get_index(usize::try_from(self.position).ok()?)?;
        Some(Owner { device: &metadata.name, component })
    }
}

/// All claims on all PVs.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    /// By PV, the owner last. Hardly any PV has more than one.
    claims: HashMap<Arc<str>, SmallVec<[Claim; 1]>>,
    /// Sorted, for lists.
    pvs: BTreeSet<Arc<str>>,
}

impl Ownership {
    /// `object`, which is shown as `shown`, lists its PVs.
    pub(super) fn claim(&mut self, object: &Device, shown: &Arc<Shown>) {
        let claimant = Arc::new(Claimant { rank: Rank::of(object), shown: Arc::clone(shown) });
        for (position, pv) in (0..).zip(shown.metadata.pvs.values()) {
            let claim = Claim { claimant: Arc::clone(&claimant), position };
            let others = self.claims.entry(Arc::clone(pv)).or_default();
            if others.is_empty() {
                self.pvs.insert(Arc::clone(pv));
            }
            let place = others.partition_point(|other| other.rank() < claim.rank());
            others.insert(place, claim);
        }
    }

    /// What was shown as `shown` lists nothing any more.
    pub(super) fn release(&mut self, shown: &Arc<Shown>) {
        for pv in shown.metadata.pvs.values() {
            let Some(claims) = self.claims.get_mut(pv) else { continue };
            claims.retain(|claim| !Arc::ptr_eq(&claim.claimant.shown, shown));
            if claims.is_empty() {
                self.claims.remove(pv);
                self.pvs.remove(pv);
            }
        }
    }

    /// The owner of `pv`.
    pub(super) fn owner(&self, pv: &str) -> Option<Owner<'_>> {
        self.owners(pv).next()
    }

    /// All components that are `pv`, the owner first. A record and its main field are one PV.
    pub(super) fn owners(&self, pv: &str) -> impl Iterator<Item = Owner<'_>> {
        let other = match pv.strip_suffix(MAIN_FIELD) {
            Some(record) => record.to_owned(),
            None => format!("{pv}{MAIN_FIELD}"),
        };
        let claims = [self.claims.get(pv), self.claims.get(other.as_str())];
        claims.into_iter().flatten().flat_map(|claims| claims.iter().rev()).filter_map(Claim::owner)
    }

    pub(super) fn pvs(&self) -> &BTreeSet<Arc<str>> {
        &self.pvs
    }
}
