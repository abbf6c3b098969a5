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

/// No rank fits between two neighbours; those around have to be rebalanced first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crowded {
    /// Their priority.
    pub priority: i32,
    /// The rank of one of them.
    pub rank: String,
}

/// How many neighbours on either side make room at first; four times as many when that is not enough.
const NEIGHBOURS: usize = 32;
/// Longest rank of neighbours that have made room, so that there is some for a while.
const ROOMY: usize = rank::MAX_LENGTH / 2;

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

    /// Whether this is the other one, unchanged.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entries, &other.entries)
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
        let (low, high) = (bound(left), bound(right));
        let ranks = rank::spread(low.as_deref(), high.as_deref(), count);
        let crowded = || Crowded { priority, rank: low.or(high).unwrap_or_default() };
        let ranks = ranks.ok_or_else(crowded)?;
        Ok(ranks.into_iter().map(|rank| Place { priority, rank }).collect())
    }

    /// The index behind the last entry of at least that priority: where an item goes when nobody says where.
    pub fn end_of(&self, priority: i32) -> usize {
        self.entries.partition_point(|entry| entry.priority >= priority)
    }

    /// Fresh ranks for the entries around a place where none fits: those that change, with their new ranks. No more of them than it
    /// takes, because each is a write.
    pub fn rebalanced(&self, crowded: &Crowded) -> Vec<(Arc<Entry>, String)> {
        let start = self.entries.partition_point(|entry| entry.priority > crowded.priority);
        let end = self.end_of(crowded.priority);
        let crowd = &self.entries[start..end];
        let at = crowd.partition_point(|entry| entry.rank < crowded.rank);
        let mut reach = NEIGHBOURS;
        loop {
            let (from, to) = (at.saturating_sub(reach), (at + reach).min(crowd.len()));
            let bound = |index: Option<usize>| Some(crowd.get(index?)?.rank.as_str());
            let ranks = rank::spread(bound(from.checked_sub(1)), bound(Some(to)), to - from);
            let is_all = from == 0 && to == crowd.len();
            let is_roomy = |ranks: &Vec<String>| ranks.iter().all(|rank| rank.len() <= ROOMY);
            if let Some(ranks) = ranks.filter(|ranks| is_all || is_roomy(ranks)) {
                let fresh = crowd[from..to].iter().zip(ranks);
                return fresh
                    .filter(|(entry, rank)| entry.rank != *rank)
                    .map(|(entry, rank)| (entry.clone(), rank))
                    .collect();
            }
            if is_all {
                return Vec::new();
            }
            reach *= 4;
        }
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
        let crowded = queue.places(1, 1, 0).unwrap_err();
        assert_eq!(crowded, Crowded { priority: 0, rank: "i".to_owned() });
        let before = uids(&queue).iter().map(|&uid| uid.to_owned()).collect::<Vec<_>>();
        make_room(&mut queue, &crowded);
        assert_eq!(uids(&queue), before);
        assert!(queue.places(1, 1, 0).is_ok());
    }

    #[test]
    fn only_the_neighbours_of_a_crowded_gap_make_room() {
        let ranks = rank::spread(None, None, 1_000).unwrap();
        let all = ranks.iter().enumerate().map(|(n, rank)| entry(&format!("{n:04}"), 0, rank));
        let mut queue: Queue = all.collect();
        let mut writes = 0;
        for n in 0..2_000 {
            let place = loop {
                match queue.places(500, 1, 0) {
                    Ok(mut places) => break places.remove(0),
                    Err(crowded) => writes += make_room(&mut queue, &crowded),
                }
            };
            queue.insert(entry(&format!("new{n}"), place.priority, &place.rank));
            assert_eq!(queue.get(500).unwrap().item.uid(), format!("new{n}"));
        }
        assert!((1..2_000).contains(&writes), "{writes}");
    }

    #[test]
    fn ranks_that_are_none_are_replaced() {
        let mut queue: Queue = [entry("a", 0, "A"), entry("b", 0, "B!")].into_iter().collect();
        let crowded = queue.places(1, 1, 0).unwrap_err();
        make_room(&mut queue, &crowded);
        assert!(queue.places(1, 1, 0).is_ok() && queue.places(0, 1, 0).is_ok());
    }

    /// How many entries have another rank then.
    fn make_room(queue: &mut Queue, crowded: &Crowded) -> usize {
        let fresh = queue.rebalanced(crowded);
        let count = fresh.len();
        for (entry, rank) in fresh {
            let old = queue.remove(entry.item.uid()).unwrap();
            queue.insert(Arc::new(Entry { rank, ..(*old).clone() }));
        }
        count
    }
}
