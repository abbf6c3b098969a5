use crds::locking::{self, Claimant};
use jiff::Timestamp;

use super::*;
use crate::history::Operation;

type Answer = Result<Changed<i64>, ChangeError<&'static str>>;

/// Takes the device for this lock, unless it is held.
fn take(device: &'static str) -> (Box<dyn Asked>, oneshot::Receiver<Answer>) {
    asked(move |table: &DeviceLocksSpec, _: &Index| {
        if table.locks.contains_key(device) {
            return Err("held");
        }
        let claimant = Claimant { item_id: "i".into(), plan_name: "p".into(), service: "s".into() };
        let devices = [device.to_owned()];
        let next = locking::take(table, &devices, &claimant, "id", Timestamp::now(), None);
        let rows = vec![NewRow::new(device, Operation::Lock, None)];
        Ok(Decided { answer: next.version, next: Some(next), rows })
    })
}

fn asked(
    decide: impl FnMut(&DeviceLocksSpec, &Index) -> Result<Decided<i64>, &'static str> + Send + 'static,
) -> (Box<dyn Asked>, oneshot::Receiver<Answer>) {
    let (reply, answer) = oneshot::channel();
    (Box::new(Question::new(decide, reply)), answer)
}

fn table() -> DeviceLocksSpec {
    DeviceLocksSpec { version: 7, epoch: "e".to_owned(), ..DeviceLocksSpec::default() }
}

#[test]
fn each_decides_on_the_table_as_the_one_before_leaves_it() {
    let index = Index::new(Vec::new());
    let (first, mut of_first) = take("a");
    let (second, mut of_second) = take("a");
    let (third, mut of_third) = take("b");
    let mut batch = Batch::new([first, second, third]);
    let next = batch.decide(&table(), &index).unwrap();
    assert_eq!((next.version, next.locks.len()), (9, 2));
    assert_eq!(batch.traces().count(), 2);
    assert!(of_first.try_recv().is_err(), "nothing is answered before it is stored");
    assert!(batch.0.into_iter().all(|entry| entry.answer(Ok(()))));
    let first = of_first.try_recv().unwrap().unwrap();
    assert_eq!((first.version, first.answer, first.epoch.as_str()), (8, 8, "e"));
    assert!(matches!(of_second.try_recv().unwrap(), Err(ChangeError::Refused("held"))));
    assert_eq!(of_third.try_recv().unwrap().unwrap().version, 9);
}

#[test]
fn all_decide_anew_when_another_was_faster() {
    let index = Index::new(Vec::new());
    let (lock, mut answer) = take("a");
    let mut batch = Batch::new([lock]);
    let theirs = batch.decide(&table(), &index).unwrap();
    assert!(batch.decide(&theirs, &index).is_none());
    assert_eq!(batch.traces().count(), 0, "what was not stored is not recorded");
    assert!(batch.0.remove(0).answer(Ok(())));
    assert!(matches!(answer.try_recv().unwrap(), Err(ChangeError::Refused("held"))));
}

#[test]
fn whoever_has_left_before_it_is_decided_changes_nothing() {
    let index = Index::new(Vec::new());
    let (lock, answer) = take("a");
    drop(answer);
    let mut batch = Batch::new([lock]);
    assert!(batch.decide(&table(), &index).is_none());
    assert!(batch.0.is_empty());
}

#[test]
fn whoever_leaves_later_is_known_not_to_have_heard() {
    let index = Index::new(Vec::new());
    let (lock, answer) = take("a");
    let mut batch = Batch::new([lock]);
    assert!(batch.decide(&table(), &index).is_some());
    drop(answer);
    assert!(!batch.0.remove(0).answer(Ok(())));
}

#[test]
fn a_store_that_fails_is_told_to_all_even_to_those_that_were_refused() {
    let index = Index::new(Vec::new());
    let (first, mut of_first) = take("a");
    let (second, mut of_second) = take("a");
    let mut batch = Batch::new([first, second]);
    assert!(batch.decide(&table(), &index).is_some());
    for entry in batch.0 {
        assert!(entry.answer(Err(StoreError::Timeout)));
    }
    for answer in [&mut of_first, &mut of_second] {
        let answer = answer.try_recv().unwrap();
        assert!(matches!(answer, Err(ChangeError::Store(StoreError::Timeout))));
    }
}
