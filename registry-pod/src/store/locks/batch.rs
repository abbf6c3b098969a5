//! Changes of the lock table that are decided together: each on the table as the one before it leaves it. No I/O.

use std::borrow::Cow;

use crds::DeviceLocksSpec;
use tokio::sync::oneshot;

use super::{ChangeError, Changed, Decided};
use crate::history::NewRow;
use crate::index::Index;
use crate::locks::Trace;
use crate::store::StoreError;

/// Which table an answer is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edition {
    pub(super) version: i64,
    pub(super) epoch: String,
}

/// The next table, unless it stays as it is, and the rows of the history that tell of the change.
type Verdict = (Option<DeviceLocksSpec>, Vec<NewRow>);

/// A change that somebody waits for.
pub(super) trait Asked: Send {
    /// Nobody waits for it any more.
    fn is_abandoned(&self) -> bool;

    /// Decides, anew each time.
    fn decide(&mut self, table: &DeviceLocksSpec, index: &Index) -> Verdict;

    /// Tells who waits what was decided, once that holds, or why it does not. Answers whether anybody heard it.
    fn answer(self: Box<Self>, end: Result<Edition, StoreError>) -> bool;
}

/// A question of this type and its answer.
pub(super) struct Question<D, T, E> {
    decide: D,
    decided: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<Changed<T>, ChangeError<E>>>,
}

impl<D, T, E> Question<D, T, E> {
    pub(super) fn new(
        decide: D,
        reply: oneshot::Sender<Result<Changed<T>, ChangeError<E>>>,
    ) -> Self {
        Self { decide, decided: None, reply }
    }
}

impl<D, T, E> Asked for Question<D, T, E>
where
    D: FnMut(&DeviceLocksSpec, &Index) -> Result<Decided<T>, E> + Send,
    T: Send,
    E: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn decide(&mut self, table: &DeviceLocksSpec, index: &Index) -> Verdict {
        match (self.decide)(table, index) {
            Ok(Decided { next, rows, answer }) => {
                self.decided = Some(Ok(answer));
                (next, rows)
            }
            Err(refusal) => {
                self.decided = Some(Err(refusal));
                (None, Vec::new())
            }
        }
    }

    fn answer(self: Box<Self>, end: Result<Edition, StoreError>) -> bool {
        let answer = match (end, self.decided) {
            (Ok(Edition { version, epoch }), Some(Ok(answer))) => {
                Ok(Changed { version, epoch, answer })
            }
            (Ok(_), Some(Err(refusal))) => Err(ChangeError::Refused(refusal)),
            (Ok(_), None) => Err(StoreError::Stopped.into()),
            (Err(error), _) => Err(error.into()),
        };
        self.reply.send(answer).is_ok()
    }
}

/// One of the batch.
pub(super) struct Entry {
    asked: Box<dyn Asked>,
    edition: Edition,
    pub(super) traces: Vec<Trace>,
}

impl Entry {
    /// See [`Asked::answer`].
    pub(super) fn answer(self, end: Result<(), StoreError>) -> bool {
        let Self { asked, edition, traces: _ } = self;
        asked.answer(end.map(|()| edition))
    }
}

/// Changes that are stored together, or not at all.
pub(super) struct Batch(pub(super) Vec<Entry>);

impl Batch {
    pub(super) fn new(asked: impl IntoIterator<Item = Box<dyn Asked>>) -> Self {
        let entry = |asked| Entry { asked, edition: Edition::default(), traces: Vec::new() };
        Self(asked.into_iter().map(entry).collect())
    }

    /// Decides all of them, those first that came first; who has left is left out. The table that they make of
    /// this one, or `None` when all of them leave it as it is.
    pub(super) fn decide(
        &mut self,
        table: &DeviceLocksSpec,
        index: &Index,
    ) -> Option<DeviceLocksSpec> {
        self.0.retain(|entry| !entry.asked.is_abandoned());
        let mut table = Cow::Borrowed(table);
        for entry in &mut self.0 {
            let (next, rows) = entry.asked.decide(&table, index);
            let after = next.as_ref().unwrap_or(&table);
            entry.traces = rows.into_iter().map(|row| Trace::new(row, &table, after)).collect();
            entry.edition = Edition { version: after.version, epoch: after.epoch.clone() };
            if let Some(next) = next {
                table = Cow::Owned(next);
            }
        }
        match table {
            Cow::Borrowed(_) => None,
            Cow::Owned(next) => Some(next),
        }
    }

    /// All that the batch did to the table.
    pub(super) fn traces(&self) -> impl Iterator<Item = &Trace> {
        self.0.iter().flat_map(|entry| &entry.traces)
    }
}

#[cfg(test)]
mod tests;
