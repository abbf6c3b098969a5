//! Locks under concurrent clients of one replica and of two, some of which leave before they are answered: every
//! history of answers must be one that a single table, asked by one client after the other, could have given, and the
//! audit history must tell in the end what the table says.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

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
    /// The registry undoes a lock that nobody was told of.
    TakeBack,
}

/// One request, and its answer once there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Operation {
    client: usize,
    /// Of a lock; who takes it back has the same.
    serial: usize,
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
    /// The client left: it may have been done, at any time since, or not at all.
    Unheard,
}

/// Who holds a device, by which lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Holder {
    client: usize,
    serial: usize,
}

struct LockTable;

impl Specification for LockTable {
    type State = BTreeMap<usize, Holder>;
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
                let holder = Holder { client: asked.client, serial: asked.serial };
                next.extend(asked.devices.iter().map(|one| (*one, holder)));
                Answer::Done
            }
            Verb::Unlock => {
                let holders = asked.devices.iter().map(|one| (*one, table.get(one)));
                let (held, others): (Vec<_>, Vec<_>) = holders
                    .filter_map(|(one, holder)| holder.map(|holder| (one, holder.client)))
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
            Verb::TakeBack => {
                next.retain(|_, holder| holder.serial != asked.serial);
                Answer::Unheard
            }
        };
        let is_right = asked.answer.as_ref().is_some_and(|answer| {
            // What has not happened yet when all is over has not happened.
            *answer == expected || *answer == Answer::Unheard
        });
        (is_right, next)
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
        Verb::TakeBack => unreachable!("nobody can ask for it"),
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

/// One request: what is asked, about which devices, and after how many tenths of a millisecond the client leaves.
type Request = (Verb, Vec<usize>, Option<u64>);

/// What happened, in order. Each operation is a process of its own: some never end.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(usize, Action<Operation>)>>);

impl Seen {
    /// The number of the operation that begins.
    fn call(&self, mut asked: Operation) -> (usize, Operation) {
        let mut seen = self.0.lock().unwrap();
        let number = seen.len();
        if asked.verb == Verb::Lock {
            asked.serial = number;
        }
        seen.push((number, Action::Call(asked.clone())));
        (number, asked)
    }

    fn respond(&self, number: usize, asked: Operation, answer: Answer) {
        let asked = Operation { answer: Some(answer), ..asked };
        self.0.lock().unwrap().push((number, Action::Response(asked)));
    }

    /// Lets one client work off its requests. Answers the operations that it has not seen the end of.
    async fn work(
        &self,
        lab: &Lab,
        base: &str,
        client: usize,
        requests: Vec<Request>,
    ) -> Vec<(usize, Operation)> {
        let mut open = Vec::new();
        for (verb, devices, patience) in requests {
            let asked = Operation { client, serial: 0, verb, devices, answer: None };
            let (number, asked) = self.call(asked);
            let patience =
                patience.map_or(Duration::MAX, |tenths| Duration::from_micros(tenths * 100));
            match tokio::time::timeout(patience, ask(lab, base, &asked)).await {
                Ok(answer) => self.respond(number, asked, answer),
                Err(_) => {
                    if verb == Verb::Lock {
                        open.push(self.call(Operation { verb: Verb::TakeBack, ..asked.clone() }));
                    }
                    open.push((number, asked));
                }
            }
        }
        open
    }
}

/// Lets every client work off its requests, all of them at the same time, and notes what happened.
async fn history(clients: Vec<Vec<Request>>, replicas: usize) -> Vec<(usize, Action<Operation>)> {
    let lab = Lab::new(settings()).await;
    for device in 0..DEVICES {
        lab.post("/api/v1/devices", new_device(&name(device), &format!("P:{device}")))
            .await
            .of(201);
    }
    let other = if replicas > 1 { Some(lab.replica().await) } else { None };
    let seen = Seen::default();
    let working = clients.into_iter().enumerate().map(|(client, requests)| {
        let base = match &other {
            Some((other, _)) if client % 2 == 1 => other.as_str(),
            _ => lab.base(),
        };
        seen.work(&lab, base, client, requests)
    });
    for (number, asked) in join_all(working).await.into_iter().flatten() {
        seen.respond(number, asked, Answer::Unheard);
    }
    if other.is_none() {
        lab.until(async || told(&lab).await == held(&lab).await).await;
    }
    seen.0.into_inner().unwrap()
}

