//! Properties of the state machine, for any sequence of requests, endings, crashes and edits by others.

use std::collections::{HashMap, HashSet};

use crds::QueueItem;
use plan_worker::protocol::ExitStatus;
use proptest::prelude::*;
use queue_pod::item::successor_uid;
use queue_pod::machine::Event;
use serde_json::{Value, json};

use crate::simulation::Simulation;

#[derive(Clone, Debug)]
enum Step {
    Add(i64),
    AddBatch(usize, i64),
    Remove(i64),
    Move(i64, i64),
    MoveBatch(Vec<usize>, bool),
    Execute,
    Start,
    Finish(ExitStatus),
    LoseWorker,
    Open,
    Mode(bool, bool),
    /// Somebody applies an item with that priority, with or without a rank of his own.
    Apply(i32, Option<String>),
    /// Somebody deletes a queued item.
    DeleteByHand(usize),
    /// The process dies behind that many writes of the following steps; whether the worker outlives it.
    Fuse(usize, bool),
    Restart,
    /// Another server takes over; the worker goes on.
    FailOver,
}

fn ending() -> impl Strategy<Value = ExitStatus> {
    prop_oneof![
        4 => Just(ExitStatus::Completed),
        1 => Just(ExitStatus::Failed),
        1 => Just(ExitStatus::Stopped),
        1 => Just(ExitStatus::Aborted),
        1 => Just(ExitStatus::Halted),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let position = -8i64..8;
    prop_oneof![
        6 => position.clone().prop_map(Step::Add),
        2 => (1usize..5, position.clone()).prop_map(|(n, at)| Step::AddBatch(n, at)),
        2 => position.clone().prop_map(Step::Remove),
        4 => (position.clone(), position.clone()).prop_map(|(a, b)| Step::Move(a, b)),
        2 => (prop::collection::vec(0usize..8, 0..4), any::<bool>()).prop_map(|(u, f)| Step::MoveBatch(u, f)),
        1 => Just(Step::Execute),
        4 => Just(Step::Start),
        6 => ending().prop_map(Step::Finish),
        1 => Just(Step::LoseWorker),
        1 => Just(Step::Open),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(l, i)| Step::Mode(l, i)),
        2 => (-2i32..3, prop::option::of("[a-z]{1,3}")).prop_map(|(p, r)| Step::Apply(p, r)),
        1 => (0usize..8).prop_map(Step::DeleteByHand),
        2 => (1usize..6, any::<bool>()).prop_map(|(n, lives)| Step::Fuse(n, lives)),
        1 => Just(Step::Restart),
        2 => Just(Step::FailOver),
    ]
}

/// What a user believes: what was acknowledged and not taken back.
#[derive(Default)]
struct Belief {
    owned: HashSet<String>,
    applied: u32,
    worker_lives: bool,
}

