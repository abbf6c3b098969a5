//! When a motion is over: of a motor record, and of whatever else has a flag that says "done".
//!
//! Put callbacks and done flags each tell half of it. A motor record completes the put when it has come to rest; other IOCs complete
//! it at once and start later, or never complete it. A flag that falls and rises may still belong to the request before. So a rest
//! counts at once where the target is reached or where the put was completed by the motion's end, and else once it has lasted.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::{PvChannel, Sample};

/// How long a rest elsewhere than at the target has to last before it counts, where nothing else says that it belongs to this motion.
const SETTLE: Duration = Duration::from_millis(500);
/// A put that is completed sooner was not waiting for a motion.
const PROMPT: Duration = Duration::from_millis(100);
/// Longest wait for a start once the IOC has taken the target.
const START: Duration = Duration::from_secs(10);
/// Longest wait for the first value of the done flag.
const FIRST: Duration = Duration::from_secs(5);

/// How a motion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is at rest, at its target or elsewhere.
    Rests,
    /// The IOC took the target and did nothing with it.
    NeverStarted,
    /// The done flag is gone, so nobody can tell.
    Lost,
}

/// Follows the motion that `put` causes until it is over. Dropping the future gives up following; it stops nothing.
///
/// `done` shows 0 while something moves. `at_target` is asked when everything rests, and again when `readback` changes; `None` says
/// that nothing shows the position.
///
/// # Errors
/// Those of `put` and of `at_target`.
pub async fn follow<'a, E>(
    done: &dyn PvChannel,
    readback: Option<&dyn PvChannel>,
    put: impl Future<Output = Result<(), E>>,
    at_target: impl Fn() -> BoxFuture<'a, Result<Option<bool>, E>>,
) -> Result<Ending, E> {
    let mut flags = done.updates();
    let mut latest = done.monitor();
    let mut position = readback.map(PvChannel::monitor);
    let mut progress = Progress::default();
    // Without a first value the next one could be the end of the motion, unseen as such.
    match timeout(FIRST, latest.wait_for(Option::is_some)).await {
        Ok(Ok(first)) => progress.note(first.as_deref()),
        Ok(Err(_)) | Err(_) => return Ok(Ending::Lost),
    }
    let mut put = pin!(put);
    let asked = Instant::now();
    loop {
        if progress.lost {
            return Ok(Ending::Lost);
        }
        let reached = if progress.asks_for_position() { at_target().await? } else { None };
        let now = Instant::now();
        let deadline = match progress.verdict(reached) {
            Verdict::Wait => None,
            Verdict::At(when, ending) if when <= now => return Ok(ending),
            Verdict::At(when, _) => Some(when),
        };
        tokio::select! {
            result = &mut put, if !progress.complete() => {
                result?;
                progress.put_completed(asked, Instant::now());
            }
            flag = flags.recv() => match flag {
                Ok(flag) => progress.note(Some(&flag)),
                Err(RecvError::Lagged(_)) => {
                    progress.started = true;
                    progress.note(latest.borrow().as_deref());
                }
                Err(RecvError::Closed) => progress.lost = true,
            },
            () = changed(&mut position) => {}
            () = at(deadline) => {}
        }
    }
}

/// What has been seen of a motion.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// When the put was completed.
    put: Option<Instant>,
    /// Whether the flag was seen to say "moving".
    started: bool,
    /// Whether it fell after the put was sent and before that was completed.
    fell_before_completion: bool,
    /// Whether the IOC completes puts at the end of motions.
    completed_by_end: bool,
    /// Since when the flag says "done".
    rests: Option<Instant>,
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Something has to happen first.
    Wait,
    /// So it ended, unless something happens before that time.
    At(Instant, Ending),
}

impl Progress {
    fn note(&mut self, flag: Option<&Sample>) {
        match flag {
            Some(flag) if flag.connected => self.flag(is_done(flag), Instant::now()),
            _ => self.lost = true,
        }
    }

    fn flag(&mut self, done: bool, now: Instant) {
        if done {
            self.rests.get_or_insert(now);
            return;
        }
        self.started = true;
        // Without a rest before, it is the motion of an earlier request that is seen.
        self.fell_before_completion |= self.rests.take().is_some() && self.put.is_none();
    }

    fn put_completed(&mut self, asked: Instant, now: Instant) {
        self.put = Some(now);
        self.completed_by_end = self.fell_before_completion && now - asked >= PROMPT;
    }

    fn complete(&self) -> bool {
        self.put.is_some()
    }

    fn asks_for_position(&self) -> bool {
        self.complete() && self.rests.is_some()
    }

