//! Long answers, kept until what they are made of changes.
//!
//! Clients that start together, or poll a list, ask the same over and over; making the answer costs a look at every device.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;

/// Most bytes that are kept: all that there is to say of 10,000 devices with 20 PVs each is 18 MB.
const MOST_BYTES: usize = 32 << 20;
/// Most answers that are kept; each search for devices is one.
const MOST_ANSWERS: usize = 256;

/// The answers of one version `V` of what they are made of. See the module.
#[derive(Debug, Default)]
pub(crate) struct Answers<V>(Mutex<Kept<V>>);

#[derive(Debug, Default)]
struct Kept<V> {
    version: V,
    bytes: usize,
    bodies: HashMap<String, Bytes>,
}

impl<V: Default + PartialEq> Answers<V> {
    /// The answer to `request` in version `now`, if it was made before.
    pub(crate) fn known(&self, now: &V, request: &str) -> Option<Bytes> {
        let kept = self.0.lock();
        (kept.version == *now).then(|| kept.bodies.get(request).cloned()).flatten()
    }

    /// The answer to `request` in version `now`; `make` makes it, if it is not known, and says of which version it is. Only one
    /// caller makes answers at a time, so that many who ask at once share one.
    pub(crate) fn get<E>(
        &self,
        now: &V,
        request: &str,
        make: impl FnOnce() -> Result<(V, Vec<u8>), E>,
    ) -> Result<Bytes, E> {
        let mut kept = self.0.lock();
        if kept.version == *now
            && let Some(body) = kept.bodies.get(request)
        {
            return Ok(body.clone());
        }
        let (version, mut body) = make()?;
        body.shrink_to_fit();
        let body = Bytes::from(body);
        if kept.version != version {
            *kept = Kept { version, ..Kept::default() };
        }
        if kept.bytes + body.len() <= MOST_BYTES && kept.bodies.len() < MOST_ANSWERS {
            kept.bytes += body.len();
            kept.bodies.insert(request.to_owned(), body.clone());
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(answers: &Answers<u64>, now: u64, request: &str, made: &str) -> String {
        let body = answers.get::<()>(&now, request, || Ok((now, made.into()))).unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn an_answer_is_made_once_for_each_version() {
        let answers = Answers::default();
        assert_eq!(ask(&answers, 1, "a", "first"), "first");
        assert_eq!(ask(&answers, 1, "a", "second"), "first");
        assert_eq!(ask(&answers, 1, "b", "other"), "other");
        assert_eq!(ask(&answers, 2, "a", "second"), "second");
        assert_eq!(ask(&answers, 2, "b", "another"), "another");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let answers = Answers::default();
        for number in 0..2 * MOST_ANSWERS {
            ask(&answers, 1, &number.to_string(), "x");
        }
        let half = "x".repeat(MOST_BYTES / 2 + 1);
        let other = Answers::default();
        for request in ["a", "b"] {
            assert_eq!(ask(&other, 1, request, &half), half);
        }
        assert_eq!(answers.0.lock().bodies.len(), MOST_ANSWERS);
        assert_eq!(other.0.lock().bodies.len(), 1);
    }
}
