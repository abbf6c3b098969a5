//! Locks under concurrent clients of two replicas: every history of answers must be one that a
//! single table, asked by one client after the other, could have given.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

use crate::lab::{Lab, new_device, settings};

const DEVICES: usize = 4;

/// What a client asks for; it asks as an item of its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Lock,
    Unlock,
    ForceUnlock,
}

/// One request, and its answer once there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Operation {
    client: usize,
    verb: Verb,
    devices: Vec<usize>,
    answer: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// All of them are locked now, or free.
    Done,
    /// These were released.
    Released(Vec<usize>),
    /// Somebody holds one of them.
    Refused,
}

struct LockTable;

impl Specification for LockTable {
    /// Device and who holds it.
    type State = BTreeMap<usize, usize>;
    type Operation = Operation;

    fn init() -> Self::State {
        BTreeMap::new()
    }

    fn apply(asked: &Operation, table: &Self::State) -> (bool, Self::State) {
        let mut next = table.clone();
        let expected = match asked.verb {
            Verb::Lock if asked.devices.iter().any(|one| table.contains_key(one)) => {
                Answer::Refused
            }
            Verb::Lock => {
                next.extend(asked.devices.iter().map(|one| (*one, asked.client)));
                Answer::Done
            }
            Verb::Unlock => {
                let holders = asked.devices.iter().map(|one| (*one, table.get(one)));
                let (held, others): (Vec<_>, Vec<_>) = holders
                    .filter_map(|(one, holder)| holder.map(|holder| (one, *holder)))
                    .partition(|(_, holder)| *holder == asked.client);
                if others.is_empty() {
                    next.retain(|one, _| !held.iter().any(|(gone, _)| gone == one));
                    Answer::Released(held.into_iter().map(|(one, _)| one).collect())
                } else {
                    Answer::Refused
                }
            }
            Verb::ForceUnlock => {
                next.retain(|one, _| !asked.devices.contains(one));
                Answer::Done
            }
        };
        (asked.answer.as_ref() == Some(&expected), next)
    }
}

fn name(device: usize) -> String {
    format!("d{device}")
}

async fn ask(lab: &Lab, base: &str, asked: &Operation) -> Answer {
    let (path, known) = match asked.verb {
        Verb::Lock => ("lock", json!({ "plan_name": "count" })),
        Verb::Unlock => ("unlock", json!({})),
        Verb::ForceUnlock => ("force-unlock", json!({ "reason": "test" })),
    };
    let mut body = known;
    body["device_names"] = asked.devices.iter().map(|one| name(*one)).collect();
    body["item_id"] = json!(asked.client.to_string());
    let path = format!("/api/v1/devices/{path}");
    let answer = lab.send_to(base, Method::POST, &path, Some(&body)).await;
    match (answer.status.as_u16(), asked.verb) {
        (403 | 409, _) => Answer::Refused,
        (200, Verb::Unlock) => {
            let released = answer.json()["unlocked_devices"].as_array().cloned().unwrap();
            let device = |one: &Value| one.as_str().unwrap()[1..].parse().unwrap();
            Answer::Released(released.iter().map(device).collect())
        }
        (200, _) => Answer::Done,
        (other, _) => panic!("{other}: {}", answer.text),
    }
}

/// Lets every client work off its requests, all of them at the same time, and notes what happened.
async fn history(clients: Vec<Vec<(Verb, Vec<usize>)>>) -> Vec<(usize, Action<Operation>)> {
    let lab = Lab::new(settings()).await;
    for device in 0..DEVICES {
        lab.post("/api/v1/devices", new_device(&name(device), &format!("P:{device}")))
            .await
            .of(201);
    }
    let (replica, _stop) = lab.replica().await;
    let seen = Mutex::new(Vec::new());
    let working = clients.into_iter().enumerate().map(|(client, requests)| {
        let (lab, seen) = (&lab, &seen);
        let base = if client % 2 == 0 { lab.base() } else { replica.as_str() };
        async move {
            for (verb, devices) in requests {
                let mut asked = Operation { client, verb, devices, answer: None };
                seen.lock().unwrap().push((client, Action::Call(asked.clone())));
                asked.answer = Some(ask(lab, base, &asked).await);
                seen.lock().unwrap().push((client, Action::Response(asked)));
            }
        }
    });
    join_all(working).await;
    seen.into_inner().unwrap()
}

fn request() -> impl Strategy<Value = (Verb, Vec<usize>)> {
    let verb = prop_oneof![
        5 => Just(Verb::Lock),
        4 => Just(Verb::Unlock),
        1 => Just(Verb::ForceUnlock),
    ];
    (verb, proptest::sample::subsequence((0..DEVICES).collect::<Vec<_>>(), 1..=DEVICES))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..Default::default() })]

    #[test]
    fn the_answers_of_two_replicas_are_those_of_one_table(
        clients in vec(vec(request(), 1..10), 2..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let actions = runtime.block_on(history(clients));
        let as_text = format!("{actions:#?}");
        prop_assert!(
            WGLChecker::<LockTable>::is_linearizable(History::from_actions(actions)),
            "{}", as_text
        );
    }
}

#[test]
fn a_device_that_two_hold_is_noticed() {
    let lock = |client, answer| Operation { client, verb: Verb::Lock, devices: vec![0], answer };
    let actions = vec![
        (0, Action::Call(lock(0, None))),
        (0, Action::Response(lock(0, Some(Answer::Done)))),
        (1, Action::Call(lock(1, None))),
        (1, Action::Response(lock(1, Some(Answer::Done)))),
    ];
    assert!(!WGLChecker::<LockTable>::is_linearizable(History::from_actions(actions)));
}