fn take(simulation: &mut Simulation, belief: &mut Belief, step: &Step) {
    let plan = json!({"name": "p", "item_type": "plan"});
    match step {
        Step::Add(at) => {
            let reply = simulation.call("queue_item_add", json!({"item": plan, "pos": at}));
            belief.owned.extend(reply.and_then(|reply| uid(&reply["item"])));
        }
        Step::AddBatch(count, at) => {
            let items = vec![plan; *count];
            let reply = simulation.call("queue_item_add_batch", json!({"items": items, "pos": at}));
            let Some(reply) = reply.filter(|reply| reply["success"] == true) else { return };
            belief.owned.extend(reply["items"].as_array().unwrap().iter().filter_map(uid));
        }
        Step::Remove(at) => {
            // Whether it was removed before the crash or not, nobody was told.
            let index = usize::try_from(*at).unwrap_or_default();
            let at_risk = simulation.queued().get(index).cloned();
            let reply = simulation.call("queue_item_remove", json!({"pos": index}));
            if reply.is_none_or(|reply| reply["success"] == true) {
                at_risk.map(|uid| belief.owned.remove(&uid));
            }
        }
        Step::Move(from, to) => {
            simulation.call("queue_item_move", json!({"pos": from, "pos_dest": to}));
        }
        Step::MoveBatch(indices, front) => {
            let queued = simulation.queued();
            let uids: HashSet<_> = indices.iter().filter_map(|i| queued.get(*i)).collect();
            let place = if *front { "front" } else { "back" };
            simulation.call("queue_item_move_batch", json!({"uids": uids, "pos_dest": place}));
        }
        Step::Execute => {
            let reply = simulation.call("queue_item_execute", json!({ "item": plan }));
            let accepted = reply.filter(|reply| reply["success"] == true);
            belief.owned.extend(accepted.and_then(|reply| uid(&reply["item"])));
        }
        Step::Start => drop(simulation.call("queue_start", json!({}))),
        Step::Finish(status) => simulation.finish(*status),
        Step::LoseWorker => simulation.lose_worker(),
        Step::Open => simulation.open(),
        Step::Mode(loop_, ignore) => {
            let mode = json!({"loop": loop_, "ignore_failures": ignore});
            simulation.call("queue_mode_set", json!({ "mode": mode }));
        }
        Step::Apply(priority, rank) => {
            belief.applied += 1;
            let spec = json!({"name": "p", "priority": priority, "rank": rank});
            let name = format!("applied-{}", belief.applied);
            let item = QueueItem::new(&name, serde_json::from_value(spec).unwrap());
            simulation.store.create(item);
            let item = simulation.store.items[&name].clone();
            belief.owned.extend(item.metadata.uid.clone());
            simulation.feed(Event::ItemApplied(Box::new(item)));
        }
        Step::DeleteByHand(index) => {
            let entry = simulation.state.queue.get(*index).cloned();
            let Some(entry) = entry else { return };
            let Some(item) = simulation.store.items.remove(&entry.object.name) else { return };
            belief.owned.remove(entry.item.uid());
            simulation.feed(Event::ItemDeleted(Box::new(item)));
        }
        Step::Fuse(writes, lives) => {
            simulation.fuse = Some(*writes);
            belief.worker_lives = *lives;
        }
        Step::Restart => simulation.restart(),
        Step::FailOver => simulation.fail_over(),
    }
}

fn uid(item: &Value) -> Option<String> {
    item["item_uid"].as_str().map(str::to_owned)
}

fn check(simulation: &mut Simulation, belief: &Belief) -> Result<(), TestCaseError> {
    let (queued, ended) = (simulation.queued(), simulation.ended());
    let running = simulation.state.running_uid().map(str::to_owned);
    let all: Vec<_> = queued.iter().chain(&ended).chain(&running).collect();
    let distinct: HashSet<_> = all.iter().collect();
    prop_assert_eq!(all.len(), distinct.len(), "an item is there twice");
    for uid in &belief.owned {
        // Items of a loop live on under another uid; the record under the old one stays.
        prop_assert!(distinct.contains(&uid), "{} is lost", uid);
    }
    let mut times = HashMap::new();
    for uid in &simulation.ran {
        *times.entry(uid).or_insert(0) += 1;
    }
    prop_assert!(times.values().all(|&times| times == 1), "an item ran twice");
    let stored: HashSet<_> = simulation.store.items.keys().collect();
    for entry in simulation.state.queue.iter() {
        prop_assert!(stored.contains(&entry.object.name), "queued but not stored");
    }
    Ok(())
}