    fn verdict(&self, at_target: Option<bool>) -> Verdict {
        let Some(rests) = self.rests else { return Verdict::Wait };
        let settled = Verdict::At(rests + SETTLE, Ending::Rests);
        let Some(put) = self.put else {
            return if self.started { settled } else { Verdict::Wait };
        };
        let both = rests.max(put);
        match at_target {
            Some(true) => Verdict::At(both, Ending::Rests),
            _ if self.completed_by_end => Verdict::At(both, Ending::Rests),
            _ if self.started => settled,
            None => Verdict::At(both + SETTLE, Ending::Rests),
            Some(false) => Verdict::At(both + START, Ending::NeverStarted),
        }
    }
}

fn is_done(flag: &Sample) -> bool {
    flag.value.as_f64().is_some_and(|flag| flag != 0.0)
}

/// The next readback; never without one.
async fn changed(position: &mut Option<watch::Receiver<Option<Arc<Sample>>>>) {
    let changed = match position {
        Some(position) => position.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to a motion, in order; each a second after the one before, the put being sent after the first.
    #[derive(Clone, Copy)]
    enum Seen {
        Moving,
        Done,
        PutComplete,
        /// The put is completed right after it was sent.
        PromptlyComplete,
    }
    use Seen::{Done, Moving, PromptlyComplete, PutComplete};

    /// The verdict after all of `seen`, its time in seconds after the first of them.
    fn verdict(seen: &[Seen], at_target: Option<bool>) -> Option<(f64, Ending)> {
        let start = Instant::now();
        let mut progress = Progress::default();
        let mut now = start;
        for seen in seen {
            match seen {
                Moving => progress.flag(false, now),
                Done => progress.flag(true, now),
                PutComplete => progress.put_completed(start, now),
                PromptlyComplete => progress.put_completed(now, now),
            }
            now += Duration::from_secs(1);
        }
        match progress.verdict(at_target) {
            Verdict::Wait => None,
            Verdict::At(when, ending) => Some(((when - start).as_secs_f64(), ending)),
        }
    }

    #[test]
    fn a_motor_record_that_completes_the_put_ends_wherever_it_comes_to_rest() {
        assert_eq!(verdict(&[Done, Moving], None), None);
        let seen = [Done, Moving, Done, PutComplete];
        assert_eq!(verdict(&seen, Some(true)), Some((3.0, Ending::Rests)));
        assert_eq!(verdict(&seen, Some(false)), Some((3.0, Ending::Rests)));
        assert_eq!(verdict(&[Done, Moving, PutComplete], Some(true)), None);
    }

    #[test]
    fn an_ioc_that_completes_the_put_at_once_has_to_arrive_or_to_stay() {
        assert_eq!(verdict(&[Done, PromptlyComplete, Moving], Some(true)), None);
        let seen = [Done, PromptlyComplete, Moving, Done];
        assert_eq!(verdict(&seen, Some(true)), Some((3.0, Ending::Rests)));
        assert_eq!(verdict(&seen, Some(false)), Some((3.5, Ending::Rests)));
    }

    #[test]
    fn the_late_end_of_the_motion_before_is_not_the_end_of_this_one() {
        let seen = [Done, PromptlyComplete, Moving, Done, Moving];
        assert_eq!(verdict(&seen, Some(false)), None);
        let seen = [Done, PromptlyComplete, Moving, Done, Moving, Done];
        assert_eq!(verdict(&seen, Some(true)), Some((5.0, Ending::Rests)));
        let under_way_before = [Moving, PutComplete, Done];
        assert_eq!(verdict(&under_way_before, Some(false)), Some((2.5, Ending::Rests)));
        let began_meanwhile = [Done, Moving, PromptlyComplete, Done];
        assert_eq!(verdict(&began_meanwhile, Some(false)), Some((3.5, Ending::Rests)));
    }

    #[test]
    fn an_ioc_that_never_completes_the_put_has_to_stay() {
        assert_eq!(verdict(&[Done], None), None);
        assert_eq!(verdict(&[Done, Moving, Done], None), Some((2.5, Ending::Rests)));
    }

    #[test]
    fn what_is_there_already_is_done_and_what_never_starts_is_told() {
        assert_eq!(verdict(&[Done, PutComplete], Some(true)), Some((1.0, Ending::Rests)));
        assert_eq!(verdict(&[Done, PutComplete], Some(false)), Some((11.0, Ending::NeverStarted)));
        assert_eq!(verdict(&[Done, PutComplete], None), Some((1.5, Ending::Rests)));
    }
}
