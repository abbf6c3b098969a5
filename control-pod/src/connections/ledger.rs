//! All objects whose `Connected` is told, their PVs, and what has to be written. Pure: the time is handed in, and nothing is
//! sent.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crds::conditions::{self, Verdict};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use tokio::time::Instant;

use super::steadiness::{Said, Steadiness};
use super::verdict::verdict;
use crate::registry::subject::Subject;

/// What is watched and what is to be said.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By uid.
    entries: HashMap<String, Entry>,
    /// By name.
    pvs: HashMap<String, Pv>,
    /// PVs that nobody has searched for yet.
    waiting: VecDeque<String>,
    /// When a PV may have to be judged anew.
    due: BTreeSet<(Instant, String)>,
    /// Objects to be looked at, in order.
    dirty: VecDeque<String>,
    counts: Counts,
}

/// An object.
#[derive(Debug)]
struct Entry {
    subject: Arc<Subject>,
    /// What was found to be true when it was last looked at.
    is: Option<Verdict>,
    /// What was last written, or found written.
    said: Option<Condition>,
    is_dirty: bool,
    /// Whether a write is under way: another one waits for its end.
    is_writing: bool,
}

/// A PV and the objects that it tells something of.
#[derive(Debug, Default)]
struct Pv {
    /// None before it is searched for.
    steadiness: Option<Steadiness>,
    of: Vec<String>,
}

/// Objects by what is true of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All PVs answer.
    pub(super) connected: usize,
    /// At least one PV does not.
    pub(super) disconnected: usize,
}

/// A condition that should be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct News {
    /// Of which object.
    pub(super) subject: Arc<Subject>,
    /// What it should say.
    pub(super) condition: Condition,
}