/// Who holds which device, as the table has it.
async fn held(lab: &Lab) -> BTreeMap<String, String> {
    let mut held = BTreeMap::new();
    for device in (0..DEVICES).map(name) {
        let status = lab.get(&format!("/api/v1/devices/{device}/status")).await.of(200);
        if let Some(item) = status["locked_by_item"].as_str() {
            held.insert(device, item.to_owned());
        }
    }
    held
}

/// The same as the audit history tells it. At no time did two hold one device.
async fn told(lab: &Lab) -> BTreeMap<String, String> {
    let rows = lab.get("/api/v1/devices/history?limit=10000").await.of(200);
    let mut held = BTreeMap::new();
    for row in rows.as_array().unwrap().iter().rev() {
        let device = row["device_name"].as_str().unwrap().to_owned();
        let details: Value = serde_json::from_str(row["details"].as_str().unwrap()).unwrap();
        let item = || details["item_id"].as_str().unwrap().to_owned();
        match row["operation"].as_str().unwrap() {
            "lock" => assert_eq!(held.insert(device, item()), None, "{rows:#}"),
            "unlock" => assert_eq!(held.remove(&device), Some(item()), "{rows:#}"),
            "force_unlock" => drop(held.remove(&device)),
            _ => {}
        }
    }
    held
}

fn request() -> impl Strategy<Value = (Verb, Vec<usize>)> {
    let verb = prop_oneof![
        5 => Just(Verb::Lock),
        4 => Just(Verb::Unlock),
        1 => Just(Verb::ForceUnlock),
    ];
    (verb, proptest::sample::subsequence((0..DEVICES).collect::<Vec<_>>(), 1..=DEVICES))
}

/// A request whose client always waits.
fn patient() -> impl Strategy<Value = Request> {
    request().prop_map(|(verb, devices)| (verb, devices, None))
}

/// A request whose client may leave: before it is decided, while it is stored, or while it is recorded.
fn impatient() -> impl Strategy<Value = Request> {
    let patience = prop_oneof![5 => Just(None), 1 => (0..200_u64).prop_map(Some)];
    (request(), patience).prop_map(|((verb, devices), patience)| (verb, devices, patience))
}

fn check(clients: Vec<Vec<Request>>, replicas: usize) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let actions = runtime.block_on(history(clients, replicas));
    let as_text = format!("{actions:#?}");
    let history = History::from_actions(actions);
    prop_assert!(WGLChecker::<LockTable>::is_linearizable(history), "{}", as_text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..Default::default() })]

    #[test]
    fn the_answers_of_two_replicas_are_those_of_one_table(
        clients in vec(vec(patient(), 1..10), 2..6),
    ) {
        check(clients, 2)?;
    }

    /// So many at a time that one write is for several.
    #[test]
    fn the_answers_to_a_crowd_are_those_of_one_table(
        clients in vec(vec(impatient(), 1..5), 8..14),
        replicas in 1..=2_usize,
    ) {
        check(clients, replicas)?;
    }
}

fn lock(client: usize, answer: Option<Answer>) -> Operation {
    Operation { client, serial: client, verb: Verb::Lock, devices: vec![0], answer }
}

fn is_linearizable(actions: Vec<(usize, Action<Operation>)>) -> bool {
    WGLChecker::<LockTable>::is_linearizable(History::from_actions(actions))
}

#[test]
fn a_device_that_two_hold_is_noticed() {
    let actions = vec![
        (0, Action::Call(lock(0, None))),
        (0, Action::Response(lock(0, Some(Answer::Done)))),
        (1, Action::Call(lock(1, None))),
        (1, Action::Response(lock(1, Some(Answer::Done)))),
    ];
    assert!(!is_linearizable(actions));
}

#[test]
fn a_lock_that_nobody_was_told_of_may_stand_in_the_way_and_may_go() {
    let back = |answer| Operation { verb: Verb::TakeBack, ..lock(0, answer) };
    let unheard = |then| {
        vec![
            (0, Action::Call(lock(0, None))),
            (1, Action::Call(lock(1, None))),
            (1, Action::Response(lock(1, Some(Answer::Refused)))),
            (2, Action::Call(back(None))),
            (3, Action::Call(lock(3, None))),
            (3, Action::Response(lock(3, Some(then)))),
            (0, Action::Response(lock(0, Some(Answer::Unheard)))),
            (2, Action::Response(back(Some(Answer::Unheard)))),
        ]
    };
    assert!(is_linearizable(unheard(Answer::Done)));
    assert!(is_linearizable(unheard(Answer::Refused)));
}
