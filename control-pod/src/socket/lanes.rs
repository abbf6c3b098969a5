//! Which commands of one connection may run at the same time. Pure.
//!
//! Commands that concern the same thing run in the order in which they came; all others run side by
//! side, so that a PV that does not answer holds up nothing else.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// What a command concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// These things, possibly none.
    Some(BTreeSet<String>),
    /// Everything of a kind.
    All(&'static str),
}

impl Keys {
    /// A command that waits for nothing and that nothing waits for.
    pub(crate) fn none() -> Self {
        Self::Some(BTreeSet::new())
    }

    /// A command that concerns these.
    pub(crate) fn of<'a>(what: &'static str, names: impl IntoIterator<Item = &'a String>) -> Self {
        Self::Some(names.into_iter().map(|name| format!("{what} {name}")).collect())
    }

    fn meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All(what), Self::Some(names)) | (Self::Some(names), Self::All(what)) => {
                let of_kind = |name: &String| name.split(' ').next() == Some(*what);
                names.iter().any(of_kind)
            }
            (Self::All(what), Self::All(other)) => what == other,
            (Self::Some(a), Self::Some(b)) => !a.is_disjoint(b),
        }
    }
}

/// The commands of one connection that are not done.
#[derive(Debug)]
pub(crate) struct Lanes<C> {
    next: u64,
    waiting: VecDeque<(u64, Keys, C)>,
    running: HashMap<u64, Keys>,
}

impl<C> Default for Lanes<C> {
    fn default() -> Self {
        Self { next: 0, waiting: VecDeque::new(), running: HashMap::new() }
    }
}

impl<C> Lanes<C> {
    /// A command came.
    pub(crate) fn push(&mut self, keys: Keys, command: C) {
        self.waiting.push_back((self.next, keys, command));
        self.next += 1;
    }

    /// The first command that nothing before it concerns, with its ticket. It counts as running
    /// from now on.
    pub(crate) fn start(&mut self) -> Option<(u64, C)> {
        let free = (0..self.waiting.len()).find(|at| {
            let keys = &self.waiting[*at].1;
            let before = self.waiting.iter().take(*at).map(|(_, keys, _)| keys);
            !self.running.values().chain(before).any(|other| other.meet(keys))
        })?;
        let (ticket, keys, command) = self.waiting.remove(free)?;
        self.running.insert(ticket, keys);
        Some((ticket, command))
    }

    /// The command with that ticket is done.
    pub(crate) fn finish(&mut self, ticket: u64) {
        self.running.remove(&ticket);
    }

    /// Number of commands that are not done.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(names: &[&str]) -> Keys {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Keys::of("pv", &names)
    }

    #[test]
    fn commands_of_one_pv_keep_their_order_and_others_pass() {
        let mut lanes = Lanes::default();
        lanes.push(keys(&["dead"]), "subscribe dead");
        lanes.push(keys(&["dead"]), "unsubscribe dead");
        lanes.push(keys(&["live"]), "subscribe live");
        lanes.push(Keys::none(), "ping");
        let (dead, command) = lanes.start().unwrap();
        assert_eq!(command, "subscribe dead");
        assert_eq!(lanes.start().unwrap().1, "subscribe live");
        assert_eq!(lanes.start().unwrap().1, "ping");
        assert!(lanes.start().is_none());
        lanes.finish(dead);
        assert_eq!(lanes.start().unwrap().1, "unsubscribe dead");
    }

    #[test]
    fn a_command_on_everything_of_a_kind_waits_for_it_and_holds_it() {
        let mut lanes = Lanes::default();
        lanes.push(keys(&["a"]), "a");
        lanes.push(Keys::All("pv"), "refresh");
        lanes.push(Keys::of("set", &["a".to_owned()]), "set");
        lanes.push(keys(&["b"]), "b");
        lanes.push(Keys::none(), "ping");
        let (a, _) = lanes.start().unwrap();
        assert_eq!(lanes.start().unwrap().1, "set", "of another kind");
        assert_eq!(lanes.start().unwrap().1, "ping");
        assert!(lanes.start().is_none());
        lanes.finish(a);
        assert_eq!(lanes.start().unwrap().1, "refresh");
        assert!(lanes.start().is_none(), "b came after the refresh");
    }

    proptest! {
        #[test]
        fn no_two_running_commands_meet_and_each_key_runs_in_order(
            commands in prop::collection::vec(prop::collection::btree_set("[abc]", 0..3), 0..20),
            finishes in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let mut lanes = Lanes::default();
            for (number, names) in commands.iter().enumerate() {
                lanes.push(Keys::Some(names.clone()), number);
            }
            let mut running: Vec<(u64, usize)> = Vec::new();
            let mut started: Vec<usize> = Vec::new();
            for pick in finishes {
                while let Some((ticket, number)) = lanes.start() {
                    for (_, other) in &running {
                        prop_assert!(commands[*other].is_disjoint(&commands[number]));
                    }
                    running.push((ticket, number));
                    started.push(number);
                }
                if running.is_empty() { break }
                let (ticket, _) = running.remove(pick.index(running.len()));
                lanes.finish(ticket);
            }
            prop_assert_eq!(started.len(), commands.len());
            for key in ["a", "b", "c"] {
                let order: Vec<_> = started.iter().filter(|n| commands[**n].contains(key)).collect();
                prop_assert!(order.is_sorted());
            }
        }
    }
}