impl Ledger {
    /// Brings the objects to `subjects`. Answers the PVs that nobody needs any more.
    pub(super) fn follow<'a>(
        &mut self,
        subjects: impl IntoIterator<Item = &'a Arc<Subject>>,
    ) -> Vec<String> {
        let mut present = HashSet::new();
        let mut unused = Vec::new();
        for subject in subjects {
            present.insert(subject.uid.as_str());
            match self.entries.get(&subject.uid) {
                Some(known) if Arc::ptr_eq(&known.subject, subject) => {}
                Some(known) if known.subject == *subject => {
                    self.replace(subject);
                }
                Some(known) => {
                    let before = Arc::clone(&known.subject);
                    self.attach(subject);
                    self.detach(&before, Some(subject), &mut unused);
                    self.replace(subject);
                    self.mark(&subject.uid);
                }
                None => {
                    let entry = Entry {
                        subject: Arc::clone(subject),
                        is: None,
                        said: None,
                        is_dirty: false,
                        is_writing: false,
                    };
                    self.entries.insert(subject.uid.clone(), entry);
                    self.attach(subject);
                    self.mark(&subject.uid);
                }
            }
        }
        let gone: Vec<String> =
            self.entries.keys().filter(|uid| !present.contains(uid.as_str())).cloned().collect();
        for uid in gone {
            if let Some(entry) = self.entries.remove(&uid) {
                self.counts.remove(entry.is.as_ref());
                self.detach(&entry.subject, None, &mut unused);
            }
        }
        unused
    }

    fn replace(&mut self, subject: &Arc<Subject>) {
        if let Some(entry) = self.entries.get_mut(&subject.uid) {
            entry.subject = Arc::clone(subject);
        }
    }

    fn attach(&mut self, subject: &Subject) {
        for pv in &subject.pvs {
            let known = self.pvs.entry(pv.clone()).or_insert_with(|| {
                self.waiting.push_back(pv.clone());
                Pv::default()
            });
            if !known.of.contains(&subject.uid) {
                known.of.push(subject.uid.clone());
            }
        }
    }

    /// Takes the PVs of `before` away that `after` does not have.
    fn detach(&mut self, before: &Subject, after: Option<&Arc<Subject>>, unused: &mut Vec<String>) {
        for pv in &before.pvs {
            if after.is_some_and(|after| after.pvs.contains(pv)) {
                continue;
            }
            let Some(known) = self.pvs.get_mut(pv) else { continue };
            known.of.retain(|uid| *uid != before.uid);
            if known.of.is_empty() {
                if let Some(due) = known.steadiness.as_ref().and_then(Steadiness::due) {
                    self.due.remove(&(due, pv.clone()));
                }
                self.pvs.remove(pv);
                unused.push(pv.clone());
            }
        }
    }

    /// Takes up to `most` PVs that are to be searched for from now on.
    pub(super) fn search(&mut self, most: usize, now: Instant) -> Vec<String> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(pv) = self.waiting.pop_front() else { break };
            // One that nobody needs any more may have come back behind.
            let Some(known) = self.pvs.get_mut(&pv).filter(|pv| pv.steadiness.is_none()) else {
                continue;
            };
            let steadiness = Steadiness::new(now);
            self.due.extend(steadiness.due().map(|due| (due, pv.clone())));
            known.steadiness = Some(steadiness);
            taken.push(pv);
        }
        taken
    }

    /// The connection of a PV has changed, and is there now or is not.
    pub(super) fn heard(&mut self, pv: &str, up: bool, now: Instant) {
        self.judge(pv, now, |steadiness| steadiness.heard(up, now));
    }

    /// Judges what is due.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some((due, pv)) = self.due.first().filter(|(due, _)| *due <= now).cloned() {
            self.due.remove(&(due, pv.clone()));
            self.judge(&pv, now, |_| {});
        }
    }

    fn judge(&mut self, pv: &str, now: Instant, change: impl FnOnce(&mut Steadiness)) {
        let Some(known) = self.pvs.get_mut(pv) else { return };
        let Some(steadiness) = &mut known.steadiness else { return };
        if let Some(due) = steadiness.due() {
            self.due.remove(&(due, pv.to_owned()));
        }
        change(steadiness);
        let changed = steadiness.advance(now);
        self.due.extend(steadiness.due().map(|due| (due, pv.to_owned())));
        if changed {
            for uid in known.of.clone() {
                self.mark(&uid);
            }
        }
    }

    fn mark(&mut self, uid: &str) {
        if let Some(entry) = self.entries.get_mut(uid)
            && !entry.is_dirty
        {
            entry.is_dirty = true;
            self.dirty.push_back(uid.to_owned());
        }
    }

    /// The next condition that differs from what was said; `written` tells what an object says of which nothing was said yet.
    /// [`Ledger::said`] or [`Ledger::not_said`] must follow.
    pub(super) fn next(
        &mut self,
        written: impl Fn(&Subject) -> Option<Condition>,
        now: &Time,
    ) -> Option<News> {
        while let Some(uid) = self.dirty.pop_front() {
            let Self { entries, pvs, counts, .. } = self;
            let Some(entry) = entries.get_mut(&uid).filter(|entry| !entry.is_writing) else {
                continue;
            };
            entry.is_dirty = false;
            let said = |pv: &str| {
                let steadiness = pvs.get(pv).and_then(|pv| pv.steadiness.as_ref());
                steadiness.map_or(Said::Nothing, Steadiness::said)
            };
            let Some(verdict) = verdict(&entry.subject, said) else { continue };
            counts.remove(entry.is.as_ref());
            counts.add(&verdict);
            entry.is = Some(verdict.clone());
            if entry.said.is_none() {
                entry.said = written(&entry.subject);
            }
            // That nothing is known is worth a word only where something was said before.
            if entry.said.is_none() && verdict.status.is_none() {
                continue;
            }
            let mut conditions: Vec<Condition> = entry.said.clone().into_iter().collect();
            conditions::set(&mut conditions, &verdict, entry.subject.generation, now);
            if let Some(condition) = conditions.pop().filter(|one| entry.said.as_ref() != Some(one))
            {
                entry.is_writing = true;
                return Some(News { subject: Arc::clone(&entry.subject), condition });
            }
        }
        None
    }

    /// That was written.
    pub(super) fn said(&mut self, news: News) {
        let uid = &news.subject.uid;
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.said = Some(news.condition);
            entry.is_writing = false;
            if std::mem::take(&mut entry.is_dirty) {
                self.mark(uid);
            }
        }
    }

    /// That could not be written; it will be tried again.
    pub(super) fn not_said(&mut self, news: &News) {
        let uid = &news.subject.uid;
        if let Some(entry) = self.entries.get_mut(uid) {
            (entry.is_writing, entry.is_dirty) = (false, false);
            self.mark(uid);
        }
    }

    /// Whether any object is to be looked at.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Compares every object with what it says: others may have changed that.
    pub(super) fn compare_all(&mut self) {
        for (uid, entry) in self.entries.iter_mut().filter(|(_, entry)| !entry.is_writing) {
            entry.said = None;
            if !entry.is_dirty {
                entry.is_dirty = true;
                self.dirty.push_back(uid.clone());
            }
        }
    }

    /// Objects by what is true of them.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

impl Counts {
    fn of(&mut self, verdict: &Verdict) -> Option<&mut usize> {
        match verdict.status {
            Some(true) => Some(&mut self.connected),
            Some(false) => Some(&mut self.disconnected),
            None => None,
        }
    }

    fn add(&mut self, verdict: &Verdict) {
        if let Some(count) = self.of(verdict) {
            *count += 1;
        }
    }

    fn remove(&mut self, verdict: Option<&Verdict>) {
        if let Some(count) = verdict.and_then(|verdict| self.of(verdict)) {
            *count -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
