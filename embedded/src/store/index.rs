//! Everything that is stored, in memory: what get, list and watch read. It shows only what is durable.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::watch;

use super::history::{Event, History};
use super::object::Stored;

/// Where an object lives: the resource by its position in the catalogue, and `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) resource: usize,
    path: String,
}

impl Key {
    /// The key of an object; `namespace` is empty for cluster-scoped ones.
    pub(crate) fn new(resource: usize, namespace: &str, name: &str) -> Self {
        Self { resource, path: format!("{namespace}/{name}") }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.path.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    pub(crate) fn name(&self) -> &str {
        self.path.split_once('/').map_or("", |(_, name)| name)
    }
}

/// One durable change, on its way into the index.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) object: Arc<Stored>,
    pub(crate) deleted: bool,
}

#[derive(Debug)]
struct Shelf {
    objects: BTreeMap<String, Arc<Stored>>,
    history: History,
    /// Version of the newest event; watches wait on it.
    latest: watch::Sender<u64>,
}

/// The state of all resources at one version.
#[derive(Debug)]
pub(crate) struct Index {
    version: u64,
    shelves: Vec<Shelf>,
    /// UID to key of every object.
    by_uid: HashMap<String, Key>,
    /// UID of an owner to its dependents.
    dependents: HashMap<String, BTreeSet<Key>>,
    /// Objects that the collector should look at.
    suspects: BTreeSet<Key>,
}

impl Index {
    /// Builds the index from what was stored, at the stored version.
    pub(crate) fn new(resources: usize, version: u64, objects: Vec<(Key, Stored)>) -> Self {
        let shelf = || Shelf {
            objects: BTreeMap::new(),
            history: History::starting_after(version),
            latest: watch::channel(version).0,
        };
        let mut index = Self {
            version,
            shelves: std::iter::repeat_with(shelf).take(resources).collect(),
            by_uid: HashMap::new(),
            dependents: HashMap::new(),
            suspects: BTreeSet::new(),
        };
        for (key, object) in objects {
            let object = Arc::new(object);
            index.link(&key, &object);
            index.shelves[key.resource].objects.insert(key.path, object);
        }
        index.suspects = index
            .shelves
            .iter()
            .enumerate()
            .flat_map(|(resource, shelf)| {
                shelf
                    .objects
                    .iter()
                    .filter(|(_, object)| object.meta.deleting || !object.meta.owners.is_empty())
                    .map(move |(path, _)| Key { resource, path: path.clone() })
            })
            .collect();
        index
    }

    /// Version of the newest change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        self.shelves.get(key.resource)?.objects.get(&key.path).cloned()
    }

    /// All objects of a resource in the order of their keys; of one namespace if given.
    pub(crate) fn list(&self, resource: usize, namespace: Option<&str>) -> Vec<Arc<Stored>> {
        let objects = &self.shelves[resource].objects;
        match namespace {
            None => objects.values().cloned().collect(),
            // '0' is the character after '/'.
            Some(namespace) => objects
                .range(format!("{namespace}/")..format!("{namespace}0"))
                .map(|(_, object)| object.clone())
                .collect(),
        }
    }

    /// Recent events of a resource, and a receiver that wakes when there are more.
    pub(crate) fn history(&self, resource: usize) -> (&History, watch::Receiver<u64>) {
        let shelf = &self.shelves[resource];
        (&shelf.history, shelf.latest.subscribe())
    }

    /// The object with that UID.
    pub(crate) fn by_uid(&self, uid: &str) -> Option<&Key> {
        self.by_uid.get(uid)
    }

    /// Objects that name that UID as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Takes the objects that the collector should look at.
    pub(crate) fn take_suspects(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.suspects)
    }

    /// Puts an object back on the collector's list.
    pub(crate) fn suspect(&mut self, key: Key) {
        self.suspects.insert(key);
    }

    /// Applies one durable batch: afterwards readers see all of it. Tells whether the collector has work.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) -> bool {
        let mut touched = BTreeMap::new();
        for Change { key, object, deleted } in changes {
            let version = object.version;
            self.version = version;
            let objects = &mut self.shelves[key.resource].objects;
            let previous = if deleted {
                objects.remove(&key.path)
            } else {
                objects.insert(key.path.clone(), object.clone())
            };
            if let Some(previous) = &previous {
                self.unlink(&key, previous);
            }
            if deleted {
                self.suspects.extend(self.dependents(&object.meta.uid));
                self.suspect_waiting_owners(&object);
                self.suspect_namespace(&key);
            } else {
                self.link(&key, &object);
                if object.meta.deleting || !object.meta.owners.is_empty() {
                    self.suspects.insert(key.clone());
                }
            }
            touched.insert(key.resource, version);
            self.shelves[key.resource].history.push(Event { version, object, previous, deleted });
        }
        for (resource, version) in touched {
            self.shelves[resource].latest.send_replace(version);
        }
        !self.suspects.is_empty()
    }

    /// An owner that waits for its dependents to go may have waited for this one.
    fn suspect_waiting_owners(&mut self, gone: &Stored) {
        let owners = gone.meta.owners.iter().filter_map(|uid| self.by_uid.get(uid)).cloned();
        self.suspects.extend(owners.collect::<Vec<_>>());
    }

    /// A namespace that is being deleted waits for its last object.
    fn suspect_namespace(&mut self, gone: &Key) {
        let namespace = Key::new(crate::kinds::NAMESPACES, "", gone.namespace());
        if self.get(&namespace).is_some_and(|object| object.meta.deleting) {
            self.suspects.insert(namespace);
        }
    }

    fn link(&mut self, key: &Key, object: &Stored) {
        self.by_uid.insert(object.meta.uid.clone(), key.clone());
        for owner in &object.meta.owners {
            self.dependents.entry(owner.clone()).or_default().insert(key.clone());
        }
    }

    fn unlink(&mut self, key: &Key, object: &Stored) {
        self.by_uid.remove(&object.meta.uid);
        for owner in &object.meta.owners {
            if let Some(keys) = self.dependents.get_mut(owner) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }
}
