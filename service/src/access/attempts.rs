//! Failed attempts, counted by who makes them: so many at once, and then so many a minute.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Who is remembered, at most. With more, the one with the fewest failures is forgotten.
const SUBJECTS: usize = 4_096;

/// How many failures are forgiven.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// At once.
    pub(crate) burst: u32,
    /// Time after which one more is forgiven.
    pub(crate) every: Duration,
}

/// For wrong keys and tokens: nobody guesses 256 bits, so this is about work and noise.
pub(crate) const FOR_KEYS: Patience = Patience { burst: 60, every: Duration::from_secs(2) };
/// For wrong passwords.
pub(super) const FOR_PASSWORDS: Patience = Patience { burst: 10, every: Duration::from_secs(30) };

/// Failures of late, by who made them.
#[derive(Debug)]
pub(crate) struct Attempts<K> {
    patience: Patience,
    accounts: Mutex<HashMap<K, Account>>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    failures: u32,
    /// Since when none has been forgiven.
    since: Instant,
}

impl<K: Hash + Eq + Clone> Attempts<K> {
    pub(crate) fn new(patience: Patience) -> Self {
        Self { patience, accounts: Mutex::default() }
    }

    /// Notes a failure. Whether it is still within what is forgiven.
    pub(crate) fn failed(&self, who: &K, now: Instant) -> bool {
        let mut accounts = self.accounts.lock();
        if accounts.len() >= SUBJECTS && !accounts.contains_key(who) {
            accounts.retain(|_, account| account.settled(self.patience, now).failures > 0);
            let least = accounts.iter().min_by_key(|(_, account)| account.failures);
            if let Some(least) = least.map(|(who, _)| who.clone())
                && accounts.len() >= SUBJECTS
            {
                accounts.remove(&least);
            }
        }
        let fresh = Account { failures: 0, since: now };
        let account = accounts.entry(who.clone()).or_insert(fresh);
        *account = account.settled(self.patience, now);
        let within = account.failures < self.patience.burst;
        account.failures += u32::from(within);
        within
    }

    /// Whether the next failure would be one too many.
    pub(super) fn is_exhausted(&self, who: &K, now: Instant) -> bool {
        let account = self.accounts.lock().get(who).copied();
        account.is_some_and(|one| one.settled(self.patience, now).failures >= self.patience.burst)
    }
}

impl Account {
    /// The same, with what has been forgiven by now taken off.
    fn settled(self, patience: Patience, now: Instant) -> Self {
        let quiet = now.saturating_duration_since(self.since);
        let forgiven =
            u32::try_from(quiet.as_secs() / patience.every.as_secs()).unwrap_or(u32::MAX);
        if forgiven >= self.failures {
            return Self { failures: 0, since: now };
        }
        Self { failures: self.failures - forgiven, since: self.since + patience.every * forgiven }
    }
}

/// Who an address counts as: a whole /64 of IPv6 is what one user has.
pub(crate) fn subject(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts() -> Attempts<IpAddr> {
        Attempts::new(FOR_KEYS)
    }

    fn address(text: &str) -> IpAddr {
        subject(text.parse().unwrap())
    }

    #[test]
    fn after_a_burst_failures_are_forgiven_one_by_one() {
        let (attempts, home) = (attempts(), address("127.0.0.1"));
        let start = Instant::now();
        assert!((0..FOR_KEYS.burst).all(|_| attempts.failed(&home, start)));
        assert!(attempts.is_exhausted(&home, start));
        assert!(!attempts.failed(&home, start));
        let later = start + FOR_KEYS.every;
        assert!(!attempts.is_exhausted(&home, later));
        assert!(attempts.failed(&home, later), "one is forgiven");
        assert!(!attempts.failed(&home, later), "and only one");
        let much_later = later + FOR_KEYS.every * FOR_KEYS.burst * 2;
        assert!((0..FOR_KEYS.burst).all(|_| attempts.failed(&home, much_later)));
    }

    #[test]
    fn others_are_not_held_responsible() {
        let attempts = attempts();
        let now = Instant::now();
        while attempts.failed(&address("127.0.0.1"), now) {}
        assert!(attempts.failed(&address("192.0.2.1"), now));
        while attempts.failed(&address("2001:db8::1"), now) {}
        assert!(!attempts.failed(&address("2001:db8::2"), now), "the same network");
        assert!(attempts.failed(&address("2001:db8:0:1::1"), now));
        assert!(!attempts.failed(&address("::ffff:127.0.0.1"), now), "the same as in IPv4");
    }

    #[test]
    fn the_table_does_not_grow_and_keeps_the_busy_ones() {
        let attempts = Attempts::new(FOR_KEYS);
        let start = Instant::now();
        let busy = usize::MAX;
        for one in 0..SUBJECTS * 2 {
            let now = start + Duration::from_micros(one as u64);
            attempts.failed(&one, now);
            while attempts.failed(&busy, now) {}
        }
        assert_eq!(attempts.accounts.lock().len(), SUBJECTS);
        assert!(!attempts.failed(&busy, start));
    }
}
