//! The queue in memory: entries in the one total order, and where a new entry has to go to sit at a wanted place.

pub mod target;

use std::cmp::Reverse;
use std::sync::Arc;

use crds::queue_item::Batch;

use crate::item::Item;
use crate::rank;

/// The resource behind an entry, as it was last written or seen. Preconditions of writes come from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `metadata.generation`: which spec a status that is written now speaks of.
    pub generation: Option<i64>,
}

/// One item of the queue with its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The item as clients see it.
    pub item: Item,
    /// The resource that stores it.
    pub object: Object,
    /// Higher runs first.
    pub priority: i32,
    /// Fractional rank among equal priorities.
    pub rank: String,
    /// `metadata.creationTimestamp`, in seconds.
    pub created: i64,
    /// The batch that it was submitted in.
    pub batch: Option<Batch>,
}

impl Entry {
    fn key(&self) -> impl Ord + '_ {
        (Reverse(self.priority), self.rank.as_str(), self.created, self.object.uid.as_str())
    }
}

/// Where an entry sorts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Priority of the entry.
    pub priority: i32,
    /// Rank of the entry.
    pub rank: String,
}

/// No rank fits between two neighbours of this priority; they have to be rebalanced first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded {
    /// The priority whose ranks are crowded.
    pub priority: i32,
}

/// Entries by `(priority descending, rank, creationTimestamp, uid)`. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    entries: Arc<Vec<Arc<Entry>>>,
}

impl Queue {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    /// The entry at `index`.
    pub fn get(&self, index: usize) -> Option<&Arc<Entry>> {
        self.entries.get(index)
    }

    /// Index of the entry with that item uid.
    pub fn index_of(&self, uid: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.item.uid() == uid)
    }

    /// The entry with that item uid.
    pub fn find(&self, uid: &str) -> Option<&Arc<Entry>> {
        self.index_of(uid).and_then(|index| self.get(index))
    }

    /// The entry whose resource has that uid.
    pub fn find_object(&self, uid: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.object.uid == uid)
    }

    /// Puts an entry where it sorts.
    pub fn insert(&mut self, entry: Arc<Entry>) {
        let entries = Arc::make_mut(&mut self.entries);
        let index = entries.partition_point(|other| other.key() < entry.key());
        entries.insert(index, entry);
    }

    /// Takes the entry with that item uid out.
    pub fn remove(&mut self, uid: &str) -> Option<Arc<Entry>> {
        let index = self.index_of(uid)?;
        Some(Arc::make_mut(&mut self.entries).remove(index))
    }

    /// The queue without some of its entries.
    pub fn without(&self, uids: &[String]) -> Self {
        let keep = |entry: &&Arc<Entry>| !uids.iter().any(|uid| uid == entry.item.uid());
        Self { entries: Arc::new(self.entries.iter().filter(keep).cloned().collect()) }
    }

    /// Places for `count` entries in a row before the entry at `index` (the end when there is none).
    ///
    /// The entries take the `wanted` priority as far as the neighbours allow it.
    ///
    /// # Errors
    /// [`Crowded`] when no rank fits there.
    pub fn places(&self, index: usize, count: usize, wanted: i32) -> Result<Vec<Place>, Crowded> {
        let left = index.checked_sub(1).and_then(|i| self.get(i));
        let right = self.get(index);
        let highest = left.map_or(i32::MAX, |entry| entry.priority);
        let lowest = right.map_or(i32::MIN, |entry| entry.priority);
        let priority = wanted.max(lowest).min(highest);
        let bound = |entry: Option<&Arc<Entry>>| {
            entry.filter(|entry| entry.priority == priority).map(|entry| entry.rank.clone())
        };
        let ranks = rank::spread(bound(left).as_deref(), bound(right).as_deref(), count)
            .ok_or(Crowded { priority })?;
        Ok(ranks.into_iter().map(|rank| Place { priority, rank }).collect())
    }

    /// The index behind the last entry of at least that priority: where an item goes when nobody says where.
    pub fn end_of(&self, priority: i32) -> usize {
        self.entries.partition_point(|entry| entry.priority >= priority)
    }

    /// Fresh, evenly spread ranks for all entries of one priority: `(item uid, rank)` of those that change.
    pub fn rebalanced(&self, priority: i32) -> Vec<(String, String)> {
        let crowd: Vec<_> = self.iter().filter(|entry| entry.priority == priority).collect();
        let ranks = rank::spread(None, None, crowd.len()).unwrap_or_default();
        crowd
            .iter()
            .zip(ranks)
            .filter(|(entry, rank)| entry.rank != *rank)
            .map(|(entry, rank)| (entry.item.uid().to_owned(), rank))
            .collect()
    }
}

impl FromIterator<Arc<Entry>> for Queue {
    fn from_iter<I: IntoIterator<Item = Arc<Entry>>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        Self { entries: Arc::new(entries) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uid: &str, priority: i32, rank: &str) -> Arc<Entry> {
        let item = Item::default().with("item_uid", uid);
        Arc::new(Entry { item, priority, rank: rank.to_owned(), ..Entry::default() })
    }

    fn uids(queue: &Queue) -> Vec<&str> {
        queue.iter().map(|entry| entry.item.uid()).collect()
    }

    #[test]
    fn higher_priority_comes_first_then_rank() {
        let queue: Queue =
            [entry("a", 0, "b"), entry("b", 0, "a"), entry("c", 5, "z")].into_iter().collect();
        assert_eq!(uids(&queue), ["c", "b", "a"]);
    }

    #[test]
    fn a_place_between_priorities_takes_the_nearest_allowed_one() {
        let queue: Queue = [entry("a", 5, "i"), entry("b", 2, "i")].into_iter().collect();
        assert_eq!(queue.places(0, 1, 0).unwrap()[0].priority, 5);
        assert_eq!(queue.places(1, 1, 3).unwrap()[0].priority, 3);
        assert_eq!(queue.places(1, 1, 0).unwrap()[0].priority, 2);
        assert_eq!(queue.places(2, 1, 0).unwrap()[0].priority, 0);
        assert_eq!(queue.end_of(3), 1);
    }

    #[test]
    fn a_crowded_gap_is_reported_and_rebalancing_makes_room_in_the_same_order() {
        let mut queue: Queue = [entry("a", 0, "i"), entry("b", 0, "i")].into_iter().collect();
        assert_eq!(queue.places(1, 1, 0), Err(Crowded { priority: 0 }));
        let before = uids(&queue).iter().map(|&uid| uid.to_owned()).collect::<Vec<_>>();
        for (uid, rank) in queue.rebalanced(0) {
            let old = queue.remove(&uid).unwrap();
            queue.insert(Arc::new(Entry { rank, ..(*old).clone() }));
        }
        assert_eq!(uids(&queue), before);
        assert!(queue.places(1, 1, 0).is_ok());
    }
}