/// The batches of which something is queued: their size, and how many are there.
fn batches(simulation: &Simulation) -> HashMap<String, (i32, i32)> {
    let mut found = HashMap::new();
    for batch in simulation.state.queue.iter().filter_map(|entry| entry.batch.as_ref()) {
        found.entry(batch.uid.clone()).or_insert((batch.size, 0)).1 += 1;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_lost_nothing_runs_twice_and_a_restart_finds_the_same_order(
        steps in prop::collection::vec(any_step(), 1..60)
    ) {
        let mut simulation = Simulation::new();
        let mut belief = Belief::default();
        for step in &steps {
            let batches = batches(&simulation);
            take(&mut simulation, &mut belief, step);
            if simulation.fuse == Some(0) {
                if belief.worker_lives { simulation.fail_over() } else { simulation.restart() }
                for (uid, (size, present)) in self::batches(&simulation) {
                    let whole = batches.contains_key(&uid) || size == present;
                    prop_assert!(whole, "{} of {} of a batch are queued", present, size);
                }
                simulation.open();
            }
            if simulation.fuse.is_none() {
                check(&mut simulation, &belief)?;
            }
        }
        // A running item ends as unknown in the next life; in a loop its copy goes to the back.
        let running = simulation.state.running.clone().filter(|running| !running.immediate);
        let looping = simulation.state.settings.mode.loop_;
        let mut expected = simulation.queued();
        let copies = running.filter(|_| looping);
        expected.extend(copies.map(|running| successor_uid(running.entry.item.uid())));
        simulation.restart();
        check(&mut simulation, &belief)?;
        prop_assert_eq!(simulation.queued(), expected);
        simulation.restart();
        check(&mut simulation, &belief)?;
    }

    #[test]
    fn adding_moving_and_removing_agree_with_a_plain_list(
        steps in prop::collection::vec((0u8..4, -9i64..9, -9i64..9), 1..60)
    ) {
        let mut simulation = Simulation::new();
        let mut list: Vec<String> = Vec::new();
        for (kind, a, b) in steps {
            let size = i64::try_from(list.len()).unwrap();
            let index = |at: i64| usize::try_from(if at < 0 { size + at } else { at }).ok().filter(|i| *i < list.len());
            match kind {
                0 | 1 => {
                    let item = json!({"name": "p", "item_type": "plan"});
                    let reply = simulation.call("queue_item_add", json!({"item": item, "pos": a})).unwrap();
                    let at = if a < 0 { (size + a + 1).max(0) } else { a.min(size) };
                    list.insert(usize::try_from(at).unwrap(), uid(&reply["item"]).unwrap());
                }
                2 => {
                    let reply = simulation.call("queue_item_remove", json!({"pos": a})).unwrap();
                    match index(a) {
                        Some(i) => prop_assert_eq!(uid(&reply["item"]).unwrap(), list.remove(i)),
                        None => prop_assert_eq!(&reply["success"], &json!(false)),
                    }
                }
                _ => {
                    let reply = simulation.call("queue_item_move", json!({"pos": a, "pos_dest": b})).unwrap();
                    match (index(a), index(b)) {
                        (Some(from), Some(to)) => {
                            let moved = list.remove(from);
                            list.insert(to, moved);
                        }
                        _ => prop_assert_eq!(&reply["success"], &json!(false)),
                    }
                }
            }
            prop_assert_eq!(simulation.queued(), list.clone());
        }
        simulation.restart();
        prop_assert_eq!(simulation.queued(), list);
    }
}

#[test]
fn a_loop_of_ten_thousand_rounds_leaves_no_more_behind_than_the_history_may_have() {
    const ROUNDS: usize = 10_000;
    const HISTORY: usize = 100;
    let mut simulation = Simulation::new();
    let limited = json!({"historyLimit": HISTORY, "mode": {"loop": true}});
    let limited = serde_json::from_value(limited).unwrap();
    simulation.feed(Event::QueueApplied(Box::new(limited), Some(2)));
    for _ in 0..2 {
        let item = json!({"name": "p", "item_type": "plan"});
        simulation.call("queue_item_add", json!({ "item": item })).unwrap();
    }
    simulation.call("queue_start", json!({})).unwrap();
    for _ in 0..ROUNDS {
        simulation.finish(ExitStatus::Completed);
        assert!(simulation.store.items.len() <= HISTORY + 3, "{}", simulation.store.items.len());
    }
    let others: HashSet<_> = simulation.ran.iter().collect();
    assert_eq!((others.len(), simulation.ran.len()), (ROUNDS + 1, ROUNDS + 1));
    assert_eq!(simulation.state.history.len(), HISTORY);
    let longest = simulation.store.items.values().filter_map(|item| item.spec.rank.as_ref());
    assert!(longest.map(String::len).max() <= Some(8));
}
