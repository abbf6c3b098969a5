//! Who owns which real name, kept up to date object by object: an event costs the same with ten objects and with ten thousand,
//! and wakes only those for whom it changes something.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crds::claims::{Claim, owner};
use crds::conditions::{is_false, types};
use crds::{Device, ProcessVariable};
use futures::StreamExt;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::mirror::watch_config;
use crate::progress::Progress;
use crate::scope::Namespaced;
use crate::wakes::Wakes;

/// A kind whose objects claim real names.
pub(crate) trait Claims: Namespaced {
    /// The name that this object claims.
    fn claim(&self) -> (String, Claim);

    /// Whether a beamline is not complete because of it.
    fn is_missing(&self) -> bool;
}

impl Claims for Device {
    fn claim(&self) -> (String, Claim) {
        (self.spec.name.clone(), Claim::of_device(self))
    }

    fn is_missing(&self) -> bool {
        let is_off = |conditions: &[_]| is_false(conditions, types::CONNECTED);
        let off = self.status.as_ref().is_some_and(|status| is_off(&status.conditions));
        self.spec.required && self.is_active() && off
    }
}

impl Claims for ProcessVariable {
    fn claim(&self) -> (String, Claim) {
        (self.spec.pv_name.clone(), Claim::of_pv(self))
    }

    fn is_missing(&self) -> bool {
        false
    }
}

/// An object: its namespace and its name.
pub(crate) type Object = (String, String);

/// Who owns which real name, in every namespace.
#[derive(Debug, Default)]
pub(crate) struct Index {
    namespaces: Mutex<HashMap<String, Namespace>>,
    /// Objects for whom the owner of their name has changed.
    pub(crate) objects: Arc<Wakes<Object>>,
    /// Namespaces whose [`Summary`] has changed.
    pub(crate) summaries: Arc<Wakes<String>>,
    complete: watch::Sender<bool>,
}

/// What a beamline says of the objects of its namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// How many there are.
    pub(crate) count: usize,
    /// Real names of those that must be connected and are not, sorted.
    pub(crate) missing: Vec<String>,
}

#[derive(Debug, Default)]
struct Namespace {
    /// Objects and the names that they claim; none of an object that cannot be read.
    names: HashMap<String, Option<String>>,
    claims: HashMap<String, Vec<Claim>>,
    missing: BTreeSet<(String, String)>,
}

impl Index {
    /// The object that owns `name`.
    pub(crate) fn owner(&self, namespace: &str, name: &str) -> Option<Claim> {
        let namespaces = self.namespaces.lock();
        owner(namespaces.get(namespace)?.claims.get(name)?).cloned()
    }

    /// What a beamline says of the objects of `namespace`.
    pub(crate) fn summary(&self, namespace: &str) -> Summary {
        self.namespaces.lock().get(namespace).map(Namespace::summary).unwrap_or_default()
    }

    /// Waits until all objects were listed once; `false` when `shutdown` came first.
    pub(crate) async fn filled(&self, shutdown: &CancellationToken) -> bool {
        let mut complete = self.complete.subscribe();
        tokio::select! {
            done = complete.wait_for(|complete| *complete) => done.is_ok(),
            () = shutdown.cancelled() => false,
        }
    }

    fn apply<K: Claims>(&self, object: &DeserializeGuard<K>) -> Object {
        let key = key(object);
        let valid = object.0.as_ref().ok();
        self.change(&key.0, |namespace| match valid {
            Some(valid) => namespace.apply(&key.1, Some(valid.claim()), valid.is_missing()),
            None => namespace.apply(&key.1, None, false),
        });
        key
    }

    fn delete(&self, (namespace, object): &Object) {
        self.change(namespace, |namespace| namespace.delete(object));
    }

