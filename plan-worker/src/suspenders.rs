//! What makes plans wait: conditions on PVs, watched for as long as the environment is open.

use std::sync::Arc;
use std::time::Duration;

use channels::{PvClient, Sample};
use crds::Suspender;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::engine::hold::Hold;

/// The watched conditions; they are watched no more when this is dropped.
#[derive(Debug)]
pub struct Suspenders {
    hold: Hold,
    _tasks: JoinSet<()>,
}

impl Suspenders {
    /// Watches the PVs of `all` from now on. Until one has answered, plans wait for it.
    pub fn watch(all: Vec<Suspender>, pvs: &Arc<dyn PvClient>) -> Self {
        let objections = all.iter().map(|one| one.objection(None, false)).collect();
        let (sender, receiver) = watch::channel(objections);
        let mut tasks = JoinSet::new();
        for (place, suspender) in all.into_iter().enumerate() {
            let channel = pvs.channel(&suspender.pv);
            let sender = sender.clone();
            tasks.spawn(async move {
                let tell = |objection: Option<String>| {
                    sender.send_if_modified(|all: &mut Vec<Option<String>>| {
                        let is_news = all[place] != objection;
                        all[place] = objection;
                        is_news
                    });
                };
                follow(&suspender, channel.monitor(), tell).await;
            });
        }
        Self { hold: Hold::new(receiver), _tasks: tasks }
    }

    /// What the engine asks.
    pub fn hold(&self) -> Hold {
        self.hold.clone()
    }
}

/// Tells with every sample whether plans wait, and some time after it is good again that they do not.
async fn follow(
    suspender: &Suspender,
    mut samples: watch::Receiver<Option<Arc<Sample>>>,
    tell: impl Fn(Option<String>),
) {
    let mut waits = true;
    // A PV that is good from the beginning has nothing to recover from.
    let mut recovery = Duration::ZERO;
    let mut good_at = None;
    loop {
        let sample = samples.borrow_and_update().clone();
        let was_there = sample.is_some();
        let value =
            sample.filter(|sample| sample.connected).and_then(|sample| sample.value.as_f64());
        if let Some(objection) = suspender.objection(value, waits) {
            waits = true;
            good_at = None;
            if was_there {
                recovery = Duration::from_secs(u64::try_from(suspender.sleep_seconds).unwrap_or(0));
            }
            tell(Some(objection));
        } else if waits {
            let good_at = *good_at.get_or_insert_with(|| Instant::now() + recovery);
            if good_at > Instant::now() {
                tell(Some(format!(
                    "{} is good again since less than {} s",
                    suspender.pv,
                    recovery.as_secs()
                )));
            }
            tokio::select! {
                changed = samples.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = sleep_until(good_at) => {
                    waits = false;
                    tell(None);
                }
            }
        }
        if samples.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use channels::Fake;
    use channels::fake::PvSpec;
    use serde_json::{Value, json};

    use super::*;

    fn watching(fake: &Fake, suspenders: Value) -> Suspenders {
        let pvs: Arc<dyn PvClient> = Arc::new(fake.clone());
        Suspenders::watch(serde_json::from_value(suspenders).unwrap(), &pvs)
    }

    async fn next(hold: &mut Hold, known: &str) -> Option<String> {
        let differs = hold.differs_from(known);
        tokio::time::timeout(Duration::from_secs(30), differs).await.expect("in time")
    }

    #[tokio::test]
    async fn a_pv_that_is_good_from_the_beginning_is_waited_for_and_no_longer() {
        let fake = Fake::new();
        let suspenders = watching(&fake, json!([{"pv": "ring", "below": 380, "sleepSeconds": 60}]));
        let mut hold = suspenders.hold();
        assert_eq!(hold.begins().await, "ring is not known");
        fake.add("ring", PvSpec::new(400.0));
        assert_eq!(next(&mut hold, "ring is not known").await, None);
    }

    #[tokio::test]
    async fn what_was_bad_has_to_be_good_for_a_while() {
        let fake = Fake::new();
        fake.add("ring", PvSpec::new(400.0));
        let suspenders = watching(
            &fake,
            json!([{"pv": "ring", "below": 380, "resume": 390, "sleepSeconds": 1}]),
        );
        let mut hold = suspenders.hold();
        assert_eq!(next(&mut hold, "ring is not known").await, None);

        fake.set("ring", 300.0);
        let low = hold.begins().await;
        assert_eq!(low, "ring is 300, below 380");
        fake.set("ring", 385.0);
        let better = next(&mut hold, &low).await.unwrap();
        assert_eq!(better, "ring is 385, below 390");
        fake.set("ring", 400.0);
        let good = next(&mut hold, &better).await.unwrap();
        assert_eq!(good, "ring is good again since less than 1 s");
        // A new value that is good as well changes nothing.
        fake.set("ring", 401.0);
        assert_eq!(next(&mut hold, &good).await, None);
    }

    #[tokio::test]
    async fn an_ioc_that_is_gone_holds_plans_as_a_bad_value_does() {
        let fake = Fake::new();
        fake.add("ring", PvSpec::new(400.0));
        let suspenders = watching(&fake, json!([{"pv": "ring", "below": 380}]));
        let mut hold = suspenders.hold();
        assert_eq!(next(&mut hold, "ring is not known").await, None);
        fake.disconnect("ring");
        assert_eq!(hold.begins().await, "ring is not known");
    }
}
