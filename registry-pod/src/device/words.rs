//! Words that many devices have in common: the names of components and attributes, each kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// Words from which on those that nobody uses any more are looked for.
const FIRST_SWEEP: usize = 4096;

/// The words in use.
#[derive(Debug)]
pub(crate) struct Words {
    known: HashSet<Arc<str>>,
    sweep_at: usize,
}

impl Default for Words {
    fn default() -> Self {
        Self { known: HashSet::new(), sweep_at: FIRST_SWEEP }
    }
}

impl Words {
    /// `word`, shared with everybody who asked for it before.
    pub(crate) fn share(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.known.get(word) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = FIRST_SWEEP.max(2 * self.known.len());
        }
        let word: Arc<str> = word.into();
        self.known.insert(Arc::clone(&word));
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_once_and_only_while_it_is_used() {
        let mut words = Words::default();
        let kept = words.share("velocity");
        assert!(Arc::ptr_eq(&kept, &words.share("velocity")));
        for number in 0..2 * FIRST_SWEEP {
            words.share(&format!("only-once-{number}"));
        }
        assert!(words.known.len() <= FIRST_SWEEP);
        assert!(Arc::ptr_eq(&kept, &words.share("velocity")));
    }
}