    /// Forgets all objects but those.
    fn retain(&self, listed: &HashSet<Object>) {
        let mut gone = Vec::new();
        for (name, namespace) in &*self.namespaces.lock() {
            let objects = namespace.names.keys().map(|object| (name.clone(), object.clone()));
            gone.extend(objects.filter(|object| !listed.contains(object)));
        }
        gone.iter().for_each(|object| self.delete(object));
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Namespace) -> BTreeSet<String>) {
        let mut namespaces = self.namespaces.lock();
        let namespace = namespaces.entry(name.to_owned()).or_default();
        let before = namespace.shape();
        let woken = change(namespace);
        let differs = namespace.shape() != before;
        if namespace.names.is_empty() {
            namespaces.remove(name);
        }
        drop(namespaces);
        self.objects.wake(woken.into_iter().map(|object| (name.to_owned(), object)));
        self.summaries.wake(differs.then(|| name.to_owned()));
    }
}

impl Namespace {
    /// Notes what an object claims. Answers the objects for whom that changes the owner of their
    /// name, and the object itself if another owns its name: it may have been judged before its
    /// rival was known.
    fn apply(
        &mut self,
        object: &str,
        claim: Option<(String, Claim)>,
        missing: bool,
    ) -> BTreeSet<String> {
        let name = claim.as_ref().map(|(name, _)| name.clone());
        let before = self.names.insert(object.to_owned(), name.clone()).flatten();
        let mut woken = BTreeSet::new();
        self.missing.retain(|(_, one)| one != object);
        if before != name
            && let Some(before) = before
        {
            self.withdraw(object, &before, &mut woken);
        }
        let Some((name, claim)) = claim else { return woken };
        if missing {
            self.missing.insert((name.clone(), object.to_owned()));
        }
        let claims = self.claims.entry(name).or_default();
        let owned_by = owner(claims).cloned();
        let known = claims.iter_mut().find(|one| one.object == object);
        let is_new = known.as_ref().is_none_or(|known| **known != claim);
        match known {
            Some(known) => *known = claim,
            None => claims.push(claim),
        }
        if claims.len() > 1 {
            if owner(claims) != owned_by.as_ref() {
                woken.extend(claims.iter().map(|one| one.object.clone()));
            } else if is_new {
                woken.insert(object.to_owned());
            }
        }
        woken
    }

    /// Forgets an object. Answers the objects for whom that changes the owner of their name.
    fn delete(&mut self, object: &str) -> BTreeSet<String> {
        let mut woken = BTreeSet::new();
        self.missing.retain(|(_, one)| one != object);
        if let Some(Some(name)) = self.names.remove(object) {
            self.withdraw(object, &name, &mut woken);
        }
        woken
    }

    fn withdraw(&mut self, object: &str, name: &str, woken: &mut BTreeSet<String>) {
        let Some(claims) = self.claims.get_mut(name) else { return };
        let owned_by = owner(claims).cloned();
        claims.retain(|one| one.object != object);
        if owner(claims) != owned_by.as_ref() {
            woken.extend(claims.iter().map(|one| one.object.clone()));
        }
        if claims.is_empty() {
            self.claims.remove(name);
        }
    }

    fn summary(&self) -> Summary {
        let missing = self.missing.iter().map(|(name, _)| name.clone()).collect();
        Summary { count: self.names.len(), missing }
    }

    /// What of it shows in the summary.
    fn shape(&self) -> (usize, BTreeSet<(String, String)>) {
        (self.names.len(), self.missing.clone())
    }
}

fn key(object: &impl ResourceExt) -> Object {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Follows all `K` of `api` until `shutdown`. Tells `progress` whether they are known.
pub(crate) async fn follow<K>(
    api: Api<DeserializeGuard<K>>,
    index: Arc<Index>,
    progress: Progress,
    shutdown: CancellationToken,
) where
    K: Claims,
{
    let events = watcher(api, watch_config()).backoff(service::watch::backoff());
    let mut events = std::pin::pin!(events.take_until(shutdown.cancelled()));
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                progress.heard();
                match event {
                    watcher::Event::Init => listed.clear(),
                    watcher::Event::InitApply(object) => {
                        listed.insert(index.apply(&object));
                    }
                    watcher::Event::InitDone => {
                        index.retain(&std::mem::take(&mut listed));
                        index.complete.send_replace(true);
                        progress.known();
                    }
                    watcher::Event::Apply(object) => {
                        index.apply(&object);
                    }
                    watcher::Event::Delete(object) => index.delete(&key(&object)),
                }
            }
            Err(error) => progress.failed(&error),
        }
    }
}

#[cfg(test)]
mod tests;
